"""`convworks evaluate`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convworks.api.work import check_computed, description_of, protected, runtimes
from convworks.cli.answer import Answer
from convworks.cli.inference.measured import compared, comparison, measure, share_line, share_measured, written_macs
from convworks.cli.metrics import accuracy_line
from convworks.cli.output_path import attempt
from convworks.commands import repeated
from convworks.console import downloading
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.deploy.runtimes import TORCH
from convworks.errors import InputError
from convworks.files import atomic_folder
from convworks.hardware import check_precision, precision_name
from convworks.metrics.spec import METRICS, MetricSpec, headline
from convworks.outputs import check_new_folder

if TYPE_CHECKING:
    from convworks.inference.predictor import Predictor
    from convworks.report.errors_report import ErrorFiles
    from convworks.tasks.task import Task

#: Options with which `predict` says of an image what the evaluation did.
USED = ("--threshold", "--precision", "--max-pixels", "--runtime")


def run(
    bundles: Sequence[Path],
    *,
    data: str,
    split: str | None,
    protocols: Sequence[str],
    combination: str | None,
    threshold: float | None,
    slices: Path | None,
    by: str | None,
    out: Path | None,
    max_pixels: int | None,
    runtime: str | None,
    device: str,
    precision: str,
) -> Answer:
    """Evaluate a bundle or an ensemble on a source by each protocol; the others are compared with the first."""
    started = time.perf_counter()
    from convworks.inference.protocol import CENTER
    from convworks.inference.seen import note as seen_note

    check_precision(precision)
    for name in protocols:
        check_computed(name, runtime)
    _check_joined(combination, bundles)
    from convworks.cli.inference import slices as slicing

    column = slicing.read(slices, by)
    source = open_source(data, report=downloading())
    bundles, task = _of_one_kind(bundles, protocols)
    if out is not None:
        check_new_folder("--out", out, protect(source) + protected(bundles))
    from convworks.deploy.choice import with_runtime
    from convworks.inference.combination import PROBABILITY, VOTE
    from convworks.inference.held_out import with_held_out
    from convworks.inference.load import load
    from convworks.inference.predictor import choose_split

    task = task.at(threshold)
    if threshold is not None and combination == VOTE:
        reason = "moves the threshold of one network, but each of these votes at its own"
        raise InputError("--threshold", reason, f"leave it out, or --combine {PROBABILITY}")
    if not task.judged:
        slicing.refuse(column, task.does)
    loaded = [load(path, device=device, precision=precision, max_pixels=max_pixels) for path in bundles]
    source = with_held_out(source, split, [predictor.bundle for predictor in loaded])
    count = len(choose_split(source, split)[1])
    # By default as training measured, whatever is fastest: one network has one accuracy.
    chosen = [TORCH if runtime is None and each.network is not None else runtime for each in loaded]
    used = (with_runtime(each, name, count) for each, name in zip(loaded, chosen, strict=True))
    loaded, choices = map(list, zip(*used, strict=True))
    sliced_column = slicing.match_split(column, source, split)
    for name in protocols:
        for predictor in loaded:
            predictor.check_protocol(name)  # before any of them runs for hours
    rows: list[dict[str, Any]] = []
    outcomes: list[Any] = []
    for name in dict.fromkeys(protocols):
        how = combination or PROBABILITY
        row, outcome = measure(loaded, source, split, name, how, threshold, outcomes[0] if outcomes else None)
        rows.append(row)
        outcomes.append(outcome)
    # The rest describes the first protocol: choosing the best one on these images would be optimistic.
    outcome, values = outcomes[0], {"bundles": [str(path) for path in bundles], "data": data, **rows[0]}
    values |= {} if threshold is None else {"threshold": threshold}
    values["precisions"] = [precision_name(predictor.precision) for predictor in loaded]
    values |= runtimes(choices)
    lines = [accuracy_line(outcome.split, values)]
    lines += [] if threshold is None else [f"threshold: {threshold:g}"]
    values["note"] = note = seen_note([predictor.bundle.record for predictor in loaded], source, outcome.split)
    lines += [f"note: {note}"] if note else []
    share = share_measured(loaded[0], source.splits[outcome.split])
    values |= {} if share is None else {"share_measured": share}
    measured = share_line(1.0 if share is None else share, loaded[0])
    lines += [measured] if measured else []
    lines += written_metrics(values)
    if len(rows) > 1:
        values["protocols"] = rows
        lines.append(compared(rows, task))
    else:
        speed = f"{rows[0]['images_per_second']:,.0f} images/s"
        lines.append(f"cost: {written_macs(rows[0])} multiply-adds per image, {speed}")
    lines += [choice.text for choice in choices if choice.runtime != TORCH or choice.rates]
    parts = slicing.measure(sliced_column, outcome)
    if parts is not None:
        values["slices"] = parts.plain()
        lines.append(slicing.text(parts))
    options: dict[str, Any] = {
        "--data": data,
        "--split": split,
        "--protocol": None if tuple(protocols) == (CENTER,) else ",".join(protocols),
        "--combine": combination,
        "--threshold": threshold,
        "--slices": slices,
        "--by": by,
        "--precision": None if precision == "auto" else precision,
        "--max-pixels": max_pixels,
        "--runtime": runtime,
    }
    lost = None
    if out is not None:
        content = {
            "title": f"{', '.join(path.name for path in bundles)} on {source.name}",
            "predictions": outcome,
            "figures": rows[0],
            "note": "; ".join(filter(None, (note, measured))),
            "slices": parts,
            "facts": _facts(rows[0], bundles, options, values["precisions"]),
            "protocols": comparison(rows, task) if len(rows) > 1 else None,
            "command": repeated(["evaluate", *bundles], options),
        }
        written, lost = attempt(partial(_report, out, loaded, source, split, content))
        if written is not None:
            page, errors = written
            values["report"] = str(page)
            lines.append(f"report: {page}")
            if errors is not None:
                values["errors"] = errors.as_json()
                lines.append(f"errors: {errors.summary()}")
    values["seconds"] = round(time.perf_counter() - started, 3)
    lines.append(f"next:   {_next(loaded[0], bundles, source, options | {'--split': outcome.split}, out)}")
    return Answer(values=values, text="\n".join(lines), error=lost)


def _facts(
    row: dict[str, Any], bundles: Sequence[Path], options: dict[str, Any], precisions: Sequence[str]
) -> list[tuple[str, str]]:
    """Return what the figures of a report depend on besides networks and images, as titles and texts."""
    views = f"{row['views']:.4g} {'view' if row['views'] == 1 else 'views'} of each image"
    several = [("Networks", f"{len(bundles)}\n{options['--combine'] or 'probability'}")] if len(bundles) > 1 else []
    kinds = {"Threshold": "--threshold", "Pixels at most": "--max-pixels", "Runtime": "--runtime"}
    return [
        ("Protocol", f"{row['protocol']}\n{views}"),
        *several,
        *((title, str(options[name])) for title, name in kinds.items() if options[name] is not None),
        ("Precision", ", ".join(dict.fromkeys(precisions))),
    ]


def _next(
    predictor: Predictor,
    bundles: Sequence[Path],
    source: Source,
    options: dict[str, Any],
    out: Path | None,
) -> str:
    """Return the next command, with the same options: a report of these images, then one of them, or a protocol."""
    from convworks.inference.protocol import CENTER
    from convworks.report.next_step import errors_folder, predict_command

    evaluate = ["evaluate", *bundles]
    if out is None:
        return repeated(evaluate, options | {"--out": errors_folder(bundles[0].name)})
    kept = "".join(f" {name} {options[name]}" for name in USED if options[name] is not None)
    if following := predict_command(bundles[0], source.splits[options["--split"]], predictor.task.words.options + kept):
        return following
    if predictor.task.judged and options["--protocol"] is None:
        return repeated(evaluate, options | {"--protocol": f"{CENTER},flip"})
    return repeated(["data", options["--data"]], {})


def _check_joined(combination: str | None, bundles: Sequence[Path]) -> None:
    """Refuse an unknown combination, and any for a single bundle."""
    if combination is None:
        return
    from convworks.inference.combination import check_combination

    check_combination(combination)
    if len(bundles) == 1:
        reason = "combines several bundles, but there is one"
        raise InputError("--combine", reason, "leave it out, or name more bundles")


def _of_one_kind(bundles: Sequence[Path], protocols: Sequence[str]) -> tuple[list[Path], Task]:
    """Return the paths of the bundles, and their task.

    Raises InputError for an ensemble of different classes or tasks, or of a task without ensembles.
    """
    from convworks.bundle.pretrained import locate

    paths = [locate(path, downloading()) for path in bundles]
    described = [description_of(path) for path in paths]
    from convworks.inference.combination import check_alike, kind_of
    from convworks.inference.protocol import CENTER
    from convworks.tasks.registry import named

    check_alike(paths, [kind_of(each) for each in described])
    task = named(described[0]["task"]["name"], str(paths[0]))
    if not task.combines and tuple(protocols) != (CENTER,):
        reason = f"averages answers, but this network {task.does}"
        raise InputError("--protocol", reason, "leave it out")
    return paths, task


def written_metrics(values: dict[str, Any]) -> list[str]:
    """Write each metric but the headline with its interval, or why it is undefined."""
    first = headline(values)
    others = [metric for name, metric in METRICS.items() if name in values and metric is not first]
    return [_written(metric, values) for metric in others if metric.interval is not None]


def _written(metric: MetricSpec, values: dict[str, Any]) -> str:
    value = values[metric.name]
    if value is None:
        return f"{metric.title}: {values['undefined'][metric.name]}"
    ends = values.get(f"{metric.name}_interval", values["intervals"].get(metric.name))
    return f"{metric.title}: {value:.4f}" + (f" (95 % interval {ends[0]:.4f} to {ends[1]:.4f})" if ends else "")


def _report(
    out: Path, loaded: Sequence[Predictor], source: Source, split: str | None, content: dict[str, Any]
) -> tuple[Path, ErrorFiles | None]:
    """Write the report of an evaluation and, for classifiers, the page of its errors; return both."""
    from convworks.data.inputs.pictures import pictures
    from convworks.inference.predictor import choose_split
    from convworks.report.errors_report import write_errors
    from convworks.report.report import ReportContent, write_report

    chosen = choose_split(source, split)[1]

    def image(index: int) -> np.ndarray:
        return next(pictures(loaded[0].input, chosen, [index]))

    with atomic_folder(out) as folder:
        errors = None
        if loaded[0].task.judged:
            title = f"Errors of {content['title']}"
            errors = write_errors(folder, loaded, source, content["predictions"], title=title)
        beside = errors.names if errors is not None else ()
        page = write_report(folder, ReportContent(**content, image=image, beside=beside))
    return out / page.name, errors.within(out) if errors is not None else None
