"""The section on what layers did while they were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from convworks.charts.layer_heat import layer_heat
from convworks.pages import blocks
from convworks.pages.blocks import Section

NOTE = (
    "Roots of mean squares, at up to fifty steps of the run; rows are layers, from the input down. A layer whose "
    "updates are far smaller relative to its weights than those of others hardly learns."
)
MOST_NAMED = 6


def layers_section(rows: Sequence[Mapping[str, Any]]) -> Section:
    """Return the section: gradients, updates relative to weights, zeros; and the silent channels of the last step."""
    relative = [
        {**row, "ratio": row["update"] / row["weight"]} for row in rows if row.get("update") and row.get("weight")
    ]
    drawings = [
        layer_heat(rows, "gradient", title="Gradients"),
        layer_heat(relative, "ratio", title="Update / weight"),
        layer_heat(rows, "deviation", title="Standard deviation of outputs"),
        layer_heat(rows, "zeros", title="Zeros in outputs", log=False, percent=True),
    ]
    body = blocks.wrapping([drawing for drawing in drawings if drawing is not None]) if rows else Markup()
    return Section(anchor="layers", title="Layers", note=f"{NOTE} {silent_note(rows)}" if rows else "", body=body)


def silent_note(rows: Sequence[Mapping[str, Any]]) -> str:
    """Name the layers with silent channels at the last step that was measured: 0 at all positions of the batch."""
    last = max((row["step"] for row in rows if row.get("silent") is not None), default=None)
    silent = [row for row in rows if row["step"] == last and row.get("silent")]
    if last is None:
        return ""
    if not silent:
        return f"At step {last:,}, every channel was active in the batch."
    named = ", ".join(f"{row['layer']} {row['silent']:.0f} of {row['channels']:.0f}" for row in silent[:MOST_NAMED])
    more = f" and {len(silent) - MOST_NAMED} layers more" if len(silent) > MOST_NAMED else ""
    return f"Silent channels at step {last:,}, 0 everywhere in the batch: {named}{more}."
