"""BN-Inception against the table of its paper."""

from __future__ import annotations

import pytest
import torch

from convworks.layers.network import Network
from convworks.models.analysis.count import count_published
from convworks.models.analysis.describe import describe
from convworks.models.catalogue import Shape, create, facts

# Printed with the size before their stride of 2.
HALVED = {"inception3c": "14x14x576", "inception4e": "7x7x1024"}


def create_on_meta() -> Network:
    with torch.device("meta"):
        return create("bn_inception").eval()


def test_output_sizes_of_the_table() -> None:
    printed = [row for row in facts("bn_inception").printed if row.tap]
    images = torch.empty(1, 3, 224, 224, device="meta")
    activations = create_on_meta().activations(images, [row.tap for row in printed])
    for row in printed:
        channels, height, width = activations[row.tap].shape[1:]
        assert f"{height}x{width}x{channels}" == HALVED.get(row.tap, row.output), row.tap
        assert bool(row.tap in HALVED) <= bool(row.note)


def test_counts() -> None:
    count_result = count_published("bn_inception")
    assert count_result.parameters == 11_188_288
    assert count_result.auxiliary == 0
    assert round(count_result.macs / 1e9, 2) == 1.93


def test_the_separable_stem_has_the_numbers_that_googlenet_prints() -> None:
    layers = describe("bn_inception", batch=2).layers
    stem = [layer for layer in layers if layer.name.startswith("stem") and layer.kind == "Conv2d"]
    assert sum(layer.parameters for layer in stem) == 3 * 8 * 49 + 24 * 64 == 2_712
    assert round(sum(layer.macs for layer in stem) / 1e6) == 34


@pytest.mark.parametrize("size", [(1, 1), (33, 33), (97, 70)])
def test_other_sizes_classes_and_channels(size: tuple[int, int]) -> None:
    network = create("bn_inception", Shape(classes=7, channels=2, size=size)).train()
    logits = network(torch.randn(3, 2, *size))
    assert logits.shape == (3, 7)
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
