"""`python -m benchmarks [NAME...] [--repeats N] [--out FILE.json]`: measure, write JSON, print tables in Markdown."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from benchmarks import machine
from benchmarks.cifar import cifar10_fast
from benchmarks.classifier import CLASSIFIERS
from benchmarks.definitions import definitions
from benchmarks.deploy import DEPLOY
from benchmarks.folder import folder, folder_small
from benchmarks.folders import FOLDERS
from benchmarks.loader import loader_first, loader_later
from benchmarks.lrn import lrn_forward, lrn_training
from benchmarks.measure import BenchmarkError, measure, summarise, table
from benchmarks.mnist import mnist
from benchmarks.predict import predict
from benchmarks.segmentation import SEGMENTATION
from benchmarks.startup import startup
from benchmarks.throughput import THROUGHPUT
from benchmarks.unet import UNET
from benchmarks.views import VIEWS

BENCHMARKS = {
    "startup": startup,
    "mnist": mnist,
    "cifar10-fast": cifar10_fast,
    "folder": folder,
    "folder-small": folder_small,
    "loader-first": loader_first,
    "loader-later": loader_later,
    "predict": predict,
    "definitions": definitions,
    **CLASSIFIERS,
    "lrn-forward": lrn_forward,
    "lrn-training": lrn_training,
    **THROUGHPUT,
    **UNET,
    **SEGMENTATION,
    **FOLDERS,
    **DEPLOY,
    **VIEWS,
}
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed as ratios against peers.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"{', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--repeats", type=int, help="runs of each variant (default: each benchmark's own)")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/DATE-NAMES.json")
    args = parser.parse_args()
    names = args.names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    if args.repeats is not None and args.repeats < 1:
        parser.error(f"--repeats must be at least 1, not {args.repeats}")
    if missing := [name for name in machine.PEERS if find_spec(name) is None]:
        parser.error(f"{missing[0]} is not installed: run `make bench`, or .peers/bin/python after `make peers`")
    description = machine.describe()
    print(machine.line(description), file=sys.stderr)
    if machine.is_busy(description):
        print("warning: this machine is busy with something else; do not trust the numbers", file=sys.stderr)
    out = args.out or RESULTS / f"{description['date'][:10]}-{'-'.join(args.names) or 'all'}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    summaries, status = [], 0
    for name in names:
        try:
            with tempfile.TemporaryDirectory(prefix="convworks-benchmark-") as workspace:
                benchmark = BENCHMARKS[name](Path(workspace))
                summaries.append(summarise(benchmark, measure(benchmark, args.repeats or benchmark.repeats)))
            # After each: whoever ends a long measurement keeps what is done.
            content = {"machine": description, "benchmarks": summaries}
            out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        except BenchmarkError as error:  # the others are still worth having
            print(f"{name}: {error}", file=sys.stderr)
            status = 1
    if not summaries:
        return status
    print("\n\n".join([f"Measured on {machine.line(description)}.", *map(table, summaries)]))
    print(f"results: {out}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
