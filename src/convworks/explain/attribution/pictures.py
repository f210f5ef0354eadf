"""The pictures and numbers of explained images, as files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convworks.charts.attribution import attribution_drawing, image_drawing
from convworks.charts.draw_file import write_drawing
from convworks.charts.drawing import Drawing, row
from convworks.explain.attribution.attribute import Attribution
from convworks.explain.attribution.explained import Explained
from convworks.files import write_bytes

GAP = 14.0


def write_pictures(folder: Path, names: Sequence[str], explained: Explained) -> None:
    """Write the pictures and numbers of each image, whose files begin with its name."""
    subject, by_method = explained.subject, explained.attributions.by_method
    for index, name in enumerate(names):
        shown = image_drawing(subject.pictures[index], Path(subject.names[index]).name)
        for method, attribution in by_method.items():
            maps = map_drawing(explained, index, attribution)
            picture = row([shown, maps], GAP, f"{name}, {attribution.method.title}")
            for end in (".png", ".svg"):
                write_drawing(folder / f"{name}-{method}{end}", picture)
        write_bytes(folder / f"{name}.npz", _numbers(explained, index))


def map_drawing(explained: Explained, index: int, attribution: Attribution) -> Drawing:
    """Return the map of an image, over the image, with its scale."""
    values = attribution.pixels[index].detach().cpu().float().numpy()
    return attribution_drawing(explained.subject.pictures[index], values, attribution.method.title)


def _numbers(explained: Explained, index: int) -> bytes:
    """Return the values of an image by method, and the image as the network reads it, as a .npz file."""
    arrays = {
        method: attribution.values[index].detach().cpu().numpy()
        for method, attribution in explained.attributions.by_method.items()
    }
    file = io.BytesIO()
    np.savez_compressed(
        file,
        allow_pickle=False,
        image=explained.subject.images[index].detach().cpu().numpy(),
        score=explained.scores[index].detach().cpu().numpy(),
        **arrays,
    )
    return file.getvalue()
