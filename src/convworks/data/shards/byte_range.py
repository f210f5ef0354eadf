"""A file inside a larger one: a range of bytes of a local or remote shard."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from convworks.errors import InputError
from convworks.files import open_regular

AGAIN = "fetch it again, or rebuild the index"


def read_byte_range(part: ByteRange) -> bytes:
    """Return the bytes of a member; raises InputError if they differ from the index, RunError without a response."""
    shard = part.shard
    if isinstance(shard.where, str):
        from convworks.data.http.remote import read_range  # slow to import, and rarely needed

        content = read_range(shard.where, part.offset, part.size, length=shard.length)
    else:
        try:
            with open_regular(shard.where) as file:
                file.seek(part.offset)
                content = file.read(part.size)
        except InputError as error:
            raise InputError(part, error.reason, error.remedy) from None
    if len(content) != part.size:
        raise InputError(part, f"is truncated ({len(content):,} of {part.size:,} bytes)", AGAIN)
    if part.crc32 is not None and zlib.crc32(content) != part.crc32:
        raise InputError(part, "is not what was packed: its checksum differs from the index", AGAIN)
    return content


@dataclass(frozen=True, slots=True)
class Shard:
    """A file that holds others: its path or URL, and its length in bytes."""

    where: Path | str
    length: int


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A member of a shard, with the CRC-32 of its bytes if the index has it."""

    shard: Shard
    offset: int
    size: int
    member: str
    crc32: int | None = None

    def __str__(self) -> str:
        return f"{self.shard.where}!{self.member}"

    @property
    def name(self) -> str:
        """Return the name of the member without folders, as `Path.name` does."""
        return PurePosixPath(self.member).name

    @property
    def suffix(self) -> str:
        """Return the suffix of the member's name, as `Path.suffix` does."""
        return PurePosixPath(self.member).suffix
