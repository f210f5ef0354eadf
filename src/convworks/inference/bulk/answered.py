"""Answers for files in their order, batch by batch; the next batches are decoded meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from convworks.data.cache.memory import processors
from convworks.data.decode.ahead import ahead
from convworks.data.decode.quiet import quiet
from convworks.data.location import Location
from convworks.errors import InputError
from convworks.inference.bulk.scorer import Scorer
from convworks.inference.limits import OVERFLOW

Row = dict[str, Any]
#: The answer for an image, from its name (None: it has none) and its activated output.
Answer = Callable[[str | None, np.ndarray], Row]
#: The name of a file, what `Scorer.prepare` made of it, and why it failed (empty: it did not).
Prepared = tuple[str, Any, str]


@runtime_checkable
class Files(Protocol):
    """Files by index: a list, or a listing."""

    def __len__(self) -> int:
        """Return their number."""

    def __getitem__(self, index: int, /) -> Location:
        """Return one of them."""


def batches_of(files: Files, size: int) -> range:
    """Return the numbers of the batches of all files."""
    return range(-(-len(files) // size))


def answered(scorer: Scorer, files: Files, batches: Sequence[int], answer: Answer) -> Iterator[list[Row]]:
    """Yield the answers for each batch; a file that fails gets {"path", "error"}.

    Batch n holds the files from n * scorer.batch on, damaged ones too, so that no answer depends on the batches before
    it. Raises RunError for a server that does not respond: its files may be sound.
    """
    threads = processors()
    step = -(-scorer.batch // threads)

    def pieces(batch: int) -> list[range]:
        first, last = batch * scorer.batch, min((batch + 1) * scorer.batch, len(files))
        return [range(start, min(start + step, last)) for start in range(first, last, step)]

    def prepare(indices: range) -> list[Prepared]:
        return [_prepare(scorer, files[index]) for index in indices]

    with quiet():
        prepared = ahead(prepare, (piece for batch in batches for piece in pieces(batch)), threads)
        for batch in batches:
            samples = [sample for _ in pieces(batch) for sample in next(prepared)]
            yield _rows(scorer, samples, answer)


def _prepare(scorer: Scorer, file: Location) -> Prepared:
    """Decode a file; the error is kept as a text, as an exception would keep all that was decoded alive."""
    try:
        return str(file), scorer.prepare(file), ""
    except InputError as error:
        return str(file), scorer.blank, error.reason


def _rows(scorer: Scorer, samples: Sequence[Prepared], answer: Answer) -> list[Row]:
    if all(why for *_, why in samples):
        return [{"path": name, "error": why} for name, _, why in samples]
    outputs = scorer.score([sample for _, sample, _ in samples])
    rows = []
    for (name, _, why), output in zip(samples, outputs, strict=True):
        reason = why or ("" if np.isfinite(output).all() else OVERFLOW)
        rows.append({"path": name, "error": reason} if reason else answer(name, output))
    return rows
