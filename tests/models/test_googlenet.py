"""GoogLeNet against Table 1 of the paper (lecture 003) and its arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.layers.network import Network
from convworks.models.analysis.count import count_published
from convworks.models.analysis.describe import describe
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import Shape, create, facts

ROWS = ["googlenet", "googlenet_torchvision"]
# Weights / 1024 and multiply-adds / 10^6, from the widths of the table.
COMPUTED = {
    "stem": (9.2, 118.0), "conv2": (112, 359.7),
    "inception3a": (159.5, 128.1), "inception3b": (379, 304.3),
    "inception4a": (366.8, 73.6), "inception4b": (438, 87.9), "inception4c": (497.5, 99.9),
    "inception4d": (590.5, 118.5), "inception4e": (847, 170.0),
    "inception5a": (1018, 51.1), "inception5b": (1409, 70.7),
    "head.logits": (1000, 1.0),
}  # fmt: skip
# What the paper's table prints and its widths do not give.
MISPRINTED_MACS = {"stem", "inception5a"}
MISPRINTED_PARAMETERS = {
    "stem", "inception4a", "inception4c", "inception4d", "inception4e", "inception5a", "inception5b"
}  # fmt: skip


def create_on_meta(name: str) -> Network:
    with torch.device("meta"):
        return create(name).eval()


def part(layer: str) -> str:
    """Return the row of the table that a layer belongs to."""
    return layer if layer.startswith("head") else layer.partition(".")[0]


def test_counts() -> None:
    count_result = count_published("googlenet")
    assert count_result.parameters == 6_998_552
    assert round(count_result.macs / 1e6) == 1583
    parameters = [p for name, p in create_on_meta("googlenet").named_parameters() if not name.startswith("auxiliary")]
    assert sum(p.numel() for p in parameters if p.ndim > 1) == 6_990_272
    assert sum(p.numel() for p in parameters if p.ndim == 1) == 8_280
    count_result = count_published("googlenet_torchvision")
    assert (count_result.parameters, count_result.parameters + count_result.auxiliary) == (6_624_904, 13_004_888)
    assert round(count_result.macs / 1e6) == 1498


def test_every_row_of_table_1() -> None:
    weights: dict[str, int] = {}
    macs: dict[str, int] = {}
    network = create_on_meta("googlenet")
    for layer in describe("googlenet", batch=2).layers:
        name = part(layer.name)
        macs[name] = macs.get(name, 0) + layer.macs
    for key, parameter in network.named_parameters():
        if parameter.ndim > 1 and not key.startswith("auxiliary"):
            name = part(key.removeprefix("stages.").rpartition(".")[0])
            weights[name] = weights.get(name, 0) + parameter.numel()
    assert list(weights) == list(COMPUTED)
    for name, (thousands, millions) in COMPUTED.items():
        assert abs(weights[name] / 1024 - thousands) < 1, name
        assert abs(macs[name] / 1e6 - millions) < 0.06, name
    assert sum(macs.values()) == sum(macs[name] for name in COMPUTED)
    printed = {row.tap: row for row in facts("googlenet").printed if row.macs}
    assert list(printed) == list(COMPUTED)
    for name, row in printed.items():
        right = abs(float(row.macs.rstrip("M")) - macs[name] / 1e6) <= 1
        assert right == (name not in MISPRINTED_MACS), name
        # Rounded, with biases or without.
        right = abs(float(row.parameters.rstrip("K")) - weights[name] / 1024) < 1.5
        assert right == (name not in MISPRINTED_PARAMETERS), name
        assert right or row.note


@pytest.mark.parametrize("name", ROWS)
def test_output_sizes_of_the_table(name: str) -> None:
    network = create_on_meta(name)
    printed = [row for row in facts("googlenet").printed if row.output]
    activations = network.activations(torch.empty(1, 3, 224, 224, device="meta"), [row.tap for row in printed])
    for row in printed:
        shape = [*activations[row.tap].shape[1:], 1, 1][:3]
        assert row.output == f"{shape[1]}x{shape[2]}x{shape[0]}", row.tap


def test_side_classifiers_read_14x14_through_5x5_windows() -> None:
    network = create_on_meta("googlenet")
    assert network.auxiliary_stages == {"aux1": "inception4a", "aux2": "inception4d"}
    assert set(network.auxiliary_weights.values()) == {0.3}
    x = torch.randn(2, 512, 14, 14)
    pool = network.auxiliary.get_submodule("aux1.pool")
    assert torch.equal(pool(x), nn.functional.avg_pool2d(x, 5, 3))
    theirs = create_on_meta("googlenet_torchvision").auxiliary.get_submodule("aux1.pool")
    assert not torch.allclose(theirs(x), pool(x))
    drops = [m.p for m in network.modules() if isinstance(m, nn.Dropout)]
    assert sorted(drops) == [0.4, 0.7, 0.7]


def test_receptive_field() -> None:
    fields = receptive_fields(create_on_meta("googlenet"), 3, (224, 224))
    actual = {tap: (fields[tap][0].size, int(fields[tap][0].stride)) for tap in ("stem", "stages.pool2")}
    # 7; + 2 * 2 = 11; + 2 * 4 = 19; + 2 * 4 = 27, then every further 5x5 or pooling by its stride
    assert actual == {"stem": (7, 2), "stages.pool2": (27, 8)}
    assert fields["stages.inception5b"][0].size == 27 + 2 * 4 * 8 + 2 * 8 + 5 * 4 * 16 + 2 * 16 + 2 * 4 * 32
    assert fields["stages.inception5b"][0].stride == 32


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("size", [(31, 31), (97, 70)])
def test_other_sizes_classes_and_channels(name: str, size: tuple[int, int]) -> None:
    network = create(name, Shape(classes=7, channels=2, size=size)).train()
    logits, auxiliary = network.outputs(torch.randn(3, 2, *size))
    assert logits.shape == (3, 7)
    assert {key: tuple(value.shape) for key, value in auxiliary.items()} == {"aux1": (3, 7), "aux2": (3, 7)}
    loss = logits.sum() + sum(value.sum() for value in auxiliary.values())
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_channels_last_and_bfloat16() -> None:
    network, images = create("googlenet", Shape(classes=5, channels=3, size=(64, 64))).eval(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = network(images)
        half = network.channels_last().bfloat16()
        output = half(images.bfloat16().contiguous(memory_format=torch.channels_last)).float()
    assert (output - expected).abs().max() < 0.1 * expected.abs().max()
