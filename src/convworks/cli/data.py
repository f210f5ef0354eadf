"""`convworks data`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from convworks.api.request import RunRequest
from convworks.cli.answer import Answer, percent, table
from convworks.cli.output_path import failure, output_path, picture_path
from convworks.commands import repeated
from convworks.config import assignment, to_json
from convworks.console import counting, downloading
from convworks.data.config import MAX_PIXELS, DataConfig
from convworks.data.decode.floats import floats_note
from convworks.data.decode.shape import cut_share, fit_note, frames_note
from convworks.data.inspect.duplicates import duplicate_lines, duplicates
from convworks.data.inspect.mask_sheet import write_mask_sheet
from convworks.data.inspect.masks import MaskCounts
from convworks.data.inspect.photographs import few_photographs, photographs_note, transfer_command
from convworks.data.inspect.remarks import column_lines, lacking_lines, void_lines
from convworks.data.inspect.sheet import write_contact_sheet
from convworks.data.inspect.survey import Survey, imbalance, survey
from convworks.data.labels import label_text
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.data.sources.ignoring import ignoring
from convworks.data.sources.left_out import group
from convworks.data.sources.left_out import lines as written
from convworks.data.sources.open import open_source
from convworks.data.sources.split_names import ALL, TRAIN
from convworks.errors import InputError, counted, visible
from convworks.recipes import OF_DATA, of_data

SHOWN = 10  # damaged files, kinds of skipped files
SUFFIXES = (".png",)
#: What differs between faults of one kind: all after the first words of a reason.
KINDS = re.compile(r"^(\w+ \w+ \w+).*", re.DOTALL)


def run(
    text: str,
    *,
    sheet: Path | None,
    augment: str | None = None,
    overrides: Sequence[str] = (),
    max_pixels: int | None = None,
    overwrite: bool = False,
) -> Answer:
    """Inspect every image of a source and write its contact sheet; status 1 when files are damaged or lack a mask.

    With a recipe in `augment`, write a sheet of the inputs that its network will see instead.
    """
    limit = [] if max_pixels is None else [assignment("data.max_pixels", max_pixels)]
    if augment is not None:
        return _augmented(text, augment, [*limit, *overrides], sheet, overwrite)
    if overrides:
        raise InputError("--set", "overrides a recipe, but none is named", "add --augment RECIPE")
    source = open_source(text, report=downloading(), unpaired=True)
    path = picture_path(
        "--sheet", sheet, _default(source, "sheet"), protect(source), suffixes=SUFFIXES, overwrite=overwrite
    )
    with counting("looking") as report:
        overview = survey(source, decode=True, report=report, max_pixels=max_pixels or MAX_PIXELS)
    data = _training(source, overview, text)
    shared = duplicates(source)
    columns = {"columns_not_used": list(source.unused_columns)} if source.unused_columns else {}
    values = {**_values(overview, data), **columns, "duplicates": [asdict(each) for each in shared]}
    error = None
    if path is not None and sum(overview.totals.values()) > len(overview.damaged):
        sheet_of = write_mask_sheet if source.masked else write_contact_sheet
        error = failure(partial(sheet_of, source, path, overview.decoding))
        values |= {"sheet": str(path)} if error is None else {}
    lines = [*_notes(overview, data), *column_lines(source), *void_lines(source), *duplicate_lines(shared)]
    lines += _photographs(overview, data, text, masks=source.masked)
    described = _text(overview, values, text, lines, limit)
    return Answer(values=values, text=described, status=1 if overview.faults else 0, error=error)


def _augmented(text: str, recipe: str, overrides: Sequence[str], sheet: Path | None, overwrite: bool) -> Answer:
    """Write a sheet of some training images of a source as a recipe's network will see them."""
    from convworks.data.inspect.variations import EPOCHS, plan, write_variation_sheet
    from convworks.training.run_data import LARGEST

    config, source = RunRequest(recipe=recipe, data=text, overrides=tuple(overrides)).configure()
    source = ignoring(source, config.data.ignore, "data.ignore")
    path = output_path(
        "--sheet", sheet, _default(source, "augmented"), protect(source), suffixes=SUFFIXES, overwrite=overwrite
    )
    batch_size = config.training.batch_size
    split, variations = plan(
        source, config.data, config.augment, seed=config.seed, batch_size=batch_size, largest=LARGEST
    )
    title = f"{recipe} on {visible(source.name)}: augmented training images of the first {EPOCHS} epochs"
    chosen = write_variation_sheet(source, split, variations, title, path)
    values = {
        "source": source.name,
        "recipe": recipe,
        "seed": config.seed,
        "stored": list(variations.kept.size),
        "size": list(variations.size),
        "augment": to_json(config.augment),
        "samples": [{"name": split.names[at], "class": label_text(split.labels, at, source.classes)} for at in chosen],
        "epochs": EPOCHS,
        "sheet": str(path),
    }
    named = [] if recipe in OF_DATA else [recipe]
    lines = [
        f"{counted(len(chosen), 'image')} of {source.name} as augmented by {recipe} in {EPOCHS} epochs",
        f"contact sheet: {path}",
        f"next: {repeated(['train', *named], {'--data': text, '--set': list(overrides)})}",
    ]
    return Answer(values=values, text="\n".join(lines))


def _default(source: Source, kind: str) -> Path:
    return Path(f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', source.name)}-{kind}.png")


def _training(source: Source, overview: Survey, text: str) -> DataConfig | None:
    """Return the data configuration of `convworks train --data`; None if it cannot train on this source."""
    if not (source.labelled or source.masked) or not {TRAIN, ALL} & source.splits.keys() or not overview.headers.probes:
        return None
    return of_data(source, text, headers=overview.headers).data


def _values(overview: Survey, data: DataConfig | None) -> dict[str, object]:
    return {
        "source": overview.name,
        "kind": overview.kind,
        "path": str(overview.path) if overview.path else None,
        "classes": list(overview.classes),
        "counts": {split: dict(counts) for split, counts in overview.counts.items()},
        "totals": dict(overview.totals),
        **({"unlabelled": dict(overview.unlabelled)} if overview.unlabelled else {}),
        **({"labels_per_image": dict(overview.labels_per_image)} if overview.unlabelled else {}),
        "imbalance": {**asdict(rare), "ratio": rare.ratio} if (rare := imbalance(overview)) else None,
        "widths": overview.widths,
        "heights": overview.heights,
        "sizes": dict(overview.sizes),
        "channels": dict(overview.channels),
        "formats": dict(overview.formats),
        "several_frames": list(overview.several_frames),
        "float_range": list(overview.decoding.float_range) if overview.floats else None,
        "training": _fitted(overview, data) if data is not None else None,
        "damaged": [{"path": path, "reason": reason} for path, reason in overview.damaged],
        **({"without_mask": list(overview.unpaired)} if overview.masks is not None else {}),
        "ignored": list(overview.left_out),
        "left_out": [asdict(each) for each in group(overview.left_out)],
        "lacking": dict(overview.lacking),
        **({"masks": asdict(overview.masks)} if overview.masks is not None else {}),
        "bytes": overview.bytes,
    }


def _fitted(overview: Survey, data: DataConfig) -> dict[str, object]:
    """Return the size that training fits images to, how, and the fraction of pixels lost by that and by a crop."""
    assert data.size is not None
    return {
        "size": list(data.size),
        "fit": data.fit,
        "cut": cut_share(overview.headers, data.size, data.fit),
        "cut_by_crop": cut_share(overview.headers, data.size, "crop"),
    }


def _notes(overview: Survey, data: DataConfig | None) -> list[str]:
    """Describe how images are treated: frames, floating-point pixels, and what training crops."""
    count = len(overview.several_frames)
    notes = [
        frames_note(count, looked=count, total=count),
        floats_note(overview.decoding.float_range) if overview.floats else None,
        fit_note(overview.headers, data.size, data.fit) if data is not None and data.size is not None else None,
    ]
    return [note for note in notes if note]


def _photographs(overview: Survey, data: DataConfig | None, text: str, *, masks: bool) -> list[str]:
    """Lead from few photographs to transfer."""
    if data is None or data.size is None or data.channels is None:
        return []
    images, classes = overview.totals[TRAIN if TRAIN in overview.totals else ALL], len(overview.classes)
    few = few_photographs(images, classes, data.size, data.channels)
    command = transfer_command("--data", text, masks=masks)
    return [photographs_note(images, classes, command, masks=masks)] if few else []


def _imbalance(overview: Survey) -> list[str]:
    """Name the rarest class if it is much rarer than others, and the remedies."""
    rare = imbalance(overview)
    if rare is None:
        return []
    text = f"imbalance: {counted(rare.count, 'image')} of {rare.rarest!r} in {rare.split}, {rare.beside:,} "
    if rare.largest is None:
        return [text + "without it: --set training.loss.positive_weights=balanced counts both alike"]
    text += f"of {rare.largest!r} ({rare.ratio:,.1f} times as many): --set training.sampling=balanced draws all"
    return [text + " classes equally often, --set training.loss.class_weights=balanced weighs them"]


def _text(overview: Survey, values: dict[str, object], text: str, notes: Sequence[str], changes: Sequence[str]) -> str:
    splits = list(overview.totals)
    labelled = any(any(counts.values()) for counts in overview.counts.values())  # not where targets are masks
    names = overview.classes if labelled else ()
    rows = [[name, *(overview.counts[split].get(name, 0) for split in splits)] for name in names]
    described_labels = "multi-label" if overview.unlabelled else ""
    if described_labels:
        rows.append(["no label", *(overview.unlabelled[split] for split in splits)])
    rows.append(["images" if described_labels else "total", *(overview.totals[split] for split in splits)])
    classes = counted(len(overview.classes), "class", "classes")
    described = ", ".join([overview.kind, classes, *([described_labels] if described_labels else [])])
    lines = [f"{overview.name}: {described}", "", table(["class", *splits], rows), ""]
    if overview.masks is not None:
        lines[2] = _mask_table(overview.masks, overview.totals)
    if described_labels:
        means = [f"{mean:.2f} in {split}" for split, mean in overview.labels_per_image.items()]
        lines.append(f"labels an image: {', '.join(means)}")
    lines += _imbalance(overview)
    if overview.widths and overview.heights:
        least, middle, most = (f"{w}x{h}" for w, h in zip(overview.widths, overview.heights, strict=True))
        same = len(overview.sizes) == 1
        lines.append(f"width x height: {most}" if same else f"width x height: {least} to {most}, median {middle}")
    for name, counts in (("channels", overview.channels), ("formats", overview.formats)):
        lines.append(f"{name}: " + ", ".join(f"{value} ({count:,})" for value, count in counts.items()))
    lines.append(f"size: {overview.bytes / 2**20:,.1f} MiB")
    if overview.left_out:
        lines.append(f"left out: {len(overview.left_out):,}")
        lines += _some(written(overview.left_out))
    lines += lacking_lines(overview.lacking)
    if overview.unpaired:
        lines.append(f"without a mask: {len(overview.unpaired):,}")
        lines += _some(list(map(visible, overview.unpaired)))
    lines.append(f"damaged: {_kinds(overview)}")
    lines += _some([visible(f"{path}: {reason}") for path, reason in overview.damaged])
    lines += notes
    if "sheet" in values:
        lines.append(f"contact sheet: {values['sheet']}")
    options = {"--data": text, "--set": list(changes)}
    if overview.faults:
        remedies = {"repair or remove the damaged files": overview.damaged, "add the missing masks": overview.unpaired}
        lines.append(f"next: {', and '.join(remedy for remedy, files in remedies.items() if files)}")
    elif overview.masks is not None and not _trains(overview.masks):
        lines.append("next: add images with masks of other classes: training needs two")
    elif {TRAIN, ALL} & overview.totals.keys() and (labelled or overview.masks is not None):
        lines.append(f"next: {repeated(['train'], options)}")
    elif {TRAIN, ALL} & overview.totals.keys():
        lines.append(f"next: {repeated(['train', 'autoencoder/convolutional'], options)}")
    else:
        lines.append("next: convworks runs")
    return "\n".join(lines)


def _trains(masks: MaskCounts) -> bool:
    """Return whether the masks to train on, if there are any, show two classes."""
    counts = next((masks.pixels[name] for name in (TRAIN, ALL) if name in masks.pixels), None)
    return counts is None or sum(map(bool, counts.values())) > 1


def _mask_table(masks: MaskCounts, totals: Mapping[str, int]) -> str:
    """Tabulate the images and the share of pixels of each class, by split."""
    header = ["class", *(f"{split}{what}" for split in totals for what in ("", ": pixels"))]
    whole = {split: max(1, sum(masks.pixels[split].values()) + masks.ignored[split]) for split in totals}
    rows: list[list[object]] = []
    for name in next(iter(masks.pixels.values())):
        cells = ((masks.images[split][name], percent(masks.pixels[split][name] / whole[split])) for split in totals)
        rows.append([name, *(cell for pair in cells for cell in pair)])
    if any(masks.ignored.values()):
        shares = (("", percent(masks.ignored[split] / whole[split])) for split in totals)
        rows.append(["ignored", *(cell for pair in shares for cell in pair)])
    rows.append(["images", *(cell for split in totals for cell in (totals[split], ""))])
    return table(header, rows)


def _kinds(overview: Survey) -> str:
    """Count the damaged files and, where these are masks with several kinds of faults, each kind."""
    kinds = Counter(KINDS.sub(r"\1 ...", reason) for _, reason in overview.damaged)
    several = f" ({', '.join(f'{kind}: {count:,}' for kind, count in kinds.most_common())})" if len(kinds) > 1 else ""
    return f"{len(overview.damaged):,}{several if overview.masks is not None else ''}"


def _some(lines: Sequence[str]) -> list[str]:
    """Indent the first lines, and count the others."""
    more = [f"and {len(lines) - SHOWN:,} more (--json lists them)"] if len(lines) > SHOWN else []
    return [f"  {line}" for line in [*lines[:SHOWN], *more]]
