"""Commands that convworks recommends, on the terminal and in its pages, are complete and run as printed."""

from __future__ import annotations

import html
import re
import shlex
import sys
from pathlib import Path

import pytest
from few_digits import train_on_few
from workplace import SMALL, Place

from convworks.cli.main import run
from convworks.models import NAMES

__all__ = ["train_on_few"]
DATA = ["--data", "data", *SMALL]

#: What is typed; the names of what it needs come from earlier rows of the same list.
TYPED: dict[str, list[list[str]]] = {
    "train on a folder": [["train", *DATA, "--out", "out"]],
    "train on arrays": [["train", "--epochs", "1", "--out", "out"]],
    "transfer": [["transfer", "bundle", "--data", "data", "--epochs", "1", "--out", "out"]],
    "train an autoencoder": [["train", "autoencoder/convolutional", "--data", "data", "--epochs", "1"]],
    "tune": [["tune", *DATA, "--trials", "1", "--out", "out"]],
    "crossval": [["crossval", *DATA, "--folds", "2", "--out", "out"]],
    "restarts": [["restarts", *DATA, "--runs", "2", "--out", "out"]],
    "evaluate": [["evaluate", "bundle", "--data", "data"]],
    "evaluate with a report": [["evaluate", "bundle", "--data", "data", "--out", "seen"]],
    "evaluate arrays with a report": [
        ["train", "--epochs", "1", "--out", "out"],
        ["evaluate", "out", "--data", "digits", "--out", "seen"],
    ],
    "predict": [["predict", "bundle", "data/a/0.png"]],
    "predict into a file": [["predict", "bundle", "data", "--out", "answers.csv"]],
    "predict by a run": [["train", *DATA, "--out", "out"], ["predict", "out", "data", "--out", "answers.csv"]],
    "compare": [["compare", "bundle", "bundle", "--data", "data"]],
    "restore": [["restore", "denoise", "data/a/0.png", "--model", "prior_resnet", "--iterations", "2", "--out", "x"]],
    "data": [["data", "data"]],
    "data without labels": [["data", "data/a"]],
    "models NAME": [["models", "convnet_digits"]],
    "models NAME --out": [["models", "convnet_digits", "--out", "network.svg"]],
    "models of no task": [["models", "textcnn", "--out", "network.svg"]],
    "recipes": [["recipes"]],
    "recipes NAME": [["recipes", "digits/default"]],
    "runs": [["train", *DATA, "--out", "out"], ["runs", "out"]],
    "cache": [["cache"]],
}


def on_terminal(out: str) -> list[str]:
    return re.findall(r"^next: +(convworks .*)$", out, re.MULTILINE)


def in_pages(root: Path) -> list[str]:
    """Return the commands of all pages below, but not those of the runs within an experiment."""
    commands = []
    for page in root.glob("*/report.html"):
        text = page.read_text()
        section = text[text.index('id="commands"') :]
        commands += [html.unescape(each) for each in re.findall(r"<pre>(convworks [^<]+)</pre>", section)]
    return list(dict.fromkeys(commands))


@pytest.mark.parametrize("name", TYPED)
def test_recommended_commands_run_as_printed(
    name: str, place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "tune":
        pytest.importorskip("optuna")
    place.folder()
    place.bundle()
    for constant in ("EPOCHS", "FEWEST"):  # few images would be seen as often as many
        monkeypatch.setattr(f"convworks.recipes.folder.{constant}", 8)

    def status(words: list[str]) -> int:
        monkeypatch.setattr(sys, "argv", ["convworks", *words])  # what a page says was typed
        return run(words)

    for words in TYPED[name]:
        assert status(words) == 0
    printed = on_terminal(capsys.readouterr().out)
    assert printed
    in_reports = in_pages(place.root)
    assert in_reports or not any("--out" in words and words[0] in ("train", "tune") for words in TYPED[name])
    for command in dict.fromkeys([*printed, *in_reports]):
        assert not re.search(r"\b[A-Z]{3,}\b|\.\.\.", command), command
        program, *words = shlex.split(command)
        assert program == "convworks"
        assert status(words) == 0, (command, capsys.readouterr().err)
    capsys.readouterr()


def test_models_never_suggest_what_cannot_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models"]) == 0
    listed = capsys.readouterr().out
    built = [name for name in NAMES if re.search(rf"^  {name} .*(\n   .*)*\n      only built", listed, re.MULTILINE)]
    assert {"textcnn", "m5", "c3d"} <= set(built)
    assert not {"resnet50", "lenet5", "autoencoder_conv", "prior_unet", "unet", "fcn8s"} & set(built)
