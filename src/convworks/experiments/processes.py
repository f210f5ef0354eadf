"""Jobs in several processes of this machine, which exchange lines of JSON (worker.py)."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from convworks.config import to_json
from convworks.errors import RunError
from convworks.experiments.ended import Ended
from convworks.experiments.job import LOGS, Job, Outcome, Report

PATIENCE = 60.0  # seconds for a worker to save its run


@dataclass
class Worker:
    """A process, and the job it is running."""

    process: subprocess.Popen[str]
    log: Path
    listener: threading.Thread
    job: Job | None = None

    def send(self, values: dict[str, Any]) -> None:
        """Send a line of JSON; a process that has died is noticed when its output ends."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(values) + "\n")
            self.process.stdin.flush()


Answers = queue.SimpleQueue[tuple[int, dict[str, Any] | None]]  # process ID and message; None at the end of its output


def carry_out_in_processes(jobs: Iterable[Job], folder: Path, *, count: int, report: Report, ended: Ended) -> None:
    """Run the jobs in at most `count` processes at a time; see carry_out.py."""
    answers: Answers = queue.SimpleQueue()
    waiting = iter(jobs)
    with _workers() as workers:
        while True:
            while free := _free(workers, count, folder, answers):
                job = next(waiting, None)
                if job is None:
                    break
                free.job = job
                spec = {"name": job.name, "configuration": to_json(job.config), "command": job.command}
                free.send({"job": spec, "place": str(folder)})
            if not any(worker.job for worker in workers):
                return
            number, answer = answers.get()
            worker = next(worker for worker in workers if worker.process.pid == number)
            if worker.job is None:
                continue
            if answer is None:
                reason = f"its process ended ({_ending(worker.process)})"
                raise RunError(worker.job.name, reason, f"see {worker.log}, then resume")
            if "outcome" in answer:
                job, worker.job = worker.job, None
                ended(job, Outcome(**answer["outcome"]))
            else:
                worker.send({"go": report(answer["name"], answer["share"], answer["row"])})


@contextlib.contextmanager
def _workers() -> Iterator[list[Worker]]:
    """Yield a list for worker processes, which are stopped and waited for when the context ends."""
    workers: list[Worker] = []
    try:
        yield workers
    finally:
        for worker in workers:
            assert worker.process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                worker.process.stdin.close()
        for worker in workers:
            try:
                worker.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.listener.join()
            if worker.log.stat().st_size == 0:
                worker.log.unlink()


def _free(workers: list[Worker], count: int, folder: Path, answers: Answers) -> Worker | None:
    """Return an idle process, a new one if there are fewer than `count`, or None."""
    idle = next((worker for worker in workers if worker.job is None), None)
    if idle is None and len(workers) < count:
        idle = _start(len(workers), count, folder, answers)
        workers.append(idle)
    return idle


def _start(number: int, count: int, folder: Path, answers: Answers) -> Worker:
    (folder / LOGS).mkdir(exist_ok=True)
    path = folder / LOGS / f"worker-{number + 1}.txt"
    with path.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "convworks.experiments.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=_environment(number, count),
            start_new_session=True,  # Ctrl-C goes to the experiment alone, which stops its workers
        )
    listener = threading.Thread(target=_listen, args=(process, answers), daemon=True)
    listener.start()
    return Worker(process=process, log=path, listener=listener)


def _environment(number: int, count: int) -> dict[str, str]:
    """Return the environment of a worker, with an equal share of the CPU cores and GPUs."""
    environment = dict(os.environ)
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    if (gpus := torch.cuda.device_count()) > 1:
        names = environment.get("CUDA_VISIBLE_DEVICES", "").split(",")
        names = names if len(names) == gpus else [str(index) for index in range(gpus)]
        environment["CUDA_VISIBLE_DEVICES"] = names[number % gpus]
    return environment


def _listen(process: subprocess.Popen[str], answers: Answers) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            answers.put((process.pid, json.loads(line)))
    answers.put((process.pid, None))


def _ending(process: subprocess.Popen[str]) -> str:
    code = process.wait()
    return f"signal {-code}" if code < 0 else f"status {code}"
