from __future__ import annotations

import errno
import gzip
import hashlib
import io
import pickle
import re
import shutil
import struct
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from squares import write_squares

from convworks.data.home import cache_folder
from convworks.data.http.download import fetch
from convworks.data.sources import named
from convworks.data.sources.open import open_source
from convworks.errors import InputError, RunError


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def write_idx(folder: Path, value: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for prefix in ("train", "t10k"):
        images = np.full((20, 4, 4), value, np.uint8)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx((np.arange(20) % 10).astype(np.uint8)))


def write_cifar(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    batch = {"data": np.zeros((20, 3072), np.uint8), "labels": [index % 10 for index in range(20)]}
    content = pickle.dumps(batch, 2)
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        for name in ("data_batch_1", "test_batch"):
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with data/, cache/ and mirror/, which is not served yet."""
    for name in ("data", "cache", "mirror"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("CONVWORKS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CONVWORKS_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(named, "fetch", partial(fetch, pause=0.0, timeout=5.0))
    return tmp_path


@pytest.fixture
def mirror(roots: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve mirror/NAME/FILE with the small sets, and make the catalogue expect their checksums."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    root = roots / "mirror"
    write_idx(root / "mnist")
    write_idx(root / "fashion-mnist", 1)
    write_cifar(root / "cifar10")
    catalogue = dict(named.CATALOGUE)
    for name in ("mnist", "fashion-mnist", "cifar10"):
        files = {
            file: hashlib.md5((root / name / file).read_bytes(), usedforsecurity=False).hexdigest()
            for file in catalogue[name].files
        }
        catalogue[name] = replace(catalogue[name], files=files)
    monkeypatch.setattr(named, "CATALOGUE", catalogue)
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("CONVWORKS_MIRROR", f"http://127.0.0.1:{http.server_port}/")
    yield root
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.mark.parametrize("subfolder", ["mnist", "MNIST/raw"])
def test_mnist_under_the_data_folder(roots: Path, subfolder: str) -> None:
    write_idx(roots / "data" / subfolder)
    source = open_source("mnist")
    assert (source.name, source.kind, source.classes) == ("mnist", "idx", tuple("0123456789"))
    assert source.path == roots / "data" / subfolder


def test_fashion_mnist_has_its_class_names(roots: Path) -> None:
    write_idx(roots / "data" / "fashion-mnist")
    write_idx(roots / "data" / "mnist")
    source = open_source("fashion-mnist")
    assert source.classes[0] == "T-shirt/top"
    assert source.path == roots / "data" / "fashion-mnist"


def test_a_tar_of_masks_is_unpacked_into_the_cache(roots: Path) -> None:
    pairs = write_squares(roots / "packed" / "camvid" / "train", 3, value=7)
    write_squares(roots / "packed" / "camvid" / "val", 2, value=7)
    with tarfile.open(roots / "data" / "camvid.tar", "w") as archive:
        archive.add(roots / "packed" / "camvid", "camvid")
    source = open_source("camvid")
    assert (source.name, source.kind, source.classes) == ("camvid", "pairs", ("sky", "fence"))
    assert {name: len(split) for name, split in source.splits.items()} == {"train": 3, "validation": 2}
    assert source.path is not None
    assert source.path.is_relative_to(cache_folder())
    assert [path.name for path in (roots / "data").iterdir()] == ["camvid.tar"]
    unpacked = (source.path / "train" / "images" / "0.png").stat()
    assert open_source("camvid").path == source.path
    assert (source.path / "train" / "images" / "0.png").stat() == unpacked
    (pairs / "images" / "2.png").unlink()
    (pairs / "masks" / "2.png").unlink()
    with tarfile.open(roots / "data" / "camvid.tar", "w") as archive:
        archive.add(roots / "packed" / "camvid", "camvid")
    assert len(open_source("camvid").splits["train"]) == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [("../out.png", "camvid.tar!../out.png: lies outside of the folder of the tar"), ("a.png", "holds no images with")],
)
def test_tars_of_anything_else_are_refused(roots: Path, name: str, reason: str) -> None:
    with tarfile.open(roots / "data" / "camvid.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(InputError, match=re.escape(reason)):
        open_source("camvid")
    assert not list(roots.rglob("out.png"))


@pytest.mark.parametrize("subfolder", ["", "cifar10", "cifar-10-batches-py"])
def test_cifar_under_the_data_folder(roots: Path, subfolder: str) -> None:
    write_cifar(roots / "data" / subfolder)
    if subfolder == "cifar-10-batches-py":
        with tarfile.open(roots / "data" / subfolder / "cifar-10-python.tar.gz") as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
            archive.extractall(roots / "data")
        (roots / "data" / subfolder / "cifar-10-python.tar.gz").unlink()
    source = open_source("cifar10")
    assert (source.name, source.kind, source.classes[9]) == ("cifar10", "cifar", "truck")
    assert len(source.splits["train"]) == 20


def test_loose_idx_files_belong_to_the_set_the_folder_is_named_after(
    roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(roots / "data" / "mnist")
    monkeypatch.setenv("CONVWORKS_DATA", str(roots / "data" / "mnist"))
    assert open_source("mnist").path == roots / "data" / "mnist"
    with pytest.raises(RunError, match="fashion-mnist"):
        open_source("fashion-mnist")


def test_labels_out_of_range(roots: Path) -> None:
    write_idx(roots / "data" / "mnist")
    path = roots / "data" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(idx(np.full(20, 10, np.uint8)))
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte\.gz: has label 10, outside 0\.\.9"):
        open_source("mnist")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_downloaded_once_into_the_cache(roots: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    lines: list[str] = []
    source = open_source(name, report=lambda file, done, total: lines.append(file))
    assert list(source.splits) == ["train", "test"]
    cache = roots / "cache" / "convworks" / name
    assert set(lines) == set(named.CATALOGUE[name].files)
    assert {file.name for file in cache.iterdir() if file.suffix != ".lock"} == set(lines)
    assert not list((roots / "data").iterdir()), "nothing is written into a data folder"
    monkeypatch.setenv("CONVWORKS_MIRROR", "http://127.0.0.1:9")
    assert len(open_source(name).splits["train"]) == 20


def test_works_without_a_data_folder(roots: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONVWORKS_DATA")
    assert len(open_source("mnist").splits["train"]) == 20


def test_only_what_lacks_is_downloaded(roots: Path, mirror: Path) -> None:
    cache = roots / "cache" / "convworks" / "mnist"
    cache.mkdir(parents=True)
    for file in named.CATALOGUE["mnist"].files:
        if "train" in file:
            (cache / file).write_bytes((mirror / "mnist" / file).read_bytes())
            (mirror / "mnist" / file).unlink()
    assert len(open_source("mnist").splits["test"]) == 20


def test_a_damaged_file_in_the_cache_is_fetched_again(roots: Path, mirror: Path) -> None:
    open_source("mnist")
    path = roots / "cache" / "convworks" / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-3])
    assert len(open_source("mnist").splits["train"]) == 20


def test_offline(roots: Path) -> None:
    with pytest.raises(RunError) as caught:
        open_source("mnist")
    text = str(caught.value)
    assert text.startswith("http://127.0.0.1:9/mnist/train-images-idx3-ubyte.gz: cannot be downloaded")
    assert str(roots / "cache" / "convworks" / "mnist" / "train-images-idx3-ubyte.gz") in text
    assert "CONVWORKS_DATA" in text


def test_addresses_and_checksums_are_the_published_ones() -> None:
    masks = {"membrane", "camvid"}
    assert set(named.CATALOGUE) == {"digits", "mnist", "fashion-mnist", "cifar10", "imagenet", *masks}
    for name, entry in named.CATALOGUE.items():
        if name not in ("digits", "imagenet", *masks):  # ships with scikit-learn; require an account or a question
            assert entry.address.startswith("http")
            assert entry.address.endswith("/")
            assert len(entry.classes) == 10
        assert all(len(checksum) == 32 for checksum in entry.files.values())
    assert named.CATALOGUE["cifar10"].files == {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"}


def test_cache_is_under_home_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "convworks"


def packed(roots: Path, *more: tuple[str, bytes, str]) -> None:
    """Pack squares, and members of a name, a type and a target."""
    write_squares(roots / "packed" / "camvid", 3)
    with tarfile.open(roots / "data" / "camvid.tar", "w") as archive:
        archive.add(roots / "packed" / "camvid", "camvid")
        for name, kind, target in more:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)


def test_hard_links_in_a_tar_are_files(roots: Path) -> None:
    packed(roots, *((f"camvid/{kind}/9.png", tarfile.LNKTYPE, f"camvid/{kind}/1.png") for kind in ("images", "masks")))
    source = open_source("camvid")
    assert source.splits["all"].names == tuple(f"images/{number}.png" for number in (0, 1, 2, 9))
    assert source.path is not None
    for kind in ("images", "masks"):
        first, second = ((source.path / kind / f"{number}.png").read_bytes() for number in (1, 9))
        assert first == second


@pytest.mark.parametrize(
    ("kind", "target", "reason"),
    [
        (tarfile.LNKTYPE, "camvid/images/8.png", "is a link to camvid/images/8.png, which is not before it"),
        (tarfile.LNKTYPE, "/etc/hostname", "lies outside of the folder of the tar"),
        (tarfile.SYMTYPE, "1.png", r"is a link to 1.png, not a file; pack files \(tar --dereference\)"),
        (tarfile.FIFOTYPE, "", "is a pipe or a device, not a file"),
    ],
)
def test_what_is_no_file_in_a_tar_is_named(roots: Path, kind: bytes, target: str, reason: str) -> None:
    packed(roots, ("camvid/images/9.png", kind, target))
    with pytest.raises(InputError, match=rf"camvid.tar!camvid/images/9.png: {reason}"):
        open_source("camvid")


def test_a_full_disk_is_that_of_the_cache(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    packed(roots, ("camvid/images/9.png", tarfile.LNKTYPE, "camvid/images/1.png"))
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(RunError, match=r"unpacked: cannot be written \(No space left on device\); free some space"):
        open_source("camvid")
