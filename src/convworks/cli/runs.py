"""`convworks runs`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from convworks.cli.answer import Answer, table
from convworks.cli.output_path import check_optional, failure
from convworks.commands import repeated
from convworks.console import clock, say
from convworks.errors import InputError, nearest
from convworks.metrics.spec import spec
from convworks.outputs import Protected, check_outside
from convworks.report.next_step import errors_folder, evaluate_command
from convworks.training.listing import Run, curve, differing, find_runs, read_run

COLUMNS = ("name", "network", "source", "status", "epochs", "validation", "test", "seconds", "when")
SUFFIXES = (".png", ".svg")
SHOWN = 32  # characters of a value in the table of differences
MOST_COLUMNS = 4  # runs side by side; more of them are rows


def run(folders: Sequence[Path], *, sort: str, out: Path | None, overwrite: bool = False) -> Answer:
    """List the runs below some folders; with `out`, draw their curves and compare their configurations."""
    if sort not in COLUMNS:
        remedy = f"columns: {', '.join(COLUMNS)}"
        raise InputError("--sort", f"there is no column {sort!r}{nearest(sort, COLUMNS)}", remedy)
    check_optional("--out", out, Protected(), suffixes=SUFFIXES, overwrite=overwrite)
    paths = list(folders) or [Path("runs")]
    if not folders and not paths[0].exists():
        return Answer(values={"runs": [], "skipped": []}, text="no runs yet\nnext: convworks train")
    runs: list[Run] = []
    skipped: list[dict[str, str]] = []
    for folder in find_runs(paths):
        try:
            runs.append(read_run(folder))
        except InputError as error:
            if folder in paths:
                raise
            skipped.append({"name": str(folder), "reason": error.reason})
            say(f"skipped: {error}")
    if not runs and folders:
        where = " ".join(map(str, folders))
        raise InputError(where, "contains no runs", "give a run, or a folder with runs")
    runs = ordered(runs, sort)
    values: dict[str, Any] = {"runs": [_values(each) for each in runs], "skipped": skipped}
    lines = [_listed(runs)]
    if out is not None or (len(runs) > 1 and all(Path(each.name) in paths for each in runs)):
        values["differences"] = differing(runs) if len(runs) > 1 else {}
        lines += ["", _differences(runs, values["differences"])]
    lost = None
    if out is not None:
        sources = [Path(str(each.configuration["data"]["source"])) for each in runs]
        check_outside("--out", out, Protected(folders=tuple(sources)))
        lost = failure(partial(_draw, runs, out))
        values |= {"curves": str(out)} if lost is None else {}
        lines += ["", f"curves: {out}"] if lost is None else []
    return Answer(values=values, text="\n".join([*lines, _next(runs, out)]), error=lost)


def ordered(runs: Sequence[Run], column: str) -> list[Any]:
    """Sort by a column: best and newest first, other columns ascending; runs without a value come last."""
    match column:
        case "validation":
            return sorted(runs, key=lambda run: -run.score)
        case "test":
            return sorted(runs, key=lambda run: (run.test is None, -(run.test or 0.0)))
        case "when":
            return sorted(runs, key=lambda run: -run.when)
        case _:
            return sorted(runs, key=lambda run: getattr(run, column))


def _values(run: Run) -> dict[str, Any]:
    values = {k: v for k, v in asdict(run).items() if k not in ("configuration", "history")}
    return {**values, "when": datetime.fromtimestamp(run.when).astimezone().isoformat(timespec="seconds")}


def _listed(runs: Sequence[Run]) -> str:
    rows = [
        [
            run.name,
            run.network,
            run.source,
            run.status,
            str(run.epochs) if run.epochs == run.planned else f"{run.epochs}/{run.planned}",
            _validation(run),
            "-" if run.test is None else spec(run.measure).write(run.test),
            clock(run.seconds),
            f"{datetime.fromtimestamp(run.when):%Y-%m-%d %H:%M}",
        ]
        for run in runs
    ]
    return table(["name", "network", "source", "status", "epochs", "validation", "test", "time", "when"], rows)


def _validation(run: Run) -> str:
    if run.validation is None:
        return "-"
    value = spec(run.metric).write(run.validation)
    return value if run.metric in ("top1", "psnr") else f"{value} {run.metric}"


def _differences(runs: Sequence[Run], values: Mapping[str, Sequence[Any]]) -> str:
    if not values:
        return "the configurations are identical"
    columns = [[name, *map(_written, each)] for name, each in values.items()]
    if len(runs) <= MOST_COLUMNS:
        return table(["differing field", *names(runs)], columns)
    header, *rows = zip(["run", *names(runs)], *columns, strict=True)  # a row for each run
    return table(header, rows)


def _written(value: Any) -> str:
    text = "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def names(runs: Sequence[Run]) -> list[str]:
    """Return the names without the folder that all have in common."""
    paths = [run.name for run in runs]
    common = os.path.commonpath(paths) if len({os.path.isabs(path) for path in paths}) == 1 else ""
    if len(paths) < 2 or not common:
        return paths
    return [os.path.relpath(path, common) if path != common else path for path in paths]


def _draw(runs: Sequence[Run], out: Path) -> None:
    from convworks.charts.draw_file import write_drawing
    from convworks.charts.overlay import Curves, overlay

    short = dict(zip((run.name for run in runs), names(runs), strict=True))
    drawn = [
        Curves(name=short[run.name], remark=f"{_validation(run)}", rows=curve(Path(run.name), run))
        for run in ordered([run for run in runs if run.history], "validation")
    ]
    if not drawn:
        raise InputError(f"--out {out}", "no run has finished an epoch yet", "wait, or leave out --out")
    title = f"{len(drawn)} runs, the best on validation first" if len(drawn) > 1 else drawn[0].name
    write_drawing(out, overlay(drawn, title=title))


def _next(runs: Sequence[Run], out: Path | None) -> str:
    if not runs:
        return "next: convworks train"
    unfinished = next((run for run in runs if run.status in ("stopped", "killed")), None)
    if out is None and len(runs) > 1:
        return f"next: {repeated(['runs', *(run.name for run in runs[:3])], {'--out': 'curves.png'})}"
    resumed = f"next: {repeated(['train'], {'--resume': unfinished.name})}" if unfinished else ""
    if out is None and resumed:
        return resumed
    usable = [run for run in runs if run.status == "finished"]
    if not usable:
        return resumed or "next: convworks runs"
    best = max(usable, key=lambda run: run.score)
    source = str(best.configuration["data"]["source"])
    return f"next: {evaluate_command([best.name], source, errors_folder(best.name))}"
