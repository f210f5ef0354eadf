"""Bad options and values of fields, results in wrong places, runs that fail.

Each is told in one line that names it, with the right status, and leaves nothing behind.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from workplace import Place, Rows, check_line, check_row, environment, snapshot, train


def change(place: Place, assignment: str) -> list[str]:
    return train(place.folder(), "--set", assignment)


WILD = "training.schedule={'kind': 'constant', 'rate': 1e30}"


VALUES: Rows = {
    "no such command": (lambda p: ["trian"], "trian | 'train' | --help"),
    "unknown option": (lambda p: ["train", "--epoch", "3"], "--epoch | --epochs | convworks train --help"),
    "field as an option": (lambda p: ["train", "--lr", "0.1"], "--lr | --set lr=VALUE | convworks train --help"),
    "option without value": (lambda p: ["train", "--epochs"], "--epochs | requires an argument | --help"),
    "no number": (lambda p: ["train", "--epochs", "many"], "--epochs | whole number | not 'many' | write --epochs 10"),
    "missing argument": (lambda p: ["predict", p.bundle()], "PATH | convworks predict --help"),
    "missing option": (lambda p: ["evaluate", p.bundle()], "--data | convworks evaluate --help"),
    "one argument too many": (lambda p: ["models", "lenet5", "vgg"], "vgg | convworks models --help"),
    "unknown model": (lambda p: train(p.folder(), "--model", "lenet6"), "model | 'lenet6' | 'lenet5' | lists"),
    "unknown recipe": (lambda p: ["train", "mnist/fst"], "recipe | 'mnist/fst' | 'mnist/fast' | recipes` lists them"),
    "source as a recipe": (lambda p: ["train", "digits"], "no recipe 'digits' | to train on it: --data digits"),
    "folder as a recipe": (lambda p: ["train", p.folder()], "no recipe 'data' | to train on it: --data data"),
    "network without its set": (
        lambda p: ["transfer", "resnet20", "--data", p.folder()],
        "resnet20 | did you mean 'resnet20:cifar10' | published weights",
    ),
    "unknown synonym": (lambda p: change(p, "lrr=0.1"), "lrr | did you mean 'lr'"),
    "unknown device": (lambda p: train(p.folder(), "--device", "gpu"), "device | gpu | cuda:N"),
    "absent device": (lambda p: train(p.folder(), "--device", "cuda:77"), "cuda:77 | this machine has | auto"),
    "negative seed": (lambda p: train(p.folder(), "--seed", "-1"), "seed | -1 | greater than or equal to 0"),
    "no epochs": (lambda p: train(p.folder(), "--epochs", "0"), "--epochs | at least 1, not '0'"),
    "unknown field": (lambda p: change(p, "training.epoch=3"), "training.epoch | did you mean 'training.epochs'"),
    "no assignment": (lambda p: change(p, "training.epochs"), "training.epochs | field=value | write for example"),
    "batch size": (lambda p: change(p, "training.batch_size=-1"), "training.batch_size | greater than 0, not -1"),
    "momentum": (lambda p: change(p, "training.optimizer.momentum=2"), "training.optimizer.momentum | less than 1"),
    "crop": (lambda p: change(p, "augment.crop=3"), "augment.crop | less than or equal to 1, not 3"),
    "text for a number": (lambda p: change(p, "training.schedule.rate=x"), "training.schedule.rate | not 'x'"),
    "missing field": (lambda p: change(p, "training.schedule.kind=step"), "training.schedule.rate | missing"),
    "infinite number": (lambda p: change(p, "data.mean=(1e999,)"), "data.mean | finite | correct"),
    "mean of three channels": (lambda p: change(p, "data.mean=(.1,.2,.3)"), "data.mean | 3 values | 1 channel"),
    "two channels": (
        lambda p: change(p, "data.channels=2"),
        "data.channels | is 2 | images have 1 | give such images | 1 (grey)",
    ),
    "another source": (lambda p: change(p, "data.source=digits"), "data.source | --data | give only one of them"),
    "unknown table field": (lambda p: change(p, "model.table.dropot=3"), "model.table.dropot | 'dropout' | fields:"),
    "a network without width": (
        lambda p: [*change(p, "model.table.widths=64,0"), "--model", "airbench94"],
        "model.table.widths.1 | greater than 0 | published row",
    ),
    "a group without its first width": (
        lambda p: [*change(p, "model.table.first=32,128"), "--model", "airbench94"],
        "model.table.first | 2 widths of first convolutions, 3 groups | one for each group",
    ),
    "wrong table value": (lambda p: change(p, "model.table.dropout=3.0"), "model.table | dropout=3.0 | correct"),
    "image too small": (lambda p: train(p.folder(), "--model", "lenet5"), "8x8 | lenet5 | at least 32x32 | --set"),
}

PLACES: Rows = {
    "--out is not empty": (lambda p: train(p.folder(), "--out", "data/a"), "--out data/a | not empty | new folder"),
    "--out holds a run": (lambda p: [p.run()] and train("data", "--out", "run"), "--out run | a run | --resume run"),
    "--out holds a finished run": (
        lambda p: [p.run(lambda record: record.update(status="finished"))] and train("data", "--out", "run"),
        "--out run | a finished run | train it further | --resume run --epochs +10",
    ),
    "--out is a file": (lambda p: train(p.folder(), "--out", "data/a/0.png"), "0.png | is a file | new folder"),
    "--out leads nowhere": (lambda p: train(p.folder(), "--out", p.link("l", "gone")), "--out l | link | new folder"),
    "variations by an unknown recipe": (
        lambda p: ["data", p.folder(), "--augment", "mnist/fats"],
        "no recipe 'mnist/fats' | mnist/fast",
    ),
    "variations by an unknown field": (
        lambda p: ["data", p.folder(), "--augment", "mnist/fast", "--set", "augment.flop=True"],
        "--set augment.flop | no field | flip",
    ),
    "variations of colours that are not there": (
        lambda p: ["data", p.folder(), "--augment", "mnist/fast", "--set", "augment.jitter.hue=0.1"],
        "augment.jitter.hue | channels=1 | set it to 0",
    ),
    "variations cut out of too few pixels": (
        lambda p: ["data", p.folder(), "--augment", "cifar10/resnet20", "--set", "data.stored=(4,4)"],
        "data.stored | 4x4 | 8x8 | augment.crop",
    ),
    "--set without --augment": (
        lambda p: ["data", p.folder(), "--set", "augment.flip=True"],
        "--set | no | --augment RECIPE",
    ),
    "sheet of another kind": (lambda p: ["data", p.folder(), "--sheet", "x.jpg"], "--sheet x.jpg | .png | name it"),
}

FAILING: Rows = {
    "loss that is not a number": (lambda p: change(p, WILD), "training | loss | nan | lower the learning rate"),
    "loss that is not a number, later": (
        lambda p: train(p.folder(), "--epochs", "3", "--set", WILD),
        "training | loss | lower the learning rate",
    ),
    "too large a network": (lambda p: change(p, "model.table.head_size=1000000"), "memory | out of memory | smaller"),
}

ROWS = VALUES | PLACES | FAILING


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys, status=1 if name in FAILING else 2)


@pytest.mark.parametrize("name", ["unknown option", "loss that is not a number"])
def test_bad_input_in_a_process_of_its_own(name: str, place: Place) -> None:
    prepare, words = ROWS[name]
    command = [sys.executable, "-m", "convworks", *prepare(place)]
    before = snapshot(place.root)
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout) == (1 if name in FAILING else 2, "")
    check_line(done.stderr, words.split(" | "))
    assert snapshot(place.root) == before
