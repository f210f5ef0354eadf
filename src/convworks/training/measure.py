"""What validation measures after each epoch."""

from __future__ import annotations

import numpy as np
import torch

from convworks.evaluate.predict import logits
from convworks.training.loop import Setup


@torch.no_grad()
def measure(setup: Setup) -> dict[str, float]:
    """Return the metrics of METRICS on validation; each process counts its part, every sample once.

    Counts are exact for any number of processes; the mean loss is up to the rounding of its sum.
    """
    world, samples, network = setup.world, setup.validation, setup.evaluated
    world.share(network.buffers())  # the running statistics of the first process, where each has its own
    part = np.array_split(np.arange(len(samples)), world.size)[world.rank]
    which = slice(int(part[0]), int(part[-1]) + 1) if len(part) else slice(0)
    labels = samples.labels[which].to(world.device)
    counted = torch.zeros(3 + 2 * setup.classes, dtype=torch.float64)
    if len(labels):
        answers = torch.cat(list(logits(network, samples.images, setup.preprocessing, setup.precision, which)))
        right = answers.argmax(1) == labels
        first = answers.topk(min(5, setup.classes)).indices
        present = torch.bincount(labels, minlength=setup.classes)
        recalled = torch.bincount(labels[right], minlength=setup.classes)
        totals = [float(setup.loss(answers, labels)) * len(labels), int(right.sum())]
        totals.append(int((first == labels[:, None]).any(1).sum()))
        numbers = torch.tensor(totals, dtype=torch.float64)
        counted = torch.cat([numbers, present.cpu().double(), recalled.cpu().double()])
    counted = world.summed(counted)
    present, recalled = counted[3:].chunk(2)
    return {
        "loss": float(counted[0]) / len(samples),
        "top1": float(counted[1]) / len(samples),
        "top5": float(counted[2]) / len(samples),
        "balanced_accuracy": float((recalled[present > 0] / present[present > 0]).mean()),
    }
