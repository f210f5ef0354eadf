"""A worker process of an experiment: `python -m convworks.experiments.worker`, started by processes.py.

One JSON object per line. Input: {"job", "place"}, and after each report {"go"}. Output: {"name", "share", "row"} and
{"outcome"}. When its input ends, the current run saves a checkpoint and stops: no run outlives its experiment.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from convworks.config import build
from convworks.experiments.job import Job, Outcome, perform
from convworks.training.config import RunConfig

Lines = queue.SimpleQueue[dict[str, Any] | None]


def main() -> None:
    """Run jobs until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # prints must not mix with the messages
    lines: Lines = queue.SimpleQueue()
    busy, ended = threading.Event(), threading.Event()
    threading.Thread(target=_listen, args=(sys.stdin, lines, busy, ended), daemon=True).start()
    while (line := lines.get()) is not None:
        busy.set()
        if ended.is_set():
            return
        outcome = _perform(line, lines, answers)
        busy.clear()
        _write(answers, {"outcome": {"status": outcome.status, "results": outcome.results, "error": outcome.error}})


def _perform(line: Mapping[str, Any], lines: Lines, answers: IO[str]) -> Outcome:
    """Run a job; a bug in convworks becomes an outcome too, so that the experiment can show it."""

    def report(name: str, share: float, row: Mapping[str, Any] | None) -> bool:
        _write(answers, {"name": name, "share": share, "row": row})
        reply = lines.get()
        if reply is None:
            lines.put(None)  # the input has ended: keep the end for the next report, and for the main loop
        return reply is None or bool(reply["go"])

    spec = line["job"]
    try:
        config = build(RunConfig, spec["configuration"])
        job = Job(name=spec["name"], config=config, command=spec["command"])
        return perform(job, Path(line["place"]), report)
    except KeyboardInterrupt:
        return Outcome(status="interrupted")
    except Exception:
        return Outcome(status="failed", error={"traceback": traceback.format_exc()})


def _listen(stream: IO[str], lines: Lines, busy: threading.Event, ended: threading.Event) -> None:
    """Forward lines; at their end, when the experiment has ended, signal a run to save and stop."""
    for text in stream:
        lines.put(json.loads(text))
    # In this order: a run that begins later checks `ended`, one that has begun gets the signal.
    ended.set()
    lines.put(None)
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def _write(stream: IO[str], values: Mapping[str, Any]) -> None:
    try:
        stream.write(json.dumps(values) + "\n")
        stream.flush()
    except BrokenPipeError:
        pass  # the experiment has ended, and so has the input


if __name__ == "__main__":
    main()
