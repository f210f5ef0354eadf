"""The layers of networks against the numbers that papers and lectures print."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

from convworks.layers.network import Network
from convworks.models.analysis.count import count_published
from convworks.models.analysis.layer_table import Layer, fields_of, layer_table
from convworks.models.analysis.meta import without_values
from convworks.models.analysis.trace import trace
from convworks.models.catalogue import create, example


def table(name: str) -> dict[str, Layer]:
    with without_values():
        network, images = create(name), example(name)
        return {row.name: row for row in layer_table(trace(network, images), fields_of(network, images))}


def test_lenet5_layer_by_layer() -> None:
    """LeCun et al. 1998, section II.B: trainable parameters and sizes of each layer."""
    rows = table("lenet5")
    actual = {name: (row.parameters, row.output) for name, row in rows.items() if row.parameters}
    assert actual == {
        "stem.c1": (156, (6, 28, 28)),
        "s2.0": (12, (6, 14, 14)),
        "c3.0": (1516, (16, 10, 10)),
        "s4.0": (32, (16, 5, 5)),
        "c5.0": (48_120, (120, 1, 1)),
        "head.f6": (10_164, (84,)),
    }
    assert rows["c5.0"].field == (32, 32)
    assert set(rows["c5.0"].jump) == {Fraction(4)}
    assert rows["stem.c1"].kernel_size == (5, 5)
    assert sum(row.macs for row in rows.values()) == 326_520


def test_vgg_16_as_in_the_lecture() -> None:
    """Lecture 001: activations and parameters (weights alone) of each layer."""
    rows = [row for row in table("vgg_d").values() if row.kind in ("Conv2d", "MaxPool2d", "Linear")]
    activations = [3.2e6, 3.2e6, 800e3, 1.6e6, 1.6e6, 400e3, 800e3, 800e3, 800e3, 200e3]
    activations += [400e3, 400e3, 400e3, 100e3, 100e3, 100e3, 100e3, 25e3, 4096, 4096, 1000]
    parameters = [1.7e3, 37e3, 0, 74e3, 147e3, 0, 295e3, 590e3, 590e3, 0, 1.2e6, 2.4e6, 2.4e6, 0]
    parameters += [2.4e6, 2.4e6, 2.4e6, 0, 103e6, 16.7e6, 4e6]
    assert [row.activations for row in rows] == pytest.approx(activations, rel=0.035)
    weights = [row.parameters - row.output[0] if row.parameters else 0 for row in rows]  # without biases
    assert weights == pytest.approx(parameters, rel=0.025)
    assert [row.field[0] for row in rows if row.kind == "MaxPool2d"] == [6, 16, 44, 100, 212]


@pytest.mark.parametrize("name", ["lenet5", "googlenet", "unet"])
def test_layers_add_up_and_those_of_auxiliary_classifiers_stand_apart(name: str) -> None:
    rows, total = table(name), count_published(name)
    main = [row for name, row in rows.items() if not name.startswith("auxiliary.")]
    assert sum(row.parameters for row in main) == total.parameters
    assert sum(row.macs for row in main) == total.macs
    assert sum(row.parameters for row in rows.values()) == total.parameters + total.auxiliary


def test_what_works_in_place_makes_no_activations_and_a_sum_is_a_row() -> None:
    rows = table("resnet20")
    assert rows["stem.0"].activations == rows["stem.1"].activations == 16 * 32 * 32
    assert rows["stem.2"].activations == rows["head.features"].activations == 0
    sums = [row for row in rows.values() if row.kind == "Residual"]
    assert len(sums) == 9
    assert not any(row.activations for row in sums)  # they take the place of the body's output
    assert sums[-1].field == (81, 81)
    assert not {"Sequential", "ModuleDict"} & {row.kind for row in rows.values()}


class Twice(nn.Module):
    """One layer, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        once: Tensor = self.conv(x)
        twice: Tensor = self.conv(once)
        return twice


def test_shared_parameters_count_once_and_work_counts_twice() -> None:
    with torch.device("meta"):
        network = Network(stem=nn.Conv2d(1, 2, 1), stages={"both": Twice()}, head=nn.Flatten())
        rows = layer_table(trace(network, torch.empty(1, 1, 4, 5)), {})
    shared = [row for row in rows if row.name == "both.conv"]
    assert [row.parameters for row in shared] == [2 * 2 * 9 + 2, 0]
    assert [row.macs for row in shared] == [4 * 5 * 2 * 2 * 9] * 2
    assert shared[0].field == ()
