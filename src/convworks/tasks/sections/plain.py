"""Report sections of tasks without sections of their own: the metrics."""

from __future__ import annotations

from typing import Any

from convworks.metrics.spec import METRICS, headline
from convworks.pages import blocks
from convworks.pages.blocks import Section
from convworks.pages.tables import values_table
from convworks.tasks.shown import Page, Shown


def show(outcome: Any, page: Page) -> Shown:
    """Return the headline metric in large, the others beside it."""
    metric = headline(page.metrics)
    value, _, unit = metric.write(page.metrics[metric.name]).partition(" ")
    others = [
        (each.heading or each.title, each.write(page.metrics[each.name]))
        for each in METRICS.values()
        if each is not metric and page.metrics.get(each.name) is not None
    ]
    title = metric.heading or metric.title[0].upper() + metric.title[1:]
    words = blocks.paragraphs([f"{title} on the {outcome.split} split."])
    words += blocks.notes(outcome.split, page.chosen, page.note)
    return Shown(blocks.headline(value, unit=unit, words=words, beside=blocks.tiles(others)), [], ())


def overview(outcome: Any, note: str) -> Section:
    """Show the metrics in a table."""
    return Section(anchor="metrics", title="Metrics", note=note, body=values_table(outcome.summary()))
