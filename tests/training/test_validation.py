"""Validation streams: what it keeps does not grow with the size of an output."""

from __future__ import annotations

import math
import resource
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.kinds import input_of
from convworks.data.samples import Samples
from convworks.metrics.spec import MetricSpec
from convworks.tasks.classification import CLASSIFICATION
from convworks.tasks.task import Answered, Sums
from convworks.training.validation import validate
from convworks.training.world import ALONE

CLASSES, SIZE = 21, 512
PIXEL_ACCURACY = MetricSpec(name="pixel_accuracy", title="pixel accuracy")
GIVEN = Preprocessing(size=(SIZE, SIZE), channels=1, fit="crop", mean=(0.5,), std=(0.25,))


class PixelMeter:
    """Counts the pixels that are right."""

    def __init__(self, classes: int, samples: int) -> None:
        self.right, self.seen = torch.zeros((), dtype=torch.float64), 0

    def update(self, answered: Answered) -> None:
        targets = answered.inputs[:, 0].long() % CLASSES
        self.right = self.right + (answered.outputs.argmax(1) == targets).sum()
        self.seen += targets.numel()

    def reduce(self, world: Sums) -> dict[str, float]:
        return {"pixel_accuracy": float(world.summed(self.right)) / self.seen}


def masks(count: int) -> dict[str, float]:
    """Validate a network that answers with a mask of 21 classes for each pixel."""
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, CLASSES, 1)
    images = torch.randint(0, CLASSES, (8, 1, SIZE, SIZE), dtype=torch.uint8)[torch.arange(count) % 8]
    task = replace(CLASSIFICATION, meter=PixelMeter, metrics=(PIXEL_ACCURACY,), headline=PIXEL_ACCURACY)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, targets[:, 0].long() % CLASSES)

    setup: Any = SimpleNamespace(
        **{"world": ALONE, "evaluated": network, "precision": torch.float32, "classes": CLASSES, "loss": loss},
        **{
            "preprocessing": GIVEN,
            "input": input_of(GIVEN),
            "validation": Samples(images=images, targets=None),
            "task": task,
        },
        **{"corruption": None, "config": SimpleNamespace(data=SimpleNamespace(corruption=None))},
    )
    return validate(setup)


def test_many_masks_take_no_more_memory_than_a_few() -> None:
    """All logits of 24 would be 0.5 GB, those of 200 4.4 GB.

    Counted is what a process of its own had at most.
    """
    from thorough import repeats  # not where this file is run by itself

    command = [sys.executable, __file__, str(repeats(24, 200))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    few, many, loss = map(float, done.stdout.split())
    assert many - few < 300 * 1024, f"{(many - few) / 1024:.0f} MB more"
    assert loss == pytest.approx(math.log(CLASSES), rel=0.2)  # a network that knows nothing


if __name__ == "__main__":
    for number in (8, int(sys.argv[1])):
        metrics = masks(number)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # noqa: T201
    print(metrics["loss"])  # noqa: T201
