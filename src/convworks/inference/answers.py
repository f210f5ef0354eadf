"""Network outputs for the images of a split, and the outcome of a task computed from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from convworks.data.augment.corruption import corrupt, fixed_key
from convworks.data.config import Corruption
from convworks.data.decode.ahead import ahead
from convworks.data.decode.images import Images
from convworks.data.samples import Samples
from convworks.inference.limits import batch_size
from convworks.inference.runtime import Activating, Runtime, finite
from convworks.tasks.outcome import Outcome
from convworks.tasks.task import Answered, SplitContext, Task

ALL = slice(None)


def answers(
    runtime: Runtime,
    samples: Samples,
    *,
    corruption: Corruption | None = None,
    which: slice | Sequence[int] = ALL,
    compute: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Answered]:
    """Yield the outputs of a network for samples, batch by batch, with the targets.

    The corruption of an image depends only on its index. Without targets, the target of an image is the image itself.
    `compute` takes the place of the runtime.
    """
    device, key = runtime.device, fixed_key()
    shape = samples.images.shape
    size = batch_size(device.type, shape[2:] or shape[1:])
    with runtime.ready():
        pieces: Sequence[slice | np.ndarray] = _pieces(which, len(samples), size)
        for piece, (part, targets) in zip(pieces, ahead(samples.take, pieces, samples.fetchers), strict=True):
            indices = np.arange(piece.start, piece.stop) if isinstance(piece, slice) else piece
            read = part if corruption is None else corrupt(part, corruption, key, indices.tolist())
            inputs = part.to(device)
            outputs = (compute or runtime)(inputs if read is part else read.to(device))
            piece_targets = inputs if targets is None else samples.for_loss(targets).to(device)
            yield Answered(indices=indices, inputs=inputs, read=read, outputs=outputs, targets=piece_targets)


def _pieces(which: slice | Sequence[int], n: int, size: int) -> list[slice] | list[np.ndarray]:
    """Return the batches of indices; contiguous ones as slices, which need no copy."""
    if isinstance(which, slice):
        first, last, _ = which.indices(n)
        return [slice(start, min(start + size, last)) for start in range(first, last, size)]
    indices = np.array(which, dtype=np.int64)
    return [indices[first : first + size] for first in range(0, len(indices), size)]


def collect(task: Task, runtime: Runtime, samples: Samples, context: SplitContext) -> Outcome:
    """Return the outcome of a task on a split; raises RunError for non-finite outputs."""
    collector = task.collector(task, context)
    for answered in answers(runtime, samples, corruption=context.corruption):
        finite(answered.outputs)
        collector.update(answered)
    return collector.outcome(lambda which: answers(runtime, samples, corruption=context.corruption, which=which))


def activated(task: Task, runtime: Runtime, images: Images) -> Float32[np.ndarray, "n *output"]:
    """Return the activated outputs of the images; raises RunError for non-finite outputs."""
    return both(task, runtime, images)[1]


def both(
    task: Task, runtime: Runtime, images: Images
) -> tuple[Float32[np.ndarray, "n *output"], Float32[np.ndarray, "n *output"]]:
    """Return the outputs of the images, and the activated outputs; raises RunError for non-finite outputs."""
    parts: list[Tensor] = []

    def compute(batch: Tensor) -> Tensor:
        if isinstance(runtime, Activating):  # so that the file alone gives the same bits
            outputs, values = runtime.both(batch)
        else:
            outputs = runtime(batch)
            values = task.activation.apply(outputs)
        parts.append(values.cpu())
        return finite(outputs).cpu()

    outputs = [each.outputs for each in answers(runtime, Samples(images=images), compute=compute)]
    return torch.cat(outputs).numpy(), torch.cat(parts).numpy()


def raw(runtime: Runtime, images: Images) -> Float32[Tensor, "n *output"]:
    """Return the outputs of the images, on the CPU; raises RunError for non-finite outputs."""
    answered = answers(runtime, Samples(images=images))
    return torch.cat([finite(each.outputs).cpu() for each in answered])
