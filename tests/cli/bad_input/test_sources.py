"""Bad sources: paths, folders of images, arrays, tables, ImageNet, shards.

Each is told in one line that names it, with the right status, and leaves nothing behind.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
from importlib.util import find_spec
from zlib import crc32

import numpy as np
import pytest
from PIL import Image
from workplace import Place, Rows, check_row, encoded, train

from convworks.data.shards.pack import pack
from convworks.data.sources.open import open_source


def change(place: Place, assignment: str) -> list[str]:
    return train(place.folder(), "--set", assignment)


def quarter(content: bytes) -> bytes:
    return content[: len(content) // 4]


def bomb() -> bytes:
    """Return the start of a PNG of 50,000 x 50,000 pixels."""
    parts = [b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0), b"IDAT"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(p) - 4) + p + struct.pack(">I", crc32(p)) for p in parts
    )


def damaged(content: bytes) -> bytes:
    return content[:40] + b"\xff" * 10 + content[50:]


def several(p: Place) -> str:
    return p.folder({f"a/bad{i}.png": "text" for i in range(7)} | {"b/short.jpg": quarter(JPEG), "b/0.png": b""})


def csv(p: Place, text: str) -> str:
    p.folder()
    return p.write("table.csv", text)


class Code:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pwned",)


def shards(p: Place, *lost: str) -> str:
    """Pack two classes of six images, and lose some of the files."""
    pack(open_source(p.root / p.folder()), p.root / "packed", shard_size=10_240)
    for name in lost:
        p.lose(f"packed/{name}")
    return "packed"


def cut(p: Place, name: str, length: int) -> str:
    return p.write(name, (p.root / name).read_bytes()[:length])


def tar(p: Place, *names: str) -> str:
    """Write a shard of these members, each with the content 1."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            made.addfile(member, io.BytesIO(b"1"))
    return p.write("shards/train-0.tar", file.getvalue()).partition("/")[0]


PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
JPEG = encoded(Image.fromarray(PIXELS), "JPEG")
DOT = encoded(Image.new("L", (1, 1)), "PNG")
PICKLE = pickle.dumps({"data": Code(), "labels": [0]})
RGB = encoded(Image.fromarray(PIXELS[:8, :8]), "PNG")


PATHS: Rows = {
    "missing path": (lambda p: train("nowhere"), "nowhere | nor an existing path | give a folder"),
    "mistyped name": (lambda p: train("mnits"), "mnits | did you mean 'mnist'?"),
    "empty path": (lambda p: train(""), "--data | empty | give a folder"),
    "dangling link": (lambda p: train(p.link("link", "gone")), "link | nor an existing path"),
    "link to itself": (lambda p: train(p.link("link", "link")), "link | symbolic links | check the path"),
    "file as a folder": (lambda p: train(p.folder() + "/a/0.png/x"), "0.png/x | Not a directory | check"),
    "unknown home": (lambda p: train("~nobody-at-all/x"), "~nobody-at-all/x | give a folder"),
    "an image": (lambda p: train(p.folder() + "/a/0.png"), "a/0.png | single image | give the folder"),
    "an archive": (lambda p: train(p.write("photos.zip", "PK")), "photos.zip | archive | unpack it"),
    "any file": (lambda p: train(p.write("notes.txt", "-")), "notes.txt | not a data set | give a folder"),
}

FOLDERS: Rows = {
    "empty folder": (lambda p: train(p.folder(classes="")), "data | no images | give a folder of class folders"),
    "no images": (lambda p: train(p.folder({"a/x.txt": ""}, classes="")), "data | no images | 1 other"),
    "one class": (lambda p: train(p.folder(classes="a")), "data | 1 class | 'a' | at least 2 | add"),
    "empty class": (lambda p: train(p.folder({"c/x.txt": ""})), "data/c | without images | remove it"),
    "class of one image": (lambda p: train(p.folder({"c/x.png": RGB})), "'c' | only 1 image | add images"),
    "no class folders": (lambda p: train(p.images("data")), "data | without class folders | sort them"),
    "truncated JPEG": (lambda p: train(p.folder({"a/x.jpg": quarter(JPEG)})), "a/x.jpg | truncated | repair"),
    "text named .png": (lambda p: train(p.folder({"a/x.png": "hello"})), "a/x.png | not an image | remove it"),
    "empty file": (lambda p: train(p.folder({"a/x.png": ""})), "a/x.png | is empty (0 bytes) | remove it"),
    "several damaged": (lambda p: train(several(p)), "a/bad0.png | of 18 images | more | repair"),
    "1x1 image": (lambda p: train(p.folder({"a/x.png": DOT})), "a/x.png | 1x1 | at least 2x2 | replace"),
    "bomb": (lambda p: train(p.folder({"a/x.png": bomb()})), "a/x.png | 2,500,000,000 pixels | scale it down"),
    "link among images": (
        lambda p: [p.folder(), p.link("data/a/x.png", "gone")] and train("data"),
        "a/x.png | No such file | check the file",
    ),
    "folder in a circle": (
        lambda p: [p.folder(), p.link("data/a/up", "..")] and train("data"),
        "data/a/up | links back | remove the link",
    ),
    "object array": (lambda p: train(p.folder({"a/x.npy": "\x93NUMPY"})), "a/x.npy | not a .npy array | numpy.save"),
    "validation adds a class": (
        lambda p: [p.folder(name="data/train"), p.folder(name="data/val", classes="abc")] and train("data"),
        "data | validation has class 'c' | add it to train",
    ),
    "no training split": (lambda p: [p.folder(name="data/test")] and train("data"), "only test | add a train"),
}

ARRAYS: Rows = {
    "IDX header": (lambda p: train(p.idx(images=b"\0\0\r\3")), "train-images | 00 00 0d 03 | fetch it again"),
    "short IDX": (lambda p: train(p.idx(images=slice(0, -3))), "train-images | 1277 bytes instead of 1280 | fetch"),
    "IDX cut in its header": (lambda p: train(p.idx(images=slice(0, 9))), "9 of 16 bytes | fetch it again"),
    "damaged gzip": (lambda p: train(p.idx(gz=damaged)), "train-images-idx3-ubyte.gz | damaged gzip | fetch"),
    "cut gzip": (lambda p: train(p.idx(gz=quarter)), "train-images-idx3-ubyte.gz | truncated | fetch"),
    "IDX counts": (lambda p: train(p.idx(labels=19)), "train-labels | 19 labels for 20 images | fetch both"),
    "code in a pickle": (
        lambda p: [p.write("cifar/data_batch_1", PICKLE)] and train("cifar"),
        "data_batch_1 | mkdir | not run | fetch it again",
    ),
    "damaged CIFAR archive": (
        lambda p: train(p.write("cifar-10-python.tar.gz", "no")),
        "cifar-10-python.tar.gz | Not a gzipped file | fetch it again",
    ),
}

TABLES: Rows = {
    "CSV without a column": (lambda p: train(csv(p, "file,label\nx,a\n")), "table.csv | 'path' | first line"),
    "CSV with a missing file": (lambda p: train(csv(p, "path,label\nno.png,a\n")), "no.png | 1 of 1 | relative to"),
    "CSV with an empty label": (lambda p: train(csv(p, "path,label\ndata/a/0.png,\n")), "line 2 | no label | fill"),
    "CSV without rows": (lambda p: train(csv(p, "path,label\n")), "table.csv | no rows | add one row"),
    "empty CSV": (lambda p: train(csv(p, "")), "table.csv | no column 'path' | first line"),
    "CSV that is no text": (lambda p: train(p.write("x.csv", b"\xff\xfe\0")), "x.csv | UTF-8 | save it as"),
}

IMAGENET: Rows = {
    "ImageNet that is not there": (
        lambda p: ["train", "imagenet/alexnet"],
        "imagenet | account of image-net.org | --data FOLDER",
    ),
    "ImageNet without labels": (
        lambda p: [p.write("data/val/ILSVRC2012_val_00000001.JPEG", JPEG)] and train("data"),
        "data/val | without labels | put LOC_val_solution.csv",
    ),
    "ground truth without its numbers": (
        lambda p: (
            [
                p.write("data/val/ILSVRC2012_val_00000001.JPEG", JPEG),
                p.write("data/ILSVRC2012_validation_ground_truth.txt", "490"),
            ]
            and train("data")
        ),
        "data/ILSVRC2012_validation_ground_truth.txt | meta.mat | not there | put",
    ),
    "synsets among other classes": (
        lambda p: [p.folder({"n01440764/x.JPEG": JPEG}, name="data/train")] and train("data"),
        "data/train/a | not a synset folder | move it away",
    ),
    "damaged meta.mat": (
        lambda p: (
            [
                p.write("data/val/ILSVRC2012_val_00000001.JPEG", JPEG),
                p.write("data/ILSVRC2012_validation_ground_truth.txt", "490"),
                p.write("data/meta.mat", b"MATLAB 5.0 MAT-file" + bytes(500)),
            ]
            and train("data")
        ),
        "data/meta.mat | not a meta.mat of ILSVRC2012 | fetch it again",
    ),
    "growing from nothing": (
        lambda p: ["train", "imagenet/vgg_d", "--data", p.folder(), "--set", "model.table={'hidden': (4, 4)}"],
        "model.start.path | is missing | --set model.start.path=RUN",
    ),
    "growing from what is not there": (
        lambda p: change(p, "model.start={'path': 'gone', 'layers': ['stem']}"),
        "gone | does not exist | give the folder",
    ),
    "growing layers that are not there": (
        lambda p: [p.bundle()] and change(p, "model.start={'path': 'bundle', 'layers': ['stam']}"),
        "model.start.layers | 'stam' | did you mean 'stem' | taps:",
    ),
    "growing no layers": (
        lambda p: change(p, "model.start={'path': 'x', 'layers': []}"),
        "model.start.layers | at least 1",
    ),
}

SHARDS: Rows = {
    "lost shard": (
        lambda p: train(shards(p, "all-000001.tar")),
        "packed/index.json | names all-000001.tar, which does not exist | fetch it, or pack the set again",
    ),
    "truncated index": (
        lambda p: [shards(p), cut(p, "packed/index.json", 200)] and train("packed"),
        "packed/index.json | is damaged JSON | fetch the index again",
    ),
    "truncated shard": (
        lambda p: [shards(p), cut(p, "packed/all-000000.tar", 5000)] and train("packed"),
        "packed/all-000000.tar | has 5,000 bytes, but 10,240 in packed/index.json | fetch it again",
    ),
    "truncated shard without index": (
        lambda p: [shards(p, "index.json"), cut(p, "packed/all-000000.tar", 4096)] and train("packed"),
        "packed/all-000000.tar | is truncated or damaged after 4,096 bytes | fetch it again",
    ),
    "damaged member": (
        lambda p: [shards(p), p.flip_at("packed/all-000000.tar", 600)] and train("packed"),
        "packed/all-000000.tar!000000000.png | checksum differs from the index | fetch it again",
    ),
    "member twice": (
        lambda p: train(tar(p, "a.png", "a.cls", "a.png")),
        "shards/train-0.tar!a.png | is in the shard twice | keep one",
    ),
    "member without label": (
        lambda p: train(tar(p, "a.png", "a.cls", "b.png")),
        "shards/train-0.tar!b.png | has no label: no .cls, .json or .txt | add it",
    ),
    "shards of images that are none": (
        lambda p: train(tar(p, "a.png", "a.cls")),
        "shards/train-0.tar!a.png | is not an image | repair or remove it",
    ),
    "a shard over HTTP": (
        lambda p: train("http://127.0.0.1:9/x-0.tar"),
        "http://127.0.0.1:9/x-0.tar | its index (http://127.0.0.1:9/index.json) | convworks data SOURCE --pack DIR",
    ),
    "pack into the data": (lambda p: ["data", p.folder(), "--pack", "data/x"], "--pack data/x | inside | outside"),
    "pack into a full folder": (lambda p: ["data", p.folder(), "--pack", p.images("x")], "--pack x | not empty | new"),
    "pack into nowhere": (lambda p: ["data", p.folder(), "--pack", "no/x"], "--pack no/x | does not exist | create"),
    "pack images without labels": (
        lambda p: ["data", p.images("x"), "--pack", "packed"],
        "x | without labels | sort them",
    ),
    "shard size": (lambda p: ["data", p.folder(), "--pack", "x", "--shard-size", "1XB"], "--shard-size | '1XB' | 1GB"),
    "shard size of no shards": (
        lambda p: ["data", p.folder(), "--shard-size", "1GB"],
        "--shard-size | add --pack DIR",
    ),
    "pack and sheet": (
        lambda p: ["data", p.folder(), "--pack", "x", "--sheet", "x.png"],
        "--sheet | --pack | leave one of them out",
    ),
    "damaged Parquet": (lambda p: train(p.write("x.parquet", "PAR1")), "x.parquet | cannot be read | fetch")
    if find_spec("pyarrow")
    else (lambda p: train(p.write("x.parquet", "PAR1")), "x.parquet | needs pyarrow | convworks[parquet]"),
}

ROWS = PATHS | FOLDERS | ARRAYS | TABLES | IMAGENET | SHARDS


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)
