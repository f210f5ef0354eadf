"""`convworks data`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from convworks.api import configure
from convworks.cli.answer import Answer, table
from convworks.cli.place import failure, picture_place, place_of
from convworks.config import assignment, to_json
from convworks.console import counting, downloading
from convworks.data.config import MAX_PIXELS, DataConfig
from convworks.data.duplicates import duplicates, told_duplicates
from convworks.data.floats import floats_note
from convworks.data.labels import told
from convworks.data.left_out import group
from convworks.data.left_out import lines as written
from convworks.data.protect import protect
from convworks.data.remarks import lacking_lines
from convworks.data.shape import cut_share, fit_note, frames_note
from convworks.data.sheet import write_contact_sheet
from convworks.data.source import Source, open_source
from convworks.data.split_names import ALL, TRAIN
from convworks.data.survey import Survey, imbalance, survey
from convworks.errors import InputError, visible

SHOWN = 10  # damaged files, kinds of files that are left out
SUFFIXES = (".png",)


def run(
    text: str,
    *,
    sheet: Path | None,
    augment: str | None = None,
    overrides: Sequence[str] = (),
    max_pixels: int | None = None,
    overwrite: bool = False,
) -> Answer:
    """Look at every image of a source and write its contact sheet; status 1 when files are damaged.

    With a recipe to `augment` by: write the sheet of what its network will see.
    """
    limit = [] if max_pixels is None else [assignment("data.max_pixels", max_pixels)]
    if augment is not None:
        return _augmented(text, augment, [*limit, *overrides], sheet, overwrite)
    if overrides:
        raise InputError("--set", "overrides a recipe, and none is named", "add --augment RECIPE")
    source = open_source(text, report=downloading())
    path = picture_place(
        "--sheet", sheet, _default(source, "sheet"), protect(source), suffixes=SUFFIXES, overwrite=overwrite
    )
    with counting("looking") as report:
        found = survey(source, decode=True, report=report, max_pixels=max_pixels or MAX_PIXELS)
    data = _training(source, found, text)
    shared = duplicates(source)
    values = {**_values(found, data), "duplicates": [asdict(each) for each in shared]}
    error = None
    if path is not None and sum(found.totals.values()) > len(found.damaged):
        error = failure(partial(write_contact_sheet, source, path, found.decoding))
        values |= {"sheet": str(path)} if error is None else {}
    lines = [*_notes(found, data), *told_duplicates(shared)]
    classes = f"{len(found.classes)} {'class' if len(found.classes) == 1 else 'classes'}"
    described = ", ".join([found.kind, classes, *([several] if several else [])])
    lines = [f"{found.name}: {described}", "", table(["class", *splits], rows), ""]
    if several:
        means = [f"{mean:.2f} in {split}" for split, mean in found.labels_per_image.items()]
        lines.append(f"labels an image: {', '.join(means)}")
    lines += _imbalance(found)
    if found.widths and found.heights:
        least, middle, most = (f"{w}x{h}" for w, h in zip(found.widths, found.heights, strict=True))
        same = len(found.sizes) == 1
        lines.append(f"width x height: {most}" if same else f"width x height: {least} to {most}, median {middle}")
    for name, counts in (("channels", found.channels), ("formats", found.formats)):
        lines.append(f"{name}: " + ", ".join(f"{value} ({count:,})" for value, count in counts.items()))
    lines.append(f"size: {found.bytes / 2**20:,.1f} MiB")
    if found.left_out:
        lines.append(f"left out: {len(found.left_out):,}")
        lines += _some(written(found.left_out))
    lines += lacking_lines(found.lacking)
    lines.append(f"damaged: {len(found.damaged):,}")
    lines += _some([visible(f"{path}: {reason}") for path, reason in found.damaged])
    lines += notes
    if "sheet" in values:
        lines.append(f"contact sheet: {values['sheet']}")
    if found.damaged:
        lines.append("next: repair or remove the damaged files")
    elif {TRAIN, ALL} & found.totals.keys() and found.classes:
        sets = "".join(f" --set {change}" for change in changes)
        lines.append(f"next: convworks train --data {shlex.quote(text)}{sets}")
    else:
        lines.append(f"next: convworks predict BUNDLE {shlex.quote(text)}")
    return "\n".join(lines)


def _some(lines: Sequence[str]) -> list[str]:
    """Indent the first lines, and count the others."""
    more = [f"and {len(lines) - SHOWN:,} more (--json lists them)"] if len(lines) > SHOWN else []
    return [f"  {line}" for line in [*lines[:SHOWN], *more]]
