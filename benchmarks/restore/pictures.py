"""The pictures that are restored, and what is done to them beforehand."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FOLDER = Path(os.environ.get("CONVWORKS_DATA", "data")) / "restoration"
PICTURES = ("F16_GT.png", "barbara.png", "zebra_GT.png")
SIGMA = 25


def picture(name: str, side: int | None = None) -> np.ndarray:
    """Return the middle square of a picture, reduced to side x side pixels; without a side, all of it."""
    image: Image.Image = Image.open(FOLDER / name)
    if side is not None:
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        image = image.resize((side, side), Image.Resampling.BOX, (left, top, left + edge, top + edge))
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def gaussian(values: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Add noise of SIGMA grey levels."""
    return values + draw.normal(0, SIGMA / 255, values.shape)


def poisson(values: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Count 25 photons where the picture is white."""
    return draw.poisson(values * 25) / 25


def speckle(values: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Add noise in proportion to the picture."""
    return values + values * draw.normal(0, 0.35, values.shape)


NOISES: Mapping[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "gaussian": gaussian,
    "poisson": poisson,
    "speckle": speckle,
}


def degraded(clean: np.ndarray, noise: str, seed: int) -> np.ndarray:
    """Return a picture with noise, as a file would hold it."""
    values = NOISES[noise](clean / 255, np.random.default_rng(seed))
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


CASES = ("kate", "library", "zebra", "jpeg", "noise")


def cases(side: int) -> dict[str, dict[str, Any]]:
    """Return the pictures of CASES, each with what is done to it; masks hide what they show, so the truth is known."""
    kate, library, zebra, plane = (
        picture(name, side) for name in ("kate.png", "library.png", "zebra_GT.png", "F16_GT.png")
    )
    file = io.BytesIO()
    Image.fromarray(plane).save(file, "JPEG", quality=10)
    small = Image.fromarray(zebra).resize((side // 4, side // 4), Image.Resampling.LANCZOS)
    masks = {name: (picture(f"{name}_mask.png", side) > 254) * np.uint8(255) for name in ("kate", "library")}
    return {
        "kate": {
            "problem": "inpaint",
            "pixels": masked(kate, masks["kate"]),
            "mask": masks["kate"][:, :, 0],
            "clean": kate,
        },
        "library": {
            "problem": "inpaint",
            "pixels": masked(library, masks["library"]),
            "mask": masks["library"][:, :, 0],
            "clean": library,
        },
        "zebra": {"problem": "superres", "pixels": np.asarray(small), "scale": 4, "clean": zebra},
        "jpeg": {"problem": "jpeg", "pixels": np.asarray(Image.open(file)), "clean": plane},
        "noise": {"problem": "denoise", "pixels": degraded(plane, "gaussian", 0), "clean": plane},
    }


def masked(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a picture that is black where it is not known."""
    return np.where(mask > 0, pixels, 0).astype(np.uint8)
