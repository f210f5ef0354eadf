"""Bad runs and experiments: resumed, listed, searched.

Each is told in one line that names it, with the right status, and leaves nothing behind.
"""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image
from workplace import Place, Rows, check_row, encoded, train

from convworks.signed import signed


def change(place: Place, assignment: str) -> list[str]:
    return train(place.folder(), "--set", assignment)


def experiment(place: Place, **changes: object) -> str:
    """Write the record of an experiment of three restarts."""
    record = json.loads((place.trained / "run.json").read_text())
    asked = {"runs": 3, "first": 0}
    values = {"format": 2, "kind": "restarts", "status": "stopped", "asked": asked, "command": "", "train": ""}
    values |= {"configuration": record["configuration"], **changes}
    return place.write("out/experiment.json", json.dumps(signed(values)))


def grouped(place: Place, ours: str, theirs: str = "") -> str:
    """Write a table of twelve images, six of each class, with a patient for each: of class b the same, or others."""
    place.images("a", 0)
    place.images("b", 1)
    pairs = [("a", index, patient) for index, patient in enumerate(ours)]
    pairs += [("b", index, patient) for index, patient in enumerate(theirs or ours)]
    rows = [f"{label}/{index}.png,{label},{patient}" for label, index, patient in pairs]
    return place.write("data.csv", "\n".join(["path,label,patient", *rows]))


def picture(p: Place, *words: str) -> list[str]:
    return ["lr-range", "--data", p.folder(), "--model", "convnet_digits", *words]


PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
RGB = encoded(Image.fromarray(PIXELS[:8, :8]), "PNG")


RESUMING: Rows = {
    "resume nothing": (lambda p: ["train", "--resume", "gone"], "gone | does not exist | give the folder"),
    "resume a finished run": (
        lambda p: ["train", "--resume", p.run(lambda r: r.update(status="finished"))],
        "--resume run | finished | run/bundle",
    ),
    "resume with other options": (
        lambda p: ["train", "--resume", p.run(), "--seed", "9", "--set", "training.batch_size=7"],
        "--resume run | cannot change on resume: seed is 9, in the run 0; training.batch_size is 7, | leave them out",
    ),
    "resume elsewhere": (lambda p: ["train", "--resume", p.run(), "--out", "x"], "--out | keeps its folder"),
    "resume for no epochs": (
        lambda p: ["train", "--resume", p.run(), "--epochs", "+0"],
        "--epochs | at least 1, not '0' | write",
    ),
    "resume for fewer epochs": (
        lambda p: [
            "train",
            "--resume",
            p.run(lambda r: r["configuration"]["training"].update(epochs=5)),
            "--epochs",
            "1",
        ],
        "--epochs | the run is planned for 5 | only be extended | --finish",
    ),
    "more epochs of nothing": (lambda p: train("data", "--epochs", "+3"), "--epochs | extends a run | --resume"),
    "resume with changed data": (
        lambda p: [p.run(), p.write("data/a/new.png", RGB)] and ["train", "--resume", "run"],
        "data | differs from when the run started: train.images is | , in the run | restore it",
    ),
    "resume without its data": (
        lambda p: ["train", "--resume", p.run(lambda r: r["configuration"]["data"].update(source="gone"))],
        "gone | nor an existing path",
    ),
    "damaged run.json": (
        lambda p: [p.run(), p.write("run/run.json", "{")] and ["train", "--resume", "run"],
        "run/run.json | cannot be read | start a new run",
    ),
    "incomplete run.json": (
        lambda p: ["train", "--resume", p.run(lambda r: r["configuration"].pop("model"))],
        "run/run.json model | missing",
    ),
    "damaged checkpoint": (
        lambda p: [p.run(), p.flip("run/checkpoints/*.safetensors")] and ["train", "--resume", "run"],
        "safetensors | checksum | delete step- | new run",
    ),
    "checkpoint of another network": (
        lambda p: [
            "train",
            "--resume",
            p.run(lambda r: r["configuration"]["model"].update(table={"head_size": 1})),
        ],
        "differs from when the run started: average.head | , in the run | restore it",
    ),
}

LOOKING: Rows = {
    "runs of nothing": (lambda p: ["runs", "gone"], "gone | no such folder | give the folder of a run"),
    "runs of a file": (lambda p: ["runs", p.write("x", "-")], "x | is a file | give the folder of a run"),
    "no run below": (lambda p: ["runs", p.folder()], "data | no run | give a run"),
    "runs by an unknown column": (
        lambda p: ["runs", p.run(), "--sort", "tset"],
        "--sort | did you mean 'test' | columns",
    ),
    "curves of another kind": (lambda p: ["runs", p.run(), "--out", "x.pdf"], "--out x.pdf | .png or .svg | name it"),
    "curves in no folder": (
        lambda p: ["runs", p.run(), "--out", "no/x.png"],
        "--out no/x.png | does not exist | create",
    ),
    "a damaged run": (
        lambda p: [p.run(), p.write("run/run.json", "{")] and ["runs", "run"],
        "run/run.json | cannot be read as a run | leave it out",
    ),
    "damaged metrics": (
        lambda p: [p.run(), p.write("run/metrics.jsonl", "{")] and ["runs", "run"],
        "run/run.json | cannot be read as a run",
    ),
    "curves of no epochs": (
        lambda p: (
            [p.run(lambda r: r.pop("metrics_sha256")), p.write("run/metrics.jsonl", "")]
            and ["runs", "run", "--out", "x.png"]
        ),
        "--out x.png | no run has finished an epoch | leave",
    ),
    "range from nothing": (lambda p: picture(p, "--from", "0"), "--from | above 0, not 0 | write"),
    "range to infinity": (lambda p: picture(p, "--to", "inf"), "--to | not inf | write"),
    "range backwards": (lambda p: picture(p, "--to", "1e-6"), "--to | 1e-06 is not above --from | wider"),
    "range of few steps": (lambda p: picture(p, "--steps", "5"), "--steps | from 10 | not 5 | write"),
    "range picture of another kind": (lambda p: picture(p, "--out", "x.jpg"), "--out x.jpg | .png or .svg | name it"),
    "range of an unknown recipe": (lambda p: ["lr-range", "mnist/fst"], "recipe | 'mnist/fast'"),
    "range of an unknown network": (lambda p: picture(p, "--model", "lenet6"), "model | 'lenet6' | 'lenet5'"),
    "range without data": (lambda p: ["lr-range", "--data", "gone"], "gone | nor an existing path"),
    "unknown tracker": (
        lambda p: change(p, "tracking=wandb"),
        "tracking | 'tensorboard' or 'mlflow' | cannot be 'wandb'",
    ),
    "tracking number": (lambda p: change(p, "tracking=3"), "tracking | list | not 3"),
}

EXPERIMENTS: Rows = {
    "restarts of nothing": (
        lambda p: ["restarts", "--data", "nowhere"],
        "nowhere | nor an existing path | give a folder",
    ),
    "one run": (lambda p: ["restarts", "--runs", "1"], "--runs | equal to 2 | --help"),
    "no workers": (lambda p: ["restarts", "--workers", "many"], "--workers | 'many' | from 1 to 1024, or ray"),
    "a network that does not fit, several times": (
        lambda p: ["restarts", "--data", p.folder(), "--model", "unet", "--out", "out"],
        "data | has no masks | give images with masks",
    ),
    "an experiment over another": (
        lambda p: [p.write("out/experiment.json", "{}")] and ["restarts", "--out", "out"],
        "--out out | contains an experiment | resume it: convworks restarts --resume out",
    ),
    "an experiment in the data": (
        lambda p: ["crossval", "--data", p.folder(), "--out", "data/a/out"],
        "--out data/a/out | is inside | outside",
    ),
    "resume no experiment": (
        lambda p: ["restarts", "--resume", p.images("x")],
        "--resume x | no experiment.json | give the folder that restarts made",
    ),
    "resume an experiment with options": (
        lambda p: ["restarts", "--resume", p.images("x"), "--epochs", "3"],
        "--resume | as it was configured | leave out all options except --data, --runs and --workers",
    ),
    "resume another experiment": (
        lambda p: [experiment(p, kind="crossval")] and ["tune", "--resume", "out"],
        "--resume out | holds crossval, not tune | convworks crossval --resume out",
    ),
    "resume a finished experiment": (
        lambda p: [experiment(p, status="finished")] and ["restarts", "--resume", "out"],
        "--resume out | finished | give more: --runs N",
    ),
    "fewer runs than there are": (
        lambda p: [experiment(p)] and ["restarts", "--resume", "out", "--runs", "2"],
        "--runs | 2 are fewer than the 3 | give more",
    ),
    "damaged experiment.json": (
        lambda p: [p.write("out/experiment.json", "{")] and ["restarts", "--resume", "out"],
        "out/experiment.json | cannot be read | start a new one",
    ),
    "experiment of the future": (
        lambda p: [experiment(p, format=99)] and ["restarts", "--resume", "out"],
        "out/experiment.json | format 99 | version",
    ),
    "too many folds": (
        lambda p: ["crossval", "--data", p.folder(), "--folds", "7"],
        "--folds | 7 are more than the images of class 'a' (6) | at most 6",
    ),
    "groups of a folder": (
        lambda p: ["crossval", "--data", p.folder(), "--group-by", "patient"],
        "--group-by | 'patient' | data is not a CSV file | give --data FILE.csv",
    ),
    "groups of no column": (
        lambda p: ["crossval", "--data", grouped(p, "xyxyxy"), "--group-by", "patent"],
        "data.csv | no column 'patent' | did you mean 'patient'? | it has: path, label, patient",
    ),
    "an image without group": (
        lambda p: ["crossval", "--data", grouped(p, "xyx yx"), "--group-by", "patient"],
        "data.csv line 5 | has no patient | fill it in",
    ),
    "more folds than groups": (
        lambda p: ["crossval", "--data", grouped(p, "xyxyxy"), "--group-by", "patient", "--folds", "3"],
        "--folds | 3 are more than the 2 groups of column 'patient' | at most 2",
    ),
    "a class in one group": (
        lambda p: ["crossval", "--data", grouped(p, "xyxyxx", "yyyyyy"), "--group-by", "patient", "--folds", "2"],
        "--folds | holds all images of class | more groups",
    ),
}

TUNING: Rows = {
    "search of no field": (
        lambda p: ["tune", "--search", "training.schedule.rat=0.1..1"],
        "--search | no field 'training.schedule.rat' | did you mean 'training.schedule.rate'",
    ),
    "search of no range": (
        lambda p: ["tune", "--search", "training.epochs=3"],
        "--search | at least two different | write",
    ),
    "search that falls": (
        lambda p: ["tune", "--search", "training.schedule.rate=1..0.1"],
        "--search training.schedule.rate=1..0.1 | must rise | lower end first",
    ),
    "search of fractions of epochs": (
        lambda p: ["tune", "--search", "training.epochs=1..4"],
        "--search | training.epochs | whole number",
    ),
    "unknown storage": (
        lambda p: ["tune", "--storage", "nonsense://host/name"],
        "--storage nonsense://host/name | not a storage that Optuna can open | sqlite:///trials.db",
    ),
    "storage that is not a URL": (
        lambda p: ["tune", "--storage", "trials.db"],
        "--storage trials.db | is not a URL | sqlite",
    ),
    "storage in no folder": (
        lambda p: ["tune", "--storage", "sqlite:///gone/trials.db"],
        "--storage sqlite:///gone/trials.db | unable to open database file | sqlite:///trials.db",
    ),
    "a study without storage": (
        lambda p: ["tune", "--study", "ours"],
        "--study | no shared storage | give --storage URL too",
    ),
}

ROWS = RESUMING | LOOKING | EXPERIMENTS | (TUNING if find_spec("optuna") else {})


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)
