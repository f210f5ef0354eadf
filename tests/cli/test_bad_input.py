"""Bad input through the command line: one line that names it, the right status, and nothing left behind."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

import convworks
from convworks.cli.main import run
from convworks.data.source import open_source

Edit = Callable[[dict[str, Any]], object]
SMALL = ("--model", "convnet_digits", "--epochs", "1")


def train(data: str, *more: str) -> list[str]:
    return ["train", "--data", data, *SMALL, "--out", "out", *more]


def change(place: Place, assignment: str) -> list[str]:
    return train(place.folder(), "--set", assignment)


def predict(bundle: str, *paths: str) -> list[str]:
    return ["predict", bundle, *paths]


def evaluate(bundle: str, data: str) -> list[str]:
    return ["evaluate", bundle, "--data", data]


def snapshot(root: Path) -> dict[str, str]:
    """Return every file, link and folder below, with the checksum of its content."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            content = f"link to {path.readlink()}"
        else:
            content = "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(root))] = content
    return found


class Place:
    """A working directory, its material, and what is wrong with it; paths given and returned are relative to it."""

    def __init__(self, root: Path, digits: Mapping[int, np.ndarray], run: Path) -> None:
        self.root, self.digits, self.trained = root, digits, run

    def write(self, name: str, content: bytes | str) -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def images(self, name: str, digit: int = 0, count: int = 6) -> str:
        (self.root / name).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(self.digits[digit][index]).save(self.root / name / f"{index}.png")
        return name

    def folder(self, extra: Mapping[str, bytes | str] | None = None, *, name: str = "data", classes: str = "ab") -> str:
        """Make class folders of six images each, and then other files among them."""
        (self.root / name).mkdir(parents=True)
        for digit, letter in enumerate(classes):
            self.images(f"{name}/{letter}", digit)
        for path, content in (extra or {}).items():
            self.write(f"{name}/{path}", content)
        return name

    def idx(self, *, images: slice | bytes = slice(None), labels: int = 20, gz: Callable[[bytes], bytes] | None = None):  # type: ignore[no-untyped-def]
        """Make a set of 20 IDX images: cut by a slice, or started with other bytes, or damaged as gzip."""
        pixels = np.concatenate([self.digits[0][:10], self.digits[1][:10]])
        content = struct.pack(">IIII", 0x803, 20, 8, 8) + pixels.tobytes()
        content = content[images] if isinstance(images, slice) else images + content[len(images) :]
        self.write(
            f"idx/train-images-idx3-ubyte{'.gz' if gz else ''}", gz(gzip.compress(content, mtime=0)) if gz else content
        )
        self.write("idx/train-labels-idx1-ubyte", struct.pack(">II", 0x801, labels) + bytes([0, 1] * 10)[:labels])
        return "idx"

    def link(self, name: str, target: str) -> str:
        (self.root / name).symlink_to(target)
        return name

    def bundle(self, edit: Edit | None = None, *, sign: bool = True, name: str = "bundle") -> str:
        """Copy the trained bundle, with its description changed, and its checksum made right again."""
        from convworks.bundle.bundle import _digest

        shutil.copytree(self.trained / "bundle", self.root / name)
        if edit is not None:
            description = json.loads((self.root / name / "bundle.json").read_text())
            edit(description)
            if sign:
                description["sha256"] = _digest(description)
            self.write(f"{name}/bundle.json", json.dumps(description))
        return name

    def run(self, edit: Edit | None = None) -> str:
        """Copy the trained run as one that was stopped, with data of its own, and its record changed."""
        shutil.copytree(self.trained, self.root / "run")
        record = json.loads((self.root / "run" / "run.json").read_text())
        record["status"] = "stopped"
        record["configuration"]["data"]["source"] = str(self.root / self.folder())
        if edit is not None:
            edit(record)
        self.write("run/run.json", json.dumps(record))
        return "run"

    def flip(self, name: str) -> str:
        """Change one bit near the end of a file."""
        path = next(self.root.glob(name))
        content = bytearray(path.read_bytes())
        content[-8] ^= 1
        path.write_bytes(content)
        return name


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def digits() -> dict[int, np.ndarray]:
    split = open_source("digits").splits["train"]
    assert split.arrays is not None
    return {digit: split.arrays[split.labels == digit][:60, :, :, 0] for digit in range(3)}


@pytest.fixture(scope="session")
def trained(digits: dict[int, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train once, on what `Place.folder` makes; give the run folder."""
    root = tmp_path_factory.mktemp("trained")
    Place(root, digits, root).folder()
    options: dict[str, Any] = {"model": "convnet_digits", "epochs": 1, "device": "cpu"}
    convworks.train(data=root / "data", out=root / "run", **options)
    return root / "run"


@pytest.fixture
def place(tmp_path: Path, digits: dict[int, np.ndarray], trained: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / f"{tmp_path.name}-cache"))
    monkeypatch.delenv("CONVWORKS_DATA", raising=False)
    return Place(tmp_path, digits, trained)


@pytest.fixture
def environment() -> dict[str, str]:
    """Give what a process of its own needs: this convworks, one thread."""
    source = str(Path(convworks.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}


def quarter(content: bytes) -> bytes:
    return content[: len(content) // 4]


def damaged(content: bytes) -> bytes:
    return content[:40] + b"\xff" * 10 + content[50:]


def bomb() -> bytes:
    """Return the start of a PNG of 50,000 x 50,000 pixels."""
    parts = [b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0), b"IDAT"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(p) - 4) + p + struct.pack(">I", crc32(p)) for p in parts
    )


def several(p: Place) -> str:
    return p.folder({f"a/bad{i}.png": "text" for i in range(7)} | {"b/short.jpg": quarter(JPEG), "b/0.png": b""})


def csv(p: Place, text: str) -> str:
    p.folder()
    return p.write("table.csv", text)


def foreign(p: Place) -> list[str]:
    """Make a bundle of other classes."""
    return [p.bundle(), p.bundle(lambda d: d.update(classes=["x", "y"]), name="other")]


class Code:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pwned",)


PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
JPEG = encoded(Image.fromarray(PIXELS), "JPEG")
DOT = encoded(Image.new("L", (1, 1)), "PNG")
PICKLE = pickle.dumps({"data": Code(), "labels": [0]})
RGB = encoded(Image.fromarray(PIXELS[:8, :8]), "PNG")
WILD = "training.schedule={'kind': 'constant', 'rate': 1e30}"

# name: (what to prepare and run, exit status, what the line must say)
ROWS: dict[str, tuple[Callable[[Place], list[str]], int, list[str]]] = {
    # paths
    "missing path": (lambda p: train("nowhere"), 2, ["nowhere", "no such path", "give a folder"]),
    "mistyped name": (lambda p: train("mnits"), 2, ["mnits", "did you mean 'mnist'?"]),
    "empty path": (lambda p: train(""), 2, ["--data", "empty", "give a folder"]),
    "dangling link": (lambda p: train(p.link("link", "gone")), 2, ["link", "no such path"]),
    "link to itself": (lambda p: train(p.link("link", "link")), 2, ["link", "symbolic links", "check the path"]),
    "file as a folder": (lambda p: train(p.folder() + "/a/0.png/x"), 2, ["0.png/x", "Not a directory", "check"]),
    "unknown home": (lambda p: train("~nobody-at-all/x"), 2, ["~nobody-at-all/x", "check the path"]),
    "an image": (lambda p: train(p.folder() + "/a/0.png"), 2, ["a/0.png", "single image", "give the folder"]),
    "an archive": (lambda p: train(p.write("photos.zip", "PK")), 2, ["photos.zip", "archive", "unpack it"]),
    "any file": (lambda p: train(p.write("notes.txt", "-")), 2, ["notes.txt", "no data set", "give a folder"]),
    # class folders
    "empty folder": (lambda p: train(p.folder(classes="")), 2, ["data", "no images", "give a folder of class folders"]),
    "no images": (lambda p: train(p.folder({"a/x.txt": ""}, classes="")), 2, ["data", "no images", "1 other"]),
    "one class": (lambda p: train(p.folder(classes="a")), 2, ["data", "1 class", "'a'", "at least 2", "add"]),
    "empty class": (lambda p: train(p.folder({"c/x.txt": ""})), 2, ["data/c", "without images", "remove it"]),
    "class of one image": (lambda p: train(p.folder({"c/x.png": RGB})), 2, ["'c'", "only 1 image", "add images"]),
    "no class folders": (lambda p: train(p.images("data")), 2, ["data", "without class folders", "sort them"]),
    "truncated JPEG": (lambda p: train(p.folder({"a/x.jpg": quarter(JPEG)})), 2, ["a/x.jpg", "truncated", "repair"]),
    "text named .png": (lambda p: train(p.folder({"a/x.png": "hello"})), 2, ["a/x.png", "no image", "remove it"]),
    "empty file": (lambda p: train(p.folder({"a/x.png": ""})), 2, ["a/x.png", "no image", "remove it"]),
    "several damaged": (lambda p: train(several(p)), 2, ["a/bad0.png", "9 of 20 images", "and 4 more", "repair"]),
    "1x1 image": (lambda p: train(p.folder({"a/x.png": DOT})), 2, ["a/x.png", "1x1", "at least 2x2", "replace"]),
    "bomb": (lambda p: train(p.folder({"a/x.png": bomb()})), 2, ["a/x.png", "2500000000 pixels", "scale it down"]),
    "link among images": (
        lambda p: [p.folder(), p.link("data/a/x.png", "gone")] and train("data"),
        2,
        ["a/x.png", "No such file", "check the file"],
    ),
    "folder in a circle": (
        lambda p: [p.folder(), p.link("data/a/up", "..")] and train("data"),
        2,
        ["data/a/up", "links back", "remove the link"],
    ),
    "object array": (
        lambda p: train(p.folder({"a/x.npy": "\x93NUMPY"})),
        2,
        ["a/x.npy", "no .npy array", "numpy.save"],
    ),
    "validation lacks a class": (
        lambda p: [p.folder(name="data/train"), p.folder(name="data/val", classes="a")] and train("data"),
        2,
        ["data", "validation has no image of class 'b'", "add images"],
    ),
    "validation adds a class": (
        lambda p: [p.folder(name="data/train"), p.folder(name="data/val", classes="abc")] and train("data"),
        2,
        ["data", "validation has class 'c'", "add it to train"],
    ),
    "no training split": (lambda p: [p.folder(name="data/test")] and train("data"), 2, ["only test", "add a train"]),
    # IDX and CIFAR
    "IDX header": (lambda p: train(p.idx(images=b"\0\0\r\3")), 2, ["train-images", "00 00 0d 03", "fetch it again"]),
    "short IDX": (
        lambda p: train(p.idx(images=slice(0, -3))),
        2,
        ["train-images", "1277 bytes instead of 1280", "fetch"],
    ),
    "IDX cut in its header": (lambda p: train(p.idx(images=slice(0, 9))), 2, ["9 of 16 bytes", "fetch it again"]),
    "damaged gzip": (lambda p: train(p.idx(gz=damaged)), 2, ["train-images-idx3-ubyte.gz", "damaged gzip", "fetch"]),
    "cut gzip": (lambda p: train(p.idx(gz=quarter)), 2, ["train-images-idx3-ubyte.gz", "cut short", "fetch"]),
    "IDX counts": (lambda p: train(p.idx(labels=19)), 2, ["train-labels", "19 labels for 20 images", "fetch both"]),
    "code in a pickle": (
        lambda p: [p.write("cifar/data_batch_1", PICKLE)] and train("cifar"),
        2,
        ["data_batch_1", "mkdir", "not run", "fetch it again"],
    ),
    "damaged CIFAR archive": (
        lambda p: train(p.write("cifar-10-python.tar.gz", "no")),
        2,
        ["cifar-10-python.tar.gz", "not a gzip file", "fetch it again"],
    ),
    # CSV
    "CSV without a column": (lambda p: train(csv(p, "file,label\nx,a\n")), 2, ["table.csv", "'path'", "first line"]),
    "CSV with a missing file": (
        lambda p: train(csv(p, "path,label\nno.png,a\n")),
        2,
        ["no.png", "1 of 1", "relative to"],
    ),
    "CSV with an empty label": (
        lambda p: train(csv(p, "path,label\ndata/a/0.png,\n")),
        2,
        ["line 2", "no label", "fill"],
    ),
    "CSV without rows": (lambda p: train(csv(p, "path,label\n")), 2, ["table.csv", "no rows", "add one row"]),
    "empty CSV": (lambda p: train(csv(p, "")), 2, ["table.csv", "no column 'path'", "first line"]),
    "CSV that is no text": (lambda p: train(p.write("x.csv", b"\xff\xfe\0")), 2, ["x.csv", "UTF-8", "save it as"]),
    # names and values
    "no such command": (lambda p: ["trian"], 2, ["trian", "'train'", "--help"]),
    "unknown option": (lambda p: ["train", "--epoch", "3"], 2, ["--epoch", "--epochs", "convworks train --help"]),
    "option without value": (lambda p: ["train", "--epochs"], 2, ["--epochs", "requires an argument", "--help"]),
    "no number": (lambda p: ["train", "--epochs", "many"], 2, ["--epochs", "integer", "convworks train --help"]),
    "missing argument": (lambda p: ["predict", p.bundle()], 2, ["PATH", "convworks predict --help"]),
    "missing option": (lambda p: ["evaluate", p.bundle()], 2, ["--data", "convworks evaluate --help"]),
    "one argument too many": (lambda p: ["models", "lenet5", "vgg"], 2, ["vgg", "convworks models --help"]),
    "unknown model": (lambda p: train(p.folder(), "--model", "lenet6"), 2, ["model", "'lenet6'", "'lenet5'", "lists"]),
    "unknown recipe": (lambda p: ["train", "mnist/fst"], 2, ["recipe", "'mnist/fst'", "'mnist/fast'", "recipes:"]),
    "unknown device": (lambda p: train(p.folder(), "--device", "gpu"), 2, ["device", "gpu", "cuda:N"]),
    "absent device": (lambda p: train(p.folder(), "--device", "cuda:77"), 2, ["cuda:77", "this machine has", "auto"]),
    "negative seed": (lambda p: train(p.folder(), "--seed", "-1"), 2, ["seed", "-1", "greater than or equal to 0"]),
    "no epochs": (lambda p: train(p.folder(), "--epochs", "0"), 2, ["training.epochs", "greater than 0, not 0"]),
    "unknown field": (lambda p: change(p, "training.epoch=3"), 2, ["training.epoch", "did you mean 'training.epochs'"]),
    "no assignment": (
        lambda p: change(p, "training.epochs"),
        2,
        ["training.epochs", "field=value", "write for example"],
    ),
    "batch size": (lambda p: change(p, "training.batch_size=-1"), 2, ["training.batch_size", "greater than 0, not -1"]),
    "momentum": (
        lambda p: change(p, "training.optimizer.momentum=2"),
        2,
        ["training.optimizer.momentum", "less than 1"],
    ),
    "crop": (lambda p: change(p, "augment.crop=3"), 2, ["augment.crop", "less than or equal to 1, not 3"]),
    "text for a number": (lambda p: change(p, "training.schedule.peak=x"), 2, ["training.schedule.peak", "not 'x'"]),
    "missing field": (lambda p: change(p, "training.schedule.kind=step"), 2, ["training.schedule.initial", "missing"]),
    "infinite number": (lambda p: change(p, "data.mean=(1e999,)"), 2, ["data.mean", "finite", "correct"]),
    "mean of three channels": (lambda p: change(p, "data.mean=(.1,.2,.3)"), 2, ["data.mean", "3 values", "1 channel"]),
    "two channels": (lambda p: change(p, "data.channels=2"), 2, ["data.channels", "is 2", "images have 1", "use 1"]),
    "another source": (
        lambda p: change(p, "data.source=digits"),
        2,
        ["data.source", "--data", "leave one of them out"],
    ),
    "unknown table field": (
        lambda p: change(p, "model.table.dropot=3"),
        2,
        ["model.table.dropot", "'dropout'", "fields:"],
    ),
    "wrong table value": (lambda p: change(p, "model.table.dropout=3"), 2, ["model.table", "dropout=3", "correct"]),
    "too large a network": (
        lambda p: change(p, "model.table.head_size=1000000"),
        1,
        ["memory", "not enough", "smaller"],
    ),
    "image too small": (
        lambda p: train(p.folder(), "--model", "lenet5"),
        2,
        ["8x8", "lenet5", "at least 32x32", "--set"],
    ),
    # places
    "--out is not empty": (
        lambda p: train(p.folder(), "--out", "data/a"),
        2,
        ["--out data/a", "not empty", "new folder"],
    ),
    "--out holds a run": (
        lambda p: [p.run()] and train("data", "--out", "run"),
        2,
        ["--out run", "a run", "--resume run"],
    ),
    "--out is a file": (lambda p: train(p.folder(), "--out", "data/a/0.png"), 2, ["0.png", "is a file", "new folder"]),
    "--out leads nowhere": (
        lambda p: train(p.folder(), "--out", p.link("l", "gone")),
        2,
        ["--out l", "link", "new folder"],
    ),
    "--out in the data": (
        lambda p: train(p.folder(), "--out", "data/run"),
        2,
        ["data/run", "inside the source", "outside"],
    ),
    "--out cannot be made": (
        lambda p: train(p.folder(), "--out", "/proc/no/run"),
        1,
        ["/proc/no", "No such", "check the path"],
    ),
    "sheet in the data": (lambda p: ["data", p.folder(), "--sheet", "data/x.png"], 2, ["--sheet", "inside", "outside"]),
    "sheet of another kind": (
        lambda p: ["data", p.folder(), "--sheet", "x.jpg"],
        2,
        ["--sheet x.jpg", ".png", "name it"],
    ),
    # resuming
    "resume nothing": (lambda p: ["train", "--resume", "gone"], 2, ["gone", "no run", "run.json", "give the folder"]),
    "resume a finished run": (
        lambda p: ["train", "--resume", p.run(lambda r: r.update(status="finished"))],
        2,
        ["--resume run", "finished", "run/bundle"],
    ),
    "resume with options": (
        lambda p: ["train", "--resume", p.run(), "--epochs", "9"],
        2,
        ["--resume", "leave the other"],
    ),
    "resume with changed data": (
        lambda p: [p.run(), p.write("data/a/new.png", RGB)] and ["train", "--resume", "run"],
        2,
        ["data", "not the data", "restore it"],
    ),
    "resume without its data": (
        lambda p: ["train", "--resume", p.run(lambda r: r["configuration"]["data"].update(source="gone"))],
        2,
        ["gone", "no such path"],
    ),
    "damaged run.json": (
        lambda p: [p.run(), p.write("run/run.json", "{")] and ["train", "--resume", "run"],
        2,
        ["run/run.json", "cannot be read", "anew"],
    ),
    "incomplete run.json": (
        lambda p: ["train", "--resume", p.run(lambda r: r["configuration"].pop("model"))],
        2,
        ["run/run.json model", "missing"],
    ),
    "damaged checkpoint": (
        lambda p: [p.run(), p.flip("run/checkpoints/*.safetensors")] and ["train", "--resume", "run"],
        2,
        ["safetensors", "checksum", "delete step-", "anew"],
    ),
    "checkpoint of another network": (
        lambda p: [
            "train",
            "--resume",
            p.run(lambda r: r["configuration"]["model"].update(table={"head_size": 1})),
        ],
        2,
        ["run/checkpoints", "does not fit", "anew"],
    ),
    # bundles
    "no bundle": (lambda p: predict("gone", p.images("x")), 2, ["gone", "does not exist", "give the folder"]),
    "a folder that is no bundle": (
        lambda p: predict(p.images("x"), "x"),
        2,
        ["x", "no bundle.json", "give the folder"],
    ),
    "changed weights": (
        lambda p: [p.bundle(), p.flip("bundle/weights.safetensors")] and predict("bundle", p.images("x")),
        2,
        ["bundle/weights.safetensors", "checksum", "copy the bundle again"],
    ),
    "missing weights": (
        lambda p: [p.bundle(), (p.root / "bundle/weights.safetensors").unlink()] and predict("bundle", p.images("x")),
        2,
        ["bundle/weights.safetensors", "missing", "copy the bundle again"],
    ),
    "edited bundle": (
        lambda p: predict(p.bundle(lambda d: d.update(classes=["x", "y"]), sign=False), p.images("x")),
        2,
        ["bundle/bundle.json", "changed after", "copy the bundle again"],
    ),
    "bundle of the future": (
        lambda p: predict(p.bundle(lambda d: d.update(format=99)), p.images("x")),
        2,
        ["bundle/bundle.json", "format 99", "reads 1", "version"],
    ),
    "bundle that is no JSON": (
        lambda p: [p.bundle(), p.write("bundle/bundle.json", "weights")] and predict("bundle", p.images("x")),
        2,
        ["bundle/bundle.json", "cannot be read", "copy the bundle again"],
    ),
    "wrong preprocessing": (
        lambda p: predict(p.bundle(lambda d: d["preprocessing"].update(fit="zoom")), p.images("x")),
        2,
        ["bundle/bundle.json preprocessing fit", "'zoom'", "'crop'"],
    ),
    "bundle without classes": (
        lambda p: predict(p.bundle(lambda d: d.pop("classes")), p.images("x")),
        2,
        ["bundle/bundle.json", "no classes", "copy the bundle again"],
    ),
    "unknown network in a bundle": (
        lambda p: predict(p.bundle(lambda d: d["model"].update(name="net")), p.images("x")),
        2,
        ["bundle/bundle.json", "'net'", "copy the bundle again"],
    ),
    # evaluate and predict
    "classes that a bundle does not know": (
        lambda p: evaluate(p.bundle(), p.folder(classes="abc")),
        2,
        ["data", "does not know: c", "the bundle knows: a, b"],
    ),
    "no labels": (lambda p: evaluate(p.bundle(), p.images("x")), 2, ["x", "without labels", "convworks predict"]),
    "absent split": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--split", "test"],
        2,
        ["--split", "no split 'test'", "it has: train"],
    ),
    "ensemble of strangers": (
        lambda p: ["evaluate", *foreign(p), "--data", p.folder()],
        2,
        ["other", "other classes than bundle", "same classes"],
    ),
    "evaluate on no device": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--device", "gpu"],
        2,
        ["--device gpu", "cuda:N", "auto"],
    ),
    "evaluate into the data": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--out", "data/report"],
        2,
        ["--out data/report", "inside the source", "outside"],
    ),
    "no matching path": (lambda p: predict(p.bundle(), "*.png"), 2, ["*.png", "no pattern", "check the path"]),
    "empty argument": (lambda p: predict(p.bundle(), ""), 2, ["PATH", "empty", "give an image"]),
    "folder without images": (lambda p: predict(p.bundle(), "bundle"), 2, ["bundle", "no images", ".jpg"]),
    "only damaged images": (
        lambda p: predict(p.bundle(), p.write("x.png", "-"), p.write("y.png", "-")),
        2,
        ["x.png", "no image", "1 more", "give images"],
    ),
    "answers of another kind": (
        lambda p: [*predict(p.bundle(), p.images("x")), "--out", "answers.txt"],
        2,
        ["--out answers.txt", ".csv or .jsonl", "name it"],
    ),
    "answers to nowhere": (
        lambda p: [*predict(p.bundle(), p.images("x")), "--out", "gone/answers.csv"],
        2,
        ["--out gone/answers.csv", "folder does not exist", "make the folder"],
    ),
    "answers to a folder": (
        lambda p: [*predict(p.bundle(), p.images("x.csv")), "--out", "x.csv"],
        2,
        ["--out x.csv", "is a folder", "name of a file"],
    ),
    "top 0": (lambda p: [*predict(p.bundle(), p.images("x")), "--top", "0"], 2, ["--top", "equal to 1", "--help"]),
    # work that fails
    "loss that is no number": (lambda p: change(p, WILD), 1, ["training", "loss", "nan", "lower the learning rate"]),
    "loss that is no number, later": (
        lambda p: train(p.folder(), "--epochs", "3", "--set", WILD),
        1,
        ["training", "loss", "lower the learning rate"],
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    prepare, status, words = ROWS[name]
    verb, *rest = prepare(place)
    before = snapshot(place.root)
    for options in ([], ["--json"]):
        assert run([verb, *options, *rest]) == status
        out, line = capsys.readouterr()
        check_line(line, words)
        assert bool(options) == bool(out)
        if options:
            assert set(json.loads(out)) == {"error"}
            assert set(json.loads(out)["error"]) == {"where", "reason", "remedy"}
        assert snapshot(place.root) == before


@pytest.mark.parametrize("name", ["missing path", "unknown option", "edited bundle", "loss that is no number"])
def test_bad_input_in_a_process_of_its_own(name: str, place: Place, environment: dict[str, str]) -> None:
    prepare, status, words = ROWS[name]
    command = prepare(place)
    before = snapshot(place.root)
    done = subprocess.run(
        [sys.executable, "-m", "convworks", *command], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout) == (status, "")
    check_line(done.stderr, words)
    assert snapshot(place.root) == before


def test_a_file_that_grows_too_large(place: Place, environment: dict[str, str]) -> None:
    """The checkpoint is the first file above 100 kB; the system refuses it as it refuses one on a full disk."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, 10**5))"
    arguments = train(place.folder())
    before = snapshot(place.root)
    done = subprocess.run([sys.executable, "-c", f"{limit}; from convworks.cli.main import main; main()", *arguments], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    check_line(done.stderr, ["out/checkpoints/step-", "File too large", "free some space"])
    assert snapshot(place.root) == before


@pytest.mark.parametrize("size", [4, 100, 560, 700])
def test_full_disk(size: int, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """At 4 kB not even the record fits, at 100 no checkpoint, at 560 no bundle, at 700 no report."""
    disk = place.root / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a disk")
    try:
        assert run(train(place.folder(), "--out", "disk/run")) == 1
        _, text = capsys.readouterr()
        *progress, line = text.splitlines()
        check_line(line, ["disk/run", "No space left on device", "free some space"])
        assert len(progress) == (1 if size > 500 else 0)
        left = snapshot(disk)
        assert not [name for name in left if ".partial" in name]
        if size < 500:
            assert not left
            return
        subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
        assert run(["train", "--resume", "disk/run"]) == 0
        assert run(["predict", "disk/run", "data/a"]) == 0
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def check_line(text: str, words: list[str]) -> None:
    """Check that a text is one line of convworks that says all of this."""
    (line,) = text.splitlines()
    assert line.startswith("convworks: ")
    assert [word for word in words if word not in line] == [], line
