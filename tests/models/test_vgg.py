"""The VGG networks against tables 1 and 2 of the paper and the layer list of lecture 001."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from convworks.layers.blank import unfilled
from convworks.layers.network import Network
from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation
from convworks.models.analysis.count import count_published
from convworks.models.analysis.meta import without_values
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import Shape, create, facts
from convworks.models.vgg import ROWS

PUBLISHED = {  # parameters, and multiply-adds in thousands of millions
    "vgg_a": (132_863_336, 7.609),
    "vgg_a_lrn": (132_863_336, 7.609),
    "vgg_b": (133_047_848, 11.308),
    "vgg_c": (133_638_952, 11.771),
    "vgg_d": (138_357_544, 15.470),
    "vgg_e": (143_667_240, 19.632),
    # Two numbers a map more: 2 * (sum of the widths of all convolutions).
    "vgg_a_bn": (132_863_336 + 2 * 2_752, 7.609),
    "vgg_b_bn": (133_047_848 + 2 * 2_944, 11.308),
    "vgg_d_bn": (138_357_544 + 2 * 4_224, 15.470),
    "vgg_e_bn": (143_667_240 + 2 * 5_504, 19.632),
}
# Lecture 001: activations and parameters of VGG-16, pooling rows without the latter.
LECTURE = {
    "stem": ("3.2M", "1.7k"), "stage1.conv2": ("3.2M", "37k"), "stage1.pool": ("800k", ""),
    "stage2.conv1": ("1.6M", "74k"), "stage2.conv2": ("1.6M", "147k"), "stage2.pool": ("400k", ""),
    "stage3.conv1": ("800k", "295k"), "stage3.conv2": ("800k", "590k"), "stage3.conv3": ("800k", "590k"),
    "stage3.pool": ("200k", ""),
    "stage4.conv1": ("400k", "1.2M"), "stage4.conv2": ("400k", "2.4M"), "stage4.conv3": ("400k", "2.4M"),
    "stage4.pool": ("100k", ""),
    "stage5.conv1": ("100k", "2.4M"), "stage5.conv2": ("100k", "2.4M"), "stage5.conv3": ("100k", "2.4M"),
    "stage5.pool": ("25k", ""),
    "head.hidden6": ("4096", "103M"), "head.hidden7": ("4096", "16.7M"), "head.logits": ("1000", "4M"),
}  # fmt: skip
UNITS = {"k": 1e3, "M": 1e6}
THIN = {"widths": (4, 6, 8, 10, 12), "hidden": (16, 14)}


def on_meta(name: str) -> Network:
    with without_values():
        return create(name).eval()


def number(printed: str) -> float:
    return float(printed.rstrip("kM")) * UNITS.get(printed[-1], 1)


@pytest.mark.parametrize("name", ROWS)
def test_counts(name: str) -> None:
    count_result, (parameters, billions) = count_published(name), PUBLISHED[name]
    assert count_result.parameters == parameters
    assert round(count_result.macs / 1e9, 3) == billions


def test_multiply_adds_of_d_to_the_last() -> None:
    assert count_published("vgg_d").macs == 15_470_264_320


@pytest.mark.parametrize("name", ROWS)
def test_printed_numbers_of_parameters_and_sizes(name: str) -> None:
    printed = facts(name).printed
    assert bool(printed) == ("_bn" not in name)
    taps = [row.tap for row in printed if row.tap]
    with without_values():
        actual = on_meta(name).activations(torch.zeros(1, 3, 224, 224), taps)
    for row in printed:
        if row.tap:
            channels, height, width = (*actual[row.tap].shape[1:], 1, 1)[:3]
            assert row.output == f"{height}x{width}x{channels}", row.tap
        else:
            assert row.parameters == f"{PUBLISHED[name][0] / 1e6:.0f}M"


def test_every_layer_of_vgg_16_in_lecture_001() -> None:
    network = on_meta("vgg_d")
    with without_values():
        actual = network.activations(torch.zeros(1, 3, 224, 224), LECTURE)
    assert abs(3 * 224 * 224 - number("150k")) <= 0.02 * number("150k")
    own = dict(network.stages.named_modules()) | {f"head.{k}": m for k, m in network.head.named_modules()}
    for tap, (activations, parameters) in LECTURE.items():
        module = network.stem if tap == "stem" else own[tap]
        weights = sum(p.numel() for p in module.parameters() if p.ndim > 1)
        assert math.isclose(actual[tap].numel(), number(activations), rel_tol=0.025), tap
        assert math.isclose(weights, number(parameters or "0"), rel_tol=0.025), tap
    printed = {row.tap: row.parameters.lower() for row in facts("vgg_d").printed if row.tap and row.parameters}
    assert printed == {tap: parameters.lower() for tap, (_, parameters) in LECTURE.items() if parameters}


@pytest.mark.parametrize("name", ROWS)
def test_columns_of_table_1(name: str) -> None:
    modules = list(on_meta(name).modules())
    weighted = [m for m in modules if isinstance(m, nn.Conv2d | nn.Linear)]
    letters = {"a": 11, "b": 13, "c": 16, "d": 16, "e": 19}
    assert len(weighted) == letters[name[4]]
    assert facts(name).summary.startswith(f"{len(weighted)} layers")
    convolutions = [m for m in weighted if isinstance(m, nn.Conv2d)]
    kernels = [m.kernel_size for m in convolutions]
    assert set(kernels) == ({(3, 3), (1, 1)} if name == "vgg_c" else {(3, 3)})
    assert kernels.count((1, 1)) == (3 if name == "vgg_c" else 0)
    assert len([m for m in modules if isinstance(m, nn.MaxPool2d)]) == 5
    assert len([m for m in modules if isinstance(m, nn.BatchNorm2d)]) == ("_bn" in name) * len(convolutions)
    assert len([m for m in modules if isinstance(m, LocalResponseNormalisation)]) == ("lrn" in name)


def test_receptive_field_of_vgg_16() -> None:
    fields = receptive_fields(on_meta("vgg_d"), 3, (224, 224))
    taps = ("stem", "stages.stage1", "stages.stage2", "stages.stage3", "stages.stage4", "stages.stage5")
    actual = [(fields[tap][0].size, fields[tap][1].size, int(fields[tap][0].stride)) for tap in taps]
    assert actual == [(3, 3, 1), (6, 6, 2), (16, 16, 4), (44, 44, 8), (100, 100, 16), (212, 212, 32)]


def test_first_weights() -> None:
    network = create("vgg_a_bn", table={"hidden": (64, 48)})
    assert not unfilled(network)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fans = module.weight[0].numel() + module.weight[:, 0].numel()
            assert float(module.weight.detach().std()) == pytest.approx(math.sqrt(2 / fans), rel=0.1), name
            assert module.bias is not None
            assert not module.bias.any()


@pytest.mark.parametrize("size", [(224, 224), (32, 32), (75, 41)])
@pytest.mark.parametrize("name", ["vgg_a", "vgg_a_lrn", "vgg_c", "vgg_e_bn"])
def test_any_size_channels_classes_and_precision(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = create(name, Shape(classes=7, channels=2, size=size), table=THIN).eval()
    images = torch.randn(2, 2, *size)
    with torch.no_grad():
        logits = network(images)
        assert torch.equal(network(images), logits)
        assert logits.shape == (2, 7)
        half = network.bfloat16().channels_last()(images.bfloat16().contiguous(memory_format=torch.channels_last))
    assert (half.float() - logits).abs().max() <= 0.1 * logits.abs().max()


@pytest.mark.parametrize("name", ["vgg_a", "vgg_a_lrn", "vgg_c", "vgg_e_bn"])
def test_gradients_reach_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    network = create(name, Shape(classes=3, channels=3, size=(64, 64)), table=THIN | {"rate": 0.0})
    loss = nn.functional.cross_entropy(network(torch.randn(4, 3, 64, 64)), torch.tensor([0, 1, 2, 0]))
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter, value in network.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.abs().sum() > 0, parameter


@pytest.mark.parametrize("name", ["vgg_a_lrn", "vgg_b_bn"])
def test_export(name: str) -> None:
    network = create(name, Shape(classes=5, channels=3, size=(64, 64)), table=THIN).eval()
    images = torch.randn(2, 3, 64, 64)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))
