"""A file inside a larger one: so many bytes from an offset of a shard, which is on a disk or behind an address."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from convworks.errors import InputError
from convworks.files import open_regular

AGAIN = "fetch it again, or make the index again"


def read_stretch(stretch: Stretch) -> bytes:
    """Return the bytes of a member, or raise InputError for other bytes than the index says, RunError for no answer."""
    shard = stretch.shard
    if isinstance(shard.where, str):
        from convworks.data.http.remote import read_range  # slow to import, and seldom needed

        content = read_range(shard.where, stretch.offset, stretch.size, length=shard.length)
    else:
        try:
            with open_regular(shard.where) as file:
                file.seek(stretch.offset)
                content = file.read(stretch.size)
        except InputError as error:
            raise InputError(stretch, error.reason, error.remedy) from None
    if len(content) != stretch.size:
        raise InputError(stretch, f"is cut short ({len(content):,} of {stretch.size:,} bytes)", AGAIN)
    if stretch.crc32 is not None and zlib.crc32(content) != stretch.crc32:
        raise InputError(stretch, "is not what was packed: its checksum differs from the index", AGAIN)
    return content


@dataclass(frozen=True, slots=True)
class Shard:
    """A file that holds others: its path or address, and how many bytes it has."""

    where: Path | str
    length: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A member of a shard, with the CRC-32 of its bytes where the index has it."""

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
        """Return the ending of the member's name, as `Path.suffix` does."""
        return PurePosixPath(self.member).suffix
