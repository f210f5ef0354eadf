"""Sound against Dai et al. 2016."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.models.analysis.count import count_published
from convworks.models.analysis.footprint import footprint
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import Shape, create, facts
from convworks.models.waveform import ROWS


@pytest.mark.parametrize("name", ROWS)
def test_printed_parameters_and_layers(name: str) -> None:
    printed, count_result = facts(name).printed[0].parameters, count_published(name).parameters
    assert abs(float(printed.removesuffix("M")) - count_result / 1e6) <= 0.06
    with torch.device("meta"):
        network = create(name)
    assert sum(isinstance(module, nn.Conv1d | nn.Linear) for module in network.modules()) == int(name[1:])


@pytest.mark.parametrize("length", [4, 7, 500, 8001])
def test_any_length(length: int) -> None:
    network = create("m3", Shape(classes=4, channels=2, size=(length,))).eval()
    assert network(torch.randn(2, 2, length)).shape == (2, 4)


def test_receptive_field_in_time() -> None:
    """80 samples, then 3 windows at 4 times the distance of the ones before, pooling between: by hand and traced."""
    network = create("m3", Shape(classes=2, channels=1, size=(2000,)))
    fields, hand, stride = receptive_fields(network, 1, (2000,)), 80, 4
    for kernel, step in ((4, 4), (3, 1), (4, 4)):
        hand += (kernel - 1) * stride
        stride *= step
    (field,) = fields["stages.pool2"]
    assert (field.size, int(field.stride)) == (hand, stride)
    reached = footprint(network, "stages.pool2", 1, (2000,)).nonzero().flatten().tolist()
    assert reached[-1] - reached[0] + 1 == hand
