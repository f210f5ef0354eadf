"""Answers written into a file as they come: by this process, or by others for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from convworks.console import rate_of
from convworks.errors import ConvworksError, InputError, RunError
from convworks.inference.bulk.answered import Answer, Files, Row, answered, batches_of
from convworks.inference.bulk.finished import keep
from convworks.inference.bulk.formats import format_of
from convworks.inference.bulk.scorer import Scorer
from convworks.inference.bulk.shard import WHOLE, Shard
from convworks.inference.bulk.unfinished import check_same, is_finished, recorded, remove, unfinished
from convworks.inference.limits import NO_OVERFLOW, OVERFLOW

#: Yields the answers for some batches, in their order.
Batches = Callable[[range], Iterator[list[Row]]]


@dataclass(frozen=True, kw_only=True)
class Written:
    """A finished file: its rows, how many were there before this process, how many failed, and the first that did."""

    rows: int
    earlier: int
    failed: int
    errors: Sequence[Mapping[str, str]]


def write_answers(
    out: Path,
    files: Files,
    scorer: Scorer,
    answer: Answer,
    *,
    job: Mapping[str, Any],
    classes: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    resume: bool = False,
    overwrite: bool = False,
    skip_damaged: bool = False,
    compute: Batches | None = None,
) -> Written:
    """Write the answers for files, or for a shard of them, in their order; a file that fails has a row with the error.

    The rows are those of whole batches, so that the shards of a job, end to end, are the job, and the same whenever it
    was interrupted. `job` says what the rows depend on: with `resume`, the rows of an earlier run count if it says the
    same. `classes` asks for a column for each class. `compute` computes batches elsewhere.

    Raises InputError for rows of another job, or if all files fail (unless `skip_damaged`).
    """
    part = shard.part(len(batches_of(files, scorer.batch)))
    first, last = (min(end * scorer.batch, len(files)) for end in (part.start, part.stop))
    count = last - first
    job = {**job, "shard": str(shard), "batch": scorer.batch, "count": count}
    record = recorded(out) if resume else None
    if record is not None and is_finished(out, record):
        check_same(out, record, job)
        keep(out, record)
        remove(out)
        return Written(rows=count, earlier=count, failed=record["failed"], errors=record["errors"])
    example = answer("", np.zeros_like(scorer.score([scorer.blank])[0]))
    form = format_of(out.suffix.lower(), example, classes)
    batches = compute or partial(answered, scorer, files, answer=answer)
    with (
        unfinished(out, job, form, resume=resume, overwrite=overwrite) as state,
        rate_of("predicting", count, state.rows) as report,
    ):
        for rows in batches(part[-(-state.earlier // scorer.batch) :]):
            state.add("".join(map(form.line, rows)), rows)
            report(state.rows)
        assert state.rows == count
        if count and state.failed == count and not skip_damaged:
            state.give_up()
            raise no_answer(state.errors[0], count)
    return Written(rows=state.rows, earlier=state.earlier, failed=state.failed, errors=state.errors)


def no_answer(first: Mapping[str, str], count: int) -> ConvworksError:
    """Return the error of work that failed on every file, of which one is the first."""
    more = f" (and {count - 1} more failed)" if count > 1 else ""
    if first["error"] == OVERFLOW:
        return RunError(first["path"], OVERFLOW + more, NO_OVERFLOW)
    return InputError(first["path"], first["error"] + more, "give images that can be read")
