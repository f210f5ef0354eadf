"""What several networks that name the class of every pixel say of images together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convworks.errors import InputError
from convworks.inference.combination import PROBABILITY
from convworks.inference.ensemble import combined
from convworks.inference.maps import Mapper, Scaled
from convworks.inference.reader import Computed
from convworks.inference.strips import Strips, as_scores, masks_of
from convworks.inference.tiles import Finish, classes, probabilities


@dataclass(frozen=True, kw_only=True)
class MapEnsemble:
    """Gives masks, or combined maps, at the size of each image: each network reads it at its own scale."""

    members: tuple[Mapper, ...]
    combination: str = PROBABILITY

    def read(self, name: object, image: Any) -> tuple[Scaled, ...]:
        """Return an image of any supported type as each network reads it."""
        return tuple([member.read(name, image) for member in self.members])

    def fitted(self, pixels: np.ndarray) -> tuple[Scaled, ...]:
        """Return an image of the size of the input of all networks."""
        return tuple([member.fitted(pixels) for member in self.members])

    def blank(self) -> tuple[Scaled, ...]:
        """Return an image without content, of the size of the first network's input."""
        preprocessing = self.members[0].preprocessing
        return self.read("blank", np.zeros((*preprocessing.size, preprocessing.channels), np.uint8))

    def compute(self, samples: Sequence[tuple[Scaled, ...]]) -> Iterator[Computed]:
        """Yield the mask of each image; raises RunError for outputs that are not finite."""
        maps = [
            member.maps([each[number] for each in samples], probabilities) for number, member in enumerate(self.members)
        ]
        yield from masks_of(self._together(answers, classes) for answers in zip(*maps, strict=True))

    def streams(self, path: Path) -> bool:
        """Return whether an image is so large that every network reads it some rows at a time."""
        return all(member.streams(path) for member in self.members)

    @contextmanager
    def rows(self, path: Path, finish: Finish = classes) -> Iterator[Strips]:
        """Give the numbers of classes of the pixels of a large image, which is read some rows at a time."""
        with ExitStack() as stack:
            opened = [stack.enter_context(member.rows(path, probabilities)) for member in self.members]
            yield self._of_all(opened, finish)

    def each(self, files: Sequence[Path], finish: Finish = classes) -> Iterator[tuple[Path, Strips | InputError]]:
        """Yield the numbers of classes of each of many files, in order, or the error of one that was not read."""
        for answers in zip(*(member.each(files, probabilities) for member in self.members), strict=True):
            yield answers[0][0], self._together([each for _, each in answers], finish)

    def _together(self, answers: Sequence[Strips | InputError], finish: Finish) -> Strips | InputError:
        failed = [each for each in answers if isinstance(each, InputError)]
        return failed[0] if failed else self._of_all([each for each in answers if isinstance(each, Strips)], finish)

    def _of_all(self, answers: Sequence[Strips], finish: Finish) -> Strips:
        """Return what is kept of the combined scores."""
        rows = (finish(as_scores(self._combined(strips))) for strips in in_step([each.rows for each in answers]))
        return Strips(size=answers[0].size, rows=rows)

    def _combined(self, strips: Sequence[np.ndarray]) -> np.ndarray:
        """Return the combined scores [h, w, k] of some rows, from those of each network."""
        pixels = np.stack([rows.reshape(-1, rows.shape[2]) for rows in strips])
        return combined(pixels, self.members[0].task.activation, self.combination).reshape(strips[0].shape)


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
