"""The command of a run, varied."""

from __future__ import annotations

import shlex

import pytest
import typer

from convworks.cli.verbs import app
from convworks.recipes import recipe
from convworks.tasks.again import FLAGS, again

CONFIG = recipe("digits/default")


@pytest.mark.parametrize(
    ("command", "varied"),
    [
        ("convworks train", "convworks train --seed 1"),
        ("convworks train --data 'my images' --out runs/a", "convworks train --data 'my images' --seed 1"),
        ("convworks train mnist/fast --out=runs/a --json", "convworks train mnist/fast --seed 1"),
        (
            "convworks transfer BUNDLE --data d --deterministic --set a.b='x y'",
            "convworks transfer BUNDLE --data d --deterministic --set 'a.b=x y' --seed 1",
        ),
    ],
)
def test_a_run_again_with_a_change_and_in_a_folder_of_its_own(command: str, varied: str) -> None:
    words = again(command, CONFIG)
    assert words is not None
    assert words.varied("seed=1") == varied
    assert shlex.split(varied)


@pytest.mark.parametrize(
    ("typed", "changes", "varied"),
    [
        ("--epochs 2 --set data.size=48,48", ["training.epochs=4"], "--set data.size=48,48 --epochs 4"),
        ("--set training.epochs=2", ["training.epochs=4"], "--epochs 4"),
        ("--set epochs=2", ["training.epochs=4"], "--epochs 4"),
        (
            "--set lr=0.1 --seed 3",
            ["training.schedule.rate=0.2", "seed=4"],
            "--set training.schedule.rate=0.2 --seed 4",
        ),
        ("--set schedule.rate=0.1", ["augment.shift=2"], "--set schedule.rate=0.1 --set augment.shift=2"),
    ],
)
def test_a_change_replaces_the_option_for_the_same_field(typed: str, changes: list[str], varied: str) -> None:
    words = again(f"convworks train --data d {typed}", CONFIG)
    assert words is not None
    assert words.varied(*changes) == f"convworks train --data d {varied}"


def test_other_verbs_get_the_options_that_they_have() -> None:
    words = again(
        "convworks train --data d --epochs 3 --skip-damaged --deterministic --set training.batch_size=8 --out r",
        CONFIG,
    )
    assert words is not None
    assert words.lr_range() == "convworks lr-range --data d --skip-damaged --set training.batch_size=8"
    assert words.crossval(5) == (
        "convworks crossval --data d --epochs 3 --skip-damaged --deterministic --set training.batch_size=8 --folds 5"
    )


@pytest.mark.parametrize(
    ("typed", "source"),
    [
        ("", "--data digits"),
        ("--data 'my images' --set data.size=64,64 --seed 1", "--data 'my images'"),
        ("--data d --skip-damaged --set validation=0.3", "--data d --skip-damaged --set validation=0.3"),
        ("--set data.fold=2/5 --set lr=0.1", "--data digits --set data.fold=2/5"),
    ],
)
def test_the_words_that_say_which_images_go_into_other_commands(typed: str, source: str) -> None:
    words = again(f"convworks train {typed}", CONFIG)
    assert words is not None
    assert shlex.join(words.source("digits")) == source


@pytest.mark.parametrize("command", ["", "python study.py", "convworks crossval --data d", "convworks train 'a"])
def test_what_neither_trains_nor_transfers_is_not_varied(command: str) -> None:
    assert again(command, CONFIG) is None


@pytest.mark.parametrize("verb", ["train", "transfer"])
def test_the_options_without_a_value_are_those_of_the_command(verb: str) -> None:
    options = typer.main.get_command(app).commands[verb].params  # type: ignore[attr-defined]
    assert {name for option in options if getattr(option, "is_flag", False) for name in option.opts} <= set(FLAGS)
