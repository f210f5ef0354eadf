"""What a network says about images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from convworks.data.batches import normalise
from convworks.data.decode.images import Images, ahead, fetchers, take
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import RunError
from convworks.layers.mode import evaluating
from convworks.tasks.task import ONE, Task

# Pixels at a time: activations stay in a processor's cache, and fill a GPU. A batch is read by all weights, however,
# which are more than the cache holds: of large images at least a few are computed together, while memory allows it.
PIXELS = {"cpu": 1 << 17}
MOST_PIXELS = 1 << 23
FEW, MOST_OF_FEW = 16, 1 << 20
ALL = slice(None)
OVERFLOW = "the network's answer is NaN or infinite: its values overflow"
NO_OVERFLOW = "train it again at a lower learning rate, or import other weights"


def logits(
    network: nn.Module, images: Images, preprocessing: Preprocessing, precision: torch.dtype, which: slice = ALL
) -> Iterator[Tensor]:
    """Yield the float32 logits of the images, batch by batch, in evaluation mode; the mode is restored."""
    device = next(network.parameters()).device
    size = batch_size(device, (images.shape[2], images.shape[3]))
    with evaluating(network):
        first, last, _ = which.indices(len(images))
        pieces = [slice(start, min(start + size, last)) for start in range(first, last, size)]
        for part in ahead(partial(take, images), pieces, fetchers(images)):
            with (
                torch.inference_mode(),
                torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16),
            ):
                answer = network(normalise(part.to(device), preprocessing.mean, preprocessing.std))
            yield answer.float()


def finite(answers: Tensor) -> Tensor:
    """Return what a network answered; RunError where it is no number.

    Training does not ask: it looks at the loss, in all processes together.
    """
    if not answers.isfinite().all():
        raise RunError("network", OVERFLOW, NO_OVERFLOW)
    return answers


def batch_size(device: torch.device, size: tuple[int, int]) -> int:
    """Return how many images of a size (height, width) are computed together."""
    area = size[0] * size[1]
    few = min(FEW, MOST_OF_FEW // area)
    return max(1, few, min(1024, PIXELS.get(device.type, MOST_PIXELS) // area))


def probabilities(
    network: nn.Module, images: Images, preprocessing: Preprocessing, precision: torch.dtype, task: Task = ONE
) -> Float32[np.ndarray, "n k"]:
    """Return the probability of each class for each image: of one of them, or where a task says so of each.

    Raises RunError where a logit is not finite.
    """
    parts = [task.probabilities(finite(batch)).cpu() for batch in logits(network, images, preprocessing, precision)]
    return torch.cat(parts).numpy()
