"""The ImageNet ResNets against the numbers of He et al. 2015."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from convworks.errors import InputError
from convworks.layers.blank import unfilled
from convworks.layers.draw import he_normal
from convworks.layers.fully_convolutional import fully_convolutional
from convworks.models.analysis.count import count, count_published
from convworks.models.analysis.meta import without_values
from convworks.models.analysis.receptive import receptive_fields
from convworks.models.catalogue import Shape, create, facts
from convworks.models.resnet import ROWS, ResNet, build

PUBLISHED = {  # parameters and multiply-adds
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_032, 3_857_973_248),
    "resnet101": (44_549_160, 7_570_194_432),
    "resnet152": (60_192_808, 11_282_415_616),
    "resnet50_v1_5": (25_557_032, 4_089_184_256),
    "resnet101_v1_5": (44_549_160, 7_801_405_440),
    "resnet152_v1_5": (60_192_808, 11_513_626_624),
    "resnet18_a": (11_515_688, 1_794_805_760),
    "resnet34_a": (21_623_848, 3_644_493_824),
    "resnet34_c": (22_716_840, 3_830_747_136),
    "plain18": (11_515_688, 1_794_805_760),
    "plain34": (21_623_848, 3_644_493_824),
}
SMALL = ("resnet18", "resnet18_a", "plain18", "resnet50")


def test_every_row_is_counted() -> None:
    assert set(PUBLISHED) == set(ROWS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts(name: str) -> None:
    count_result = count_published(name)
    assert (count_result.parameters, count_result.macs) == PUBLISHED[name]
    assert count_result.auxiliary == 0


def test_counts_follow_from_the_table() -> None:
    """ResNet-34 row by row: weights of convolutions, two numbers a map of batch normalisation, the linear layer."""
    basic = [(64, 64, 3), (64, 128, 4), (128, 256, 6), (256, 512, 3)]
    inner = [9 * (before * width + (2 * n - 1) * width**2) + 4 * n * width for before, width, n in basic]
    projections = [before * width + 2 * width for before, width, _ in basic[1:]]
    ends = 7 * 7 * 3 * 64 + 2 * 64 + 512 * 1000 + 1000
    assert sum(inner) + ends == PUBLISHED["plain34"][0]
    assert sum(inner) + sum(projections) + ends == PUBLISHED["resnet34"][0]
    every = sum(n * width**2 + (before - width) * width + 2 * n * width for before, width, n in basic)
    assert sum(inner) + every + ends == PUBLISHED["resnet34_c"][0]


@pytest.mark.parametrize("name", ROWS)
def test_output_sizes_and_the_printed_table(name: str) -> None:
    shape, printed = facts(name).shape, facts(name).printed
    with without_values():
        network = create(name).eval()
        images = torch.zeros(1, shape.channels, *shape.size)
        activations = network.activations(images, [row.tap for row in printed if row.tap])
    sizes = {row.tap: tuple(map(int, row.output.split("x"))) for row in printed if row.tap}
    assert sizes == {tap: tuple(output.shape[2:]) for tap, output in activations.items()}
    expansion = 1 if ROWS[name].block == "basic" else 4
    channels = [64, *(width * expansion for width in (64, 128, 256, 512))]
    assert [activations[tap].shape[1] for tap in ("stem", *(f"conv{n}_x" for n in (2, 3, 4, 5)))] == channels
    (whole,) = [row for row in printed if not row.tap]
    assert whole.note or f"{PUBLISHED[name][1] / 1e9:.1f}G" == whole.macs


@pytest.mark.parametrize("name", ROWS)
def test_depth_is_the_number_of_weighted_layers_off_the_shortcuts(name: str) -> None:
    with without_values():
        network = create(name)
    layers = [key for key, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    depth = int("".join(filter(str.isdigit, name.partition("_")[0])))
    assert len([key for key in layers if "shortcut" not in key]) == depth
    assert facts(name).summary.startswith(f"{depth} layers")


@pytest.mark.parametrize(("name", "stride"), [("resnet50", (2, 1)), ("resnet50_v1_5", (1, 2))])
def test_where_the_stride_is(name: str, stride: tuple[int, int]) -> None:
    with without_values():
        body = create(name).stages.get_submodule("conv3_x.block1.body")
    actual = [m.stride[0] for m in body.children() if isinstance(m, nn.Conv2d)]
    assert actual == [*stride, 1]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet50", 483),
        ("resnet50_v1_5", 427),
        ("resnet101", 1027),
        ("resnet101_v1_5", 971),
        ("resnet152", 1507),
    ],
)
def test_receptive_fields(name: str, size: int) -> None:
    with torch.device("meta"):
        network = create(name)
    for field in receptive_fields(network, 3, (224, 224))["stages.conv5_x"]:
        assert field.size == size
        assert field.stride == 32


@pytest.mark.parametrize("size", [(64, 64), (75, 41)])
@pytest.mark.parametrize("name", SMALL)
def test_any_size_channels_and_classes(name: str, size: tuple[int, int]) -> None:
    network = create(name, Shape(classes=7, channels=1, size=size)).eval()
    images = torch.randn(2, 1, *size)
    with torch.no_grad():
        logits = network(images)
        assert torch.equal(network(images), logits)
        assert logits.shape == (2, 7)
        assert logits.isfinite().all()
        small = network.bfloat16().channels_last()(images.bfloat16().contiguous(memory_format=torch.channels_last))
    assert (small.float() - logits).abs().max() <= 0.1 * logits.abs().max()


def test_gradients_reach_every_parameter() -> None:
    for name in ("resnet34_a", "resnet34_c", "resnet50_v1_5"):
        network = create(name, Shape(classes=3, channels=3, size=(64, 64)))
        loss = nn.functional.cross_entropy(network(torch.randn(4, 3, 64, 64)), torch.tensor([0, 1, 2, 0]))
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter, value in network.named_parameters():
            assert value.grad is not None, parameter
            assert value.grad.abs().sum() > 0, parameter


@pytest.mark.parametrize("name", ["resnet18_a", pytest.param("resnet50_v1_5", marks=pytest.mark.slow)])
def test_export(name: str) -> None:
    network, images = create(name, Shape(classes=5, channels=3, size=(64, 64))).eval(), torch.randn(2, 3, 64, 64)
    exported = torch.export.export(network, (images,)).module()
    torch.testing.assert_close(exported(images), network(images))


def test_dense_evaluation_of_the_features() -> None:
    network = create("resnet18", Shape(classes=5, channels=3, size=(64, 64))).double().eval()
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    scores = fully_convolutional(network, 3, (64, 64))(images)
    torch.testing.assert_close(scores[:, :, 0, 0], network(images), rtol=1e-9, atol=1e-9)


def test_first_weights_are_those_of_he_et_al() -> None:
    network = create("resnet18")
    assert unfilled(network) == ()
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = module.weight.detach()
            # The standard deviation of n draws scatters by 1 / sqrt(2 n) of itself.
            tolerance = 5 / math.sqrt(2 * weight.numel())
            assert math.isclose(float(weight.std()), math.sqrt(2 / weight[0].numel()), rel_tol=tolerance), name
        elif isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert not module.bias.any()


def test_each_weight_is_drawn_once() -> None:
    """Drawing all weights of a built network moves the generator exactly as building it does."""
    torch.manual_seed(0)
    network = create("resnet18")
    built = torch.get_rng_state()
    torch.manual_seed(0)
    he_normal(network)
    assert torch.equal(torch.get_rng_state(), built)


def test_a_variant_is_a_row() -> None:
    """ResNet-26 (two bottlenecks a stage) is in no table of ours."""
    row = ResNet(block="bottleneck_v1_5", repeats=(2, 2, 2, 2))
    with without_values():
        network = build(row, Shape(classes=1000, channels=3, size=(224, 224)))
        count_result = count(network, torch.zeros(1, 3, 224, 224))
    assert count_result.parameters == 15_995_176
    assert len([m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]) == 26 + 4


def test_a_field_of_the_table_can_be_replaced() -> None:
    thin = create("resnet18", Shape(classes=10, channels=3, size=(64, 64)), table={"widths": (8, 16, 32, 64)})
    assert sum(value.numel() for value in thin.parameters()) < 200_000
    with pytest.raises(InputError, match=r"no resnet18 can be built .*'D'"):
        create("resnet18", table={"shortcut": "D"})
