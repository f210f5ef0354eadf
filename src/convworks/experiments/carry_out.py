"""Who carries out the jobs of an experiment: this process, several on this machine, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from convworks.experiments.ended import Ended
from convworks.experiments.job import Job, Tell, perform


def carry_out(jobs: Iterable[Job], place: Path, *, workers: int | str, total: int, tell: Tell, ended: Ended) -> None:
    """Carry out the jobs, each taken when a worker is free; `ended` is told in this process what became of each.

    What `tell` and `ended` raise stops the others, which save their runs.
    """
    if workers == "ray":
        from convworks.experiments.cluster import carry_out_on_ray

        carry_out_on_ray(jobs, place, total=total, tell=tell, ended=ended)
    elif isinstance(workers, int) and workers > 1 and total > 1:
        from convworks.experiments.processes import carry_out_in_processes

        carry_out_in_processes(jobs, place, count=min(workers, total), tell=tell, ended=ended)
    else:
        for job in jobs:
            ended(job, perform(job, place, tell))
