"""Running the jobs of an experiment: in this process, in several on this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from convworks.experiments.ended import Ended
from convworks.experiments.job import Job, Report, perform


def carry_out(
    jobs: Iterable[Job], folder: Path, *, workers: int | str, total: int, report: Report, ended: Ended
) -> None:
    """Run the jobs, each when a worker is free; `ended` is called in this process with the outcome of each.

    Exceptions of `report` and `ended` stop the other jobs, which save their runs.
    """
    if workers == "ray":
        from convworks.experiments.cluster import carry_out_on_ray

        carry_out_on_ray(jobs, folder, total=total, report=report, ended=ended)
    elif isinstance(workers, int) and workers > 1 and total > 1:
        from convworks.experiments.processes import carry_out_in_processes

        carry_out_in_processes(jobs, folder, count=min(workers, total), report=report, ended=ended)
    else:
        for job in jobs:
            ended(job, perform(job, folder, report))
