"""An exported file in use without PyTorch: images are decoded, fitted, computed and answered in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convworks.console import say
from convworks.data.decode.load_files import load_image
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError
from convworks.hardware import has_vnni
from convworks.inference.bulk.answered import Answer
from convworks.inference.bulk.scorer import MOST, Scorer
from convworks.inference.exported.format import VNNI, Compute
from convworks.inference.exported.read import Exported
from convworks.inference.limits import batch_size

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

    def scorer(self) -> Scorer:
        """Return what scores files."""
        return Scorer(
            prepare=lambda file: load_image(file, self.preprocessing),
            blank=np.zeros((*self.preprocessing.size, self.preprocessing.channels), np.uint8),
            score=self.activated,
            batch=min(MOST, batch_size("cpu", self.preprocessing.size)),
        )

    def answer(self, *, top: int | None = None, threshold: float | None = None) -> Answer:
        """Return the function from the name of a file and its activated output to its prediction."""
        return self.exported.answering.answering(self.classes, top, threshold)

    def activated(self, samples: Sequence[np.ndarray]) -> np.ndarray:
        """Return the activated outputs of decoded samples; NaN for each sample whose outputs are not finite."""
        outputs, activated = self.compute(np.stack(samples))
        sound = np.isfinite(outputs).reshape(len(outputs), -1).all(1)
        return activated if sound.all() else np.where(sound.reshape(-1, *[1] * (activated.ndim - 1)), activated, np.nan)


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
        compute=exported.start(chosen),
    )


def check_machine(exported: Exported, device: str) -> None:
    """Raise InputError for a device other than the CPU, or a missing library; warn of a processor without VNNI."""
    if device not in ("auto", "cpu"):
        where, reason = f"--device {device}", f"{exported.path} is computed on the CPU"
        raise InputError(where, reason, "leave it out, or use the bundle")
    exported.format.require(exported.path, f"pip install {exported.format.library}")  # alone: nothing is converted
    if exported.description["export"].get("needs") == VNNI and has_vnni() is False:
        say(f"warning: {exported.path} was quantised for processors with VNNI, which this one lacks: {OTHER_ANSWERS}")
