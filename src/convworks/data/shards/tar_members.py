"""The members of a tar, header by header; nothing that a header says of sizes is taken on trust."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from convworks.errors import InputError

BLOCK = tarfile.BLOCKSIZE  # bytes; two empty ones end a tar
LONGEST = 1 << 20  # bytes of all headers of one member: long names, and what pax adds
NO_SPARSE = "make the tar without --sparse"


def tar_members(where: object, file: Seekable, length: int | None = None) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an uncompressed tar of `length` bytes (None where only its end tells).

    InputError for what is no tar, for one cut short, and for headers that are damaged or made to do harm: sizes below
    zero or beyond the end, headers without end, sparse files.
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
    # tarfile takes what headers say for what to seek, read and recurse by.
    except (tarfile.TarError, ValueError, OverflowError, MemoryError, RecursionError, IndexError) as error:
        what = "holds no tar" if length is None else "is no uncompressed tar"
        reason = f"{what}, or is damaged ({str(error) or type(error).__name__})"
        raise InputError(where, reason, "fetch it again, or unpack .gz and the like first") from None


def cut_short(where: object, length: int) -> InputError:
    """Return the error that says that a tar ends too early, or that no header follows."""
    return InputError(where, f"is cut short or damaged after {length:,} bytes", "fetch it again")


def end_of(member: tarfile.TarInfo) -> int:
    """Return the byte at which what follows a member begins: links and folders have no bytes, whatever their size."""
    has_bytes = member.isreg() or member.type not in tarfile.SUPPORTED_TYPES
    return member.offset_data + (-(-member.size // BLOCK) * BLOCK if has_bytes else 0)


@runtime_checkable
class Seekable(Protocol):
    """What is needed of a file: a plain one has it, and a compressed one."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes."""

    def seek(self, offset: int, whence: int, /) -> int:
        """Go to a byte."""

    def tell(self) -> int:
        """Return the byte at which it stands."""


class _Headers(io.RawIOBase):
    """A file of which tarfile reads headers: so many bytes a member, and no more where it has ended."""

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
