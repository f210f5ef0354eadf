"""The rules of a verdict: what each fires at, and the command that it gives."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convworks
from convworks.cli.main import run
from convworks.config import override
from convworks.pages.verdict import Finding
from convworks.recipes import recipe
from convworks.tasks import length
from convworks.tasks import verdict as rules
from convworks.tasks.again import again
from convworks.tasks.classification import CLASSIFICATION
from convworks.tasks.evidence import Evidence, measured
from convworks.tasks.multi_label import MULTI_LABEL
from convworks.tasks.outcomes.classification import Predictions
from convworks.tasks.reconstruction import RECONSTRUCTION
from convworks.tasks.task import Task
from convworks.tasks.verdict import verdict

DOCS = Path(__file__).parents[2] / "docs" / "verdict.md"


def outcome(
    accuracy: float, n: int = 400, *, confidence: float | None = None, split: str = "validation"
) -> Predictions:
    """Return predictions of two classes with an accuracy, and the confidence that fits it or another."""
    labels = np.arange(n) % 2
    right = np.arange(n) < round(accuracy * n)
    sure = max(accuracy, 0.501) if confidence is None else confidence
    probabilities = np.full((n, 2), 1 - sure, np.float32)
    probabilities[np.arange(n), np.where(right, labels, 1 - labels)] = sure
    names = tuple(f"{split}/{index}" for index in range(n))
    return Predictions(split=split, names=names, classes=("a", "b"), labels=labels, probabilities=probabilities)


def evidence(
    train: float,
    validation: Predictions,
    *changes: str,
    command: str = "convworks train --data d",
    size: tuple[int, int] = (32, 32),
    counts: Sequence[int] = (3000, 3000),
) -> Evidence:
    config = override(recipe("digits/default"), ["training.loss.smoothing=0", *changes])
    given = again(command, config)
    assert given is not None
    return Evidence(
        metric=CLASSIFICATION.headline,
        train={"top1": train},
        validation=validation,
        metrics=validation.summary(),
        reported=validation.summary(),
        split="test",
        images=sum(counts),
        counts=counts,
        history=[{"epoch": epoch, "train_loss": 0.7 - 0.1 * epoch, "learning_rate": 0.09} for epoch in (1, 2)],
        config=config,
        size=size,
        channels=3,
        again=given,
    )


def findings(task: Task, given: Evidence) -> dict[str, Finding]:
    return {finding.rule: finding for finding in verdict(task.rules, given)}


def test_a_network_that_has_memorised_its_training_images_overfits() -> None:
    found = findings(CLASSIFICATION, evidence(0.989, outcome(0.73), "augment.shift=2"))
    assert found.keys() == {"overfitting"}
    assert "25.9 points lower on validation" in found["overfitting"].meaning
    assert found["overfitting"].command == "convworks train --data d --set augment.mixup=0.2"


@pytest.mark.parametrize(
    ("changes", "size", "assignment"),
    [
        (["augment.shift=0"], (96, 96), "augment.crop=0.35"),
        (["augment.shift=0"], (32, 32), "augment.shift=4"),
        (["augment.shift=2"], (32, 32), "augment.mixup=0.2"),
        (["augment.shift=2", "augment.mixup=0.2"], (32, 32), "training.optimizer.weight_decay="),
    ],
)
def test_the_next_augmentation_is_one_that_the_run_lacks(
    changes: list[str], size: tuple[int, int], assignment: str
) -> None:
    command = findings(CLASSIFICATION, evidence(0.99, outcome(0.7), *changes, size=size))["overfitting"].command
    assert assignment in command
    value = command.rpartition("--set ")[2]
    assert override(recipe("digits/default"), [value])  # it is a configuration


def test_a_network_that_is_wrong_on_its_training_images_underfits() -> None:
    found = findings(CLASSIFICATION, evidence(0.75, outcome(0.73), "training.epochs=7"))
    assert found.keys() == {"underfitting"}
    assert found["underfitting"].command == "convworks train --data d --epochs 14"


def test_a_network_that_guesses_gets_a_range_test_and_nothing_else() -> None:
    found = findings(CLASSIFICATION, evidence(0.95, outcome(0.52), command="convworks train --data d --epochs 3"))
    assert found.keys() == {"guessing"}
    assert found["guessing"].command == "convworks lr-range --data d"


def test_a_network_that_ranks_better_than_chance_does_not_guess() -> None:
    base = evidence(0.5, outcome(0.52))
    metrics = {**base.metrics, "auc": 0.78, "intervals": {**base.metrics["intervals"], "auc": (0.59, 0.94)}}
    assert findings(CLASSIFICATION, replace(base, metrics=metrics)).keys() == {"underfitting"}


@pytest.mark.parametrize("options", ["--epochs 2", "--set training.epochs=2", "--set epochs=2"])
@pytest.mark.parametrize("verb", ["train", "transfer B"])
def test_a_short_run_that_was_still_learning_is_to_be_trained_as_long_as_the_recipe_says(
    verb: str, options: str
) -> None:
    brief = evidence(0.6, outcome(0.52), command=f"convworks {verb} --data d {options} --set seed=3")
    found = findings(CLASSIFICATION, brief)
    assert found.keys() == {"brief"}
    assert found["brief"].command == f"convworks {verb} --data d --set seed=3"
    flat = [{**row, "train_loss": 0.69} for row in brief.history]
    assert findings(CLASSIFICATION, replace(brief, history=flat)).keys() == {"guessing"}
    assert findings(CLASSIFICATION, replace(brief, again=evidence(0.6, outcome(0.52)).again)).keys() == {"guessing"}
    labels: dict[str, Any] = {"metric": MULTI_LABEL.headline, "train": {"map": 0.6}, "metrics": {"map": 0.5}}
    assert findings(MULTI_LABEL, replace(brief, **labels)).keys() == {"brief"}


def test_a_short_run_has_one_cause_and_one_remedy() -> None:
    """Its training loss did not fall in the end, and its confidence is low: more training is the remedy of all that."""
    command = "convworks train --data d --epochs 2"
    base = evidence(0.62, outcome(0.61, 4000, confidence=0.51), "training.loss.smoothing=0.1", command=command)
    flat = replace(base, history=[{**row, "train_loss": 0.6} for row in base.history])
    found = findings(CLASSIFICATION, flat)
    assert found.keys() == {"brief"}
    assert "still falling" not in found["brief"].meaning
    assert found["brief"].command == "convworks train --data d"


def test_a_run_that_was_ended_early_is_resumed_and_not_judged() -> None:
    base = evidence(0.99, outcome(0.7), "training.epochs=20")
    found = findings(CLASSIFICATION, replace(base, resume="convworks train --resume runs/d"))
    assert [finding.title for finding in found.values()] == ["Stopped after 2 of 20 epochs"]
    assert found["stopped"].command == "convworks train --resume runs/d"
    assert "cut off at 0.09 (its highest value: 0.1)" in found["stopped"].meaning


def test_few_photographs_lead_to_transfer_unless_they_came_from_it() -> None:
    few: dict[str, Any] = {"size": (96, 96), "counts": (120, 125)}
    found = findings(CLASSIFICATION, evidence(0.80, outcome(0.78), **few))
    assert found["photographs"].command == "convworks transfer resnet50:imagenet --data d"
    at_chance = findings(CLASSIFICATION, evidence(1.0, outcome(0.5), size=(96, 96), counts=(120, 125)))
    assert next(iter(at_chance)) == "photographs", "where a network guesses, too few photographs are the first reason"
    assert "photographs" not in findings(CLASSIFICATION, evidence(0.80, outcome(0.78), size=(96, 96)))
    assert "photographs" not in findings(CLASSIFICATION, evidence(0.80, outcome(0.78), counts=(120, 125)))
    started = evidence(0.80, outcome(0.78), "model.start={'path': '/bundle', 'layers': ['stem']}", **few)
    assert "photographs" not in findings(CLASSIFICATION, started)


def test_few_images_to_measure_on_lead_to_cross_validation() -> None:
    found = findings(CLASSIFICATION, evidence(0.95, outcome(0.95, 60)))
    assert found.keys() == {"interval"}
    assert found["interval"].command == "convworks crossval --data d --folds 5"
    assert found["interval"].title == "Small test set"
    assert found["interval"].meaning.startswith("The 95 % interval on 60 test images")
    transferred = evidence(0.95, outcome(0.95, 60), command="convworks transfer B --data d")
    assert findings(CLASSIFICATION, transferred)["interval"].command == "convworks transfer B --data d --seed 1"


@pytest.mark.parametrize(
    ("confidence", "changes", "title", "assignment"),
    [
        (0.82, ["training.loss.smoothing=0.1"], "Underconfident probabilities", "training.loss.smoothing=0"),
        (0.999, [], "Overconfident probabilities", "training.loss.smoothing=0.1"),
    ],
)
def test_confidence_that_differs_from_accuracy_names_the_label_smoothing(
    confidence: float, changes: list[str], title: str, assignment: str
) -> None:
    accuracy = 0.96 if "Under" in title else 0.91
    found = findings(CLASSIFICATION, evidence(accuracy, outcome(accuracy, confidence=confidence), *changes))
    assert found.keys() == {"calibration"}
    assert found["calibration"].title == title
    assert found["calibration"].command.endswith(f" --set {assignment}")


def test_the_confidence_that_label_smoothing_aims_at_is_no_finding_but_said() -> None:
    smoothed = evidence(0.995, outcome(0.99, 2000, confidence=0.93), "training.loss.smoothing=0.1")
    assert not findings(CLASSIFICATION, smoothed)
    assert "Label smoothing aims at a confidence of 95.0%, not 100%" in measured(smoothed)
    assert "smoothing" not in measured(evidence(0.995, outcome(0.99, 2000)))


def test_a_short_run_is_not_blamed_on_label_smoothing() -> None:
    changes = ["training.loss.smoothing=0.1"]
    brief = evidence(0.96, outcome(0.96, confidence=0.7), *changes, command="convworks train --data d --epochs 2")
    assert findings(CLASSIFICATION, brief)["calibration"].command == "convworks train --data d"


def unequal(n: int = 1000) -> Predictions:
    """Return predictions that are right about the frequent class, and half right about the rare one."""
    labels = (np.arange(n) >= 0.85 * n).astype(np.int64)
    right = (labels == 0) | (np.arange(n) % 2 == 0)
    probabilities = np.full((n, 2), 0.08, np.float32)
    probabilities[np.arange(n), np.where(right, labels, 1 - labels)] = 0.92
    names = tuple(map(str, range(n)))
    return Predictions(split="validation", names=names, classes=("a", "b"), labels=labels, probabilities=probabilities)


def test_rare_classes_that_are_recognised_worse_are_drawn_more_often_once() -> None:
    counts = (8500, 1500)
    found = findings(CLASSIFICATION, evidence(0.95, unequal(), counts=counts))
    assert found["imbalance"].command == "convworks train --data d --set training.sampling=balanced"
    assert "5.7 times as many" in found["imbalance"].meaning
    assert "imbalance" not in findings(
        CLASSIFICATION, evidence(0.95, unequal(), "training.sampling=balanced", counts=counts)
    )
    assert "imbalance" not in findings(CLASSIFICATION, evidence(0.95, unequal(), counts=(5000, 5000)))


def test_a_good_network_has_no_findings() -> None:
    assert not findings(CLASSIFICATION, evidence(0.985, outcome(0.98, 2000)))


def test_what_was_fitted_at_once_is_not_told_to_train_longer() -> None:
    assert not findings(CLASSIFICATION, replace(evidence(0.7, outcome(0.7)), history=()))


@pytest.mark.parametrize(
    ("metrics", "train", "rule"),
    [
        ({"mse": 0.02, "psnr": 17.0}, 0.01, "overfitting"),
        ({"mse": 0.02, "psnr": 17.0, "psnr_read": 18.0}, 0.02, "no-gain"),
        ({"mse": 0.02, "psnr": 17.0, "psnr_read": 12.0}, 0.02, None),
    ],
)
def test_images_have_rules_of_their_own(metrics: dict[str, float], train: float, rule: str | None) -> None:
    base = evidence(0.9, outcome(0.9))
    values: dict[str, Any] = {
        "metric": RECONSTRUCTION.headline,
        "train": {"mse": train},
        "metrics": metrics,
        "reported": metrics,
    }
    found = findings(RECONSTRUCTION, replace(base, **values))
    assert list(found) == ([rule] if rule else [])
    assert all("accuracy" not in finding.meaning.lower() for finding in found.values())


def test_label_sets_are_judged_by_their_own_metric() -> None:
    base = evidence(0.9, outcome(0.9))
    metrics = {"map": 0.6, "n": 900, "intervals": {"map": [0.57, 0.63]}}
    values: dict[str, Any] = {
        "metric": MULTI_LABEL.headline,
        "train": {"map": 0.98},
        "metrics": metrics,
        "reported": metrics,
    }
    found = findings(MULTI_LABEL, replace(base, **values))
    assert found.keys() == {"overfitting"}
    assert found["overfitting"].meaning.startswith("Mean average precision")


def test_an_interval_without_width_is_that_of_a_proportion_without_errors() -> None:
    base = evidence(0.9, outcome(0.9))
    values: dict[str, Any] = {"map": 1.0, "n": 6, "intervals": {"map": [1.0, 1.0]}}
    changes: dict[str, Any] = {"metric": MULTI_LABEL.headline, "train": values, "metrics": values, "reported": values}
    few = findings(MULTI_LABEL, replace(base, **changes))
    assert "39.0 points wide" in few["interval"].meaning  # Wilson: 6 of 6 is 61.0 to 100 %
    changes["reported"] = values | {"n": 600}
    assert not findings(MULTI_LABEL, replace(base, **changes))


def test_the_page_of_thresholds_is_true() -> None:
    text = DOCS.read_text(encoding="utf-8")
    constants = {
        rules: ("GAP", "GAP_OF_IMAGES", "RATIO", "UNEQUAL", "WIDE", "UNSURE"),
        length: ("UNFIT", "BRIEF_EPOCHS", "BRIEF_PRESENTATIONS", "FALLING"),
    }
    for module, names_of_module in constants.items():
        for name in names_of_module:
            assert re.search(rf"\b{name}\b[^|]*\| {getattr(module, name):g} ", text), name
    names = {finding for task in (CLASSIFICATION, MULTI_LABEL, RECONSTRUCTION) for finding in task.rules}
    assert len(names) >= 9


def test_training_images_that_are_stored_larger_are_measured_as_they_are_predicted(tmp_path: Path) -> None:
    changes = ["data.stored=10,10", "data.size=8,8"]
    results = convworks.train(epochs=1, device="cpu", out=tmp_path / "run", overrides=changes)
    assert "on training images, without augmentation" in Path(results["report"]).read_text(encoding="utf-8")


def test_what_a_run_suggests_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for index in range(40):
        path = tmp_path / "my images" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    changes = ["training.schedule.rate=1e-9"]  # the loss does not fall
    results = convworks.train(data="my images", epochs=2, device="cpu", out="first", overrides=changes)
    assert [finding["rule"] for finding in results["verdict"]] == ["guessing"]
    assert "No better than guessing" in Path(results["report"]).read_text(encoding="utf-8")
    command = results["verdict"][0]["command"]
    assert command.startswith("convworks lr-range --data 'my images'")
    assert run(shlex.split(command)[1:]) == 0
    config = recipe("digits/default")
    suggestion = again("convworks train --data 'my images' --epochs 1 --set device=cpu --out first", config)
    assert suggestion is not None
    for words in (suggestion.varied("augment.mixup=0.2"), suggestion.crossval(2)):
        assert run(shlex.split(words)[1:]) == 0, capsys.readouterr().err
