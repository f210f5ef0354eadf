"""What is traced through functions of a map, one by one, beside what the gradient reaches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.models.analysis.footprint import footprint
from convworks.models.analysis.receptive import receptive_fields


class Made(nn.Module):
    """A 3x3 convolution, then a function of its output."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function
        self.convolution = nn.Conv2d(2, 2, 3, padding=1)
        self.last = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        left: Tensor = self.last(self.function(self.convolution(x)))
        return left


def written(x: Tensor, channels: slice = slice(0, 1)) -> Tensor:
    y = torch.zeros_like(x)
    y[:, channels] = F.conv2d(x, x.new_ones(1, 2, 3, 3), padding=1)
    return y


def added_in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y.add_(F.max_pool2d(x, 3, 1, 1))
    return y.relu_()


def written_through_a_view(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y[:, :1].copy_(F.avg_pool2d(x, 3, 1, 1)[:, :1])
    return y


MATRIX = torch.eye(16).roll(1, 0) + torch.eye(16)
#: Functions behind a 3x3 convolution, and the size of their field along rows and columns (None: the whole map).
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Any], int | None, int | None]] = {
    "linear": (lambda x: F.linear(x, MATRIX.to(x)), 3, None),
    "product on the right": (lambda x: x @ MATRIX.to(x), 3, None),
    "product on the left": (lambda x: MATRIX.to(x) @ x, None, 3),
    "product of maps": (lambda x: x @ x, None, None),
    "cumsum": (lambda x: x.cumsum(3), 3, None),
    "softmax over rows": (lambda x: x.softmax(2), None, 3),
    "softmax over channels": (lambda x: x.softmax(1), 3, 3),
    "instance norm": (nn.InstanceNorm2d(2), None, None),
    "instance norm with running statistics": (nn.InstanceNorm2d(2, track_running_stats=True), 3, 3),
    "group norm": (nn.GroupNorm(1, 2), None, None),
    "layer norm": (nn.LayerNorm((2, 16, 16)), None, None),
    "layer norm of rows": (nn.LayerNorm(16), 3, None),
    "batch norm": (nn.BatchNorm2d(2), 3, 3),
    "batch norm without statistics": (nn.BatchNorm2d(2, track_running_stats=False), None, None),
    "squeeze and excite": (lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(), None, None),
    "maximum of rows": (lambda x: x - x.amax(2, keepdim=True), None, 3),
    "product": (lambda x: x * x, 3, 3),
    "difference": (lambda x: x - x, 3, 3),
    "clamp": (lambda x: x.clamp(0.5, 1), 3, 3),
    "where": (lambda x: torch.where(x > 0, x, -x), 3, 3),
    "chunk": (lambda x: torch.add(*x.chunk(2, 1)), 3, 3),
    "split": (lambda x: torch.cat([F.max_pool2d(part, 3, 1, 1) for part in x.tensor_split(2, 1)], 1), 5, 5),
    "split of rows": (lambda x: x.tensor_split([4], 2)[1], 3, 3),
    "unbind": (lambda x: torch.stack(x.unbind(1), 1), 3, 3),
    "max pooling with indices": (lambda x: F.max_pool2d(x, 3, 1, 1, return_indices=True)[0], 5, 5),
    "largest channel": (lambda x: x.max(1).values.unsqueeze(1), 3, 3),
    "written channels": (written, 5, 5),
    "written through a view": (written_through_a_view, 5, 5),
    "in place": (added_in_place, 5, 5),
    "channels shuffled": (lambda x: x.view(1, 1, 2, 16, 16).transpose(1, 2).reshape(1, 2, 16, 16), 3, 3),
    "gate": (lambda x: F.glu(x, 1), 3, 3),
    "circular": (lambda x: F.avg_pool2d(F.pad(x, (1, 1, 0, 0), mode="circular"), 3, 1), 5, None),
    "reflect": (lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1), 5, 5),
    "replicate": (lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1), 5, 5),
    "nearest-exact": (lambda x: F.interpolate(x, scale_factor=2, mode="nearest-exact"), 3, 3),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_a_map(name: str) -> None:
    """The traced field has the known size, and holds what the gradient reaches of every unit."""
    function, *sizes = FUNCTIONS[name]
    network = Made(function)
    fields = receptive_fields(network, 2, (16, 16))["last"]
    for field, size in zip(fields, sizes, strict=True):
        assert (field.step == 0 and field.size >= 16) if size is None else (field.size == size and field.step > 0)
    for unit in ((0, 0), (7, 8), (11, 15)):
        reached = footprint(network, "last", 2, (16, 16), unit=unit)
        for axis, size in enumerate(sizes):
            span = fields[axis].span(unit[axis])
            assert span is not None
            lines = reached.any(1 - axis).nonzero().flatten().tolist()
            assert max(0, span[0]) <= lines[0] <= lines[-1] <= min(15, span[1])
            if size is not None:
                assert (lines[0], lines[-1]) == (max(0, span[0]), min(15, span[1]))
            elif name not in ("linear", "product on the right", "product on the left", "cumsum", "circular"):
                assert len(lines) == 16


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.transpose(2, 3),
        lambda x: x.mT,
        lambda x: x.flip(3),
        lambda x: x.roll(1, 2),
        lambda x: F.unfold(x, 3),
        lambda x: torch.einsum("bchw,wv->bchv", x, MATRIX.to(x)),
        lambda x: torch.cat([x, x], 2),
        lambda x: x[:, :, 3],
        lambda x: x.mean(3),
        lambda x: torch.fft.fft2(x).abs(),
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
        lambda x: F.interpolate(x, scale_factor=1.5),
        lambda x: F.max_pool1d(x[0], 2),
        lambda x: torch.zeros_like(x).index_put((torch.tensor([0]),), x),
    ],
    ids=[
        "transpose", "mT", "flip", "roll", "unfold", "einsum", "cat", "row", "mean", "fft", "corners", "scale",
        "pool1d", "index_put",
    ],
)  # fmt: skip
def test_unknown_functions_are_refused(function: Callable[[Tensor], Any]) -> None:
    with pytest.raises(InputError, match="receptive field: "):
        receptive_fields(Made(function), 2, (16, 16))


def test_parts_of_a_map_are_not_written() -> None:
    def paste(x: Tensor) -> Tensor:
        y = x.new_zeros(1, 2, 20, 20)
        y[:, :, 2:18, 2:18] = x
        return y

    def stale(x: Tensor) -> Tensor:
        flat = x.reshape(1, 2, 8, 32)
        x.add_(F.avg_pool2d(x, 3, 1, 1))
        return flat + 1

    with pytest.raises(InputError, match="a part of a map is written in place"):
        receptive_fields(Made(paste), 2, (16, 16))
    with pytest.raises(InputError, match="add reads a map whose memory was written into"):
        receptive_fields(Made(stale), 2, (16, 16))


def test_what_reads_the_whole_map_stays_so() -> None:
    """Anything may be made of what sees everything, known or not."""
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 16), nn.Unflatten(1, (4, 2, 2)))
    network.extend([nn.PixelShuffle(2), nn.Conv2d(1, 1, 3)])
    for field in receptive_fields(network, 1, (8, 8))["5"]:
        assert (field.spans, field.step) == (((0, 7),), 0)
