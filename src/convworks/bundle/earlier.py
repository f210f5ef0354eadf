"""Bundles of earlier formats: the format number determined the task, and fields had other names."""

from __future__ import annotations

from typing import Any

#: The task of each format.
EARLIER = {1: "classification", 2: "multi_label", 3: "reconstruction"}


def of_today(description: dict[str, Any]) -> dict[str, Any]:
    """Return a bundle's description, of any format, in the current format."""
    preprocessing = description.get("preprocessing")
    if isinstance(preprocessing, dict) and "share" in preprocessing:
        renamed = {"crop_fraction" if name == "share" else name: value for name, value in preprocessing.items()}
        description = {**description, "preprocessing": renamed}
    if description["format"] not in EARLIER:
        return description
    rest = {name: value for name, value in description.items() if name != "corruption"}
    task = {"name": EARLIER[description["format"]]}
    if "corruption" in description:
        task["corruption"] = description["corruption"]
    return {**rest, "task": task}
