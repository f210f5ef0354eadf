"""Damaged or malicious tar headers: the list of members, or a one-line error."""

from __future__ import annotations

import gzip
import io
import signal
import tarfile
from pathlib import Path

import numpy as np
import pytest

from convworks.data.shards.tar_index import index_tar
from convworks.data.shards.tar_members import BLOCK, tar_members
from convworks.data.sources.cifar import open_archive
from convworks.errors import InputError

LONG = "y" * 150
IMAGE = b"1\n0\n88\n".ljust(BLOCK, b"\0") + b"x" * 88  # begins as sparse files of version 1.0 do
FILES = {"a.png": IMAGE, "a.cls": b"1", f"{LONG}.png": b"zz", f"{LONG}.cls": b"2"}
SPARSE = {
    "0.0": {"GNU.sparse.size": "5", "GNU.sparse.numblocks": "1"},
    "0.1": {"GNU.sparse.map": "0,10,20,30"},
    "1.0": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99", "GNU.sparse.name": "a.png"},
}
SIZES = {
    "negative": b"\xff" * 10 + b"\xfe\x00",
    "minus one block": b"-0000000512\x00",
    "base 256, absurd": b"\x80" + b"\xff" * 11,
    "base 256, 64 bits": b"\x80\x00\x00\x00" + b"\xff" * 8,
    "base 256, gigabytes": b"\x80" + bytes(6) + b"\x02" + bytes(4),
    "8 gigabytes": b"77777777777\x00",
}
KINDS = b"0LKxgSXN5"


def archive(form: int, extra: dict[str, str] | None = None) -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=form) as tar:
            for name, content in FILES.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                member.pax_headers = dict(extra or {}) if name == "a.png" else {}
                tar.addfile(member, io.BytesIO(content))
        return file.getvalue()


GOOD = {
    "gnu": archive(tarfile.GNU_FORMAT),
    "pax": archive(tarfile.PAX_FORMAT, {"comment": "hello"}),
    **{f"sparse {version}": archive(tarfile.PAX_FORMAT, headers) for version, headers in SPARSE.items()},
}


def heads(tar: bytes) -> list[int]:
    return [at for at in range(0, len(tar), BLOCK) if tar[at + 257 : at + 262] == b"ustar"]


def sign(tar: bytearray, at: int) -> None:
    """Correct the checksum of a header, so that its content is accepted."""
    tar[at + 148 : at + 156] = b" " * 8
    tar[at + 148 : at + 156] = b"%06o\0 " % sum(tar[at : at + BLOCK])


def index(path: Path, tar: bytes) -> str:
    """Return the one-line error, or an empty string; each must finish within a second."""
    path.write_bytes(tar)

    def stop(*_: object) -> None:
        raise AssertionError("it hangs")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        index_tar(path)
    except InputError as error:
        return str(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return ""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "x.tar"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_sizes_that_cannot_be(path: Path, form: str, size: str) -> None:
    for at in heads(GOOD[form]):
        for kind in KINDS:
            tar = bytearray(GOOD[form])
            tar[at + 124 : at + 136] = SIZES[size]
            tar[at + 156] = kind
            sign(tar, at)
            line = index(path, bytes(tar))
            assert line.startswith(str(path)) or kind == ord("5"), "a folder's size does not count"
            assert "\n" not in line


@pytest.mark.parametrize("form", GOOD)
def test_flipped_bytes_of_headers(path: Path, form: str) -> None:
    assert ("sparse" in index(path, GOOD[form])) == form.startswith("sparse"), "else the rest of the test says nothing"
    rng = np.random.default_rng(len(form))
    for _ in range(100):
        tar = bytearray(GOOD[form])
        for at in rng.integers(0, len(tar) - 2 * BLOCK, rng.integers(1, 6)):
            tar[at] = rng.choice([int(rng.integers(256)), 0xFF, 0x80, ord("-"), ord("0"), ord("9")])
        for at in heads(GOOD[form]):
            sign(tar, at)
        assert "\n" not in index(path, bytes(tar))


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("name")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def test_headers_without_end(path: Path) -> None:
    reason = "or is damaged ("
    assert reason in index(path, header(b"L", 0) * 20_000)
    assert "headers of more than 1,048,576 bytes" in index(path, header(b"L", 3 << 20) + bytes(4 << 20))
    sparse = bytearray(GOOD["sparse 1.0"])
    at = sparse.index(IMAGE)
    sparse[at : at + 600] = b"9" * 9 + b"\n" + b"1\n" * 295
    assert reason in index(path, bytes(sparse)), "a map of a billion parts, in a file that ends"


def test_a_long_name_and_an_odd_folder_are_none_of_that() -> None:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            folder = tarfile.TarInfo("f" * 60_000)
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            member = tarfile.TarInfo("b")
            member.size = 5
            tar.addfile(member, io.BytesIO(b"12345"))
        content = bytearray(file.getvalue())
    at = heads(bytes(content))[1]
    content[at + 124 : at + 136] = b"00000777777\x00"  # a size that some programs write for folders
    sign(content, at)
    names = [member.name for member in tar_members("x", io.BytesIO(bytes(content)), len(content))]
    assert names == ["f" * 60_000, "b"]


def test_an_archive_of_cifar_is_read_with_the_same_care(tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    for content, reason in (
        (header(b"L", 1 << 33) + bytes(BLOCK), "headers of more than"),
        (header(b"L", 0) * 20_000, "or is damaged"),
        (header(b"0", 0).replace(b"name" + bytes(12), b"data_batch_1".ljust(16, b"\0")), "or is damaged"),
    ):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(InputError, match=reason):
            open_archive(path)
    batch = bytearray(header(b"0", 1 << 30))
    batch[:12] = b"data_batch_1"
    sign(batch, 0)
    path.write_bytes(gzip.compress(bytes(batch)))
    with pytest.raises(InputError, match=r"has 1,073,741,824 bytes in data_batch_1, which is no batch"):
        open_archive(path)
