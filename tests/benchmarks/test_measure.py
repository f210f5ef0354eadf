"""Summaries of runs as tables: rates, shares with their intervals, and scores that are no shares."""

from __future__ import annotations

from benchmarks.measure import Benchmark, Run, Variant, summarise, table


def run(seconds: float, **facts: float) -> Run:
    memory = {"peak_mib": 1.0, "anonymous_mib": 1.0, "largest_mib": 1.0}
    return Run(seconds=seconds, processor_seconds=seconds, load=0.0, facts=dict(facts), **memory)


def benchmark(score: str | None = None, amount: int | None = None) -> Benchmark:
    variants = tuple(Variant(name=name, command=lambda _: []) for name in ("ours", "theirs"))
    return Benchmark(
        name="job", job="A job.", variants=variants, yardstick="theirs", repeats=2, amount=amount, score=score
    )


def test_rates_are_compared_with_the_yardstick() -> None:
    runs = {"ours": [run(1.0), run(3.0)], "theirs": [run(4.0), run(6.0)]}
    rows = table(summarise(benchmark(amount=12), runs)).splitlines()
    assert rows[-2].startswith("| ours | 6 | 4 to 12 | 2.50 (2.00 to 4.00) |")
    assert "| yardstick |" in rows[-1]


def test_a_score_has_an_interval_where_it_is_a_share() -> None:
    facts = [{"test_top1": 0.8, "n": 100}, {"test_top1": 0.9, "n": 100}]
    runs = {name: [run(1.0, **each) for each in facts] for name in ("ours", "theirs")}
    shares = table(summarise(benchmark("test_top1"), runs)).splitlines()
    assert shares[4].startswith("| variant | top1 | deviation |")
    assert shares[-1].startswith("| theirs | 85.0% | 7.1% | 76.7% to 90.7% | 80.0%, 90.0% |")
    runs = {name: [run(1.0, test_mean_iou=value) for value in (0.5, 0.6)] for name in ("ours", "theirs")}
    scores = table(summarise(benchmark("test_mean_iou"), runs)).splitlines()
    assert scores[4].startswith("| variant | mean iou | deviation |")
    assert scores[-1].startswith("| theirs | 55.0% | 7.1% |  | 50.0%, 60.0% |")
