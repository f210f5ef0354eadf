"""Tars whose headers are damaged, or made to do harm: one line names the shard."""

from __future__ import annotations

import io
import tarfile

import pytest
from workplace import Place, Rows, check_row, train

BLOCK = tarfile.BLOCKSIZE


def header(kind: bytes = b"0", size: bytes = b"00000000001\0", name: bytes = b"a.png") -> bytes:
    block = bytearray(tarfile.TarInfo(name.decode()).tobuf(tarfile.GNU_FORMAT))
    block[124:136], block[156:157], block[148:156] = size, kind, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def sparse(**headers: str) -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            member = tarfile.TarInfo("a.png")
            member.pax_headers = {f"GNU.sparse.{name}": value for name, value in headers.items()}
            tar.addfile(member)
        return file.getvalue()


TARS = {
    "a size below zero": (header(size=b"\xff" * 10 + b"\xfe\0"), "a.png | has a size of -512 bytes"),
    "a size of 88 bits": (header(size=b"\x80" + b"\xff" * 11), "is truncated or damaged after 1,536 bytes"),
    "a name of gigabytes": (
        header(b"L", b"77777777777\0"),
        "is not an uncompressed tar, or is damaged | headers of more",
    ),
    "a name below zero": (header(b"L", b"\xff" * 10 + b"\xfe\0"), "is not an uncompressed tar, or is damaged"),
    "names without end": (header(b"L", b"00000000000\0") * 5000, "is not an uncompressed tar, or is damaged"),
    "a map of words": (sparse(map="a,b"), "is not an uncompressed tar, or is damaged"),
    "a map": (sparse(map="0,10"), "a.png: is stored as a sparse file | make the tar without --sparse"),
    "a map without its numbers": (sparse(size="5", numblocks="9"), "is stored as a sparse file"),
}

ROWS: Rows = {
    name: (lambda p, tar=tar: train(p.write("x-0.tar", tar + bytes(2 * BLOCK))), f"x-0.tar | {words}")  # type: ignore[misc]
    for name, (tar, words) in TARS.items()
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)
