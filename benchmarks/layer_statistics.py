"""What the statistics of layers cost: `python -m benchmarks.layer_statistics [--turns N] [--out FILE.json]`.

One process trains on random images from memory. Turns of 40 steps with the statistics, of which the first is measured
as in a long run (training/statistics/event.py), alternate with turns without. Shown are the medians of the seconds of a
turn, and two estimates of the cost: the ratio of the turns, and what a measured step takes longer than the median of
the others, over 40 of those. The second is steadier; the first counts what it might miss. Both are of wall time, and of
the processor time of this process, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks import machine
from benchmarks.convworks_side.throughput import prepared
from benchmarks.throughput import JOBS, write_images
from convworks.training.events import Events
from convworks.training.loop import fit
from convworks.training.progress import Progress
from convworks.training.setup import Setup
from convworks.training.statistics.event import LEAST, LayerStatistics

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
Times = tuple[float, ...]


class Turns(Events):
    """Measures the layers in every second turn, and notes the time of every step; the first two turns warm up."""

    def __init__(self, turns: int) -> None:
        self.statistics = LayerStatistics()
        self.last = 2 * (turns + 1) * LEAST
        self.began: Times = ()
        self.steps: list[Times] = []

    def step_began(self, setup: Setup, progress: Progress) -> None:
        self.began = tuple(clock() for clock in CLOCKS.values())
        if self.measures(progress.step):
            self.statistics.step_began(setup, progress)

    def gradients_computed(self, setup: Setup, progress: Progress) -> None:
        if self.measures(progress.step):
            self.statistics.gradients_computed(setup, progress)

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        if self.measures(progress.step - 1):
            self.statistics.step_ended(setup, progress)
        if setup.device.type == "cuda":
            torch.cuda.synchronize()
        ended = tuple(clock() for clock in CLOCKS.values())
        self.steps.append(tuple(end - begin for begin, end in zip(self.began, ended, strict=True)))
        if progress.step == self.last:
            raise StopIteration

    @staticmethod
    def measures(step: int) -> bool:
        """Return whether a step is one of a turn with statistics."""
        return step // LEAST % 2 == 0


def cost(seconds: list[float]) -> dict[str, float]:
    """Return what the statistics cost, as a fraction of training, from the seconds of all steps."""
    turns = [seconds[first : first + LEAST] for first in range(2 * LEAST, len(seconds), LEAST)]
    with_them, without = turns[::2], turns[1::2]
    usual = median([step for turn in turns for step in turn[1:]])
    return {
        "with": median(map(sum, with_them)),
        "without": median(map(sum, without)),
        "by_turns": median([sum(a) / sum(b) for a, b in zip(with_them, without, strict=True)]) - 1,
        "by_steps": (median([turn[0] for turn in with_them]) - median([turn[0] for turn in without])) / (LEAST * usual),
    }


def measured(name: str, turns: int) -> dict[str, Any]:
    """Return the cost in one job, by each clock."""
    job = JOBS[name]
    with tempfile.TemporaryDirectory(prefix="convworks-benchmark-") as workspace:
        write_images(job.shape, Path(workspace))
        setup = prepared(Path(workspace), job.model, job.batch_size)
        events = Turns(turns)
        with contextlib.suppress(StopIteration):
            fit(setup, Progress(), events)
    return {
        "job": f"{job.model}, batches of {job.batch_size}, {setup.precision}",
        "turns": turns,
        **{clock: cost(list(seconds)) for clock, seconds in zip(CLOCKS, zip(*events.steps, strict=True), strict=True)},
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layer_statistics", description="Cost of layer statistics."
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"{', '.join(JOBS)} (default: all)")
    parser.add_argument("--turns", type=int, default=15, help="pairs of turns of 40 steps (default: 15)")
    parser.add_argument("--out", type=Path, help="a file for the numbers")
    args = parser.parse_args()
    names = args.names or list(JOBS)
    if unknown := [name for name in names if name not in JOBS]:
        parser.error(f"there is no job {unknown[0]!r}; there are: {', '.join(JOBS)}")
    if args.turns < 1:
        parser.error(f"--turns must be at least 1, not {args.turns}")
    description = machine.describe()
    if machine.is_busy(description):
        print("warning: this machine is busy with something else; do not trust wall times", file=sys.stderr)
    results, lines = [], []
    for name in names:
        load = os.getloadavg()[0]
        results.append(result := {**measured(name, args.turns), "load_average": load})
        for clock in CLOCKS:
            times = result[clock]
            lines.append(
                f"| {result['job']} | {clock} | {times['with']:.3f} | {times['without']:.3f} "
                f"| {times['by_turns']:+.2%} | {times['by_steps']:+.2%} |"
            )
    print(f"Measured on {machine.line(description)}, {torch.get_num_threads()} threads.\n")
    print(f"| training | clock | {LEAST} steps with, s | without, s | cost by turns | cost by steps |")
    print("|---|---|---|---|---|---|", *lines, sep="\n")
    if args.out is not None:
        args.out.write_text(json.dumps({"machine": description, "results": results}, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
