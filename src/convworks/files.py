"""Files: written atomically (temporary name, flush, rename), and read with one-line errors."""

from __future__ import annotations

import codecs
import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from convworks.errors import InputError
from convworks.locks import AVAILABLE, same
from convworks.partial import is_partial, own_file, own_folder, remove_unused

LARGEST_TEXT = 256 * 2**20  # bytes, far above any text that convworks reads at once
DEEPEST = 64  # levels of nesting, far above any JSON that convworks writes
#: Byte-order marks of other encodings; UTF-32 first, as its mark begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space, or choose another path"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "check its permissions, or choose another path"),
    errno.EROFS: "choose a writable path",
    errno.EFBIG: "choose a disk that allows larger files, or raise the limit (ulimit -f)",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EIO: "check the disk, or choose another path",
}
AS_UTF_8 = 'save it as UTF-8 (in spreadsheets "CSV UTF-8")'


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open `path` for writing such that it appears complete or not at all, whatever interrupts the writing."""
    temporary = None
    try:
        temporary, handle = own_file(path)
        with open(handle, "wb") as file:
            try:
                yield file
                flush(file)
                if AVAILABLE:
                    temporary.replace(path)
            except BaseException:
                if AVAILABLE and same(handle, temporary):  # while it is locked, no other process has taken it over
                    temporary.unlink()
                raise
        if not AVAILABLE:
            temporary.replace(path)  # Windows cannot rename an open file
    except BaseException as error:
        if not AVAILABLE and temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and _names(error, temporary, path):
            error.filename = str(path)
            if error.filename2 is not None:
                del error.filename2
        raise


def flush(file: IO[bytes]) -> None:
    """Let what was written be on the disk."""
    file.flush()
    os.fsync(file.fileno())


def _names(error: OSError, temporary: Path | None, path: Path) -> bool:
    """Return whether an error concerns the file being written: a full disk names no file, others the temporary one."""
    if error.filename is None:
        return True
    if temporary is None:  # it could not be created
        return Path(os.fsdecode(error.filename)).parent == path.parent
    return Path(os.fsdecode(error.filename)) == temporary


def is_free(folder: Path) -> bool:
    """Return whether a folder is missing, or holds only partial files of killed processes."""
    return not folder.is_dir() or all(is_partial(path.name) for path in folder.iterdir())


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `path`, which must be new or empty, if the context ends without exception.

    Thus `path` appears complete or not at all. Only if it is a mount point, or its parent is not writable, its files
    are moved into it one by one at the end.
    """
    target = path.resolve()
    created = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        inside = target.is_dir() and (target.is_mount() or not os.access(target.parent, os.W_OK))
        with own_folder(target / target.name if inside else target) as temporary:
            try:
                yield temporary
            except OSError as error:  # name the final file instead of the temporary one
                if error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(temporary):
                    error.filename = str(path / Path(os.fsdecode(error.filename)).relative_to(temporary))
                raise
            if inside:
                for entry in list(temporary.iterdir()):
                    entry.replace(target / entry.name)
                return
            for leftover in target.glob("*.partial"):
                if is_partial(leftover.name):
                    remove_unused(leftover)
            if os.name == "nt" and target.is_dir():
                target.rmdir()  # other systems replace an empty folder
            temporary.replace(target)
    except BaseException:
        for folder in created:
            with suppress(OSError):
                folder.rmdir()
        raise


def try_writing(path: Path) -> None:
    """Raise the OSError that `atomic` would raise: missing folder, no permission to write, name too long."""
    with suppress(FileNotFoundError):
        path.lstat()  # the name may be too long even if that of the temporary file is not
    temporary, handle = own_file(path)
    temporary.unlink(missing_ok=True)
    os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically."""
    with atomic(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file atomically."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN is refused because JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n")


@contextmanager
def open_regular(path: Path, *, buffering: int = 0) -> Iterator[IO[bytes]]:
    """Open a file for reading, unbuffered by default; raises InputError if it cannot be read.

    Pipes and devices are refused: reading one may never end.
    """
    with _opened(path, buffering) as file:
        try:
            yield file
        except OSError as error:
            if error.errno is None:  # raised by a library about the content of the file
                raise
            raise unreadable(path, error) from None


def check_regular(path: Path) -> None:
    """Raise InputError for a file that `open_regular` refuses, before a library opens it by name."""
    _opened(path, 0).close()


def is_there(path: Path) -> bool:
    """Return whether a path exists and is not a folder; `open_regular` may still refuse it."""
    return path.exists() and not path.is_dir()


def read_bytes(path: Path, *, limit: int | None = None) -> bytes:
    """Return all bytes of a regular file; raises InputError if it cannot be read, or exceeds `limit` bytes."""
    with _opened(path, 0) as file:
        try:
            if limit is not None and (size := os.fstat(file.fileno()).st_size) > limit:
                raise InputError(path, f"has {size:,} bytes, more than {limit:,}", "name another file")
            content: bytes = file.read()
        except OSError as error:
            raise unreadable(path, error) from None
    return content


def read_text(path: Path, *, limit: int = LARGEST_TEXT, errors: str = "strict") -> str:
    """Return the text of a UTF-8 file, with or without a byte-order mark; raises InputError for other content."""
    content = read_bytes(path, limit=limit)
    marked = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    if marked or b"\0" in content:  # text holds no zero bytes, except UTF-16 without a mark
        reason = f"is {marked} text, not UTF-8" if marked else "holds zero bytes: it is not text, or UTF-16, not UTF-8"
        raise InputError(path, reason, AS_UTF_8)
    try:
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x})"
        raise InputError(path, reason, AS_UTF_8) from None


def read_json(path: Path, *, limit: int = LARGEST_TEXT) -> Any:
    """Return the value of a JSON file; InputError if it is damaged, nested too deeply, or has NaN or Infinity."""
    text = read_text(path, limit=limit)
    try:
        value = json.loads(text, parse_constant=_refuse)
        if text.count("[") + text.count("{") > DEEPEST:
            _measure(value, DEEPEST)
    except RecursionError:
        raise InputError(
            path, "is not JSON that convworks wrote: it is nested too deeply", "restore the file"
        ) from None
    except ValueError as error:
        raise InputError(path, f"is not JSON ({error})", "restore the file") from None
    return value


def _measure(value: Any, levels: int) -> None:
    """Raise RecursionError for a value nested more than `levels` deep."""
    if isinstance(value, list | dict):
        if levels == 0:
            raise RecursionError
        for each in value.values() if isinstance(value, dict) else value:
            _measure(each, levels - 1)


def path_of(text: str | Path) -> Path:
    """Return a path with `~` and variables replaced: see `expand`."""
    return Path(expand(str(text)))


def expand(text: str) -> str:
    """Return a path with a leading `~` and variables ($NAME, ${NAME}) replaced; a URL is unchanged.

    An existing literal path takes precedence: a file named `~`, and the content of a folder named `$NAME`.
    """
    if "://" in text or os.path.lexists(text):
        return text
    text = os.path.expanduser(text)  # unlike Path.expanduser, it leaves an unknown home unchanged
    head, dollar, tail = text.rpartition("$")
    named = head + dollar + tail.partition(os.sep)[0]
    return text if dollar and os.path.lexists(named) else os.path.expandvars(text)


def path_from(variable: str) -> Path | None:
    """Return the path in an environment variable; None if it is unset or empty."""
    text = os.environ.get(variable)
    return path_of(text) if text else None


def _opened(path: Path, buffering: int) -> IO[bytes]:
    """Open a regular file; raises InputError for anything else."""
    try:
        # Without O_NONBLOCK, opening a pipe waits for a writer; regular files ignore it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise unreadable(path, error) from None
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        if stat.S_ISDIR(mode):
            raise InputError(path, "is a folder, not a file", "name a file in it")
        raise InputError(path, "is a pipe or a device, not a regular file", "copy its content into a file")
    return open(handle, "rb", buffering=buffering)


def remedy(error: OSError) -> str:
    """Return the remedy for a system error."""
    return REMEDIES.get(error.errno or 0, "check the path and its permissions")


def unreadable(path: object, error: OSError) -> InputError:
    """Return the InputError for a file that cannot be read."""
    return InputError(path, f"cannot be read ({error.strerror or error})", "check the file and its permissions")


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not a number")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    import hashlib  # it loads OpenSSL, which `convworks --help` would wait for

    with open_regular(path) as file:
        content: Any = file  # files have more methods than their type declares
        return hashlib.file_digest(content, "sha256").hexdigest()
