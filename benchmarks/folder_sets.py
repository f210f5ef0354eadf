"""Small sets of several kinds as class folders, ROOT/{train,test}/CLASS: photographs, grey textures, few images."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.measure import BenchmarkError, data

FIVE = ("airplane", "automobile", "bird", "cat", "deer")  # classes of CIFAR-10

SIDE, MIDDLE = 64, 32  # side in pixels of a membrane patch, and of its centre, which determines the class
KINDS = ("interior", "border", "junction")


def hymenoptera(root: Path) -> None:
    """Photographs of ants and bees, of many sizes: 243 for training, those that others validate on as test."""
    splits = {"train": "train", "val": "test"}
    with tarfile.open(_file("hymenoptera.tar")) as tar:
        for member in tar:
            split, _, rest = member.name.partition("/")
            if member.isfile() and split in splits and rest.endswith(".jpg") and "/." not in rest:
                _write(root / splits[split] / rest, _bytes(tar, member))


def membrane(root: Path, train: Sequence[int] = range(20), test: Sequence[int] = range(22, 30)) -> None:
    """Grey patches of 64x64 pixels from slices of nerve tissue, 300 a class for training, 200 for test.

    The class says how many cells meet in the middle, 32x32 pixels: one (interior), two (border) or more (junction).
    """
    for split, slices, count in (("train", train, 300), ("test", test, 200)):
        rng, counts = np.random.default_rng(0), dict.fromkeys(KINDS, 0)
        pictures = [_picture(number) for number in slices]
        while min(counts.values()) < count:
            number = int(rng.integers(len(slices)))
            picture, cells = pictures[number]
            top, left = (int(rng.integers(size - SIDE + 1)) for size in picture.shape)
            edge = (SIDE - MIDDLE) // 2
            middle = cells[top + edge : top + edge + MIDDLE, left + edge : left + edge + MIDDLE]
            sizes = np.bincount(middle.ravel())[1:]
            kind = KINDS[min(int((sizes >= 16).sum()), 3) - 1] if (sizes >= 16).any() else ""
            if kind and counts[kind] < count:
                path = root / split / kind / f"{slices[number]:02d}-{top:03d}-{left:03d}.png"
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(picture[top : top + SIDE, left : left + SIDE]).save(path)
                    counts[kind] += 1


def fifty(root: Path) -> None:
    """Ten images of 32x32 pixels of each of five classes of CIFAR-10 for training, as JPEG; 200 of each for test."""
    missing = {
        f"{split}/{kind}/{index:04d}.jpg"
        for split, count in (("train", 10), ("test", 200))
        for kind in FIVE
        for index in range(count)
    }
    with tarfile.open(_file("cifar10-jpeg.tar.xz")) as tar:
        for member in tar:
            if member.name in missing:
                _write(root / member.name, _bytes(tar, member))
                missing.discard(member.name)
            if not missing:
                return
    raise BenchmarkError(f"cifar10-jpeg.tar.xz: has no {min(missing)}")


SETS: dict[str, Callable[[Path], None]] = {
    "hymenoptera": hymenoptera,
    "membrane": membrane,
    "fifty": fifty,
}


def _file(name: str) -> Path:
    path = data() / name
    if not path.is_file():
        raise BenchmarkError(f"{path}: is missing")
    return path


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _picture(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a slice, and the number of the cell that each of its pixels belongs to (0: membrane)."""
    folder = data() / "membrane"
    picture, labels = (np.asarray(Image.open(folder / kind / f"{number}.png")) for kind in ("image", "label"))
    return picture, ndimage.label(labels > 0)[0]
