"""The command of a run, varied."""

from __future__ import annotations

import shlex

import pytest
import typer

from convworks.cli.verbs import app
from convworks.tasks.again import FLAGS, again


@pytest.mark.parametrize(
    ("command", "varied"),
    [
        ("convworks train", "convworks train --set seed=1"),
        ("convworks train --data 'my images' --out runs/a", "convworks train --data 'my images' --set seed=1"),
        ("convworks train mnist/fast --out=runs/a --json", "convworks train mnist/fast --set seed=1"),
        (
            "convworks transfer BUNDLE --data d --deterministic --set a.b='x y'",
            "convworks transfer BUNDLE --data d --deterministic --set 'a.b=x y' --set seed=1",
        ),
    ],
)
def test_a_run_again_with_a_change_and_in_a_folder_of_its_own(command: str, varied: str) -> None:
    words = again(command)
    assert words is not None
    assert words.varied("seed=1") == varied
    assert shlex.split(varied)


def test_other_verbs_get_the_options_that_they_have() -> None:
    words = again(
        "convworks train --data d --epochs 3 --skip-damaged --deterministic --set training.batch_size=8 --out r"
    )
    assert words is not None
    assert words.data == "d"
    assert words.lr_range() == "convworks lr-range --data d --set training.batch_size=8"
    assert words.crossval(5) == (
        "convworks crossval --data d --epochs 3 --deterministic --set training.batch_size=8 --folds 5"
    )


@pytest.mark.parametrize("command", ["", "python study.py", "convworks crossval --data d", "convworks train 'a"])
def test_what_neither_trains_nor_transfers_is_not_varied(command: str) -> None:
    assert again(command) is None


@pytest.mark.parametrize("verb", ["train", "transfer"])
def test_the_options_without_a_value_are_those_of_the_command(verb: str) -> None:
    options = typer.main.get_command(app).commands[verb].params  # type: ignore[attr-defined]
    assert {name for option in options if getattr(option, "is_flag", False) for name in option.opts} <= set(FLAGS)
