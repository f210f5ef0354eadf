"""What reports show of reconstruction."""

from __future__ import annotations

from typing import Any

from convworks.charts import reconstructions
from convworks.charts.raster import to_png
from convworks.files import write_bytes
from convworks.pages import blocks, reconstruction
from convworks.pages.blocks import Section
from convworks.tasks.shown import Page, Shown

EXAMPLES = "Samples spread evenly over the split, with their reconstructions."


def show(outcome: Any, page: Page) -> Shown:
    """Return what a report shows of images that were made, and write them as pictures."""
    corrupted = outcome.corruption is not None
    first = reconstruction.headline(
        page.metrics, split=outcome.split, errors=outcome.errors, chosen=page.chosen, note=page.note
    )
    sections = []
    for anchor, title, words, pictures in (
        ("reconstructions", "Reconstructions", EXAMPLES, outcome.examples),
        ("worst", "Worst reconstructions", "Highest squared error first.", outcome.worst),
    ):
        drawn = reconstructions.drawing(pictures, corrupted=corrupted)
        write_bytes(page.folder / f"{anchor}.png", to_png(drawn))
        sections.append(Section(anchor=anchor, title=title, note=words, body=blocks.wide(drawn)))
    return Shown(first, sections, ("reconstructions.png", "worst.png"))
