"""Variants of one job, run interleaved and repeated, each in a process of its own."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.memory import Peak

Facts = dict[str, Any]


class BenchmarkError(Exception):
    """A benchmark that cannot run, or whose variants did different work."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to do the job.

    `command` returns the arguments of the process for a round (0, 1, ...; use it as the seed). `read` parses facts from
    its standard output. A fact named `seconds` replaces the wall time of the process, to exclude start-up.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    read: Callable[[str], Facts] = field(default=lambda _: {})


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A job, its variants, and the variant that the others are compared with (`yardstick`).

    `amount` is the number of items a run processes, for rates in `unit`; without it the result is the time. Facts named
    in `same` must be equal in all variants that report them. `score` names a fact that matters more than time, such as
    the fraction of `n` (another fact) that a run classifies correctly. Without `warm_up` the first round counts.
    """

    name: str
    job: str
    variants: tuple[Variant, ...]
    yardstick: str
    repeats: int
    amount: int | None = None
    unit: str = "s"
    same: tuple[str, ...] = ()
    score: str | None = None
    warm_up: bool = True


@dataclass(frozen=True, kw_only=True)
class Run:
    """One process: wall seconds, CPU seconds including children, peak memory, facts.

    `peak_mib` is the proportional set size (PSS) of the process and its children, `anonymous_mib` its anonymous part,
    `largest_mib` the maximum resident set size.
    """

    seconds: float
    processor_seconds: float
    peak_mib: float
    anonymous_mib: float
    largest_mib: float
    load: float
    facts: Facts


def measure(benchmark: Benchmark, repeats: int) -> dict[str, list[Run]]:
    """Run every variant `repeats` times in rotating order, after a round that warms the file cache."""
    runs: dict[str, list[Run]] = {variant.name: [] for variant in benchmark.variants}
    variants = list(benchmark.variants)
    for number in range(-1 if benchmark.warm_up else 0, repeats):
        for variant in variants:
            label = "warm-up" if number < 0 else f"{number + 1}/{repeats}"
            run = _run(variant, max(number, 0))
            print(f"{benchmark.name} {label} {variant.name}: {run.seconds:.3f} s", file=sys.stderr, flush=True)
            if number >= 0:
                runs[variant.name].append(run)
        variants = variants[1:] + variants[:1]
    for fact in benchmark.same:
        values = {
            name: run.facts[fact] for name, variant_runs in runs.items() for run in variant_runs if fact in run.facts
        }
        if len(set(values.values())) > 1:
            raise BenchmarkError(f"the variants did not do the same: {fact} is {values}")
    return runs


def summarise(benchmark: Benchmark, runs: Mapping[str, Sequence[Run]]) -> Facts:
    """Return median, spread and ratio of each variant; a ratio above 1 is faster than the yardstick."""
    yardstick = [run.seconds for run in runs[benchmark.yardstick]]
    results = []
    for name, variant_runs in runs.items():
        seconds = [run.seconds for run in variant_runs]
        # Runs of one round saw the same load: their ratios vary less than the times.
        ratios = [
            yardstick_time / time_of_variant for yardstick_time, time_of_variant in zip(yardstick, seconds, strict=True)
        ]
        results.append(
            {
                "variant": name,
                "median": _value(benchmark, statistics.median(seconds)),
                "lowest": min(_value(benchmark, value) for value in seconds),
                "highest": max(_value(benchmark, value) for value in seconds),
                "ratio": statistics.median(yardstick) / statistics.median(seconds),
                "ratios": ratios,
                "processor_seconds": statistics.median(run.processor_seconds for run in variant_runs),
                "peak_mib": statistics.median(run.peak_mib for run in variant_runs),
                "anonymous_mib": statistics.median(run.anonymous_mib for run in variant_runs),
                "largest_mib": statistics.median(run.largest_mib for run in variant_runs),
                "facts": _summarised([run.facts for run in variant_runs]),
                **({"score": _score([run.facts for run in variant_runs], benchmark.score)} if benchmark.score else {}),
                "runs": [vars(run) for run in variant_runs],
            }
        )
    return {
        "name": benchmark.name,
        "job": benchmark.job,
        "unit": benchmark.unit,
        "yardstick": benchmark.yardstick,
        "repeats": len(yardstick),
        "score": benchmark.score,
        "variants": results,
    }


def _score(facts: Sequence[Facts], name: str) -> Facts:
    """Return mean and standard deviation over the runs, and for a share of n samples the 95 % interval of the mean."""
    scores = [run_facts[name] for run_facts in facts]
    mean = statistics.fmean(scores)
    deviation = statistics.stdev(scores) if len(scores) > 1 else None
    if "n" not in facts[0]:
        return {"mean": mean, "deviation": deviation}
    from convworks.metrics.classification import (
        wilson_interval,
    )  # imported after the runs: the peak memory of a child starts from ours

    low, high = wilson_interval(round(mean * facts[0]["n"]), facts[0]["n"])
    return {"mean": mean, "deviation": deviation, "low": low, "high": high}


def table(summary: Facts) -> str:
    """Format a summary as a Markdown table."""
    if "score" in summary["variants"][0]:
        return _scores(summary)
    unit = summary["unit"]
    lines = [
        f"### {summary['name']}",
        "",
        f"{summary['job']} Median of {summary['repeats']} interleaved runs.",
        "",
        f"| variant | {unit} | lowest to highest | times as fast as the yardstick | processor s | peak MiB | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in summary["variants"]:
        ratio = f"{row['ratio']:.2f} ({min(row['ratios']):.2f} to {max(row['ratios']):.2f})"
        cells = (
            row["variant"],
            _number(row["median"]),
            f"{_number(row['lowest'])} to {_number(row['highest'])}",
            "yardstick" if row["variant"] == summary["yardstick"] else ratio,
            f"{row['processor_seconds']:.1f}",
            f"{row['peak_mib']:.0f}",
            ", ".join(f"{name} {_number(value)}" for name, value in row["facts"].items()),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _scores(summary: Facts) -> str:
    """Format a summary with scores as a Markdown table: mean, spread, interval, further facts."""
    title = summary["score"].removeprefix("test_").replace("_", " ")
    lines = [
        f"### {summary['name']}",
        "",
        f"{summary['job']} Mean of {summary['repeats']} interleaved runs.",
        "",
        f"| variant | {title} | deviation | 95 % interval | each run | seconds | |",
        "|---|---:|---:|---:|---|---:|---|",
    ]
    for row in summary["variants"]:
        score, name = row["score"], summary["score"]
        facts = {key: value for key, value in row["facts"].items() if key != name}
        cells = (
            row["variant"],
            f"{score['mean']:.1%}",
            "" if score["deviation"] is None else f"{score['deviation']:.1%}",
            f"{score['low']:.1%} to {score['high']:.1%}" if "low" in score else "",
            ", ".join(f"{run['facts'][name]:.1%}" for run in row["runs"]),
            _number(row["median"]),
            ", ".join(f"{key} {_number(value)}" for key, value in facts.items()),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def last_line(output: str) -> Facts:
    """Parse the JSON object on the last line of a script's output."""
    facts: Facts = json.loads(output.strip().splitlines()[-1])
    return facts


def script(path: str, *arguments: object) -> list[str]:
    """Return the command of a script of this folder with this interpreter."""
    return [sys.executable, str(Path(__file__).parent / path), *map(str, arguments)]


def program(name: str) -> str:
    """Return the path of a program in this interpreter's environment."""
    return str(Path(sys.executable).parent / name)


def data() -> Path:
    """Return the folder of real data sets."""
    path = Path(os.environ.get("CONVWORKS_DATA") or "?")
    if not path.is_dir():
        raise BenchmarkError("CONVWORKS_DATA: is unset or no folder; set it to the folder of real data sets")
    return path


def _run(variant: Variant, number: int) -> Run:
    """Run the process of a variant."""
    command = list(variant.command(number))
    load = os.getloadavg()[0]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err) as process:
            # wait4 instead of wait: it reports resource usage.
            with Peak(process.pid) as peak:
                _, status, usage = os.wait4(process.pid, 0)
                seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            lines = (err.read().strip() or out.read().strip()).splitlines()
            raise BenchmarkError(f"{variant.name}: status {process.returncode}: {lines[-1] if lines else ''}")
        facts = variant.read(out.read())
    largest = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Run(
        seconds=facts.pop("seconds", seconds),
        processor_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=peak.share or largest,
        anonymous_mib=peak.anonymous,
        largest_mib=largest,
        load=load,
        facts=facts,
    )


def _value(benchmark: Benchmark, seconds: float) -> float:
    return seconds if benchmark.amount is None else benchmark.amount / seconds


def _summarised(facts: Sequence[Facts]) -> Facts:
    """Return the mean of each number over the runs, and the first of other values."""
    return {
        name: statistics.fmean(run_facts[name] for run_facts in facts) if isinstance(value, float) else value
        for name, value in facts[0].items()
    }


def _number(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 1 else f"{value:.4f}"
