"""The answers for many files: decoded by threads, computed in batches, in order; nothing imports PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from convworks.data.decode.quiet import quiet
from convworks.errors import ConvworksError, InputError, RunError

PIECE = 256  # files decoded at a time

#: The activated outputs of samples.
Activated = Callable[[Sequence[np.ndarray]], np.ndarray]


def predict_files(
    files: Sequence[Path],
    decode: Callable[[Path], np.ndarray],
    activated: Activated,
    answer: Callable[[str, np.ndarray], dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Yield the answer for each file, in order; a file that fails gives {"path", "error"}."""

    def attempt(path: Path) -> np.ndarray | InputError:
        try:
            return decode(path)
        except InputError as error:
            return error

    with quiet(), ThreadPoolExecutor() as pool:
        for first in range(0, len(files), PIECE):
            piece = files[first : first + PIECE]
            decoded = list(pool.map(attempt, piece))
            outputs = _each(activated, [array for array in decoded if isinstance(array, np.ndarray)])
            for path, array in zip(piece, decoded, strict=True):
                output = next(outputs) if isinstance(array, np.ndarray) else array
                if isinstance(output, ConvworksError):
                    yield {"path": str(path), "error": output.reason}
                else:
                    yield answer(str(path), output)


def _each(activated: Activated, samples: Sequence[np.ndarray]) -> Iterator[np.ndarray | ConvworksError]:
    """Yield the outputs of samples computed as a batch; if that fails, each sample's own output or its error."""
    try:
        yield from activated(samples) if samples else ()
    except RunError as error:
        if len(samples) == 1:
            yield error
        else:
            for sample in samples:
                yield from _each(activated, [sample])


def check_top(top: int) -> None:
    """Raise InputError for fewer classes than one."""
    if top < 1:
        raise InputError("top", f"is {top}, but must be at least 1", "give 1 or more")
