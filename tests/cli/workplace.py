"""A place to do harm in: class folders of digits, a trained run, ways to damage both, and what must come of it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import struct
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from once import once
from PIL import Image

import convworks
from convworks.cli.main import run
from convworks.data.column import Arrays
from convworks.data.sources.open import open_source
from convworks.signed import signed

Edit = Callable[[dict[str, Any]], object]
SMALL = ("--model", "convnet_digits", "--epochs", "1")


def train(data: str, *more: str) -> list[str]:
    return ["train", "--data", data, *SMALL, "--out", "out", *more]


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
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = "folder" if path.is_dir() else "pipe"
        found[str(path.relative_to(root))] = content
    return found


#: Beginnings of what a run says of its data before it trains.
NOTES = ("training ", "validation: ", "label smoothing: ", "images are read at ")


def check_line(text: str, words: list[str]) -> None:
    """Check that a text is one line of convworks that says all of this, after what a run says before it trains."""
    (line,) = [each for each in text.splitlines() if not each.startswith(NOTES)]
    assert line.startswith("convworks: ")
    assert [word for word in words if word not in line] == [], line


def check_row(row: Row, place: Place, capsys: pytest.CaptureFixture[str], status: int = 2) -> None:
    """Run what a row prepares, plain and with --json: one line that says all of its words, and nothing left behind."""
    prepare, words = row
    verb, *rest = prepare(place)
    before = snapshot(place.root)
    for options in ([], ["--json"]):
        assert run([verb, *options, *rest]) == status
        out, line = capsys.readouterr()
        check_line(line, words.split(" | "))
        assert bool(options) == bool(out)
        if options:
            assert set(json.loads(out)) == {"error"}
            assert set(json.loads(out)["error"]) == {"where", "reason", "remedy"}
        assert snapshot(place.root) == before


def environment() -> dict[str, str]:
    """Give what a process of its own needs: this convworks, one thread."""
    source = str(Path(convworks.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}


@cache
def digits() -> dict[int, np.ndarray]:
    split = open_source("digits").splits["train"]
    assert isinstance(split.inputs, Arrays)
    return {digit: split.inputs.values[split.labels == digit][:60, :, :, 0] for digit in range(3)}


@cache
def trained(base: Path) -> Path:
    """Train once, on what `Place.folder` makes; give the run folder."""

    def make(root: Path) -> None:
        Place(root, digits(), root).folder()
        convworks.train(data=root / "data", out=root / "run", model="convnet_digits", epochs=1, device="cpu")

    return once(base, "trained", make) / "run"


def make_place(root: Path, factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Place:
    patch.chdir(root)
    patch.setenv("XDG_CACHE_HOME", str(root.parent / f"{root.name}-cache"))
    patch.delenv("CONVWORKS_DATA", raising=False)
    return Place(root, digits(), trained(factory.getbasetemp()))


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

        shutil.copytree(self.trained / "bundle", self.root / name)
        if edit is not None:
            description = json.loads((self.root / name / "bundle.json").read_text())
            edit(description)
            self.write(f"{name}/bundle.json", json.dumps(signed(description) if sign else description))
        return name

    def run(self, edit: Edit | None = None, *, sign: bool = True) -> str:
        """Copy the trained run as one that was stopped, with data of its own, and its record changed."""
        shutil.copytree(self.trained, self.root / "run")
        record = json.loads((self.root / "run" / "run.json").read_text())
        record["status"] = "stopped"
        record["configuration"]["data"]["source"] = str(self.root / self.folder())
        if edit is not None:
            edit(record)
        self.write("run/run.json", json.dumps(signed(record) if sign else record))
        return "run"

    def edit(self, name: str, change: Edit) -> str:
        """Change a JSON file, and make its checksum right again."""
        values = json.loads((self.root / name).read_text())
        change(values)
        return self.write(name, json.dumps(signed(values)))

    def lose(self, name: str) -> str:
        (self.root / name).unlink()
        return name

    def flip(self, name: str) -> str:
        """Change one bit near the end of a file."""
        path = next(self.root.glob(name))
        content = bytearray(path.read_bytes())
        content[-8] ^= 1
        path.write_bytes(content)
        return name

    def flip_at(self, name: str, at: int) -> str:
        """Change one bit of a byte of a file."""
        content = bytearray((self.root / name).read_bytes())
        content[at] ^= 1
        return self.write(name, bytes(content))


Row = tuple[Callable[[Place], list[str]], str]  # what to prepare and run, and what the line must say
Rows = dict[str, Row]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
