"""`convworks evaluate`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convworks.bundle.description import folder_of
from convworks.cli.answer import Answer, accuracy_line, percent, repeated, table
from convworks.cli.place import attempt
from convworks.console import downloading
from convworks.data.labels import nfc
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.errors import InputError
from convworks.files import atomic_folder
from convworks.hardware import check_precision, precision_name
from convworks.outputs import Protected, check_new_folder

if TYPE_CHECKING:
    from convworks.inference.predictor import Predictor
    from convworks.metrics.slices import Slices
    from convworks.report.errors_report import ErrorFiles
    from convworks.tasks.multi_label import Predicted


def run(
    bundles: Sequence[Path],
    *,
    data: str,
    split: str | None,
    protocols: Sequence[str],
    combination: str | None,
    slices: Path | None,
    by: str | None,
    out: Path | None,
    max_pixels: int | None,
    device: str,
    precision: str,
) -> Answer:
    """Measure a bundle or an ensemble on a source, by one protocol or several, which are compared with the first."""
    started = time.perf_counter()
    from convworks.inference.ensemble import PROBABILITY
    from convworks.inference.protocol import CENTER, named
    from convworks.inference.seen import NOTES, seen

    check_precision(precision)
    for name in protocols:
        named(name)
    _check_joined(combination, bundles)
    from convworks.cli.inference import slices as sliced

    column = sliced.read(slices, by)
    source = open_source(data, report=downloading())
    bundles, images = _of_one_kind(bundles)
    if out is not None:
        read = Protected(folders=tuple([folder_of(path) for path in bundles]))
        check_new_folder("--out", out, protect(source) + read)
    from convworks.inference.predictor import load

    if images:
        sliced.refuse(column)
        from convworks.cli.inference import evaluate_reconstruction as reconstructed

        given = tuple(protocols) == (CENTER,)
        return reconstructed.run(
            bundles,
            source,
            data=data,
            split=split,
            plain=given,
            out=out,
            max_pixels=max_pixels,
            device=device,
            precision=precision,
        )
    asked = sliced.ask(column, source, split)
    loaded = [load(path, device=device, precision=precision, max_pixels=max_pixels) for path in bundles]
    for name in protocols:
        for predictor in loaded:
            predictor.check_protocol(name)  # not after hours with those before it
    rows: list[dict[str, Any]] = []
    answers: list[Predicted] = []
    for name in dict.fromkeys(protocols):
        how = combination or PROBABILITY
        row, predictions = _measure(loaded, source, split, name, how, answers[0] if answers else None)
        rows.append(row)
        answers.append(predictions)
    # With several protocols, what follows is of the first: choosing by the figures would flatter it.
    predictions, values = answers[0], {"bundles": [str(path) for path in bundles], "data": data, **rows[0]}
    note = NOTES.get(seen([predictor.bundle.record for predictor in loaded], source, predictions.split) or "", "")
    values |= {"note": note, "precisions": [precision_name(predictor.precision) for predictor in loaded]}
    lines = [accuracy_line(predictions.split, values), *([f"note: {note}"] if note else [])]
    lines += [_figure(name, key, values) for name, key in _SHOWN if key in values]
    if len(rows) > 1:
        values["protocols"] = rows
        lines.append(_compared(rows))
    else:
        lines.append(f"cost: {_macs(rows[0])} multiply-adds an image, {rows[0]['images_per_second']:,.0f} images/s")
    parts = sliced.found(asked, predictions)
    if parts is not None:
        values["slices"] = parts.plain()
        lines.append(sliced.text(parts))
    lost = None
    if out is not None:
        title = f"{', '.join(path.name for path in bundles)} on {source.name}"
        asked_by = rows[0]["protocol"]
        options = {
            "--data": data,
            "--split": split,
            "--protocol": None if asked_by == CENTER else asked_by,
            "--combine": combination,
            "--slices": slices,
            "--by": by,
            "--precision": None if precision == "auto" else precision,
            "--max-pixels": max_pixels,
        }
        command = repeated(["evaluate", *bundles], options)
        write = partial(_report, out, loaded, source, split, predictions, title, command, note, rows[0], parts)
        written, lost = attempt(write)
        if written is not None:
            page, errors = written
            values |= {"report": str(page), "errors": errors.as_json()}
            lines += [f"report: {page}", f"errors: {errors.told()}"]
    values["seconds"] = round(time.perf_counter() - started, 3)
    lines.append(f"next:   convworks predict {shlex.quote(str(bundles[0]))} IMAGE...")
    return Answer(values=values, text="\n".join(lines), error=lost)


def _check_joined(combination: str | None, bundles: Sequence[Path]) -> None:
    """Refuse an unknown way to join answers, and any where there is nothing to join."""
    if combination is None:
        return
    from convworks.inference.ensemble import check_combination

    check_combination(combination)
    if len(bundles) == 1:
        reason = "says how several bundles are joined, but there is one"
        raise InputError("--combine", reason, "leave it out, or name more bundles")


def _of_one_kind(bundles: Sequence[Path]) -> tuple[list[Path], bool]:
    """Return where the bundles are, and whether they make images.

    Raises InputError for an ensemble of different classes or questions.
    """
    from convworks.bundle.description import IMAGES, read_description
    from convworks.bundle.pretrained import locate

    found = [locate(path, downloading()) for path in bundles]
    described = [read_description(path)[0] for path in found]
    first = described[0]
    for path, other in zip(found, described, strict=True):
        if list(map(nfc, other["classes"])) != list(map(nfc, first["classes"])):
            reason = f"has other classes than {found[0]}"
            raise InputError(path, reason, "an ensemble needs the same classes in the same order")
        if other["format"] != first["format"]:
            reason = f"was not asked what {found[0]} was: one says which class it is, the other which are shown"
            raise InputError(path, reason, "give bundles of one kind")
    return found, first["format"] == IMAGES


def _measure(
    loaded: Sequence[Predictor],
    source: Source,
    split: str | None,
    protocol: str,
    combination: str,
    first: Predicted | None,
) -> tuple[dict[str, Any], Predicted]:
    """Return the figures of one protocol, compared with those of the first, and the predictions."""
    from convworks.inference.ensemble import combine
    from convworks.metrics.compare import compare
    from convworks.tasks.summary import summary

    started = time.perf_counter()
    members = [predictor.look(source, split=split, protocol=protocol) for predictor in loaded]
    seconds = time.perf_counter() - started
    predictions = combine([predicted for predicted, _ in members], combination)
    row = {
        "split": predictions.split,
        "protocol": protocol,
        **summary(predictions),
        "views": members[0][1].views,
        "macs": sum(cost.macs for _, cost in members),
        "images_per_second": len(predictions.names) / seconds,
    }
    if first is not None:
        found = compare(first.correct, predictions.correct)
        row |= {"difference": found.difference, "difference_interval": list(found.interval), "p": found.p}
    return row, predictions


def _compared(rows: Sequence[dict[str, Any]]) -> str:
    """Return a table of protocols: figure, interval, difference from the first, cost."""
    cells = []
    for row in rows:
        low, high = row["exact_match_interval" if "map" in row else "interval"]
        change = ""
        if "difference" in row:
            less, more = row["difference_interval"]
            change = f"{100 * row['difference']:+.2f} ({100 * less:+.2f} to {100 * more:+.2f})"
        share = row["exact_match" if "map" in row else "top1"]
        interval = f"{percent(low)} to {percent(high)}"
        speed = f"{row['images_per_second']:,.0f}"
        cells.append([row["protocol"], percent(share), interval, change, f"{row['views']:.4g}", _macs(row), speed])
    share = "all right" if "map" in rows[0] else "accuracy"
    header = ["protocol", share, "95 % interval", "points more (95 %)", "views", "multiply-adds", "images/s"]
    return table(header, cells)


def _figure(name: str, key: str, values: dict[str, Any]) -> str:
    """Write a figure with its interval, or why there is none."""
    if values[key] is None:
        return f"{name}: {values['undefined'][key]}"
    ends = values.get(f"{key}_interval", values["intervals"].get(key))
    return f"{name}: {values[key]:.4f}" + (f" (95 % interval {ends[0]:.4f} to {ends[1]:.4f})" if ends else "")


def _macs(row: dict[str, Any]) -> str:
    value = row["macs"]
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f}"


def _report(
    out: Path,
    loaded: Sequence[Predictor],
    source: Source,
    split: str | None,
    predictions: Predicted,
    title: str,
    command: str,
    note: str,
    figures: dict[str, Any],
    parts: Slices | None,
) -> tuple[Path, ErrorFiles]:
    """Write the report of an evaluation and the page of its errors; return both."""
    from convworks.data.decode.load import load_images
    from convworks.inference.predictor import choose_split
    from convworks.report.errors_report import write_errors
    from convworks.report.report import ReportContent, write_report

    chosen, preprocessing = choose_split(source, split)[1], loaded[0].bundle.preprocessing
    with atomic_folder(out) as place:
        errors = write_errors(place, loaded, source, predictions, title=f"Errors of {title}")
        page = write_report(
            place,
            ReportContent(
                title=title,
                predictions=predictions,
                figures=figures,
                note=note,
                slices=parts,
                image=lambda index: (
                    load_images(chosen.select(np.array([index])), preprocessing)[0].permute(1, 2, 0).numpy()
                ),
                command=command,
                beside=errors.names,
            ),
        )
    return out / page.name, errors.within(out)


_SHOWN = (
    ("top-5 accuracy", "top5"),
    ("balanced accuracy", "balanced_accuracy"),
    ("micro F1", "micro_f1"),
    ("macro F1", "macro_f1"),
    ("ROC area", "auc"),
    ("average precision", "average_precision"),
    ("negative log-likelihood", "nll"),
    ("calibration error", "ece"),
    ("exact match", "exact_match"),
    ("binary cross-entropy", "bce"),
)
