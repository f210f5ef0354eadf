"""Remarks on a source before it is used: files left out, and classes that its splits lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convworks.data.source import Source, lacking_classes
from convworks.data.sources.left_out import line

SHOWN = 5


def remarks(source: Source) -> list[str]:
    """Return a line for the files left out, and one for each split that lacks classes of train."""
    left_out = [line(source.where, source.left_out)] if source.left_out else []
    return [*left_out, *lacking_lines(lacking_classes(source))]


def lacking_lines(lacking: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each split that lacks classes."""
    lines = []
    for split, names in lacking.items():
        shown = ", ".join(map(repr, names[:SHOWN])) + (
            f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
        )
        kind = "class" if len(names) == 1 else f"{len(names):,} classes"
        lines.append(f"warning: {split} has no image of {kind} {shown}, which train has")
    return lines
