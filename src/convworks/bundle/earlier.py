"""Bundles of earlier formats, which had a number for each task."""

from __future__ import annotations

from typing import Any

#: The task that each format stood for.
EARLIER = {1: "classification", 2: "multi_label", 3: "reconstruction"}


def of_today(description: dict[str, Any]) -> dict[str, Any]:
    """Return what a bundle of any format says of itself, as one of today says it."""
    if description["format"] not in EARLIER:
        return description
    rest = {name: value for name, value in description.items() if name != "corruption"}
    task = {"name": EARLIER[description["format"]]}
    if "corruption" in description:
        task["corruption"] = description["corruption"]
    return {**rest, "task": task}
