"""What several networks that name the class of every pixel say of images together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from convworks.errors import ConvworksError
from convworks.inference.combination import PROBABILITY
from convworks.inference.ensemble import combined
from convworks.inference.maps import Map, Mapper
from convworks.inference.tiles import probabilities


@dataclass(frozen=True, kw_only=True)
class MapEnsemble:
    """Gives combined maps, at the size of each image: each network reads it at its own scale."""

    members: tuple[Mapper, ...]
    combination: str = PROBABILITY

    def streams(self, path: Path) -> bool:
        """Return whether an image is so large that every network reads it some rows at a time."""
        return all(member.streams(path) for member in self.members)

    @contextmanager
    def rows(self, path: Path) -> Iterator[tuple[tuple[int, int], Iterator[UInt8[np.ndarray, "h w"]]]]:
        """Give the size (height, width) of an image, and the numbers of classes of its pixels, some rows at a time."""
        with ExitStack() as stack:
            opened = [stack.enter_context(member.rows(path, probabilities)) for member in self.members]
            yield opened[0][0], map(self._numbers, in_step([strips for _, strips in opened]))

    def each(self, files: Sequence[Path]) -> Iterator[tuple[Path, Map | ConvworksError]]:
        """Yield the map of each of many files, in order, or the error of one that fails."""
        for answers in zip(*(member.each(files) for member in self.members), strict=True):
            path = answers[0][0]
            maps = [values for _, values in answers if not isinstance(values, ConvworksError)]
            failed = [values for _, values in answers if isinstance(values, ConvworksError)]
            yield path, failed[0] if failed else self._combined(np.stack(maps)[:, None])[0]

    def _combined(self, maps: np.ndarray) -> np.ndarray:
        return combined(maps, self.members[0].task.activation, self.combination)

    def _numbers(self, strips: Sequence[np.ndarray]) -> UInt8[np.ndarray, "h w"]:
        """Return the numbers of the classes of some rows, from the scores [h, w, k] of each network."""
        pixels = self._combined(np.stack([rows.reshape(-1, rows.shape[2]) for rows in strips]))
        numbers: np.ndarray = pixels.argmax(1).astype(np.uint8).reshape(strips[0].shape[:2])
        return numbers


def in_step(strips: Sequence[Iterator[np.ndarray]]) -> Iterator[list[np.ndarray]]:
    """Yield what several iterators of strips say of the same rows, though their strips are of different heights."""
    waiting = [next(each) for each in strips]
    while True:
        height = min(map(len, waiting))
        yield [rows[:height] for rows in waiting]
        waiting = [
            rows[height:] if len(rows) > height else next(each, rows[:0])
            for rows, each in zip(waiting, strips, strict=True)
        ]
        if not all(map(len, waiting)):
            return
