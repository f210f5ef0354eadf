"""Pipes and devices in the place of files: one line says so, and nothing waits for a writer that never comes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.util import find_spec

import pytest
from workplace import Place, Rows, check_row, evaluate, predict, train

from convworks.data.shards.pack import pack
from convworks.data.sources.open import open_source

PIPE = "a pipe or a device, not a regular file"
Words = list[str]


def pipe(place: Place, name: str) -> str:
    """Put a pipe where a file is, or would be."""
    path = place.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return name


def after(*made: object, run: Words) -> Words:
    """Return what to run, after what was made for it."""
    return run


def idx(place: Place, name: str) -> Words:
    place.idx()
    (place.root / "idx" / name).unlink()
    return after(pipe(place, f"idx/{name}"), run=train("idx"))


def packed(place: Place, name: str) -> Words:
    """Pack a folder, and put a pipe in the place of one of the files."""
    pack(open_source(place.folder()), place.root / "packed", shard_size=2**20)
    file = next((place.root / "packed").glob(name))
    return after(pipe(place, str(file.relative_to(place.root))), run=train("packed"))


def resumed(place: Place, name: str) -> Words:
    place.run()
    return after(
        pipe(place, str(next((place.root / "run").glob(name)).relative_to(place.root))),
        run=["train", "--resume", "run"],
    )


def listed(place: Place, name: str) -> Words:
    place.run()
    return after(pipe(place, f"run/{name}"), run=["runs", "run"])


def synsets(place: Place) -> Words:
    for number in (1, 2):
        place.images(f"data/train/n0000000{number}", number)
    return after(pipe(place, "data/synset_words.txt"), run=train("data"))


def device(place: Place, name: str, run: Callable[[str], Words]) -> Words:
    """Run something with a link to a device that never ends."""
    return run(place.link(name, "/dev/zero"))


ROWS: Rows = {
    "CSV": (lambda p: train(pipe(p, "x.csv")), f"x.csv | {PIPE} | copy its content into a file"),
    "image in a folder": (lambda p: after(p.folder(), pipe(p, "data/a/x.png"), run=train("data")), f"a/x.png | {PIPE}"),
    "image in a CSV": (
        lambda p: after(
            p.folder(),
            pipe(p, "x.png"),
            run=train(p.write("x.csv", "path,label\nx.png,a\ndata/b/0.png,b\ndata/a/0.png,a\ndata/b/1.png,b")),
        ),
        f"x.png | {PIPE}",
    ),
    "array in a folder": (lambda p: after(p.folder(), pipe(p, "data/a/x.npy"), run=train("data")), f"a/x.npy | {PIPE}"),
    "IDX labels": (lambda p: idx(p, "train-labels-idx1-ubyte"), f"train-labels-idx1-ubyte | {PIPE}"),
    "IDX images": (lambda p: idx(p, "train-images-idx3-ubyte"), f"train-images-idx3-ubyte | {PIPE}"),
    "CIFAR batch": (
        lambda p: after(p.write("cifar/data_batch_1", ""), pipe(p, "cifar/data_batch_2"), run=train("cifar")),
        f"data_batch_2 | {PIPE}",
    ),
    "CIFAR archive": (lambda p: train(pipe(p, "cifar-10-python.tar.gz")), f"python.tar.gz | {PIPE}"),
    "list of synsets": (synsets, f"synset_words.txt | {PIPE}"),
    "shard": (lambda p: train(pipe(p, "x.tar")), f"x.tar | {PIPE}"),
    "shard of an index": (lambda p: packed(p, "*.tar"), f"-000000.tar | {PIPE}"),
    "index": (lambda p: packed(p, "index.json"), f"index.json | {PIPE}"),
    "image to predict": (lambda p: predict(p.bundle(), pipe(p, "x.png")), f"x.png | {PIPE}"),
    "endless image to predict": (lambda p: device(p, "x.png", lambda x: predict(p.bundle(), x)), f"x.png | {PIPE}"),
    "image to filter": (lambda p: ["filter", pipe(p, "x.png"), "--kernel", "edge"], f"x.png | {PIPE}"),
    "kernel": (lambda p: ["filter", p.images("x"), "--kernel", pipe(p, "k.txt")], f"k.txt | {PIPE}"),
    "endless kernel": (
        lambda p: device(p, "k.txt", lambda k: ["filter", p.images("x"), "--kernel", k]),
        f"k.txt | {PIPE}",
    ),
    "slices": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--slices", pipe(p, "s.csv"), "--by", "x"],
        f"s.csv | {PIPE}",
    ),
    "endless slices": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--slices", "/dev/zero", "--by", "x"],
        f"/dev/zero | {PIPE}",
    ),
    "predictions": (lambda p: ["compare", pipe(p, "x.csv"), p.write("y.csv", "path\n")], f"x.csv | {PIPE}"),
    "names of classes": (
        lambda p: ["import", p.write("w.pt", ""), "--model", "lenet5", "--classes", pipe(p, "c.txt")],
        f"c.txt | {PIPE}",
    ),
    "weights to import": (lambda p: ["import", pipe(p, "w.pt"), "--model", "lenet5"], f"w.pt | {PIPE}"),
    "description of a bundle": (
        lambda p: after(p.bundle(), pipe(p, "bundle/bundle.json"), run=predict("bundle", p.images("x"))),
        f"bundle.json | {PIPE}",
    ),
    "weights of a bundle": (
        lambda p: after(p.bundle(), pipe(p, "bundle/weights.safetensors"), run=predict("bundle", p.images("x"))),
        f"weights.safetensors | {PIPE}",
    ),
    "record of a run": (lambda p: resumed(p, "run.json"), f"run.json | {PIPE}"),
    "state of a checkpoint": (lambda p: resumed(p, "checkpoints/*.json"), f".json | {PIPE}"),
    "tensors of a checkpoint": (lambda p: resumed(p, "checkpoints/*.safetensors"), ".safetensors | "),
    "record of a run in a list": (lambda p: listed(p, "run.json"), f"run.json | {PIPE}"),
    "record of an experiment": (
        lambda p: after(pipe(p, "out/experiment.json"), run=["restarts", "--resume", "out"]),
        f"experiment.json | {PIPE}",
    ),
    "description of a saved set": (
        lambda p: after(pipe(p, "x/state.json"), p.folder(name="x/a"), run=train("x")),
        f"state.json | {PIPE}",
    ),
}
if find_spec("pyarrow"):
    ROWS |= {
        "Parquet": (lambda p: train(pipe(p, "x.parquet")), f"x.parquet | {PIPE}"),
        "Parquet in a folder": (lambda p: after(pipe(p, "x/train.parquet"), run=train("x")), f"train.parquet | {PIPE}"),
        "Arrow": (
            lambda p: after(
                p.write("x/state.json", json.dumps({"_data_files": [{"filename": "x.arrow"}]})),
                pipe(p, "x/x.arrow"),
                run=train("x"),
            ),
            f"x.arrow | {PIPE}",
        ),
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.timeout(20, func_only=True)
@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)
