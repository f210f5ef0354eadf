"""What validation measures after each epoch."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from convworks.data.batches import targets
from convworks.inference.logits import logits
from convworks.metrics import multi_label as several_metrics
from convworks.tasks.multi_label import THRESHOLD
from convworks.training.loop import Setup


@torch.no_grad()
def measure(setup: Setup) -> dict[str, float]:
    """Return what is measured on validation (ONE or SEVERAL of training/config.py); each process counts its part.

    Every sample counts once. Counts are exact for any number of processes; the mean loss is up to the rounding of its
    sum.
    """
    world, samples, network = setup.world, setup.validation, setup.evaluated
    world.share(network.buffers())  # the running statistics of the first process, where each has its own
    part = np.array_split(np.arange(len(samples)), world.size)[world.rank]
    which = slice(int(part[0]), int(part[-1]) + 1) if len(part) else slice(0)
    labels = targets(samples.labels[which].to(world.device))
    answers = torch.zeros(0, setup.classes, device=world.device)
    if len(labels):
        answers = torch.cat(list(logits(network, samples.images, setup.preprocessing, setup.precision, which)))
    loss = float(setup.loss(answers, labels)) * len(labels) if len(labels) else 0.0
    if labels.ndim == 1:
        return _one(setup, answers, labels, loss)
    return _several(setup, answers, loss, which)


def _one(setup: Setup, answers: Float[Tensor, "n k"], labels: Int64[Tensor, " n"], loss: float) -> dict[str, float]:
    """Measure a part of samples that show one class each, whose losses add up to `loss`."""
    right = answers.argmax(1) == labels
    first = answers.topk(min(5, setup.classes)).indices
    present = torch.bincount(labels, minlength=setup.classes)
    recalled = torch.bincount(labels[right], minlength=setup.classes)
    totals = [loss, int(right.sum()), int((first == labels[:, None]).any(1).sum())]
    numbers = torch.tensor(totals, dtype=torch.float64)
    counted = setup.world.summed(torch.cat([numbers, present.cpu().double(), recalled.cpu().double()]))
    present, recalled = counted[3:].chunk(2)
    return {
        "loss": float(counted[0]) / len(setup.validation),
        "top1": float(counted[1]) / len(setup.validation),
        "top5": float(counted[2]) / len(setup.validation),
        "balanced_accuracy": float((recalled[present > 0] / present[present > 0]).mean()),
    }


def _several(setup: Setup, answers: Float[Tensor, "n k"], loss: float, which: slice) -> dict[str, float]:
    """Measure samples that show any number of classes: the ranks of all, so all processes put theirs together."""
    probabilities = torch.zeros(len(setup.validation), setup.classes, dtype=torch.float64)
    probabilities[which] = setup.task.probabilities(answers).cpu().double()
    gathered = setup.world.summed(torch.cat([torch.tensor([loss], dtype=torch.float64), probabilities.flatten()])).cpu()
    scores: Float64[np.ndarray, "n k"] = gathered[1:].view_as(probabilities).numpy()
    predicted, labels = scores >= THRESHOLD, setup.validation.labels.cpu().numpy()
    return {
        "loss": float(gathered[0]) / len(setup.validation),
        "map": several_metrics.mean_average_precision(scores, labels),
        "micro_f1": several_metrics.micro_f1(predicted, labels),
        "macro_f1": several_metrics.macro_f1(predicted, labels),
        "exact_match": several_metrics.exact_match(predicted, labels),
    }
