"""Memory for decoded images: RAM, or a mapped file if that does not suffice."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from convworks.data.home import NoCacheError, cache_folder
from convworks.errors import RunError


class NoRoomError(RunError):
    """Neither memory nor disk has room for decoded images."""


def allocate(shape: tuple[int, ...], budget: int | None) -> UInt8[np.ndarray, "..."]:
    """Return an uninitialised array; above `budget` bytes (default: half of the free memory) it is a mapped file.

    The file lies unnamed in the user's cache, so that the system removes it however the process ends.
    """
    size = int(np.prod([int(side) for side in shape], dtype=object))
    if size <= (free_memory() // 2 if budget is None else budget):
        return np.empty(shape, dtype=np.uint8)
    try:
        folder = cache_folder()
    except NoCacheError as error:
        raise NoRoomError(error.where, error.reason, error.remedy) from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is detected here, not as a bus error while writing
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)
    except OSError as error:
        reason = f"has no room for {size / 2**30:.1f} GiB of decoded images ({error.strerror})"
        remedy = "choose a smaller size, or set XDG_CACHE_HOME to a larger disk"
        raise NoRoomError(folder, reason, remedy) from None


def free_memory() -> int:
    """Return the free memory in bytes, according to the system and the limit of the container."""
    return min(_free_in_machine(), _free_in_container())


def processors() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_in_machine() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):  # not POSIX
        return 4 * 2**30


def _free_in_container(folder: Path = Path("/sys/fs/cgroup")) -> int:
    try:
        limit, used = ((folder / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return max(0, int(limit) - int(used))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return 2**63
