"""Inception v2 and v3 against Table 1 of the paper (lecture 003) and the released network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.layers.network import Network
from convworks.models.analysis.count import count_published
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import Shape, create, facts
from convworks.models.catalogue import row as table_row

# The input sizes that the lecture's table prints, each the output of the row before; then the last lines.
TABLE = {
    "stem": "149x149x32", "conv_2a": "147x147x32", "conv_2b": "147x147x64", "pool_3a": "73x73x64",
    "conv_3b": "71x71x80", "conv_4a": "35x35x192", "conv_5a": "35x35x288",
    "mixed_5b": "35x35x288", "mixed_5c": "35x35x288", "mixed_5d": "35x35x288", "mixed_6a": "17x17x768",
    "mixed_6b": "17x17x768", "mixed_6c": "17x17x768", "mixed_6d": "17x17x768", "mixed_6e": "17x17x768",
    "mixed_6f": "17x17x768", "mixed_7a": "8x8x1280", "mixed_7b": "8x8x2048", "mixed_7c": "8x8x2048",
    "head.pool": "1x1x2048",
}  # fmt: skip
RELEASED = {
    "stem": "149x149x32", "conv_2a": "147x147x32", "conv_2b": "147x147x64", "pool_3a": "73x73x64",
    "conv_3b": "73x73x80", "conv_4a": "71x71x192", "pool_5a": "35x35x192",
    "mixed_5b": "35x35x256", "mixed_5c": "35x35x288", "mixed_5d": "35x35x288", "mixed_6a": "17x17x768",
    "mixed_6b": "17x17x768", "mixed_6c": "17x17x768", "mixed_6d": "17x17x768", "mixed_6e": "17x17x768",
    "mixed_7a": "8x8x1280", "mixed_7b": "8x8x2048", "mixed_7c": "8x8x2048",
    "head.pool": "1x1x2048",
}  # fmt: skip


def create_on_meta(name: str) -> Network:
    with torch.device("meta"):
        return create(name).eval()


@pytest.mark.parametrize(("name", "sizes"), [("inception_v2", TABLE), ("inception_v3", RELEASED)])
def test_output_sizes(name: str, sizes: dict[str, str]) -> None:
    network = create_on_meta(name)
    activations = network.activations(torch.empty(1, 3, 299, 299, device="meta"), sizes)
    assert {tap: "{1}x{2}x{0}".format(*x.shape[1:]) for tap, x in activations.items()} == sizes
    assert [tap for tap in network.taps if "head" not in tap and ".conv1" not in tap] == list(sizes)[:-1]
    for row in facts(name).printed:
        assert row.tap in ("", "head.logits") or row.output == sizes[row.tap] or row.note, row.tap


def test_counts() -> None:
    count_result = count_published("inception_v3")
    assert (count_result.parameters, count_result.parameters + count_result.auxiliary) == (23_834_568, 27_161_264)
    assert round(count_result.macs / 1e9, 3) == 5.713
    count_result = count_published("inception_v2")
    assert (count_result.parameters, count_result.macs) == (25_769_544, 6_299_294_304)


def test_receptive_field() -> None:
    fields = receptive_fields(create_on_meta("inception_v3"), 3, (299, 299))["stages.mixed_7c"]
    assert [(field.size, int(field.stride)) for field in fields] == [(1311, 32), (1311, 32)]


@pytest.mark.parametrize(("name", "maps"), [("inception_v2", "5x5x128"), ("inception_v3", "1x1x768")])
def test_figure_8(name: str, maps: str) -> None:
    """The auxiliary classifier pools 17x17 to 5x5; v3 goes on by a convolution that is batch-normalised."""
    head = create_on_meta(name).auxiliary.get_submodule("aux")
    assert isinstance(head, nn.Sequential)
    x, shapes = torch.empty(2, 768, 17, 17, device="meta"), []
    for layer in head:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes[0] == (768, 5, 5)
    assert maps in {"x".join(map(str, (*shape[1:], shape[0]))) for shape in shapes if len(shape) == 3}
    assert shapes[-1] == (1000,)


def test_5x5_is_two_of_3x3_in_v2_and_7x7_is_1x7_and_7x1() -> None:
    kernels = {
        name: {module.kernel_size for module in create_on_meta(name).modules() if isinstance(module, nn.Conv2d)}
        for name in ("inception_v2", "inception_v3")
    }
    assert kernels["inception_v2"] == {(1, 1), (3, 3), (1, 7), (7, 1), (1, 3), (3, 1)}
    assert kernels["inception_v3"] == kernels["inception_v2"] | {(5, 5)}


@pytest.mark.parametrize("name", ["inception_v2", "inception_v3"])
def test_other_sizes_classes_and_channels(name: str) -> None:
    network = create(name, Shape(classes=7, channels=2, size=(75, 98))).train()
    logits, auxiliary = network.outputs(torch.randn(2, 2, 75, 98))
    assert logits.shape == auxiliary["aux"].shape == (2, 7)
    (logits.sum() + auxiliary["aux"].sum()).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_channels_last_and_bfloat16() -> None:
    network, images = (
        create("inception_v3", Shape(classes=5, channels=3, size=(75, 75))).eval(),
        torch.randn(2, 3, 75, 75),
    )
    with torch.no_grad():
        expected = network(images)
        half = network.channels_last().bfloat16()
        output = half(images.bfloat16().contiguous(memory_format=torch.channels_last)).float()
    assert (output - expected).abs().max() < 0.1 * expected.abs().max()


@pytest.mark.parametrize("name", ["googlenet", "bn_inception", "inception_v2"])
def test_a_field_of_the_table_can_be_replaced_and_the_lines_stay(name: str) -> None:
    field = {"googlenet": "dropout", "bn_inception": "depth_multiplier", "inception_v2": "first"}[name]
    changed = table_row(name, {field: 2 if field != "dropout" else 0.1})
    lines = "lines" if name == "inception_v2" else "modules"
    assert getattr(changed, lines) == getattr(table_row(name), lines)
    assert getattr(changed, field) in (2, 0.1)
