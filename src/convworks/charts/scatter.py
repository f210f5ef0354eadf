"""Points in the plane, coloured by class, with the name of each class at the middle of its points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from convworks.charts.drawing import Circle, Drawing, Shape, Text, remark
from convworks.charts.lettering import Number, shorten
from convworks.charts.overlay import COLOURS

MARGIN, RADIUS, HOLE, NAMED, LONGEST = 14.0, 3.2, 1.2, 30, 18
#: Around a name: keeps it readable on top of points.
HALO = tuple((dx, dy, "paper") for dx in (-1.6, 0.0, 1.6) for dy in (-1.6, 0.0, 1.6))


def scatter(
    points: Float[np.ndarray, "n 2"],
    labels: Int[np.ndarray, " n"],
    classes: Sequence[str],
    *,
    title: str,
    remarks: Sequence[str] = (),
    side: Number = 440.0,
) -> Drawing:
    """Draw points in a square; a label is an index into `classes`, -1 for none.

    After eight classes colours repeat, in rings; after sixteen the names alone tell classes apart.
    """
    shapes: list[Shape] = [Text(x=0, y=10, text=title, size=15, bold=True)]
    shapes += [remark(0, 30 + 17 * index, line, "start", size=11) for index, line in enumerate(remarks)]
    top = 30 + 17 * len(remarks)
    low, high = points.min(0), points.max(0)
    scale = (side - 2 * MARGIN) / max(float((high - low).max()), 1e-12)
    across = MARGIN + (points[:, 0] - low[0]) * scale
    down = top + MARGIN + (high[1] - points[:, 1]) * scale
    for x, y, label in zip(across.tolist(), down.tolist(), labels.tolist(), strict=True):
        colour = COLOURS[label % len(COLOURS)] if label >= 0 else "muted"
        shapes.append(Circle(x=x, y=y, radius=RADIUS, fill=colour))
        if label // len(COLOURS) % 2 == 1:
            shapes.append(Circle(x=x, y=y, radius=HOLE, fill="paper"))
    for number in range(len(classes)) if len(classes) <= NAMED else ():
        own = labels == number
        if own.any():
            x, y = float(np.median(across[own])), float(np.median(down[own]))
            name = shorten(classes[number], LONGEST)
            for dx, dy, colour in (*HALO, (0.0, 0.0, "ink")):
                shapes.append(Text(x=x + dx, y=y + dy, text=name, size=13, fill=colour, anchor="middle", bold=True))
    return Drawing(width=side, height=top + side, label=title, shapes=tuple(shapes))
