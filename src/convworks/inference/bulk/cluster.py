"""Batches computed on a Ray cluster, whose machines all see the files; this process writes the answers.

They are Ray tasks, of which a bounded number is ahead of the file: a machine that dies costs its own, which are
computed again. (Ray Data would do the same with pandas and pyarrow beside it.)
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from convworks.cluster import connect, shares
from convworks.errors import ConvworksError, InputError, RunError
from convworks.inference.bulk.answered import Answer, Files, Row, answered
from convworks.inference.bulk.scorer import Scorer

FILES = 1024  # of a task, at least: enough to decode ahead within it
AHEAD = 2  # tasks for each that runs

Open = Callable[[], tuple[Scorer, Answer]]


def answered_on_ray(open_scorer: Open, files: Files, batches: range, size: int) -> Iterator[list[Row]]:
    """Yield the answers of each batch of `size` files, as `answered` does; `open_scorer` is called on each machine.

    It is pickled, and called once in each process. Raises InputError without Ray or a cluster, and for a machine that
    lacks the working directory.
    """
    ray = connect()
    step = max(1, FILES // size)
    tasks = [batches[first : first + step] for first in range(0, len(batches), step)]
    at_a_time, resources = shares(ray, max(1, len(tasks)))
    task = ray.remote(**resources)(_answers)
    shared, work = ray.put(files), ray.put((open_scorer, os.getcwd()))
    waiting, running = iter(tasks), deque[Any]()
    try:
        while True:
            while len(running) < AHEAD * at_a_time and (part := next(waiting, None)) is not None:
                running.append(task.remote(work, shared, part))
            if not running:
                return
            yield from _answer_of(ray.get(running.popleft()))
    finally:
        for reference in running:
            with contextlib.suppress(Exception):
                ray.cancel(reference, force=True)
        ray.shutdown()


def _answer_of(result: list[list[Row]] | dict[str, Any]) -> list[list[Row]]:
    """Return the answers of a task, or raise its error."""
    if isinstance(result, dict):
        kind = InputError if result["exit_status"] == InputError.exit_status else RunError
        raise kind(result["where"], result["reason"], result["remedy"])
    return result


def _answers(work: tuple[Open, str], files: Files, batches: range) -> list[list[Row]] | dict[str, Any]:
    """Return the answers of some batches, on a machine of the cluster; an error as a dictionary."""
    open_scorer, folder = work
    try:
        scorer, answer = _opened(open_scorer, folder)
        return list(answered(scorer, files, batches, answer))
    except ConvworksError as error:
        facts = {"where": error.where, "reason": error.reason, "remedy": error.remedy}
        return {**facts, "exit_status": error.exit_status}


def _opened(open_scorer: Open, folder: str) -> tuple[Scorer, Answer]:
    """Return the scorer of this process, which is opened once, in the working directory of the command."""
    if not _kept:
        if not Path(folder).is_dir():
            reason = f"does not exist on the machine {socket.gethostname()} of the cluster"
            raise InputError(folder, reason, "work in a folder that all machines share")
        os.chdir(folder)
        _kept.append(open_scorer())
    return _kept[0]


#: Of a process of Ray, which works for one command.
_kept: list[tuple[Scorer, Answer]] = []
