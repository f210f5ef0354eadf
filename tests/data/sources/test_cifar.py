from __future__ import annotations

import builtins
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convworks.data.column import Arrays
from convworks.data.source import Source
from convworks.data.sources import cifar
from convworks.data.sources.open import open_source
from convworks.errors import InputError

COUNT = 20
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 3072), dtype=np.uint8)
LABELS = [index % 10 for index in range(COUNT)]


def python_batch(protocol: int = 2) -> bytes:
    return pickle.dumps({"batch_label": "x", "labels": LABELS, "data": PIXELS, "filenames": []}, protocol)


def old_batch() -> bytes:
    """Write the batch opcode by opcode as Python 2 did, with text as bytes, like the published files."""
    data = PIXELS.tobytes()
    shape = b"K" + bytes([COUNT]) + b"M\x00\x0c\x86"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01" + shape
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    content = b"\x89T" + len(data).to_bytes(4, "little") + data + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in LABELS) + b"e"
    return b"\x80\x02}(U\x04data" + array + dtype + content + b"U\x06labels" + labels + b"u."


def binary_batch() -> bytes:
    return np.concatenate([np.array(LABELS, np.uint8)[:, None], PIXELS], axis=1).tobytes()


def write_archive(path: Path, contents: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def check(source: Source, batches: int = 2) -> None:
    assert source.kind == "cifar"
    assert source.classes == cifar.CLASSES
    assert [len(split) for split in source.splits.values()] == [batches * COUNT, COUNT]
    test = source.splits["test"]
    assert isinstance(test.inputs, Arrays)
    assert test.labels.tolist() == LABELS
    for channel in range(3):
        plane = PIXELS[7, channel * 1024 : (channel + 1) * 1024].reshape(32, 32)
        np.testing.assert_array_equal(test.inputs.values[7, :, :, channel], plane)


META = pickle.dumps({"label_names": list(cifar.CLASSES), "num_vis": 3072}, 2)
BATCHES = {
    "old": (old_batch(), ""),
    **{f"protocol-{protocol}": (python_batch(protocol), "") for protocol in range(6)},
    "binary": (binary_batch(), ".bin"),
}


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("inner", ["", "cifar-10-batches-py"])
def test_folder(tmp_path: Path, name: str, inner: str) -> None:
    content, end = BATCHES[name]
    folder = tmp_path / inner
    folder.mkdir(exist_ok=True)
    for batch in ("data_batch_1", "data_batch_2", "test_batch"):
        (folder / f"{batch}{end}").write_bytes(content)
    if not end:
        (folder / "batches.meta").write_bytes(META)
    check(open_source(tmp_path))


@pytest.mark.parametrize("name", ["old", "binary"])
def test_archive(tmp_path: Path, name: str) -> None:
    content, end = BATCHES[name]
    path = tmp_path / ("cifar-10-binary.tar.gz" if end else "cifar-10-python.tar.gz")
    contents = {f"{batch}{end}": content for batch in ("data_batch_1", "data_batch_2", "test_batch")}
    write_archive(path, {"readme.html": b"", **contents, **({} if end else {"batches.meta": META})})
    check(open_source(path))
    check(open_source(tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == [path.name], "nothing is unpacked"


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return builtins.exec, ("import pathlib; pathlib.Path('executed').touch()",)


@pytest.mark.parametrize("protocol", range(6))
def test_malicious_pickle_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": Evil()}, protocol))
    with pytest.raises(InputError, match=r"data_batch_1: is not a CIFAR batch \(it asks for .*exec, which is not run"):
        open_source(tmp_path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "call", [b"cos\nsystem\n(U\x04true tR.", b"cnumpy\nload\n(U\x01xtR.", b"ccodecs\nopen\n(U\x01xtR."]
)
def test_no_other_name_is_found(tmp_path: Path, call: bytes) -> None:
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02" + call)
    with pytest.raises(InputError, match="is not a CIFAR batch"):
        open_source(tmp_path)


DAMAGE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not a CIFAR batch"),
    "short": (old_batch()[:-100], "is not a CIFAR batch"),
    "list": (pickle.dumps([1, 2]), "holds a list"),
    "no data": (pickle.dumps({"labels": LABELS}), "has no uint8 data"),
    "shape": (pickle.dumps({"labels": LABELS, "data": PIXELS[:, :-1]}), "has no uint8 data"),
    "floats": (pickle.dumps({"labels": LABELS, "data": PIXELS.astype("f4")}), "has no uint8 data"),
    "no labels": (pickle.dumps({"data": PIXELS}), "as labels"),
    "text labels": (pickle.dumps({"data": PIXELS, "labels": ["a"] * COUNT}), "as labels"),
    "few labels": (pickle.dumps({"data": PIXELS, "labels": LABELS[1:]}), "has 19 labels for 20 images"),
    "high label": (pickle.dumps({"data": PIXELS, "labels": [10, *LABELS[1:]]}), "has label 10, outside 0..9"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_pickle_is_named(tmp_path: Path, name: str) -> None:
    content, reason = DAMAGE[name]
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_source(tmp_path)
    assert caught.value.where == str(tmp_path / "data_batch_1")
    assert reason in caught.value.reason


@given(st.binary(max_size=60))
def test_any_pickle_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("cifar")
    (folder / "data_batch_1").write_bytes(content)
    with pytest.raises(InputError):
        open_source(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has 0 bytes"),
        (binary_batch()[:-1], "not a multiple of 3073"),
        (b"\x0a" + binary_batch()[1:], "has label 10, outside 0..9"),
    ],
)
def test_damaged_binary_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(InputError, match=r"data_batch_1\.bin: ") as caught:
        open_source(tmp_path)
    assert reason in caught.value.reason


def test_missing_batch(tmp_path: Path) -> None:
    for number in (1, 3):
        (tmp_path / f"data_batch_{number}.bin").write_bytes(binary_batch())
    with pytest.raises(InputError, match="has data_batch 1, 3"):
        open_source(tmp_path)


def test_damaged_archive(tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    write_archive(path, {"data_batch_1": python_batch()})
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz: is damaged"):
        open_source(path)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz: is damaged"):
        open_source(path)


def test_archive_without_batches(tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    write_archive(path, {"other": b""})
    with pytest.raises(InputError, match="has data_batch none"):
        open_source(path)


def test_damaged_class_names(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(python_batch())
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": [1]}))
    with pytest.raises(InputError, match=r"batches\.meta: has no list label_names"):
        open_source(tmp_path)
