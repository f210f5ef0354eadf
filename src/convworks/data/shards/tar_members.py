"""The members of a tar, header by header; sizes in headers are not trusted."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from convworks.errors import InputError

BLOCK = tarfile.BLOCKSIZE  # bytes; two empty blocks end a tar
LONGEST = 1 << 20  # bytes of all headers of one member: long names and pax headers
NO_SPARSE = "make the tar without --sparse"


def tar_members(where: object, file: Seekable, length: int | None = None) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an uncompressed tar of `length` bytes (None if unknown).

    Raises InputError for a file that is not a tar or is truncated, and for damaged or malicious headers: negative sizes
    or sizes beyond the end, endless headers, sparse files.
    """
    headers = _Headers(file)
    try:
        with tarfile.open(fileobj=headers, mode="r:") as tar:
            for member in tar:
                if member.size < 0:
                    raise InputError(f"{where}!{member.name}", f"has a size of {member.size:,} bytes", "fetch it again")
                if length is not None and end_of(member) > length:
                    raise cut_short(where, length)
                if member.issparse():
                    raise InputError(f"{where}!{member.name}", "is stored as a sparse file", NO_SPARSE)
                headers.left = LONGEST
                yield member
                tar.members = []  # type: ignore[attr-defined]  # which would grow with every member
    # tarfile trusts headers for how far to seek, read and recurse.
    except (tarfile.TarError, ValueError, OverflowError, MemoryError, RecursionError, IndexError) as error:
        problem = "holds no tar" if length is None else "is not an uncompressed tar"
        reason = f"{problem}, or is damaged ({str(error) or type(error).__name__})"
        raise InputError(where, reason, "fetch it again, or unpack .gz and the like first") from None


def cut_short(where: object, length: int) -> InputError:
    """Return the error for a tar that ends too early, or has no valid header there."""
    return InputError(where, f"is truncated or damaged after {length:,} bytes", "fetch it again")


def end_of(member: tarfile.TarInfo) -> int:
    """Return the offset of the header after a member; links and folders have no data, whatever their size."""
    has_bytes = member.isreg() or member.type not in tarfile.SUPPORTED_TYPES
    return member.offset_data + (-(-member.size // BLOCK) * BLOCK if has_bytes else 0)


@runtime_checkable
class Seekable(Protocol):
    """The interface required of a file, plain or compressed."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""

    def seek(self, offset: int, whence: int, /) -> int:
        """Move to an offset."""

    def tell(self) -> int:
        """Return the current offset."""


class _Headers(io.RawIOBase):
    """A file from which tarfile reads headers: a bounded number of bytes per member, and none beyond the end."""

    def __init__(self, file: Seekable) -> None:
        self._file, self._ended, self.left = file, False, LONGEST

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self.left:
            raise tarfile.ReadError(f"headers of more than {LONGEST:,} bytes")
        content = self._file.read(size)
        if size and not content:
            if self._ended:
                raise tarfile.ReadError("it ends within a header")
            self._ended = True
        self.left -= len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
