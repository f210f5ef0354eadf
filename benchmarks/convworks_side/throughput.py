"""Time the training of convworks: `throughput.py FOLDER MODEL BATCH STEPS fit|bare`.

FOLDER holds images.npy and labels.npy. `fit` is the engine; `bare` a loop over its step and nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from convworks.config import build
from convworks.data.column import COLOURS, Arrays
from convworks.data.source import Source, Split
from convworks.training.config import RunConfig
from convworks.training.events import Events
from convworks.training.loop import fit, step
from convworks.training.progress import Progress
from convworks.training.run import prepare
from convworks.training.setup import Setup
from convworks.training.world import ALONE

WARM = 20
EPOCHS = 1000  # more than any measurement takes


class Timer(Events):
    """Notes when steps end, up to the last one, which ends the training."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.times: list[float] = []

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        self.times.append(time.perf_counter())
        if progress.step == self.last:
            raise StopIteration


def prepared(folder: Path, model: str, batch_size: int) -> Setup:
    """Return what trains a network on the images of a folder."""
    images, labels = np.load(folder / "images.npy"), np.load(folder / "labels.npy")
    names = tuple(map(str, range(len(labels))))
    split = Split(names=names, inputs=Arrays(images, COLOURS), targets=Arrays(labels))
    classes = tuple(map(str, range(10)))
    source = Source(name="arrays", kind="arrays", classes=classes, splits={"train": split}, path=None)
    augment = {"shift": 4, "flip": True} if images.shape[3] == 3 else {}
    config = build(
        RunConfig,
        {
            "recipe": "benchmark",
            "data": {"source": "arrays", "size": (32, 32), "fit": "pad"},
            "augment": augment,
            "model": {"name": model},
            "training": {
                "epochs": EPOCHS,
                "batch_size": batch_size,
                "optimizer": {"kind": "sgd", "nesterov": False, "weight_decay": 1e-4},
                "schedule": {"kind": "constant", "rate": 0.01},
            },
        },
    )
    setup, _ = prepare(ALONE, config, source)
    setup.network.train()
    return setup


def main() -> None:
    folder, model, batch_size, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    setup = prepared(folder, model, batch_size)
    progress, timer = Progress(), Timer(WARM + steps)
    try:
        if sys.argv[5] == "fit":
            fit(setup, progress, timer)
        else:
            while True:
                for batch in setup.batches(progress):
                    step(setup, progress.step, batch, 0.01)
                    progress.step += 1
                    timer.step_ended(setup, progress)
                progress.epoch += 1
    except StopIteration:
        pass
    seconds = timer.times[-1] - timer.times[WARM - 1]
    parameters = sum(parameter.numel() for parameter in setup.parameters.values())
    print(json.dumps({"seconds": seconds, "parameters": parameters}))


if __name__ == "__main__":
    main()
