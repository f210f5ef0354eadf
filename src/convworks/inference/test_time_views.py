"""Predictions averaged over the views of a protocol."""

from __future__ import annotations

import copy
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from convworks.data.cache.memory import processors
from convworks.data.decode.ahead import ahead
from convworks.data.decode.load import load_picture
from convworks.data.decode.load_files import Progress
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.input import Input
from convworks.data.source import Split
from convworks.errors import InputError
from convworks.inference.limits import batch_size
from convworks.inference.protocol import Image, Protocol, largest, views
from convworks.inference.runtime import Runtime, finite, marked
from convworks.layers.fully_convolutional import fully_convolutional
from convworks.layers.network import Network
from convworks.models.analysis.count import count
from convworks.tasks.activations import Activation
from convworks.tasks.task import Task

PIECE = 64  # images whose views are batched together


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of a protocol: views per image, multiply-adds per image, images per second including decoding."""

    views: float
    macs: float
    images_per_second: float


def activated_by(
    protocol: Protocol,
    runtime: Runtime,
    count_macs: Callable[[tuple[int, ...]], float],
    split: Split,
    preprocessing: Preprocessing,
    task: Task,
    report: Progress | None = None,
) -> tuple[Float32[np.ndarray, "n k"], Cost]:
    """Return the mean of the activated outputs over each image's views, and the cost.

    Views of one size are batched across images; `count_macs` gives the multiply-adds of one. For a dense protocol, the
    runtime computes maps of outputs (`prepared`).
    """
    started = time.perf_counter()
    means: list[np.ndarray] = []
    images_done, views_seen, macs = 0, 0, 0.0
    copies = 2 if protocol.mirrored else 1
    for piece in _pieces(protocol, split, preprocessing):
        means.append(mean_over_views(protocol, runtime, piece, task.activation))
        finite(torch.from_numpy(means[-1]))
        sizes = Counter((view.shape[0], view.shape[1]) for image in piece for view in image)
        views_seen += copies * sizes.total()
        macs += sum(copies * views_of_size * count_macs(size) for size, views_of_size in sizes.items())
        images_done += len(piece)
        if report is not None:
            report(images_done, len(split))
    n = len(split)
    cost = Cost(views=views_seen / n, macs=macs / n, images_per_second=n / (time.perf_counter() - started))
    return np.concatenate(means), cost


def mean_over_views(
    protocol: Protocol, runtime: Runtime, images: Sequence[Sequence[Image]], activation: Activation
) -> Float32[np.ndarray, "n k"]:
    """Return the mean of the activated outputs over the views of each image; NaN where an output is not finite.

    Views of one size are batched across images. The outputs of a dense protocol are maps [b k y x], averaged first.
    """

    def activate(pixels: Tensor) -> Tensor:
        outputs = runtime(pixels)
        return marked(activation.apply, outputs.mean((2, 3)) if protocol.dense else outputs)

    total: Tensor | None = None
    device, copies = runtime.device, 2 if protocol.mirrored else 1
    with runtime.ready():
        for size, group in _by_size(images).items():
            views_per_batch = batch_size(device.type, size)
            for part in (group[first : first + views_per_batch] for first in range(0, len(group), views_per_batch)):
                pixels = torch.from_numpy(np.stack([view for _, view in part])).permute(0, 3, 1, 2).to(device)
                rows = activate(pixels)
                if protocol.mirrored:
                    rows = rows + activate(pixels.flip(3))
                total = rows.new_zeros(len(images), rows.shape[1]) if total is None else total
                total.index_add_(0, torch.tensor([owner for owner, _ in part], device=device), rows)
    assert total is not None
    means = total / torch.tensor([[copies * len(image)] for image in images], device=device)
    values: np.ndarray = means.cpu().numpy()
    return values


def prepared(protocol: Protocol, network: nn.Module, preprocessing: Preprocessing) -> nn.Module:
    """Return the network in the form that the protocol needs; InputError if that is impossible."""
    if not protocol.dense:
        return network
    if not isinstance(network, Network):
        raise InputError("--protocol", "dense needs a network with a stem, stages and a head", "choose ten-crop")
    try:
        return fully_convolutional(network, preprocessing.channels, preprocessing.size)
    except InputError as error:
        reason = f"dense needs a network that takes larger images; {error.where}: {error.reason}"
        raise InputError("--protocol", reason, "choose a protocol of crops: flip, ten-crop, 144-crop") from None


def _pieces(protocol: Protocol, split: Split, preprocessing: Preprocessing) -> Iterator[list[list[Image]]]:
    """Yield the views of PIECE images at a time, decoded ahead by threads."""
    at_least = decoded_size(protocol, preprocessing)

    def fetch(numbers: range) -> list[list[Image]]:
        channels, decoding = preprocessing.channels, preprocessing.decoding
        pictures = ((index, load_picture(split, index, channels, at_least, decoding)) for index in numbers)
        return [views(picture, protocol, preprocessing, where=split.names[index]) for index, picture in pictures]

    everything = range(len(split))
    return ahead(fetch, [everything[first : first + PIECE] for first in everything[::PIECE]], processors())


def decoded_size(protocol: Protocol, preprocessing: Preprocessing) -> tuple[int, int] | None:
    """Return the largest size at which images need to be decoded for all views; None for their own size."""
    return None if preprocessing.fit == "pad" else largest(protocol, preprocessing)


def _by_size(piece: Sequence[Sequence[Image]]) -> dict[tuple[int, int], list[tuple[int, Image]]]:
    """Group the views of a piece by size, each with the index of its image in the piece."""
    by_size: dict[tuple[int, int], list[tuple[int, Image]]] = defaultdict(list)
    for owner, image in enumerate(piece):
        for view in image:
            by_size[view.shape[0], view.shape[1]].append((owner, view))
    return by_size


def counter(network: nn.Module, input: Input) -> Callable[[tuple[int, ...]], int]:
    """Return a cached function from the size of a view to its multiply-adds."""
    counts: dict[tuple[int, ...], int] = {}
    meta_network = copy.deepcopy(network).to("meta")

    def count_macs(size: tuple[int, ...]) -> int:
        if size not in counts:
            counts[size] = count(meta_network, input.example(size=size, device="meta")).macs
        return counts[size]

    return count_macs
