"""An epoch has one validation accuracy: in the history, the results, the bundle and the list of runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import convworks
from convworks.config import override
from convworks.metrics.spec import TOP1
from convworks.recipes import recipe
from convworks.training.config import RunConfig
from convworks.training.listing import read_run
from convworks.training.progress import Progress
from convworks.training.selection import chosen_on_validation


@pytest.mark.parametrize("kept", ["best", "last"])
def test_the_history_says_what_the_bundle_does(kept: str, tmp_path: Path) -> None:
    changes = ["precision=bfloat16", "training.ema=0.9", f"training.kept={kept}"]
    results = convworks.train(out=tmp_path / "run", epochs=3, device="cpu", overrides=changes)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    saved = rows[results["best_epoch"] - 1]
    assert saved["validation_top1"] == results["validation"]["top1"] == read_run(tmp_path / "run").validation
    assert saved["validation_top5"] == results["validation"]["top5"]
    page = Path(results["report"]).read_text()
    assert f"<dt>Validation</dt><dd>{TOP1.write(saved['validation_top1'])}</dd>" in page


def progress(epochs: int, *rates: float) -> Progress:
    history = [{"epoch": number + 1, "learning_rate": rate} for number, rate in enumerate(rates or (0.1,) * epochs)]
    return Progress(epoch=epochs, history=history)


def configured(*changes: str) -> RunConfig:
    return override(recipe("digits/default"), ["training.epochs=5", *changes])


PLATEAU = "training.schedule={'kind': 'plateau', 'rate': 0.1}"


@pytest.mark.parametrize(
    ("changes", "done", "chosen"),
    [
        (["training.kept=best"], progress(5), "the epoch"),
        (["training.kept=best"], progress(1), ""),
        (["training.kept=last"], progress(5), ""),
        (["training.kept=last", "training.patience=2"], progress(4), "the number of epochs"),
        (["training.kept=last", "training.patience=2"], progress(5), ""),
        (["training.kept=last", PLATEAU], progress(3, 0.1, 0.1, 0.01), "the learning rate"),
        (["training.kept=last", PLATEAU], progress(3), ""),
    ],
)
def test_what_was_chosen_on_validation(changes: list[str], done: Progress, chosen: str) -> None:
    assert chosen_on_validation(configured(*changes), done) == chosen
