"""The section of the report that tells of the parts of a split."""

from __future__ import annotations

from html import escape

from convworks.metrics.slices import Slices
from convworks.report.page import percent

NOTE = (
    "The images of each value against those of all others. p: how often chance alone makes such a difference "
    "(Fisher's exact test), corrected for the number of tests (Holm)."
)
SIGNIFICANT = 0.05


def table(found: Slices) -> str:
    """Tabulate images, accuracy with interval, difference to the rest with interval and test."""
    rows = []
    for row in found.rows:
        low, high = row.interval
        change, p = "–", "–"
        if row.difference is not None and row.difference_interval is not None and row.adjusted is not None:
            less, more = (100 * end for end in row.difference_interval)
            change = f"{100 * row.difference:+.2f} ({less:+.2f} to {more:+.2f})"
            p = written(row.adjusted)
            if row.adjusted < SIGNIFICANT:
                change, p = f"<b>{change}</b>", f"<b>{p}</b>"
        cells = (f"{row.n:,}", percent(row.accuracy), f"{100 * low:.2f} to {percent(high)}", change, p)
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
        rows.append(f"<tr><td>{escape(row.value)}</td>{numbers}</tr>")
    names = ("images", "right", "95 % interval", "points more than the rest", "p")
    head = "".join(f'<th class="number" scope="col">{name}</th>' for name in names)
    head = f'<thead><tr><th scope="col">{escape(found.column)}</th>{head}</tr></thead>'
    absent = f'<p class="faint">The table does not name {found.unlisted:,} images.</p>' if found.unlisted else ""
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>{absent}"


def written(p: float) -> str:
    """Write the p of a test."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"
