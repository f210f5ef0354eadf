"""`convworks evaluate`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convworks.cli.answer import Answer, accuracy_line
from convworks.console import downloading
from convworks.data.source import open_source
from convworks.errors import InputError


def run(bundles: Sequence[Path], *, data: str, split: str | None, out: Path | None, device: str) -> Answer:
    """Measure the mean of the bundles' probabilities on a source."""
    started = time.perf_counter()
    source = open_source(data, report=downloading())
    from convworks.bundle.description import read_description
    from convworks.bundle.pretrained import locate

    bundles = [locate(path, downloading()) for path in bundles]
    found_in = [read_description(path)[0] for path in bundles]
    for path, others in zip(bundles, found_in, strict=True):
        if others["classes"] != found_in[0]["classes"]:
            raise InputError(
                path,
                f"has other classes than {bundles[0]}",
                "an ensemble needs the same classes in the same order",
            )
        if others["format"] != found_in[0]["format"]:
            reason = f"was not asked what {bundles[0]} was: one says which class it is, the other which are shown"
            raise InputError(path, reason, "give bundles of one kind")
    if out is not None:
        from convworks.training.folder import check_free, check_outside

        check_free(out)
        check_outside(out, source)
    from dataclasses import replace

    from convworks.evaluate.predictor import choose_split, load
    from convworks.evaluate.summary import summary

    loaded = [load(path, device=device) for path in bundles]
    found = [predictor.predictions(source, split=split) for predictor in loaded]
    mean = np.stack([predictions.probabilities for predictions in found]).mean(0, dtype=np.float32)
    predictions = replace(found[0], probabilities=mean)
    values = {
        "bundles": [str(path) for path in bundles],
        "data": data,
        "split": predictions.split,
        **summary(predictions),
    }
    note = NOTES.get(predictions.split, "")
    values["note"] = note
    lines = [accuracy_line(predictions.split, values), *([f"note: {note}"] if note else [])]
    said = ("macro_f1",) if "map" in values else ()  # in the first line
    lines += [f"{name}: {values[key]:.4f}" for name, key in _SHOWN if key in values and key not in said]
    if out is not None:
        from convworks.data.load import load_images
        from convworks.evaluate.report import ReportContent, write_report

        chosen, preprocessing = choose_split(source, split)[1], loaded[0].bundle.preprocessing
        page = write_report(
            out,
            ReportContent(
                title=f"{', '.join(path.name for path in bundles)} on {source.name}",
                predictions=predictions,
                note=note,
                image=lambda index: (
                    load_images(chosen.select(np.array([index])), preprocessing)[0].permute(1, 2, 0).numpy()
                ),
                command=f"convworks evaluate {shlex.join(map(str, bundles))} --data {shlex.quote(data)}",
            ),
        )
        values["report"] = str(page)
        lines.append(f"report: {page}")
    values["seconds"] = round(time.perf_counter() - started, 3)
    lines.append(f"next:   convworks predict {shlex.quote(str(bundles[0]))} IMAGE...")
    return Answer(values=values, text="\n".join(lines))


NOTES = {
    "train": "a network that was trained on these images does better on them than on new ones",
    "validation": "a network whose epoch was chosen on these images does a little better on them than on new ones",
}
_SHOWN = (
    ("top-5 accuracy", "top5"),
    ("balanced accuracy", "balanced_accuracy"),
    ("macro F1", "macro_f1"),
    ("negative log-likelihood", "nll"),
    ("calibration error", "ece"),
    ("exact match", "exact_match"),
    ("binary cross-entropy", "bce"),
)
