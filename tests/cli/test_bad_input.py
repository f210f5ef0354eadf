"""Bad input through the command line: one line that names it, the right status, and nothing left behind."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from zlib import crc32

import numpy as np
import pytest
from PIL import Image
from workplace import Place, Rows, check_line, check_row, encoded, environment, evaluate, predict, snapshot, train

from convworks.data.shards.pack import pack
from convworks.data.sources.open import open_source
from convworks.signed import signed


def change(place: Place, assignment: str) -> list[str]:
    return train(place.folder(), "--set", assignment)


def kernel(place: Place, text: str, *more: str) -> list[str]:
    return ["filter", place.images("x"), "--kernel", text, *more]


def channels(count: int) -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((8, 8, count), np.uint8))
    return file.getvalue()


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


def sliced(place: Place, text: str | None, where: str = "s.csv") -> list[str]:
    """Evaluate by the column `site` of a table of this text."""
    if text is not None:
        place.write(where, text)
    return [*evaluate(place.bundle(), place.folder()), "--slices", where, "--by", "site"]


def answers(place: Place, name: str, *paths: str, correct: str = "1") -> str:
    """Write predictions of a class a, all of them right."""
    rows = [f"{path},a,a,0.9,{correct},0.9,0.1" for path in paths]
    return place.write(name, "\n".join(["path,label,predicted,probability,correct,p:a,p:b", *rows]))


def transfer(place: Place, *words: str, classes: str = "ab") -> list[str]:
    return ["transfer", place.bundle(), "--data", place.folder(classes=classes), "--out", "out", *words]


def features(place: Place, *words: str) -> list[str]:
    return ["features", place.bundle(), "--data", place.folder(), *words]


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

PATHS: Rows = {
    "missing path": (lambda p: train("nowhere"), "nowhere | no such path | give a folder"),
    "mistyped name": (lambda p: train("mnits"), "mnits | did you mean 'mnist'?"),
    "empty path": (lambda p: train(""), "--data | empty | give a folder"),
    "dangling link": (lambda p: train(p.link("link", "gone")), "link | no such path"),
    "link to itself": (lambda p: train(p.link("link", "link")), "link | symbolic links | check the path"),
    "file as a folder": (lambda p: train(p.folder() + "/a/0.png/x"), "0.png/x | Not a directory | check"),
    "unknown home": (lambda p: train("~nobody-at-all/x"), "~nobody-at-all/x | give a folder"),
    "an image": (lambda p: train(p.folder() + "/a/0.png"), "a/0.png | single image | give the folder"),
    "an archive": (lambda p: train(p.write("photos.zip", "PK")), "photos.zip | archive | unpack it"),
    "any file": (lambda p: train(p.write("notes.txt", "-")), "notes.txt | no data set | give a folder"),
}

FOLDERS: Rows = {
    "empty folder": (lambda p: train(p.folder(classes="")), "data | no images | give a folder of class folders"),
    "no images": (lambda p: train(p.folder({"a/x.txt": ""}, classes="")), "data | no images | 1 other"),
    "one class": (lambda p: train(p.folder(classes="a")), "data | 1 class | 'a' | at least 2 | add"),
    "empty class": (lambda p: train(p.folder({"c/x.txt": ""})), "data/c | without images | remove it"),
    "class of one image": (lambda p: train(p.folder({"c/x.png": RGB})), "'c' | only 1 image | add images"),
    "no class folders": (lambda p: train(p.images("data")), "data | without class folders | sort them"),
    "truncated JPEG": (lambda p: train(p.folder({"a/x.jpg": quarter(JPEG)})), "a/x.jpg | truncated | repair"),
    "text named .png": (lambda p: train(p.folder({"a/x.png": "hello"})), "a/x.png | no image | remove it"),
    "empty file": (lambda p: train(p.folder({"a/x.png": ""})), "a/x.png | no image | remove it"),
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
    "object array": (lambda p: train(p.folder({"a/x.npy": "\x93NUMPY"})), "a/x.npy | no .npy array | numpy.save"),
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
    "cut gzip": (lambda p: train(p.idx(gz=quarter)), "train-images-idx3-ubyte.gz | cut short | fetch"),
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

VALUES: Rows = {
    "no such command": (lambda p: ["trian"], "trian | 'train' | --help"),
    "unknown option": (lambda p: ["train", "--epoch", "3"], "--epoch | --epochs | convworks train --help"),
    "option without value": (lambda p: ["train", "--epochs"], "--epochs | requires an argument | --help"),
    "no number": (lambda p: ["train", "--epochs", "many"], "--epochs | whole number | not 'many' | write --epochs 10"),
    "missing argument": (lambda p: ["predict", p.bundle()], "PATH | convworks predict --help"),
    "missing option": (lambda p: ["evaluate", p.bundle()], "--data | convworks evaluate --help"),
    "one argument too many": (lambda p: ["models", "lenet5", "vgg"], "vgg | convworks models --help"),
    "unknown model": (lambda p: train(p.folder(), "--model", "lenet6"), "model | 'lenet6' | 'lenet5' | lists"),
    "unknown recipe": (lambda p: ["train", "mnist/fst"], "recipe | 'mnist/fst' | 'mnist/fast' | recipes:"),
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
    "another source": (lambda p: change(p, "data.source=digits"), "data.source | --data | leave one of them out"),
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

RESUMING: Rows = {
    "resume nothing": (lambda p: ["train", "--resume", "gone"], "gone | no run | run.json | give the folder"),
    "resume a finished run": (
        lambda p: ["train", "--resume", p.run(lambda r: r.update(status="finished"))],
        "--resume run | finished | run/bundle",
    ),
    "resume with other options": (
        lambda p: ["train", "--resume", p.run(), "--seed", "9", "--set", "training.batch_size=7"],
        "--resume run | another run: seed is 9, in the run 0; training.batch_size is 7, in the run | leave that out",
    ),
    "resume elsewhere": (lambda p: ["train", "--resume", p.run(), "--out", "x"], "--out | stays where it is"),
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
        "--epochs | the run has 5 | only be given more",
    ),
    "more epochs of nothing": (lambda p: train("data", "--epochs", "+3"), "--epochs | goes on | --resume"),
    "resume with changed data": (
        lambda p: [p.run(), p.write("data/a/new.png", RGB)] and ["train", "--resume", "run"],
        "data | not what the run began with: train.images is | , in the run | restore it",
    ),
    "resume without its data": (
        lambda p: ["train", "--resume", p.run(lambda r: r["configuration"]["data"].update(source="gone"))],
        "gone | no such path",
    ),
    "damaged run.json": (
        lambda p: [p.run(), p.write("run/run.json", "{")] and ["train", "--resume", "run"],
        "run/run.json | cannot be read | anew",
    ),
    "incomplete run.json": (
        lambda p: ["train", "--resume", p.run(lambda r: r["configuration"].pop("model"))],
        "run/run.json model | missing",
    ),
    "damaged checkpoint": (
        lambda p: [p.run(), p.flip("run/checkpoints/*.safetensors")] and ["train", "--resume", "run"],
        "safetensors | checksum | delete step- | anew",
    ),
    "checkpoint of another network": (
        lambda p: [
            "train",
            "--resume",
            p.run(lambda r: r["configuration"]["model"].update(table={"head_size": 1})),
        ],
        "not what the run began with: average.head | , in the run | restore it",
    ),
}

BUNDLES: Rows = {
    "no bundle": (lambda p: predict("gone", p.images("x")), "gone | does not exist | give the folder"),
    "a folder that is no bundle": (lambda p: predict(p.images("x"), "x"), "x | no bundle.json | give the folder"),
    "changed weights": (
        lambda p: [p.bundle(), p.flip("bundle/weights.safetensors")] and predict("bundle", p.images("x")),
        "bundle/weights.safetensors | checksum | copy the bundle again",
    ),
    "missing weights": (
        lambda p: [p.bundle(), p.lose("bundle/weights.safetensors")] and predict("bundle", p.images("x")),
        "bundle/weights.safetensors | missing | copy the bundle again",
    ),
    "edited bundle": (
        lambda p: predict(p.bundle(lambda d: d.update(classes=["x", "y"]), sign=False), p.images("x")),
        "bundle/bundle.json | changed after | copy the bundle again",
    ),
    "bundle of the future": (
        lambda p: predict(p.bundle(lambda d: d.update(format=99)), p.images("x")),
        "bundle/bundle.json | format 99 | reads 1 | version",
    ),
    "bundle that is no JSON": (
        lambda p: [p.bundle(), p.write("bundle/bundle.json", "weights")] and predict("bundle", p.images("x")),
        "bundle/bundle.json | cannot be read | copy the bundle again",
    ),
    "wrong preprocessing": (
        lambda p: predict(p.bundle(lambda d: d["preprocessing"].update(fit="zoom")), p.images("x")),
        "bundle/bundle.json preprocessing fit | 'zoom' | 'crop'",
    ),
    "bundle without classes": (
        lambda p: predict(p.bundle(lambda d: d.pop("classes")), p.images("x")),
        "bundle/bundle.json | no classes | copy the bundle again",
    ),
    "unknown network in a bundle": (
        lambda p: predict(p.bundle(lambda d: d["model"].update(name="net")), p.images("x")),
        "bundle/bundle.json | 'net' | copy the bundle again",
    ),
}

USING: Rows = {
    "classes that a bundle does not know": (
        lambda p: evaluate(p.bundle(), p.folder(classes="abc")),
        "data | does not know: c | the bundle knows: a, b",
    ),
    "no labels": (lambda p: evaluate(p.bundle(), p.images("x")), "x | without labels | convworks predict"),
    "absent split": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--split", "test"],
        "--split | no split 'test' | it has: all",
    ),
    "ensemble of strangers": (
        lambda p: ["evaluate", *foreign(p), "--data", p.folder()],
        "other | other classes than bundle | same classes",
    ),
    "unknown protocol": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--protocol", "center,tencrop"],
        "--protocol | no protocol 'tencrop' | ten-crop, 144-crop, dense",
    ),
    "unknown combination": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--combine", "mean"],
        "--combine | no combination 'mean' | probability, logit, vote",
    ),
    "combination of one": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--combine", "vote"],
        "--combine | several bundles are joined, but there is one | leave it out",
    ),
    "evaluate on no device": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--device", "gpu"],
        "--device gpu | cuda:N | auto",
    ),
    "no matching path": (lambda p: predict(p.bundle(), "*.png"), "*.png | no pattern | check the path"),
    "empty argument": (lambda p: predict(p.bundle(), ""), "PATH | empty | give an image"),
    "folder without images": (lambda p: predict(p.bundle(), "bundle"), "bundle | no images | .jpg"),
    "only damaged images": (
        lambda p: predict(p.bundle(), p.write("x.png", "-"), p.write("y.png", "-")),
        "x.png | no image | 1 more | give images",
    ),
    "answers of another kind": (
        lambda p: [*predict(p.bundle(), p.images("x")), "--out", "answers.txt"],
        "--out answers.txt | .csv or .jsonl | name it",
    ),
    "answers to nowhere": (
        lambda p: [*predict(p.bundle(), p.images("x")), "--out", "gone/answers.csv"],
        "--out gone/answers.csv | folder does not exist | make the folder",
    ),
    "answers to a folder": (
        lambda p: [*predict(p.bundle(), p.images("x.csv")), "--out", "x.csv"],
        "--out x.csv | is a folder | name of a file",
    ),
    "top 0": (lambda p: [*predict(p.bundle(), p.images("x")), "--top", "0"], "--top | equal to 1 | --help"),
}

FILTERING: Rows = {
    "unknown kernel": (lambda p: kernel(p, "shrpen"), "kernel | 'shrpen' | 'sharpen' | lists the names"),
    "no kernel": (lambda p: ["filter", p.images("x")], "--kernel | missing | edge-laplacian | a file, or numbers"),
    "empty kernel": (lambda p: kernel(p, ""), "kernel | no numbers | write rows"),
    "ragged kernel": (lambda p: kernel(p, "1 2 3; 4 5"), "kernel row 2 | length 2 | row 1 has length 3 | semicolon"),
    "kernel that is no number": (lambda p: kernel(p, "1 nan; 2 3"), "kernel row 1 | nan | finite"),
    "kernel file of no text": (lambda p: kernel(p, p.write("k.txt", b"\xff\0")), "k.txt | no text | save it as UTF-8"),
    "kernel file is a folder": (lambda p: kernel(p, p.images("k")), "k | is a folder, not a regular file"),
    "too large a kernel": (lambda p: kernel(p, "1 " * 102), "kernel | 1 rows of 102 | 101 | smaller"),
    "even kernel": (lambda p: kernel(p, "1 1; 1 1"), "--padding same | 'same' | kernel_size=2 | odd"),
    "kernel larger than the image": (
        lambda p: kernel(p, "1 " * 9, "--padding", "valid"),
        "x/0.png | kernel_size=9 | 0 + 8 + 0 | 5 more | smaller kernel",
    ),
    "unknown padding": (
        lambda p: kernel(p, "edge", "--padding", "zero"),
        "--padding zero | 'zero' | valid, same | full",
    ),
    "negative padding": (lambda p: kernel(p, "edge", "--padding", "-1"), "--padding -1 | negative | one number"),
    "padding without measure": (lambda p: kernel(p, "edge", "--padding", "99999"), "x/0.png | pixels | less padding"),
    "stride 0": (lambda p: kernel(p, "edge", "--stride", "0"), "--stride | equal to 1 | --help"),
    "nothing to filter": (lambda p: ["filter", "gone.png", "--kernel", "edge"], "gone.png | no such file | check"),
    "array of five channels": (
        lambda p: ["filter", p.write("x.npy", channels(5)), "--kernel", "edge"],
        "x.npy | 5 channels | grey images (1)",
    ),
    "results among the images": (lambda p: kernel(p, "edge", "--out", "x/y"), "--out x/y | inside x | outside"),
    "results over a file": (lambda p: kernel(p, "edge", "--out", "x/0.png"), "--out x/0.png | is a file | new folder"),
    "result over an image": (
        lambda p: (
            [p.write("x-edge.png", RGB), p.write("x.png", RGB)]
            and ["filter", "x.png", "x-edge.png", "--kernel", "edge", "--out", "."]
        ),
        "x-edge.png | would write over x-edge.png, which is read | another name",
    ),
}

FAILING: Rows = {
    "loss that is no number": (lambda p: change(p, WILD), "training | loss | nan | lower the learning rate"),
    "loss that is no number, later": (
        lambda p: train(p.folder(), "--epochs", "3", "--set", WILD),
        "training | loss | lower the learning rate",
    ),
    "too large a network": (lambda p: change(p, "model.table.head_size=1000000"), "memory | not enough | smaller"),
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
        "data/train/a | no synset folder | move it away",
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
        "data/meta.mat | no meta.mat of ILSVRC2012 | fetch it again",
    ),
    "growing from nothing": (
        lambda p: ["train", "imagenet/vgg_d", "--data", p.folder(), "--set", "model.table={'hidden': (4, 4)}"],
        "model.start.path | is open | --set model.start.path=RUN",
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
EXPERIMENTS: Rows = {
    "restarts of nothing": (lambda p: ["restarts", "--data", "nowhere"], "nowhere | no such path | give a folder"),
    "one run": (lambda p: ["restarts", "--runs", "1"], "--runs | equal to 2 | --help"),
    "no workers": (lambda p: ["restarts", "--workers", "many"], "--workers | 'many' | from 1 to 1024, or ray"),
    "a network that does not fit, several times": (
        lambda p: ["restarts", "--data", p.folder(), "--model", "unet", "--out", "out"],
        "seed-0 | --model | turns images into | choose a classifier",
    ),
    "an experiment over another": (
        lambda p: [p.write("out/experiment.json", "{}")] and ["restarts", "--out", "out"],
        "--out out | an experiment is in it | go on: convworks restarts --resume out",
    ),
    "an experiment in the data": (
        lambda p: ["crossval", "--data", p.folder(), "--out", "data/a/out"],
        "--out data/a/out | lies inside | outside",
    ),
    "resume no experiment": (
        lambda p: ["restarts", "--resume", p.images("x")],
        "--resume x | no experiment.json | give the folder that restarts made",
    ),
    "resume an experiment with options": (
        lambda p: ["restarts", "--resume", p.images("x"), "--epochs", "3"],
        "--resume | as it was configured | leave the other options out but --data, --runs and --workers",
    ),
    "resume another experiment": (
        lambda p: [experiment(p, kind="crossval")] and ["tune", "--resume", "out"],
        "--resume out | holds crossval, not tune | convworks crossval --resume out",
    ),
    "resume a finished experiment": (
        lambda p: [experiment(p, status="finished")] and ["restarts", "--resume", "out"],
        "--resume out | finished | give more with --runs",
    ),
    "fewer runs than there are": (
        lambda p: [experiment(p)] and ["restarts", "--resume", "out", "--runs", "2"],
        "--runs | 2 are fewer than the 3 | give more",
    ),
    "damaged experiment.json": (
        lambda p: [p.write("out/experiment.json", "{")] and ["restarts", "--resume", "out"],
        "out/experiment.json | cannot be read | anew",
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
        "--group-by | 'patient' | data is no CSV file | give --data FILE.csv",
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
    "search of no range": (lambda p: ["tune", "--search", "training.epochs=3"], "--search | no two different | write"),
    "search that falls": (
        lambda p: ["tune", "--search", "training.schedule.rate=1..0.1"],
        "--search training.schedule.rate=1..0.1 | does not rise | lower end first",
    ),
    "search of fractions of epochs": (
        lambda p: ["tune", "--search", "training.epochs=1..4"],
        "--search | training.epochs | valid integer",
    ),
    "unknown storage": (
        lambda p: ["tune", "--storage", "nonsense://host/name"],
        "--storage nonsense://host/name | no storage that Optuna can open | sqlite:///trials.db",
    ),
    "storage that is no URL": (
        lambda p: ["tune", "--storage", "trials.db"],
        "--storage trials.db | is no URL | sqlite",
    ),
    "storage in no folder": (
        lambda p: ["tune", "--storage", "sqlite:///gone/trials.db"],
        "--storage sqlite:///gone/trials.db | unable to open database file | sqlite:///trials.db",
    ),
    "a study without storage": (lambda p: ["tune", "--study", "ours"], "--study | no storage | give --storage URL too"),
}


def picture(p: Place, *words: str) -> list[str]:
    return ["lr-range", "--data", p.folder(), "--model", "convnet_digits", *words]


LOOKING: Rows = {
    "runs of nothing": (lambda p: ["runs", "gone"], "gone | no such folder | give the folder of a run"),
    "runs of a file": (lambda p: ["runs", p.write("x", "-")], "x | is a file | give the folder of a run"),
    "no run below": (lambda p: ["runs", p.folder()], "data | no run | give a run"),
    "runs by an unknown column": (
        lambda p: ["runs", p.run(), "--sort", "tset"],
        "--sort | did you mean 'test' | columns",
    ),
    "curves of another kind": (lambda p: ["runs", p.run(), "--out", "x.pdf"], "--out x.pdf | .png or .svg | name it"),
    "curves in no folder": (lambda p: ["runs", p.run(), "--out", "no/x.png"], "--out no/x.png | does not exist | make"),
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
    "range without data": (lambda p: ["lr-range", "--data", "gone"], "gone | no such path"),
    "unknown tracker": (lambda p: change(p, "tracking=wandb"), "tracking | 'tensorboard' or 'mlflow' | not 'wandb'"),
    "tracking number": (lambda p: change(p, "tracking=3"), "tracking | tuple | not 3"),
}


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
        "packed/all-000000.tar | is cut short or damaged after 4,096 bytes | fetch it again",
    ),
    "damaged member": (
        lambda p: [shards(p), p.flip_at("packed/all-000000.tar", 600)] and train("packed"),
        "packed/all-000000.tar!000000000.png | checksum differs from the index | fetch it again",
    ),
    "member twice": (
        lambda p: train(tar(p, "a.png", "a.cls", "a.png")),
        "shards/train-0.tar!a.png | comes twice in the shard | keep one",
    ),
    "member without label": (
        lambda p: train(tar(p, "a.png", "a.cls", "b.png")),
        "shards/train-0.tar!b.png | has no label: no .cls, .json or .txt | add it",
    ),
    "shards of images that are none": (
        lambda p: train(tar(p, "a.png", "a.cls")),
        "shards/train-0.tar!a.png | is no image | repair or remove it",
    ),
    "a shard over HTTP": (
        lambda p: train("http://127.0.0.1:9/x-0.tar"),
        "http://127.0.0.1:9/x-0.tar | its index (http://127.0.0.1:9/index.json) | convworks data SOURCE --pack DIR",
    ),
    "pack into the data": (lambda p: ["data", p.folder(), "--pack", "data/x"], "--pack data/x | inside | outside"),
    "pack into a full folder": (lambda p: ["data", p.folder(), "--pack", p.images("x")], "--pack x | not empty | new"),
    "pack into nowhere": (lambda p: ["data", p.folder(), "--pack", "no/x"], "--pack no/x | does not exist | make"),
    "pack images without labels": (
        lambda p: ["data", p.images("x"), "--pack", "packed"],
        "x | without labels | sort them",
    ),
    "shard size": (lambda p: ["data", p.folder(), "--pack", "x", "--shard-size", "1XB"], "--shard-size | '1XB' | 1GB"),
    "shard size of no shards": (
        lambda p: ["data", p.folder(), "--shard-size", "1GB"],
        "--shard-size | give --pack DIR",
    ),
    "pack and sheet": (lambda p: ["data", p.folder(), "--pack", "x", "--sheet", "x.png"], "--sheet | leave it out"),
    "damaged Parquet": (lambda p: train(p.write("x.parquet", "PAR1")), "x.parquet | cannot be read | fetch")
    if find_spec("pyarrow")
    else (lambda p: train(p.write("x.parquet", "PAR1")), "x.parquet | needs pyarrow | convworks[parquet]"),
}

MEASURING: Rows = {
    "slices without a column": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--slices", p.write("s.csv", "path,x\n")],
        "--slices | by which | --by COLUMN",
    ),
    "column without slices": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--by", "site"],
        "--by | no table | --slices FILE.csv",
    ),
    "slices that are nowhere": (lambda p: sliced(p, None), "s.csv | No such file | check"),
    "slices that are a folder": (lambda p: sliced(p, None, where="data"), "data | is a folder | name a file"),
    "slices that are empty": (lambda p: sliced(p, ""), "s.csv | is empty | header"),
    "slices without rows": (lambda p: sliced(p, "path,site\n"), "s.csv | no rows | a line for each image"),
    "slices without paths": (
        lambda p: sliced(p, "file,site\na/0.png,x\n"),
        "s.csv | no column 'path' | it has: file, site",
    ),
    "slices by no column": (
        lambda p: sliced(p, "path,sites\na/0.png,x\n"),
        "s.csv | no column 'site' | did you mean 'sites'",
    ),
    "slices of strangers": (
        lambda p: sliced(p, "path,site\na/0.png,x\nz.png,x\ny.png,y\n"),
        "s.csv | 2 of 3 images that are not in the split, the first 'z.png' | for example",
    ),
    "slices of too many values": (
        lambda p: sliced(p, "path,site\n" + "".join(f"{i}.png,{i}\n" for i in range(60))),
        "s.csv | 'site' has 60 values, more than 50 | group them",
    ),
    "slices that contradict themselves": (
        lambda p: sliced(p, "path,site\na/0.png,x\na/0.png,y\n"),
        "s.csv | names a/0.png twice, as x and y | keep one",
    ),
    "export to nobody": (
        lambda p: ["export", p.bundle(), "--format", "torchvison"],
        "--format | 'torchvison' is not known | did you mean 'torchvision'",
    ),
    "comparison without data": (lambda p: ["compare", p.bundle(), "bundle"], "--data | needed | name a source"),
    "comparison of strangers": (
        lambda p: ["compare", *foreign(p), "--data", p.folder()],
        "other | has other classes than bundle | only bundle knows a, b | only other knows x, y",
    ),
    "comparison with nothing": (
        lambda p: ["compare", p.bundle(), "gone", "--data", p.folder()],
        "gone | does not exist | bundle",
    ),
    "comparison of no split": (
        lambda p: ["compare", p.bundle(), "bundle", "--data", p.folder(), "--split", "test"],
        "--split | no split 'test' | it has: all",
    ),
    "comparison of a split of nothing": (
        lambda p: ["compare", answers(p, "x.csv", "m"), "x.csv", "--split", "test"],
        "--split | no --data | leave it out",
    ),
    "comparison of files of no split": (
        lambda p: ["compare", answers(p, "x.csv", "m"), "x.csv", "--data", p.folder(), "--split", "test"],
        "--split | no split 'test' | it has: all",
    ),
    "comparison into the data": (
        lambda p: ["compare", p.bundle(), "bundle", "--data", p.folder(), "--out", "data/x"],
        "--out data/x | lies inside | outside",
    ),
    "comparison of a missing file": (lambda p: ["compare", "x.csv", "y.csv"], "x.csv | No such file"),
    "comparison of another table": (
        lambda p: ["compare", p.write("x.csv", "path,label\nm,a\n"), "x.csv"],
        "x.csv | no column 'predicted' | it has: path, label",
    ),
    "comparison of other images": (
        lambda p: ["compare", answers(p, "x.csv", "m", "n"), answers(p, "y.csv", "m", "o")],
        "x.csv | 1 of 2 images are not among those of the other: n | same images",
    ),
    "comparison of an edited file": (
        lambda p: ["compare", answers(p, "x.csv", "m", correct="0"), "x.csv"],
        "x.csv | says of m that 'a' for 'a' is wrong | as it was written",
    ),
    "comparison with pictures of other images": (
        lambda p: ["compare", answers(p, "x.csv", "m"), "x.csv", "--data", p.folder(), "--out", "out"],
        "data | has no 'm' | the source that the predictions are of",
    ),
}

TRANSFER: Rows = {
    "cut at no tap": (
        lambda p: transfer(p, "--cut", "stage9"),
        "--cut | 'stage9' | did you mean 'stage2' | it can be cut at: stem, stage1.conv, stage1.pool",
    ),
    "freeze at no tap": (
        lambda p: transfer(p, "--freeze", "nowhere"),
        "training.freeze | 'nowhere' | taps: stem, stage1",
    ),
    "freeze everything": (
        lambda p: transfer(p, "--freeze", "head"),
        "training.freeze | nothing to train | before the last",
    ),
    "unknown head": (lambda p: transfer(p, "--head", "swm"), "--head | 'swm' | did you mean 'svm' | linear, two-layer"),
    "machine that fine-tunes": (
        lambda p: transfer(p, "--head", "svm", "--freeze", "stem"),
        "head svm | cannot fine-tune | --head linear",
    ),
    "machine of many epochs": (
        lambda p: transfer(p, "--head", "rbf-svm", "--epochs", "5"),
        "head rbf-svm | fitted once | leave out --freeze, --epochs",
    ),
    "machine that thaws": (
        lambda p: transfer(p, "--head", "svm", "--set", "training.thaw=2"),
        "head svm | cannot fine-tune | training.thaw",
    ),
    "machine that clips": (
        lambda p: transfer(p, "--head", "svm", "--set", "training.clip.limit=1"),
        "head svm | no use for training.clip | leave that out",
    ),
    "machine that augments": (
        lambda p: transfer(p, "--head", "svm", "--set", "augment.flip=True"),
        "head svm | augment | leave that out",
    ),
    "head kept for other classes": (
        lambda p: transfer(p, "--head", "keep", classes="ac"),
        "data | classes differ | only the bundle has b | only the source has c | --head linear",
    ),
    "head kept and cut": (lambda p: transfer(p, "--head", "keep", "--cut", "stem"), "--cut | not cut off | leave out"),
    "thaw longer than the run": (
        lambda p: transfer(p, "--epochs", "2", "--set", "training.thaw=5"),
        "training.thaw | training has 2 | training.epochs=",
    ),
    "depth decay above one": (
        lambda p: transfer(p, "--set", "training.depth_decay=1.5"),
        "training.depth_decay | less than or equal to 1 | 1.5",
    ),
    "cut without a head": (
        lambda p: change(p, "model.cut=stem"),
        "model | cut, head and outputs belong together | convworks transfer",
    ),
    "transfer from nothing": (
        lambda p: ["transfer", "gone", "--data", p.folder()],
        "gone | does not exist | bundle",
    ),
    "features of no tap": (lambda p: features(p, "--tap", "stage9"), "tap | 'stage9' | taps: stem, stage1"),
    "features of no split": (lambda p: features(p, "--split", "tests"), "--split | 'tests' | it has: all"),
    "features pooled somehow": (lambda p: features(p, "--pool", "mean"), "--pool | 'mean' | average, max, none"),
    "features as a picture": (lambda p: features(p, "--out", "x.png"), "--out x.png | .npz or .parquet"),
    "probe of no tap": (
        lambda p: ["probe", p.bundle(), "--data", p.folder(), "--tap", "head.x"],
        "tap | 'head.x' | taps: stem",
    ),
    "probe without labels": (
        lambda p: ["probe", p.bundle(), "--data", p.images("x")],
        "x | without class folders | sort",
    ),
}

ROWS = (
    SHARDS
    | LOOKING
    | PATHS
    | FOLDERS
    | ARRAYS
    | TABLES
    | VALUES
    | PLACES
    | RESUMING
    | BUNDLES
    | USING
    | FILTERING
    | IMAGENET
    | TRANSFER
    | MEASURING
    | FAILING
)
ROWS |= EXPERIMENTS | (TUNING if find_spec("optuna") else {})


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys, status=1 if name in FAILING else 2)


@pytest.mark.parametrize("name", ["missing path", "unknown option", "edited bundle", "loss that is no number"])
def test_bad_input_in_a_process_of_its_own(name: str, place: Place) -> None:
    prepare, words = ROWS[name]
    command = [sys.executable, "-m", "convworks", *prepare(place)]
    before = snapshot(place.root)
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout) == (1 if name in FAILING else 2, "")
    check_line(done.stderr, words.split(" | "))
    assert snapshot(place.root) == before
