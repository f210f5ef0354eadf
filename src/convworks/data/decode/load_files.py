"""Decode many files by threads, with bounded memory, and note what is wrong with each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from convworks.data.cache.memory import processors
from convworks.data.decode.decode import read
from convworks.data.decode.preprocess import Preprocessing, needed, to_input
from convworks.data.decode.quiet import quiet
from convworks.data.place import Place, read_bytes
from convworks.errors import InputError

Progress = Callable[[int, int], None]  # images done, images in all
PIECE = 16  # images a task: enough to make the hand-over to a thread cheap, few enough to end together
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A file that cannot be used, and why: words alone, for an exception would keep what it was raised on alive."""

    index: int
    where: str
    reason: str
    remedy: str


def load_image(path: Place, preprocessing: Preprocessing, content: bytes | None = None) -> UInt8[np.ndarray, "h w c"]:
    """Decode and fit one file, exactly as `load_images` does; `content` is its own, where it has been read already."""
    channels, decoding = preprocessing.channels, preprocessing.decoding
    picture = read(path, channels=channels, at_least=needed(preprocessing), content=content, decoding=decoding)
    return to_input(picture, preprocessing)


def decode_files(
    files: Sequence[Place],
    preprocessing: Preprocessing,
    put: Callable[[int, UInt8[np.ndarray, "h w c"]], None],
    report: Progress | None = None,
) -> bytes:
    """Decode and fit files, give each image to `put` with its index (from any thread); return the files' digest.

    Raises one InputError that names all damaged files, at the end.
    """
    digests = [b""] * len(files)

    def one(index: int) -> None:
        content = read_bytes(files[index])
        digests[index] = _digest(content)
        put(index, load_image(files[index], preprocessing, content))

    damaged = each(one, len(files), report)
    if damaged:
        raise summarise(damaged, len(files))
    return _digest(b"".join(digests))


def digest_files(files: Sequence[Place]) -> bytes:
    """Return what `decode_files` returns, without decoding; damaged files count as any."""
    digests = [b""] * len(files)

    def one(index: int) -> None:
        digests[index] = _digest(read_bytes(files[index]))

    unreadable = each(one, len(files))
    if unreadable:
        raise summarise(unreadable, len(files))
    return _digest(b"".join(digests))


def each(work: Callable[[int], None], count: int, report: Progress | None = None) -> list[Damage]:
    """Do `work` for 0 ... count - 1 in threads; return what raised InputError, in order."""

    def piece(where: range) -> tuple[int, list[Damage]]:
        found = []
        for index in where:
            try:
                work(index)
            except InputError as error:
                found.append(Damage(index=index, where=error.where, reason=error.reason, remedy=error.remedy))
        return len(where), found

    damaged: list[Damage] = []
    done = 0
    with quiet(), ThreadPoolExecutor(processors()) as pool:
        tasks = [pool.submit(piece, range(first, min(first + PIECE, count))) for first in range(0, count, PIECE)]
        try:
            for task in as_completed(tasks):
                number, found = task.result()
                damaged += found
                done += number
                if report is not None:
                    report(done, count)
        except BaseException:  # Ctrl-C and the like: do not decode the rest first
            pool.shutdown(cancel_futures=True)
            raise
    return sorted(damaged, key=lambda damage: damage.index)


def summarise(damaged: Sequence[Damage], count: int) -> InputError:
    """Join what is wrong with several files into one error that names the first few."""
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
