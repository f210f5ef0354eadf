"""The pictures of the tasks side by side: before, the best classic method, convworks, and the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convworks.charts.draw_file import write_drawing
from convworks.charts.grid import Tile, colour_tile, grid

OWN, BEFORE, CLEAN = "convworks", "before", "clean"
SIDE = 150


def write_sheet(out: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Draw the pictures that the tasks left in `out`, a row each; return the file."""
    tiles: list[Tile] = []
    for row in rows:
        ratios = row["psnr"]
        best = max((method for method in ratios if method not in (OWN, BEFORE)), key=lambda method: ratios[method])
        for method in (BEFORE, best, OWN, CLEAN):
            pixels = np.asarray(Image.open(out / row["pictures"] / f"{method}.png").convert("RGB"))
            tiles.append(colour_tile(pixels, f"{method}, {ratios[method]:.2f} dB" if method in ratios else method))
    names = [row["key"].partition("-")[0] for row in rows]
    drawing = grid(tiles, columns=4, side=SIDE, title="Restored, with the best classic method beside", rows=names)
    write_drawing(path := out / "tasks.png", drawing)
    return path
