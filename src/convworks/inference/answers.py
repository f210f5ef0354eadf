"""Network outputs for the images of a split, and the outcome of a task computed from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from convworks.data.augment.corruption import corrupt, fixed_key
from convworks.data.batches import for_loss
from convworks.data.config import Corruption
from convworks.data.decode.images import Images, ahead, fetchers, take
from convworks.inference.runtime import Runtime, batch_size, finite
from convworks.tasks.outcome import Outcome
from convworks.tasks.task import Answered, SplitContext, Task

ALL = slice(None)


def answers(
    runtime: Runtime,
    images: Images,
    *,
    targets: Tensor | None = None,
    corruption: Corruption | None = None,
    which: slice | Sequence[int] = ALL,
) -> Iterator[Answered]:
    """Yield the outputs of a network for images, batch by batch, with the targets.

    The corruption of an image depends only on its index. Without `targets`, the target of an image is the image itself.
    """
    device, key = runtime.device, fixed_key()
    size = batch_size(device, images.shape[2:])
    with runtime.ready():
        pieces: Sequence[slice | np.ndarray] = _pieces(which, len(images), size)
        for piece, part in zip(pieces, ahead(partial(take, images), pieces, fetchers(images)), strict=True):
            indices = np.arange(piece.start, piece.stop) if isinstance(piece, slice) else piece
            read = part if corruption is None else corrupt(part, corruption, key, indices.tolist())
            inputs = part.to(device)
            outputs = runtime(inputs if read is part else read.to(device))
            piece_targets = inputs if targets is None else for_loss(targets[torch.from_numpy(indices)]).to(device)
            yield Answered(indices=indices, inputs=inputs, read=read, outputs=outputs, targets=piece_targets)


def _pieces(which: slice | Sequence[int], n: int, size: int) -> list[slice] | list[np.ndarray]:
    """Return the batches of indices; contiguous ones as slices, which need no copy."""
    if isinstance(which, slice):
        first, last, _ = which.indices(n)
        return [slice(start, min(start + size, last)) for start in range(first, last, size)]
    indices = np.array(which, dtype=np.int64)
    return [indices[first : first + size] for first in range(0, len(indices), size)]


def collect(task: Task, runtime: Runtime, images: Images, context: SplitContext) -> Outcome:
    """Return the outcome of a task on a split; raises RunError for non-finite outputs."""
    collector = task.collector(task, context)
    for answered in answers(runtime, images, corruption=context.corruption):
        finite(answered.outputs)
        collector.update(answered)
    return collector.outcome(lambda which: answers(runtime, images, corruption=context.corruption, which=which))


def activated(task: Task, runtime: Runtime, images: Images) -> Float32[np.ndarray, "n *output"]:
    """Return the activated outputs of the images; raises RunError for non-finite outputs."""
    parts = [task.activation.apply(finite(answered.outputs)).cpu() for answered in answers(runtime, images)]
    return torch.cat(parts).numpy()


def raw(runtime: Runtime, images: Images) -> Float32[Tensor, "n *output"]:
    """Return the outputs of the images, on the CPU; raises RunError for non-finite outputs."""
    return torch.cat([finite(answered.outputs).cpu() for answered in answers(runtime, images)])
