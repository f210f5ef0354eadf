"""Bundles of earlier formats, in which the format number determined the task."""

from __future__ import annotations

from typing import Any

#: The task of each format.
EARLIER = {1: "classification", 2: "multi_label", 3: "reconstruction"}


def of_today(description: dict[str, Any]) -> dict[str, Any]:
    """Return a bundle's description, of any format, in the current format."""
    if description["format"] not in EARLIER:
        return description
    rest = {name: value for name, value in description.items() if name != "corruption"}
    task = {"name": EARLIER[description["format"]]}
    if "corruption" in description:
        task["corruption"] = description["corruption"]
    return {**rest, "task": task}
