"""The report section on slices of a split."""

from __future__ import annotations

from markupsafe import Markup

from convworks.metrics.slices import Slice, Slices
from convworks.pages.blocks import bold
from convworks.pages.numbers import p_value, percent, percent_interval
from convworks.pages.render import render
from convworks.pages.tables import Row, table

NOTE = (
    "The images with each value against all others. p: probability of a difference this large by chance "
    "(Fisher's exact test), corrected for the number of tests (Holm)."
)
SIGNIFICANT = 0.05


def slices_table(slices: Slices) -> Markup:
    """Tabulate images, accuracy and difference to the rest, both with intervals, and the p-value."""
    rows = [
        Row(
            cells=(
                row.value,
                f"{row.n:,}",
                percent(row.accuracy),
                percent_interval(*row.interval),
                *_difference(row),
            )
        )
        for row in slices.rows
    ]
    header = (slices.column, "images", "right", "95 % interval", "difference from the rest (points)", "p")
    return render("slices.html", table=table(header, rows), unlisted=slices.unlisted)


def _difference(row: Slice) -> tuple[str, str]:
    """Format the difference of a slice to the rest and its p-value, in bold if significant."""
    if row.difference is None or row.difference_interval is None or row.adjusted is None:
        return "–", "–"
    less, more = (100 * end for end in row.difference_interval)
    change, p = f"{100 * row.difference:+.2f} ({less:+.2f} to {more:+.2f})", p_value(row.adjusted)
    return (bold(change), bold(p)) if row.adjusted < SIGNIFICANT else (change, p)
