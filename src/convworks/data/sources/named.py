"""The catalogue of named data sets, searched for in $CONVWORKS_DATA and the user's cache, or downloaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from convworks.data.cache.unpacked import unpacked
from convworks.data.home import cache_folder
from convworks.data.http.download import fetch, md5
from convworks.data.source import Report, Source
from convworks.data.sources import cifar, digits, idx, ilsvrc, pairs
from convworks.errors import InputError
from convworks.files import path_from

FORMATS = {"cifar": cifar, "idx": idx, "ilsvrc": ilsvrc, "pairs": pairs}
LARGEST = 1 << 28  # bytes a file; CIFAR-10 has 170 million
DIGITS = tuple("0123456789")
STREET = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"),
    "unlabelled",
)
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def open_named(name: str, *, report: Report | None = None) -> Source:
    """Open a set of the catalogue from the first folder that holds it, or download it into the user's cache.

    Raises InputError for ImageNet if it is missing: downloading it requires an account.
    """
    if name == "digits":
        return digits.open_digits()
    entry = CATALOGUE[name]
    for folder in _folders(name, entry):
        if FORMATS[entry.kind].recognise(folder):
            return _open(name, entry, folder)
    if entry.kind == "pairs" and (source := _open_tar(name, entry)) is not None:
        return source
    if not entry.address:
        raise _not_here(name, entry)
    folder = cache_folder() / name
    _download(name, entry, folder, report)
    try:
        return _open(name, entry, folder)
    except InputError:
        damaged = [file for file, checksum in entry.files.items() if md5(folder / file) != checksum]
        if not damaged:
            raise
        for file in damaged:
            (folder / file).unlink(missing_ok=True)
    _download(name, entry, folder, report)
    return _open(name, entry, folder)


def _folders(name: str, entry: NamedSet) -> list[Path]:
    """List the folders under $CONVWORKS_DATA that may hold the set."""
    base = path_from("CONVWORKS_DATA")
    if base is None:
        return []
    # IDX files have the same names in every set: in the root folder they count only if it is named after the set.
    loose = [base] if entry.kind == "cifar" or base.name.lower() == name else []
    return [*(base / folder for folder in (name, *entry.folders)), *loose]


def _open_tar(name: str, entry: NamedSet) -> Source | None:
    """Open a set of which $CONVWORKS_DATA holds a tar, NAME.tar; None if it does not."""
    base = path_from("CONVWORKS_DATA")
    if base is None or not (tar := base / f"{name}.tar").is_file():
        return None
    root = unpacked(tar)
    folders = (root, *(root / folder for folder in (name, *entry.folders)))
    folder = next((folder for folder in folders if FORMATS[entry.kind].recognise(folder)), None)
    if folder is None:
        raise InputError(tar, "holds no images with masks", "pack images/ and masks/, or train/images and so on")
    return _open(name, entry, folder)


def _open(name: str, entry: NamedSet, folder: Path) -> Source:
    if entry.kind == "pairs":
        return _with_names(replace(pairs.open_folder(folder), name=name), entry.classes)
    if entry.kind == "idx":
        return idx.open_folder(folder, name=name, classes=entry.classes)
    return cifar.open_folder(folder, name=name) if entry.kind == "cifar" else ilsvrc.open_folder(folder, name=name)


def _with_names(source: Source, classes: tuple[str, ...]) -> Source:
    """Return a source of masks whose classes, named by their numbers, have the names of the set."""
    names = {str(number): name for number, name in enumerate(classes)}
    return replace(source, classes=tuple([names.get(number, number) for number in source.classes]))


def _not_here(name: str, entry: NamedSet) -> InputError:
    """Return the error that says how to obtain a set that cannot be redistributed."""
    existing = next((folder for folder in _folders(name, entry) if folder.is_dir()), None)
    if entry.kind == "pairs":
        reason = "holds no images with masks" if existing else "is not in $CONVWORKS_DATA"
        remedy = f"fetch {entry.home}, and put images/ and masks/ (or train/images, ...) into $CONVWORKS_DATA/{name}, "
        remedy += f"or into {name}.tar there"
        if Path(name).is_dir():
            remedy = f"for the folder of this name here write ./{name}, else {remedy}"
        return InputError(existing or name, reason, remedy)
    if existing is not None:
        reason = "holds neither train/nNNNNNNNN/ nor val/ILSVRC2012_val_00000001.JPEG and the like"
        return InputError(existing, reason, "unpack the archives of ILSVRC2012 into train/ and val/")
    reason = "is not in $CONVWORKS_DATA, and ILSVRC2012 is only given to people with an account of image-net.org"
    return InputError(name, reason, f"fetch it there, then --data FOLDER, or put it into $CONVWORKS_DATA/{name}")


def _download(name: str, entry: NamedSet, folder: Path, report: Report | None) -> None:
    """Download the files missing from the cache."""
    mirror = os.environ.get("CONVWORKS_MIRROR")
    address = f"{mirror.rstrip('/')}/{name}/" if mirror else entry.address
    for file, checksum in entry.files.items():
        if not (folder / file).is_file():
            fetch(address + file, folder / file, checksum=checksum, limit=LARGEST, report=report)


@dataclass(frozen=True, kw_only=True)
class NamedSet:
    """A row of the catalogue: file format, URL, MD5 of each file, alternative folders under $CONVWORKS_DATA.

    A set without a URL cannot be downloaded; `home` is where people find one of images with masks.
    """

    kind: str
    classes: tuple[str, ...]
    address: str = ""
    files: Mapping[str, str]
    folders: tuple[str, ...] = ()
    home: str = ""


CATALOGUE: Mapping[str, NamedSet] = {
    "digits": NamedSet(kind="digits", classes=DIGITS, files={}),
    "mnist": NamedSet(
        kind="idx",
        classes=DIGITS,
        address="https://ossci-datasets.s3.amazonaws.com/mnist/",
        files={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        folders=("MNIST/raw", "MNIST"),
    ),
    "fashion-mnist": NamedSet(
        kind="idx",
        classes=CLOTHES,
        address="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        files={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        folders=("fashion_mnist", "FashionMNIST/raw", "FashionMNIST"),
    ),
    "cifar10": NamedSet(
        kind="cifar",
        classes=cifar.CLASSES,
        address="https://www.cs.toronto.edu/~kriz/",
        files={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
        folders=("cifar-10", "CIFAR10"),
    ),
    "imagenet": NamedSet(kind="ilsvrc", classes=(), files={}, folders=("ImageNet", "ILSVRC2012", "ilsvrc2012")),
    "membrane": NamedSet(
        kind="pairs",
        classes=(),
        files={},
        home="the 30 training slices of the ISBI 2012 challenge (EM segmentation) as PNG files",
    ),
    "camvid": NamedSet(
        kind="pairs",
        classes=STREET,
        files={},
        home="CamVid with 11 classes, as SegNet used it",
        folders=("CamVid", "camvid/camvid"),
    ),
}
