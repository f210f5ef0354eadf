"""Reconstruction errors of the images of a split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from convworks.charts.reconstructions import Pictures
from convworks.csv_files import decimals, write_csv
from convworks.data.config import Corruption, Gaussian
from convworks.tasks.sections import reconstruction as sections
from convworks.tasks.shown import Page, Shown


@dataclass(frozen=True, kw_only=True)
class Reconstructions:
    """The mean squared error of each image that was made of a split, of values in 0..1, and that of what was read.

    `corruption` is what was done to the images that were read; `examples` are spread evenly over the split, `worst`
    those of the highest error.
    """

    split: str
    names: tuple[str, ...]
    errors: Float64[np.ndarray, " n"]
    read_errors: Float64[np.ndarray, " n"]
    corruption: Corruption | None
    examples: Pictures
    worst: Pictures

    def summary(self) -> dict[str, Any]:
        """Return the metrics: `psnr` is that of the mean of all errors; the same of what was read, if corrupted.

        A ratio that is infinite, for there is no error, is None.
        """
        error = float(self.errors.mean())
        values: dict[str, Any] = {"mse": error, "psnr": _finite(psnr(error)), "n": len(self.names)}
        if self.corruption is not None:
            before = float(self.read_errors.mean())
            named = described(self.corruption)
            values |= {"mse_read": before, "psnr_read": _finite(psnr(before)), "corruption": named}
        return values

    def show(self, page: Page) -> Shown:
        """Return what a report shows."""
        return sections.show(self, page)

    def write_csv(self, path: Path) -> None:
        """Write path, mse, psnr, and with corruption those of what was read; one row a sample."""
        header, columns = ["path", "mse", "psnr"], [self.names, *_columns(self.errors)]
        if self.corruption is not None:
            header += ["mse_read", "psnr_read"]
            columns += _columns(self.read_errors)
        write_csv(path, header, zip(*columns, strict=True))


def psnr(error: float) -> float:
    """Return the peak signal-to-noise ratio, in dB, that belongs to a mean squared error of values in 0..1."""
    return math.inf if error == 0 else -10 * math.log10(error)


def described(corruption: Corruption) -> str:
    """Name a corruption: `salt-and-pepper noise, 10 % of the pixels`."""
    if isinstance(corruption, Gaussian):
        return f"Gaussian noise, standard deviation {corruption.deviation:.3g}"
    name = corruption.kind.replace("_", "-") + (" noise" if corruption.kind == "salt_and_pepper" else "")
    return f"{name}, {100 * corruption.rate:.3g} % of the pixels"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _columns(errors: Float64[np.ndarray, " n"]) -> list[list[str]]:
    values = errors.astype(np.float32)
    return [decimals(values), decimals(np.array([psnr(float(value)) for value in errors], dtype=np.float32))]
