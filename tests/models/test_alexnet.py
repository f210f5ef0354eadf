"""AlexNet, torchvision's and ZFNet against their papers and their arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.layers.blank import unfilled
from convworks.layers.network import Network
from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation
from convworks.models.alexnet import ROWS
from convworks.models.analysis.count import count_published
from convworks.models.analysis.describe import describe
from convworks.models.analysis.meta import without_values
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import Shape, create, facts

PUBLISHED = {
    "alexnet": (60_965_224, 724_406_816),
    "alexnet_torchvision": (61_100_840, 714_188_480),
    # 7x7x3x96, 5x5x96x256, 3x3x256x384, 3x3x384x384, 3x3x384x256, 9216x4096, 4096x4096, 4096x1000, and biases
    "zfnet": (14_112 + 614_400 + 884_736 + 1_327_104 + 884_736 + 37_748_736 + 16_777_216 + 4_096_000 + 10_568, None),
    # 5x5x96x256 as above, then 3x3x256x512, 3x3x512x1024, 3x3x1024x512, 512 maps of 6x6; biases of 96 to 1000 units
    "zfnet_wide": (
        (14_112 + 614_400 + 1_179_648 + 4_718_592 + 4_718_592 + 75_497_472 + 16_777_216 + 4_096_000)
        + (96 + 256 + 512 + 1024 + 512 + 4096 + 4096 + 1000),
        None,
    ),
}
THIN = {"hidden": (32, 24)}


def on_meta(name: str) -> Network:
    with without_values():
        return create(name).eval()


@pytest.mark.parametrize("name", ROWS)
def test_counts(name: str) -> None:
    count_result, (parameters, macs) = count_published(name), PUBLISHED[name]
    assert count_result.parameters == parameters
    assert macs is None or count_result.macs == macs


def test_multiply_adds_of_each_layer_of_alexnet() -> None:
    actual = [layer.macs for layer in describe("alexnet", batch=2).layers if layer.macs]
    positions = [55**2 * 96, 27**2 * 256, 13**2 * 384, 13**2 * 384, 13**2 * 256]
    inputs = [11**2 * 3, 5**2 * 48, 3**2 * 256, 3**2 * 192, 3**2 * 192]
    dense = [9216 * 4096, 4096 * 4096, 4096 * 1000]
    assert actual == [*(p * n for p, n in zip(positions, inputs, strict=True)), *dense]


@pytest.mark.parametrize("name", ROWS)
def test_output_sizes_of_the_papers(name: str) -> None:
    printed = [row for row in facts(name).printed if row.output]
    with without_values():
        activations = on_meta(name).activations(
            torch.zeros(1, 3, *facts(name).shape.size), [row.tap for row in printed]
        )
    for row in printed:
        channels, height, width = (*activations[row.tap].shape[1:], 1, 1)[:3]
        assert row.output == f"{height}x{width}x{channels}", row.tap


def test_torchvision_halves_at_the_same_places() -> None:
    with without_values():
        network = on_meta("alexnet_torchvision")
        activations = network.activations(torch.zeros(1, 3, 224, 224), ["stem", "stage1", "stage2", "stage4", "stage5"])
    assert [tuple(output.shape[1:]) for output in activations.values()] == [
        (64, 55, 55),
        (64, 27, 27),
        (192, 13, 13),
        (256, 13, 13),
        (256, 6, 6),
    ]


def test_receptive_field() -> None:
    # 11; + 2 * 4 = 19; + 4 * 8 = 51; + 2 * 8 = 67; + 3 * 2 * 16 = 163; + 2 * 16 = 195
    fields = receptive_fields(on_meta("alexnet"), 3, (227, 227))
    taps = ("stem", "stages.stage1", "stages.stage2.conv", "stages.stage2", "stages.stage5.conv", "stages.stage5")
    actual = [(fields[tap][0].size, fields[tap][1].size, int(fields[tap][0].stride)) for tap in taps]
    assert actual == [(11, 11, 4), (19, 19, 8), (51, 51, 8), (67, 67, 16), (163, 163, 16), (195, 195, 32)]
    assert receptive_fields(on_meta("zfnet"), 3, (224, 224))["stages.stage5"][0].size == 7 + 4 + 16 + 16 + 96 + 32


def test_where_normalisation_and_dropout_are() -> None:
    named = dict(on_meta("alexnet").named_modules())
    assert [name for name, m in named.items() if isinstance(m, LocalResponseNormalisation)] == [
        "stages.stage1.response",
        "stages.stage2.response",
    ]
    assert named["stages.stage1.response"].options == (5, 2.0, 1e-4, 0.75)
    order = ["stage1.pool", "stage1.response", "stage2.conv", "stage2.pool", "stage2.response", "stage3.conv"]
    assert [name for name in on_meta("zfnet").taps if name in order] == order
    head = [name for name, _ in on_meta("alexnet_torchvision").head.named_children()]
    assert head[2:] == ["dropout6", "hidden6", "relu6", "dropout7", "hidden7", "relu7", "logits"]


def test_pooling_overlaps() -> None:
    pools = [m for m in on_meta("alexnet").modules() if isinstance(m, nn.MaxPool2d)]
    assert [(pool.kernel_size, pool.stride, pool.ceil_mode) for pool in pools] == [(3, 2, False)] * 3


@pytest.mark.parametrize(
    ("name", "ones"), [("alexnet", {"stage2", "stage4", "stage5", "hidden6", "hidden7"}), ("zfnet", set())]
)
def test_first_weights(name: str, ones: set[str]) -> None:
    torch.manual_seed(0)
    network = create(name, table=THIN)
    assert not unfilled(network)
    for key, value in network.named_parameters():
        if key.endswith("weight"):
            assert abs(float(value.detach().std()) - 0.01) < 0.001, key
        else:
            assert bool((value == float(any(part in ones for part in key.split(".")))).all()), key


@pytest.mark.parametrize("size", [(227, 227), (67, 67), (129, 75)])
@pytest.mark.parametrize("name", ROWS)
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


@pytest.mark.parametrize("name", ROWS)
def test_gradients_reach_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    network = create(name, Shape(classes=3, channels=3, size=(67, 67)), table=THIN).double()
    loss = nn.functional.cross_entropy(network(torch.randn(4, 3, 67, 67).double()), torch.tensor([0, 1, 2, 0]))
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter, value in network.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.abs().sum() > 0, parameter


@pytest.mark.parametrize("name", ROWS)
def test_export(name: str) -> None:
    network = create(name, Shape(classes=5, channels=3, size=(67, 67)), table=THIN).eval()
    images = torch.randn(2, 3, 67, 67)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))


@pytest.mark.parametrize("autocast", [False, True])
def test_autocast_trains(autocast: bool) -> None:
    torch.manual_seed(0)
    network = create("alexnet", Shape(classes=3, channels=3, size=(67, 67)), table=THIN).channels_last()
    images = torch.randn(2, 3, 67, 67).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = network(images).square().sum()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
