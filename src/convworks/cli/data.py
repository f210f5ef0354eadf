"""`convworks data`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from convworks.api.verbs import configure
from convworks.cli.answer import Answer, table
from convworks.cli.place import failure, picture_place, place_of
from convworks.config import assignment, to_json
from convworks.console import counting, downloading
from convworks.data.config import MAX_PIXELS, DataConfig
from convworks.data.decode.floats import floats_note
from convworks.data.decode.shape import cut_share, fit_note, frames_note
from convworks.data.inspect.duplicates import duplicate_lines, duplicates
from convworks.data.inspect.remarks import lacking_lines
from convworks.data.inspect.sheet import write_contact_sheet
from convworks.data.inspect.survey import Survey, imbalance, survey
from convworks.data.labels import label_text
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.data.sources.left_out import group
from convworks.data.sources.left_out import lines as written
from convworks.data.sources.open import open_source
from convworks.data.sources.split_names import ALL, TRAIN
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
    lines = [*_notes(found, data), *duplicate_lines(shared)]
    described = _text(found, values, text, lines, limit)
    return Answer(values=values, text=described, status=1 if found.damaged else 0, error=error)


def _augmented(text: str, recipe: str, overrides: Sequence[str], sheet: Path | None, overwrite: bool) -> Answer:
    """Write what a recipe's network will see of some training images of a source."""
    from convworks.data.inspect.variations import EPOCHS, plan, write_variation_sheet
    from convworks.training.run_data import LARGEST

    config, source = configure(None if recipe == "folder/default" else recipe, text, overrides)
    path = place_of(
        "--sheet", sheet, _default(source, "augmented"), protect(source), suffixes=SUFFIXES, overwrite=overwrite
    )
    batch_size = config.training.batch_size
    split, found = plan(source, config.data, config.augment, seed=config.seed, batch_size=batch_size, largest=LARGEST)
    title = f"{recipe} on {visible(source.name)}: what the network will see in its first {EPOCHS} epochs"
    chosen = write_variation_sheet(source, split, found, title, path)
    values = {
        "source": source.name,
        "recipe": recipe,
        "seed": config.seed,
        "stored": list(found.kept.size),
        "size": list(found.size),
        "augment": to_json(config.augment),
        "samples": [{"name": split.names[at], "class": label_text(split.labels, at, source.classes)} for at in chosen],
        "epochs": EPOCHS,
        "sheet": str(path),
    }
    changes = "".join(f" --set {shlex.quote(change)}" for change in overrides)
    named = "" if recipe == "folder/default" else f"{recipe} "
    lines = [
        f"{len(chosen)} images of {source.name} as {recipe} shows them in {EPOCHS} epochs",
        f"contact sheet: {path}",
        f"next: convworks train {named}--data {shlex.quote(text)}{changes}",
    ]
    return Answer(values=values, text="\n".join(lines))


def _default(source: Source, kind: str) -> Path:
    return Path(f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', source.name)}-{kind}.png")


def _training(source: Source, found: Survey, text: str) -> DataConfig | None:
    """Return what `convworks train --data` does with the images; None where it cannot train on them."""
    if not source.classes or not {TRAIN, ALL} & source.splits.keys() or not found.headers.probes:
        return None
    from convworks.recipes.folder import default

    return default(source, text, found.headers).data


def _values(found: Survey, data: DataConfig | None) -> dict[str, object]:
    return {
        "source": found.name,
        "kind": found.kind,
        "path": str(found.path) if found.path else None,
        "classes": list(found.classes),
        "counts": {split: dict(counts) for split, counts in found.counts.items()},
        "totals": dict(found.totals),
        **({"unlabelled": dict(found.unlabelled)} if found.unlabelled else {}),
        **({"labels_per_image": dict(found.labels_per_image)} if found.unlabelled else {}),
        "imbalance": {**asdict(rare), "ratio": rare.ratio} if (rare := imbalance(found)) else None,
        "widths": found.widths,
        "heights": found.heights,
        "sizes": dict(found.sizes),
        "channels": dict(found.channels),
        "formats": dict(found.formats),
        "several_frames": list(found.several_frames),
        "float_range": list(found.decoding.float_range) if found.floats else None,
        "training": _fitted(found, data) if data is not None else None,
        "damaged": [{"path": path, "reason": reason} for path, reason in found.damaged],
        "ignored": list(found.left_out),
        "left_out": [asdict(each) for each in group(found.left_out)],
        "lacking": dict(found.lacking),
        "bytes": found.bytes,
    }


def _fitted(found: Survey, data: DataConfig) -> dict[str, object]:
    """Say to what size training brings images, how, and which share of their pixels that and a crop cut away."""
    assert data.size is not None
    return {
        "size": list(data.size),
        "fit": data.fit,
        "cut": cut_share(found.headers, data.size, data.fit),
        "cut_by_crop": cut_share(found.headers, data.size, "crop"),
    }


def _notes(found: Survey, data: DataConfig | None) -> list[str]:
    """Say what becomes of the images: frames, floating-point pixels, and what training cuts away of them."""
    count = len(found.several_frames)
    notes = [
        frames_note(count, looked=count, total=count),
        floats_note(found.decoding.float_range) if found.floats else None,
        fit_note(found.headers, data.size, data.fit) if data is not None and data.size is not None else None,
    ]
    return [note for note in notes if note]


def _imbalance(found: Survey) -> list[str]:
    """Name the rarest class where it is much rarer than others, and what helps."""
    rare = imbalance(found)
    if rare is None:
        return []
    told = f"imbalance: {rare.count:,} images of {rare.rarest!r} in {rare.split}, {rare.beside:,} "
    if rare.largest is None:
        return [told + "without it: --set training.loss.positive_weights=balanced counts both alike"]
    told += f"of {rare.largest!r} ({rare.ratio:,.1f} times as many): --set training.sampling=balanced draws all"
    return [told + " classes equally often, --set training.loss.class_weights=balanced weighs them"]


def _text(found: Survey, values: dict[str, object], text: str, notes: Sequence[str], changes: Sequence[str]) -> str:
    splits = list(found.totals)
    rows = [[name, *(found.counts[split].get(name, 0) for split in splits)] for name in found.classes]
    described_labels = "any number of them an image" if found.unlabelled else ""
    if described_labels:
        rows.append(["no label", *(found.unlabelled[split] for split in splits)])
    rows.append(["images" if described_labels else "total", *(found.totals[split] for split in splits)])
    classes = f"{len(found.classes)} {'class' if len(found.classes) == 1 else 'classes'}"
    described = ", ".join([found.kind, classes, *([described_labels] if described_labels else [])])
    lines = [f"{found.name}: {described}", "", table(["class", *splits], rows), ""]
    if described_labels:
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
