"""An exported file in use without PyTorch: images are decoded, fitted, computed and answered in NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convworks.console import say
from convworks.data.decode.load_files import load_image
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError, RunError
from convworks.hardware import has_vnni
from convworks.inference.exported.format import ACTIVATED, OUTPUTS, VNNI, Compute
from convworks.inference.exported.read import Exported
from convworks.inference.files import check_top, predict_files
from convworks.inference.limits import NO_OVERFLOW, OVERFLOW, batch_size

#: Without VNNI, sums of products saturate.
OTHER_ANSWERS = "its answers may be others; export it again on a machine like this"


@dataclass(frozen=True, kw_only=True)
class ExportedPredictor:
    """An exported file that answers with what it says of its network, and the library that computes it."""

    exported: Exported
    preprocessing: Preprocessing
    precision: str
    compute: Compute

    @property
    def name(self) -> str:
        """The library that computes."""
        return self.exported.format.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return self.exported.classes

    def predict_files(
        self, files: Sequence[Path], *, top: int = 5, threshold: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the prediction for each of many files, in order; a file that fails gives {"path", "error"}."""
        check_top(top)
        kind = self.exported.answering.at(threshold)
        return predict_files(
            files,
            lambda path: load_image(path, self.preprocessing),
            self.activated,
            lambda path, output: kind.answer(path, output, self.classes, top),
        )

    def activated(self, samples: Sequence[np.ndarray]) -> np.ndarray:
        """Return the activated outputs of decoded samples; raises RunError for non-finite outputs."""
        size = batch_size("cpu", self.preprocessing.size)
        parts = []
        for first in range(0, len(samples), size):
            outputs, activated = self.compute(np.stack(samples[first : first + size]))
            if not np.isfinite(outputs).all():
                raise RunError("network", OVERFLOW, NO_OVERFLOW)
            parts.append(activated)
        return np.concatenate(parts)


def open_exported(
    exported: Exported, *, device: str = "auto", precision: str = "auto", max_pixels: int | None = None
) -> ExportedPredictor:
    """Return an exported file in use, on the CPU; InputError for another device, or a library that is missing."""
    check_machine(exported, device)
    preprocessing, chosen = exported.preprocessing, exported.choose(precision)
    return ExportedPredictor(
        exported=exported,
        preprocessing=preprocessing if max_pixels is None else preprocessing.with_limit(max_pixels),
        precision=chosen,
        compute=exported.format.start(exported.files, chosen, (OUTPUTS, ACTIVATED)),
    )


def check_machine(exported: Exported, device: str) -> None:
    """Raise InputError for a device other than the CPU, or a missing library; warn of a processor without VNNI."""
    if device not in ("auto", "cpu"):
        where, reason = f"--device {device}", f"{exported.path} is computed on the CPU"
        raise InputError(where, reason, "leave it out, or use the bundle")
    exported.format.require(exported.path)
    if exported.description["export"].get("needs") == VNNI and has_vnni() is False:
        say(f"warning: {exported.path} was quantised for processors with VNNI, which this one lacks: {OTHER_ANSWERS}")
