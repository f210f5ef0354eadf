"""Jobs on a Ray cluster started with `ray start`; all its machines share the folder of the experiment."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from convworks.cluster import connect, shares
from convworks.config import build, to_json
from convworks.errors import InputError
from convworks.experiments.command import RECORD
from convworks.experiments.ended import Ended
from convworks.experiments.job import Job, Outcome, Report, perform
from convworks.training.config import RunConfig

INTERVAL = 0.5  # seconds between two polls of the runs' reports


class Mailbox:
    """An actor on the cluster that holds the reports of the runs until they are fetched, and which runs are to stop."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, float, Mapping[str, Any] | None]] = []
        self.hopeless: set[str] = set()

    def put(self, name: str, share: float, row: Mapping[str, Any] | None) -> bool:
        """Add a report; return whether the run may continue."""
        self.letters.append((name, share, row))
        return name not in self.hopeless

    def take(self) -> list[tuple[str, float, Mapping[str, Any] | None]]:
        """Return the reports since the last call."""
        letters, self.letters = self.letters, []
        return letters

    def stop(self, name: str) -> None:
        """Stop a run after its next epoch."""
        self.hopeless.add(name)


def carry_out_on_ray(jobs: Iterable[Job], folder: Path, *, total: int, report: Report, ended: Ended) -> None:
    """Run the jobs as Ray tasks, as many at a time as the cluster has resources for; see carry_out.py.

    A pruned run stops one epoch after the decision.
    """
    ray = connect()
    mailbox = ray.remote(num_cpus=0)(Mailbox).remote()
    at_a_time, resources = shares(ray, total)
    task = ray.remote(max_retries=0, **resources)(_perform)
    waiting = iter(jobs)
    running: dict[Any, Job] = {}
    try:
        while True:
            while len(running) < at_a_time and (job := next(waiting, None)) is not None:
                spec = {"name": job.name, "configuration": to_json(job.config), "command": job.command}
                running[task.remote(spec, str(folder.absolute()), mailbox)] = job
            if not running:
                return
            done, _ = ray.wait(list(running), timeout=INTERVAL)
            for name, share, row in ray.get(mailbox.take.remote()):
                if not report(name, share, row):
                    ray.get(mailbox.stop.remote(name))
            for reference in done:
                outcome = Outcome(**ray.get(reference))
                ended(running.pop(reference), outcome)
    finally:
        for reference in running:  # arrives as Ctrl-C, which saves the run
            ray.cancel(reference)
        with contextlib.suppress(Exception):
            ray.wait(list(running), num_returns=max(1, len(running)), timeout=30)
        ray.shutdown()


def _perform(spec: Mapping[str, Any], folder: str, mailbox: Any) -> dict[str, Any]:
    """Run a job on a machine of the cluster."""
    import ray

    if not (Path(folder) / RECORD).is_file():
        error = {
            "where": folder,
            "reason": f"does not exist on the machine {socket.gethostname()} of the cluster",
            "remedy": "name a folder shared by all machines: --out DIR",
            "exit_status": InputError.exit_status,
        }
        return {"status": "failed", "error": error}

    def report(name: str, share: float, row: Mapping[str, Any] | None) -> bool:
        return bool(ray.get(mailbox.put.remote(name, share, row)))

    config = build(RunConfig, spec["configuration"])
    try:
        outcome = perform(Job(name=spec["name"], config=config, command=spec["command"]), Path(folder), report)
    except KeyboardInterrupt:
        outcome = Outcome(status="interrupted")
    return {"status": outcome.status, "results": outcome.results, "error": outcome.error}
