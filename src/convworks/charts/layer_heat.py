"""A value of every layer over the steps of a run, as a map: one row a layer, from the input down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from convworks.charts.axes import linear_ticks, number
from convworks.charts.drawing import PALETTE, Drawing, Picture, Shape, Text, remark
from convworks.charts.lettering import room, shorten

WIDTH, LINE, MOST, LONGEST = 440.0, 13.0, 60, 26
FAINTEST = 0.08
BAR = 110.0


def layer_heat(
    rows: Sequence[Mapping[str, Any]], key: str, *, title: str, log: bool = True, percent: bool = False
) -> Drawing | None:
    """Draw `key` of rows with a step and a layer, darker for larger values; None if there is none.

    With `log`, the scale is logarithmic, and zeros are left white. Of more than MOST layers, some are left out evenly.
    """
    measured = [row for row in rows if row.get(key) is not None and np.isfinite(row[key])]
    layers = list(dict.fromkeys(row["layer"] for row in measured))
    steps = sorted({row["step"] for row in measured})
    if not layers:
        return None
    kept = [layers[index] for index in np.linspace(0, len(layers) - 1, min(MOST, len(layers))).round().astype(int)]
    table = np.full((len(kept), len(steps)), np.nan)
    for row in measured:
        if row["layer"] in kept:
            table[kept.index(row["layer"]), steps.index(row["step"])] = row[key]
    values = np.log10(np.where(table > 0, table, np.nan)) if log else table
    low, high = (0.0, 1.0) if percent else _ends(values)
    names = [shorten(name, LONGEST) for name in kept]
    left = max(room(name, 10.5) for name in names) + 8
    top, height, width = 50.0, LINE * len(kept), WIDTH - left - 16  # half a tick label stands out
    shapes: list[Shape] = [Text(x=0, y=10, text=title, size=14, bold=True)]
    written = [f"{end:.0%}" if percent else f"{10**end if log else end:.2g}" for end in (low, high)]
    shapes += _key(written[0], written[1], "logarithmic scale" if log else "")
    shapes += [remark(left - 6, top + (index + 0.5) * LINE, name, "end") for index, name in enumerate(names)]
    shapes.append(Picture(x=left, y=top, width=width, height=height, pixels=_pixels(values, low, high)))
    span = (steps[0], steps[-1])
    for tick in linear_ticks(*span, count=4):
        across = left + width * (tick - span[0]) / ((span[1] - span[0]) or 1)
        shapes.append(remark(across, top + height + 11, number(tick)))
    shapes.append(remark(left + width / 2, top + height + 27, "step"))
    more = f"; {len(kept)} of {len(layers)} layers" if len(kept) < len(layers) else ""
    return Drawing(
        width=WIDTH, height=top + height + 36, label=f"{title} by layer and step{more}", shapes=tuple(shapes)
    )


def _ends(values: Float64[np.ndarray, "l s"]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _pixels(values: Float64[np.ndarray, "l s"], low: float, high: float) -> np.ndarray:
    """Return values as blue of different opacity; those that are missing are clear."""
    fraction = np.clip((np.nan_to_num(values, nan=low) - low) / ((high - low) or 1.0), 0, 1)
    opacity = np.where(np.isfinite(values), FAINTEST + (1 - FAINTEST) * fraction, 0)
    return _blue(opacity)


def _blue(opacity: Float64[np.ndarray, "l s"]) -> np.ndarray:
    pixels = np.empty((*opacity.shape, 4), np.uint8)
    pixels[..., :3] = list(bytes.fromhex(PALETTE["blue"][1:]))
    pixels[..., 3] = (255 * opacity).round()
    return pixels


def _key(low: str, high: str, scale: str) -> list[Shape]:
    """Draw the colours from the lowest value to the highest, one line below the title."""
    colours = _blue(np.linspace(FAINTEST, 1, 64)[None])
    left = room(low, 10.5) + 6
    return [
        remark(0, 32, low, "start"),
        Picture(x=left, y=27, width=BAR, height=10, pixels=colours),
        remark(left + BAR + 6, 32, f"{high}   {scale}", "start"),
    ]
