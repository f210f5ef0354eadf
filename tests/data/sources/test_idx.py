from __future__ import annotations

import contextlib
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convworks.data.column import Arrays
from convworks.data.sources import idx
from convworks.data.sources.open import open_source
from convworks.errors import InputError


def encode(array: np.ndarray, *, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_set(folder: Path, *, count: int = 12, separator: str = "-", end: str = "", first: int = 0) -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if end else bytes
    images = np.arange(count * 4 * 5, dtype=np.uint8).reshape(count, 4, 5)
    labels = (np.arange(count) % 3 + first).astype(np.uint8)
    for prefix in ("train", "t10k"):
        (folder / f"{prefix}-images{separator}idx3-ubyte{end}").write_bytes(pack(encode(images)))
        (folder / f"{prefix}-labels{separator}idx1-ubyte{end}").write_bytes(pack(encode(labels)))
    return images


@pytest.mark.parametrize("separator", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_reads_every_spelling(tmp_path: Path, separator: str, end: str) -> None:
    images = write_set(tmp_path / "set", separator=separator, end=end)
    source = open_source(tmp_path / "set")
    assert (source.kind, source.name, source.classes) == ("idx", "set", ("0", "1", "2"))
    assert list(source.splits) == ["train", "test"]
    train = source.splits["train"]
    assert isinstance(train.inputs, Arrays)
    np.testing.assert_array_equal(train.inputs.values[..., 0], images)
    np.testing.assert_array_equal(train.labels, np.arange(12) % 3)
    assert train.names[3] == "train/00003"


def test_classes_may_start_at_one(tmp_path: Path) -> None:
    write_set(tmp_path, first=1)
    source = open_source(tmp_path)
    assert source.classes == ("1", "2", "3")
    assert source.splits["test"].labels.tolist() == [0, 1, 2] * 4


def test_test_alone_is_enough_to_open(tmp_path: Path) -> None:
    write_set(tmp_path)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / name).unlink()
    assert list(open_source(tmp_path).splits) == ["test"]


@given(shape=st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)), zipped=st.booleans())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], zipped: bool) -> None:
    path = tmp_path_factory.mktemp("idx") / "file"
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path.write_bytes(gzip.compress(encode(array)) if zipped else encode(array))
    np.testing.assert_array_equal(idx.read_idx(path, dimensions=3), array)


def test_gzip_of_several_members(tmp_path: Path) -> None:
    content = encode(np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content[:30]) + gzip.compress(content[30:]))
    assert idx.read_idx(path, dimensions=3)[2, 3, 4] == 59


GOOD = encode(np.ones((3, 4, 5), dtype=np.uint8))
ZIPPED = gzip.compress(GOOD)
DAMAGE = {
    "empty": (b"", "starts with nothing"),
    "magic": (b"\x00\x00\x08\x01" + GOOD[4:], "starts with 00 00 08 01"),
    "type": (encode(np.ones((3, 4, 5), dtype=">i4"), kind=0x0C), "starts with 00 00 0c 03"),
    "text": (b"<html>404</html>", "starts with 3c 68 74 6d"),
    "header": (GOOD[:10], "ends within its header (10 of 16 bytes)"),
    "short": (GOOD[:-1], "is too short: 59 bytes instead of 60 (3x4x5)"),
    "long": (GOOD + b"x", "has bytes after the 60"),
    "huge": (GOOD[:4] + b"\xff" * 12 + GOOD[16:], "is too short: 60 bytes"),
    "zipped-short": (ZIPPED[:-9], "is truncated"),
    "zipped-header": (ZIPPED[:4], "is truncated"),
    "zipped-flipped": (ZIPPED[:-8] + bytes([ZIPPED[-8] ^ 1]) + ZIPPED[-7:], "is damaged gzip"),
    "zipped-noise": (ZIPPED[:10] + b"\xff" * 20, "is damaged gzip"),
    "zipped-long": (gzip.compress(GOOD + b"x"), "has bytes after the 60"),
    "zipped-tail": (ZIPPED + b"tail", "bytes after"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_names_the_file(tmp_path: Path, name: str) -> None:
    content, reason = DAMAGE[name]
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        idx.read_idx(path, dimensions=3)
    assert caught.value.where == str(path)
    assert reason in caught.value.reason
    assert caught.value.remedy


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("idx") / "file"
    for prefix in (b"", b"\x1f\x8b\x08", bytes([0, 0, 8, 3])):
        path.write_bytes(prefix + content)
        with contextlib.suppress(InputError):
            idx.read_idx(path, dimensions=3)


def test_no_bomb_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(GOOD + bytes(50_000_000)))
    with pytest.raises(InputError, match="has bytes after the 60"):
        idx.read_idx(path, dimensions=3)


def test_counts_must_agree(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(encode(np.zeros(11, np.uint8)))
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte: has 11 labels for 12 images"):
        open_source(tmp_path)


def test_labels_must_be_consecutive(tmp_path: Path) -> None:
    write_set(tmp_path)
    labels = np.array([0, 1, 2] * 3 + [0, 1, 200], dtype=np.uint8)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(encode(labels))
    with pytest.raises(InputError, match="train-labels-idx1-ubyte: has label 200 but none of 199"):
        open_source(tmp_path)


def test_test_labels_must_be_known(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(encode((np.arange(12) % 4).astype(np.uint8)))
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte: has label 3, outside 0\.\.2"):
        open_source(tmp_path)


def test_given_classes_bound_the_labels(tmp_path: Path) -> None:
    write_set(tmp_path)
    with pytest.raises(InputError, match=r"has label 2, outside 0\.\.1"):
        idx.open_folder(tmp_path, classes=("no", "yes"))


@pytest.mark.parametrize("shape", [(0, 4, 5), (3, 1, 1), (3, 0, 5)])
def test_images_must_have_pixels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    write_set(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(encode(np.zeros(shape, np.uint8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(encode(np.zeros(shape[:1], np.uint8)))
    with pytest.raises(InputError, match="train-images-idx3-ubyte: has images of shape"):
        open_source(tmp_path)


def test_missing_half_is_named(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match=r"train-labels-idx1-ubyte.*is missing"):
        open_source(tmp_path)


def test_one_file_is_no_source(tmp_path: Path) -> None:
    write_set(tmp_path)
    with pytest.raises(InputError, match="is one IDX file of several; give its folder"):
        open_source(tmp_path / "train-images-idx3-ubyte")
