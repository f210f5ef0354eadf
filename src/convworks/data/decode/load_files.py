"""Decoding many files in threads, with bounded memory, and collecting their errors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from convworks.data.cache.memory import processors
from convworks.data.column import COLOURS, Files, Spatial
from convworks.data.decode.decode import read
from convworks.data.decode.numbers import read_numbers
from convworks.data.decode.picture import picture_of
from convworks.data.decode.preprocess import Preprocessing, needed, to_input
from convworks.data.decode.quiet import quiet
from convworks.data.formats import NUMPY
from convworks.data.location import Location, read_bytes
from convworks.errors import InputError

Progress = Callable[[int, int], None]  # images done, images in all
PIECE = 16  # images per task: enough to amortise dispatch to a thread, few enough for all to end together
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A file that cannot be used, and why, as text: an exception would keep its traceback alive."""

    index: int
    where: str
    reason: str
    remedy: str


def load_image(
    path: Location, preprocessing: Preprocessing, content: bytes | None = None, spatial: Spatial = COLOURS
) -> UInt8[np.ndarray, "h w c"]:
    """Decode and fit one file, exactly as `load_images` does; `content` is that of the file, if already read."""
    channels, decoding = preprocessing.channels, preprocessing.decoding
    if spatial.nearest:
        content = read_bytes(path) if content is None else content
        numpy = path.suffix.lower() == NUMPY
        numbers = read_numbers(path, content, numpy=numpy, decoding=decoding, coding=spatial.coding)
        return to_input(picture_of(numbers), preprocessing, spatial)
    picture = read(path, channels=channels, at_least=needed(preprocessing), content=content, decoding=decoding)
    return to_input(picture, preprocessing, spatial)


def decode_files(
    column: Files,
    preprocessing: Preprocessing,
    put: Callable[[int, UInt8[np.ndarray, "h w c"]], None],
    report: Progress | None = None,
) -> bytes:
    """Decode and fit files, pass each image to `put` with its index (from any thread); return the digest of the files.

    Raises one InputError that names all damaged files, after decoding the others.
    """
    files, digests = column.files, [b""] * len(column)

    def decode(index: int) -> None:
        content = read_bytes(files[index])
        digests[index] = _digest(content)
        put(index, load_image(files[index], preprocessing, content, column.spatial))

    damaged = each(decode, len(files), report)
    if damaged:
        raise summarise(damaged, len(files))
    return _digest(b"".join(digests))


def digest_files(files: Sequence[Location]) -> bytes:
    """Return the digest that `decode_files` returns, without decoding; damaged files are included."""
    digests = [b""] * len(files)

    def add(index: int) -> None:
        digests[index] = _digest(read_bytes(files[index]))

    unreadable = each(add, len(files))
    if unreadable:
        raise summarise(unreadable, len(files))
    return _digest(b"".join(digests))


def each(work: Callable[[int], None], count: int, report: Progress | None = None) -> list[Damage]:
    """Call `work` for 0 ... count - 1 in threads; return the InputErrors raised, ordered by index."""

    def piece(indices: range) -> tuple[int, list[Damage]]:
        damaged = []
        for index in indices:
            try:
                work(index)
            except InputError as error:
                damaged.append(Damage(index=index, where=error.where, reason=error.reason, remedy=error.remedy))
        return len(indices), damaged

    damaged: list[Damage] = []
    done = 0
    with quiet(), ThreadPoolExecutor(processors()) as pool:
        tasks = [pool.submit(piece, range(first, min(first + PIECE, count))) for first in range(0, count, PIECE)]
        try:
            for task in as_completed(tasks):
                processed, failures = task.result()
                damaged += failures
                done += processed
                if report is not None:
                    report(done, count)
        except BaseException:  # Ctrl-C and the like: skip the remaining files
            pool.shutdown(cancel_futures=True)
            raise
    return sorted(damaged, key=lambda damage: damage.index)


def summarise(damaged: Sequence[Damage], count: int) -> InputError:
    """Combine the errors of several files into one that names the first few."""
    ordered = sorted(damaged, key=lambda damage: damage.where)
    if len(ordered) == 1:
        return InputError(ordered[0].where, ordered[0].reason, ordered[0].remedy)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    names = ", ".join(damage.where for damage in ordered[:SHOWN]) + more
    reason = f"{len(ordered)} of {count} images cannot be used (the first {ordered[0].reason})"
    remedies = {damage.remedy for damage in ordered}
    remedy = re.sub(r"\bit\b", "them", remedies.pop()) if len(remedies) == 1 else "repair or remove them"
    return InputError(names, reason, remedy)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
