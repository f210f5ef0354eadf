"""What a network says about images when it looks at each of them as a protocol has it."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from convworks.data.batches import normalise
from convworks.data.cache.memory import processors
from convworks.data.decode.images import ahead
from convworks.data.decode.load import load_picture
from convworks.data.decode.load_files import Progress
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.source import Split
from convworks.errors import InputError
from convworks.inference.protocol import Image, Protocol, largest, views
from convworks.inference.runtime import batch_size, finite, mixed
from convworks.layers.fully_convolutional import fully_convolutional
from convworks.layers.network import Network
from convworks.models.analysis.count import count
from convworks.tasks.task import Task

PIECE = 64  # images whose views are sorted into batches together


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a protocol took: views of an image, multiply-adds of an image, images a second with decoding."""

    views: float
    macs: float
    images_per_second: float


def activated_by(
    protocol: Protocol,
    network: nn.Module,
    split: Split,
    preprocessing: Preprocessing,
    precision: torch.dtype,
    task: Task,
    report: Progress | None = None,
) -> tuple[Float32[np.ndarray, "n k"], Cost]:
    """Return the mean of the activated outputs over each image's views, and what that took.

    Views of one size are computed together, whatever images they are of. Raises InputError for a network that has no
    form for larger images, where the protocol is dense.
    """
    started = time.perf_counter()
    answer = prepared(protocol, network, preprocessing)
    device = next(network.parameters()).device
    found: list[Tensor] = []
    done, seen, macs = 0, 0, 0
    counted, looks = counter(answer, preprocessing.channels), 2 if protocol.mirrored else 1
    for piece in _pieces(protocol, split, preprocessing):
        total: Tensor | None = None
        for size, group in _by_size(piece).items():
            seen, macs = seen + looks * len(group), macs + looks * len(group) * counted(size)
            together = batch_size(device, size)
            for part in (group[first : first + together] for first in range(0, len(group), together)):
                pixels = torch.from_numpy(np.stack([view for _, view in part])).permute(0, 3, 1, 2).to(device)
                rows = _look(
                    answer, normalise(pixels, preprocessing.mean, preprocessing.std), protocol, precision, task
                )
                total = rows.new_zeros(len(piece), rows.shape[1]) if total is None else total
                total.index_add_(0, torch.tensor([owner for owner, _ in part], device=device), rows)
        assert total is not None
        found.append((total / torch.tensor([[looks * len(image)] for image in piece], device=device)).cpu())
        done += len(piece)
        if report is not None:
            report(done, len(split))
    n = len(split)
    cost = Cost(views=seen / n, macs=macs / n, images_per_second=n / (time.perf_counter() - started))
    return torch.cat(found).numpy(), cost


def prepared(protocol: Protocol, network: nn.Module, preprocessing: Preprocessing) -> nn.Module:
    """Return the network in the form that the protocol needs; raises InputError where it has none."""
    if not protocol.dense:
        return network
    if not isinstance(network, Network):
        raise InputError("--protocol", "dense needs a network with a stem, stages and a head", "choose ten-crop")
    try:
        return fully_convolutional(network, preprocessing.channels, preprocessing.size)
    except InputError as error:
        reason = f"dense needs a network that takes larger images; {error.where}: {error.reason}"
        raise InputError("--protocol", reason, "choose a protocol of crops: flip, ten-crop, 144-crop") from None


@torch.inference_mode()
def _look(
    network: nn.Module, inputs: Tensor, protocol: Protocol, precision: torch.dtype, task: Task
) -> Float[Tensor, "b k"]:
    """Return the probabilities of a batch of views, those of their mirror images added to them."""

    def answer(images: Tensor) -> Tensor:
        with mixed(images.device, precision):
            outputs = finite(network(images).float())
        return task.activation.apply(outputs.mean((2, 3)) if protocol.dense else outputs)

    found = answer(inputs)
    return found + answer(inputs.flip(3)) if protocol.mirrored else found


def _pieces(protocol: Protocol, split: Split, preprocessing: Preprocessing) -> Iterator[list[list[Image]]]:
    """Yield the views of so many images at a time, decoded ahead by threads."""
    at_least = None if preprocessing.fit == "pad" else largest(protocol, preprocessing)

    def fetch(numbers: range) -> list[list[Image]]:
        channels, decoding = preprocessing.channels, preprocessing.decoding
        pictures = (load_picture(split, index, channels, at_least, decoding) for index in numbers)
        return [views(picture, protocol, preprocessing) for picture in pictures]

    everything = range(len(split))
    return ahead(fetch, [everything[first : first + PIECE] for first in everything[::PIECE]], processors())


def _by_size(piece: list[list[Image]]) -> dict[tuple[int, int], list[tuple[int, Image]]]:
    """Sort the views of a piece by size, each with the number of its image in the piece."""
    found: dict[tuple[int, int], list[tuple[int, Image]]] = defaultdict(list)
    for owner, image in enumerate(piece):
        for view in image:
            found[view.shape[0], view.shape[1]].append((owner, view))
    return found


def counter(network: nn.Module, channels: int) -> Callable[[tuple[int, int]], int]:
    """Return a function that counts the multiply-adds of a view of some size, each size once."""
    known: dict[tuple[int, int], int] = {}
    empty = copy.deepcopy(network).to("meta")

    def counted(size: tuple[int, int]) -> int:
        if size not in known:
            known[size] = count(empty, torch.zeros(1, channels, *size, device="meta")).macs
        return known[size]

    return counted
