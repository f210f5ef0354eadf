"""The deep image prior, measured: `python -m benchmarks.restore NAME --out DIR`.

    speed    processor seconds an iteration of the published network and of the one that convworks denoises with,
             against the published one in plain PyTorch: float32, contiguous, torch.optim.Adam
    rules    where stopping rules stop, and how far below the best iteration: pictures x noise x seeds
    spread   denoising with several seeds: single runs, two and four averaged
    tasks    inpainting, x4, JPEG, denoising, beside bicubic, total variation, biharmonic and non-local means
             (needs scikit-image)

Pictures are in $CONVWORKS_DATA/restoration. Each result is a line of DIR/NAME.jsonl, written as it comes; what is there
is not done again. With --jobs, processes that share the cores work on cells at the same time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.restore.pictures import FOLDER
from benchmarks.restore.sheet import write_sheet
from benchmarks.restore.studies import STUDIES, Cell, attempt
from benchmarks.restore.tables import TABLES
from convworks.errors import ConvworksError


def main() -> int:
    """Run the named study, and show its table; return 1 if cells of it failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.restore",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=STUDIES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="cells at the same time; not for speed")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--iterations", type=int, help="of each fit: rules takes so many, 2500, the others no more")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=5.0)
    args = parser.parse_args()
    if args.name == "speed" and args.jobs > 1:
        parser.error("--jobs: cells that are timed are measured one after the other: leave it out")
    if args.name == "tasks" and find_spec("skimage") is None:
        parser.error("tasks compares with scikit-image: pip install -r benchmarks/requirements.txt")
    if not FOLDER.is_dir():
        parser.error(f"{FOLDER} is missing: set CONVWORKS_DATA to the folder that has restoration/")
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / f"{args.name}.jsonl"
    cells = STUDIES[args.name].cells(args)
    rows = read(file)
    left = {key: cell for key, cell in cells.items() if key not in rows}
    print(f"{len(cells) - len(left)} of {len(cells)} cells are in {file}", file=sys.stderr, flush=True)
    for key, row in measured(args, left):
        if isinstance(row, ConvworksError):
            print(f"{key}: {row}", file=sys.stderr, flush=True)
            continue
        rows[key] = {"key": key, **row}
        with file.open("a") as lines:
            lines.write(json.dumps(rows[key]) + "\n")
        print(json.dumps(rows[key]), file=sys.stderr, flush=True)
    missing = [key for key in cells if key not in rows]
    if found := [rows[key] for key in cells if key in rows]:
        print(TABLES[args.name](found))
        if args.name == "tasks":
            print(f"pictures: {write_sheet(args.out, found)}")
    return 1 if missing else 0


def read(file: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of earlier processes by cell; what one left that was killed while it wrote is removed."""
    text = file.read_text() if file.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.write_text(whole)
    return {row["key"]: row for row in map(json.loads, whole.splitlines())}


def measured(
    args: argparse.Namespace, cells: Mapping[str, Cell]
) -> Iterator[tuple[str, dict[str, Any] | ConvworksError]]:
    """Measure cells, and yield the row of each as it comes, or its error."""
    measure = STUDIES[args.name].measure
    if args.jobs == 1:
        for key, cell in cells.items():
            yield key, attempt(measure, args, cell)
        return
    threads = max(1, torch.get_num_threads() // args.jobs)
    context = get_context("spawn")
    with ProcessPoolExecutor(args.jobs, context, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        futures = {pool.submit(attempt, measure, args, cell): key for key, cell in cells.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()


if __name__ == "__main__":
    sys.exit(main())
