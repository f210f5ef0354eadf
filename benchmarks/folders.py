"""Accuracy of `convworks train --data FOLDER` against the defaults of other libraries in the same time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.folder_sets import SETS
from benchmarks.measure import Benchmark, Facts, Variant, last_line, program, script

CONVWORKS = "convworks train --data FOLDER"


class Peer(NamedTuple):
    """A script of peers/, and its options."""

    path: str
    options: tuple[str, ...] = ()


#: Sizes and networks of the peers' defaults; and smaller ones, which suit the short time better.
DEFAULTS = {
    "timm's defaults: resnet50, 224 pixels, batch 128": Peer("timm_folder.py"),
    "Ultralytics' settings, resnet18: 224 pixels": Peer("ultralytics_like_folder.py"),
}
SMALLER = {
    "timm's defaults, but resnet18, 96 pixels, batch 32": Peer(
        "timm_folder.py", ("--model", "resnet18", "--size", "96", "--batch-size", "32")
    ),
    "Ultralytics' settings, resnet18, but 96 pixels": Peer("ultralytics_like_folder.py", ("--size", "96")),
}
SECONDS = "seconds"


def folders(name: str, peers: Mapping[str, Peer], workspace: Path) -> Benchmark:
    """Train from random weights and test; peers get the training time of the last run of convworks."""
    root = workspace / "images"
    SETS[name](root)
    return Benchmark(
        name=f"folders-{name}" if peers is SMALLER else f"folders-{name}-224",
        job=f"{(SETS[name].__doc__ or '').splitlines()[0]} Trained from random weights for the same time, then tested.",
        variants=(
            Variant(name=CONVWORKS, command=partial(_convworks_command, workspace), read=partial(_read, workspace)),
            *(
                Variant(name=peer, command=_peer_command(words, workspace), read=last_line)
                for peer, words in peers.items()
            ),
        ),
        yardstick=CONVWORKS,
        repeats=3 if peers is SMALLER else 1,  # at 224 pixels a test takes as long as training
        score="test_top1",
        warm_up=False,
    )


def _convworks_command(workspace: Path, seed: int) -> list[str]:
    run = workspace / "runs" / str(seed)
    shutil.rmtree(run, ignore_errors=True)
    options = ["--data", workspace / "images", "--seed", seed, "--out", run, "--json"]
    return [program("convworks"), "train", *map(str, options)]


def _read(workspace: Path, output: str) -> Facts:
    """Return the results of a run; its time is that of its epochs including validation, as for the peers."""
    results = json.loads(output)
    lines = (Path(results["run"]) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    seconds = float(json.loads(lines[-1])["seconds"])
    (workspace / SECONDS).write_text(str(seconds), encoding="utf-8")
    return {
        "test_top1": float(results["test"]["top1"]),
        "n": int(results["test"]["n"]),
        "epochs": float(len(lines)),
        "seconds": seconds,
    }


def _peer_command(peer: Peer, workspace: Path) -> Callable[[int], list[str]]:
    def command(seed: int) -> list[str]:
        seconds = (workspace / SECONDS).read_text(encoding="utf-8")
        options = ("--seconds", seconds, *peer.options, "--seed", seed)
        return script(f"peers/{peer.path}", workspace / "images", *options)

    return command


FOLDERS = {
    **{f"folders-{name}": partial(folders, name, SMALLER) for name in SETS},
    **{f"folders-{name}-224": partial(folders, name, DEFAULTS) for name in SETS},
}
