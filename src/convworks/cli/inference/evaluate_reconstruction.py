"""`convworks evaluate` with a bundle that makes images."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.cli.answer import Answer, accuracy_line, repeated
from convworks.cli.place import attempt
from convworks.data.source import Source
from convworks.errors import InputError
from convworks.files import atomic_folder
from convworks.hardware import precision_name

if TYPE_CHECKING:
    from convworks.report.report import ReportContent


def run(
    bundles: Sequence[Path],
    source: Source,
    *,
    data: str,
    split: str | None,
    plain: bool,
    out: Path | None,
    max_pixels: int | None,
    device: str,
    precision: str,
) -> Answer:
    """Measure how far the images that a network makes are from those that it is to give back."""
    started = time.perf_counter()
    if len(bundles) > 1:
        raise InputError(bundles[1], "makes images, of which there is no ensemble", "give one bundle")
    if not plain:
        raise InputError("--protocol", "is for networks that name classes, this one makes images", "leave it out")
    from convworks.inference.predictor import load
    from convworks.report.report import ReportContent
    from convworks.tasks.summary import summary

    predictor = load(bundles[0], device=device, precision=precision, max_pixels=max_pixels)
    found = predictor.reconstructions(source, split=split)
    values: dict[str, Any] = {
        "bundles": [str(bundles[0])],
        "data": data,
        "precisions": [precision_name(predictor.precision)],
        "split": found.split,
        **summary(found),
    }
    lines = [accuracy_line(found.split, values)]
    lost = None
    if out is not None:
        options = {"--data": data, "--split": split, "--precision": None if precision == "auto" else precision}
        command = repeated(["evaluate", bundles[0]], {**options, "--max-pixels": max_pixels})
        title = f"{bundles[0].name} on {source.name}"
        page, lost = attempt(partial(_report, out, ReportContent(title=title, predictions=found, command=command)))
        if page is not None:
            values["report"] = str(page)
            lines.append(f"report: {page}")
    values["seconds"] = round(time.perf_counter() - started, 3)
    lines.append(f"next:   convworks predict {shlex.quote(str(bundles[0]))} IMAGE... --out DIR")
    return Answer(values=values, text="\n".join(lines), error=lost)


def _report(out: Path, content: ReportContent) -> Path:
    from convworks.report.report import write_report

    with atomic_folder(out) as place:
        page = write_report(place, content)
    return out / page.name
