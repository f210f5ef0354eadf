"""Restoration without networks, by scikit-image and Pillow: the best of a few strengths, as judged by the truth.

That choice is in their favour: convworks does not see the truth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, estimate_sigma, inpaint_biharmonic

WEIGHTS = (0.02, 0.05, 0.1, 0.15, 0.2)  # of total variation


def restore(problem: str, pixels: np.ndarray, options: dict[str, Any], clean: np.ndarray) -> dict[str, np.ndarray]:
    """Return a picture for each method that fits a problem."""
    values = pixels / 255
    if problem == "inpaint":
        missing = options["mask"] == 0
        smooth = inpaint_biharmonic(values, missing, channel_axis=2)
        filled = total_variation_inside(smooth, values, missing)
        return {"biharmonic": as_bytes(smooth), "total variation": best(filled, clean)}
    if problem == "superres":
        size = (pixels.shape[1] * options["scale"], pixels.shape[0] * options["scale"])
        bicubic = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
        smoothed = [denoise_tv_chambolle(bicubic / 255, weight=weight, channel_axis=2) for weight in WEIGHTS]
        return {"bicubic": bicubic, "total variation": best(smoothed, clean)}
    sigma = float(np.mean(estimate_sigma(values, channel_axis=2)))
    means = [
        denoise_nl_means(
            values, h=factor * sigma, sigma=sigma, patch_size=5, patch_distance=6, fast_mode=True, channel_axis=2
        )
        for factor in (0.4, 0.6, 0.8, 1.0)
    ]
    smoothed = [denoise_tv_chambolle(values, weight=weight, channel_axis=2) for weight in WEIGHTS]
    return {"non-local means": best(means, clean), "total variation": best(smoothed, clean)}


def total_variation_inside(start: np.ndarray, values: np.ndarray, missing: np.ndarray) -> list[np.ndarray]:
    """Return pictures of small total variation whose known pixels are kept, one for each weight."""
    pictures = []
    for weight in WEIGHTS:
        filled = start
        for _ in range(30):
            filled = np.where(missing[:, :, None], denoise_tv_chambolle(filled, weight=weight, channel_axis=2), values)
        pictures.append(filled)
    return pictures


def best(pictures: list[np.ndarray], clean: np.ndarray) -> np.ndarray:
    """Return the picture that is nearest to the truth."""
    candidates = [as_bytes(values) for values in pictures]
    errors = [float(np.square(pixels.astype(float) - clean).mean()) for pixels in candidates]
    return candidates[int(np.argmin(errors))]


def as_bytes(values: np.ndarray) -> np.ndarray:
    """Return values 0..1 as pixels."""
    pixels: np.ndarray = (values.clip(0, 1) * 255).round().astype(np.uint8)
    return pixels
