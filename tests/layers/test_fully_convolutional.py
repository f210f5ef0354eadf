"""Fully connected layers as convolutions, on the real networks and on larger images."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from convworks.errors import InputError
from convworks.layers.fully_convolutional import fully_convolutional, to_convolution, to_fully_connected
from convworks.layers.network import Network
from convworks.models.catalogue import create, facts

#: One of each kind of head; the larger networks of a family take half a minute each.
SMALL = [
    "lenet5", "lenet5_modern", "convnet_digits", "convnet_fast", "convnet_accurate", "convnet_color", "airbench94",
    "alexnet", "alexnet_torchvision", "resnet18", "resnet20", "resnet56", "plain20", "googlenet",
]  # fmt: skip


#: Single precision adds the same products in another order.
PRECISIONS = [(torch.float64, 1e-12), (torch.float32, 3e-6)]


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("name", SMALL)
def test_the_published_size_gives_the_same_logits(name: str, dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    network, shape = create(name).eval().to(dtype), facts(name).shape
    images = torch.randn(2, shape.channels, *shape.size, dtype=dtype)
    dense = fully_convolutional(network, shape.channels, shape.size)
    logits = network(images)
    assert dense(images).shape == (2, shape.classes, 1, 1)
    worst = (dense(images)[:, :, 0, 0] - logits).abs().max()
    assert worst <= tolerance * logits.abs().max()


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("name", ["lenet5", "lenet5_modern"])
def test_every_score_is_that_of_its_crop(name: str, dtype: torch.dtype, tolerance: float) -> None:
    """LeNet-5 pads nowhere: its score map slides over the image with the network's stride of 4."""
    torch.manual_seed(0)
    network = create(name).eval().to(dtype)
    images = torch.randn(2, 1, 48, 56, dtype=dtype)
    with torch.no_grad():
        scores = fully_convolutional(network, 1, (32, 32))(images)
    assert scores.shape == (2, 10, 5, 7)
    for row in range(5):
        for column in range(7):
            crop = images[:, :, 4 * row : 4 * row + 32, 4 * column : 4 * column + 32]
            expected = network(crop)
            worst = (scores[:, :, row, column] - expected).abs().max()
            assert worst <= tolerance * expected.abs().max(), (row, column)


def test_with_padding_every_score_is_that_of_its_crop_of_features() -> None:
    torch.manual_seed(0)
    network = create("convnet_accurate").eval()
    images = torch.randn(1, 1, 40, 32)
    features = network.stages(network.stem(images))
    scores = fully_convolutional(network, 1, (24, 24))(images)
    for row in range(scores.shape[2]):
        for column in range(scores.shape[3]):
            expected = network.head(features[:, :, row : row + 3, column : column + 3])
            assert torch.allclose(scores[:, :, row, column], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("maps", "size", "out"),
    [(512, 7, 4096), (256, 6, 4096), (16, 5, 120)],
    ids=["VGG-16 fc6", "AlexNet fc6", "LeNet-5 C5"],
)
def test_first_layers_of_the_classics(maps: int, size: int, out: int) -> None:
    """The layer with the published sizes, on its own map and on every crop of a larger one."""
    torch.manual_seed(0)
    with torch.device("meta"):
        layer = nn.Linear(maps * size * size, out, dtype=torch.float64)
    layer.to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.uniform_(-0.01, 0.01)
        layer.bias.normal_()
        convolution = to_convolution(layer, (size, size))
        assert convolution.weight.data_ptr() == layer.weight.data_ptr()
        features = torch.randn(1, maps, size + 1, size + 2, dtype=torch.float64)
        scores = convolution(features)
        assert scores.shape == (1, out, 2, 3)
        for row in range(2):
            for column in range(3):
                expected = layer(features[:, :, row : row + size, column : column + size].flatten(1))
                assert (scores[:, :, row, column] - expected).abs().max() <= 1e-12 * expected.abs().max()
        back = to_fully_connected(convolution)
        assert torch.equal(back.weight, layer.weight)
        assert torch.equal(back.bias, layer.bias)


def test_memory_is_shared_and_gradients_are_not() -> None:
    layer = nn.Linear(8, 3)
    layer.bias.requires_grad_(False)
    convolution = to_convolution(layer, (2, 2))
    back = to_fully_connected(convolution)
    for other in (convolution, back):
        assert other.weight.data_ptr() == layer.weight.data_ptr()
        assert other.bias is not None
        assert other.bias.data_ptr() == layer.bias.data_ptr()
        assert not other.bias.requires_grad
    convolution(torch.ones(1, 2, 2, 2)).sum().backward()
    assert convolution.weight.grad is not None
    assert layer.weight.grad is None
    assert layer.bias.grad is None


def test_other_layouts_of_memory_are_refused() -> None:
    convolution = nn.Conv2d(4, 2, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with pytest.raises(InputError, match=r"weight: its strides \(36, 1, 12, 4\) leave no other shape"):
        to_fully_connected(convolution)
    layer = nn.Linear(8, 8)
    layer.weight = nn.Parameter(layer.weight.detach().T)
    with pytest.raises(InputError, match="weight: its strides"):
        to_convolution(layer, (2, 2))
    assert to_fully_connected(nn.Conv2d(4, 2, 1).to(memory_format=torch.channels_last)).in_features == 4  # type: ignore[call-overload]


def small(**head: nn.Module) -> Network:
    """Return a network of one convolution, whose stages give 4x8x8 for an image of 8x8."""
    stages = {"stage1": nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))}
    return Network(stem=nn.Conv2d(1, 4, 3, padding=1), stages=stages, head=nn.Sequential(OrderedDict(head)))


def test_a_frozen_layer_stays_frozen() -> None:
    network = small(pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), logits=nn.Linear(4, 3)).train()
    frozen = network.get_submodule("stages.stage1.1").eval()
    dense = fully_convolutional(network, 1, (8, 8))
    assert not frozen.training
    assert dense.training
    assert dense.stages.training
    assert dense.get_submodule("head.logits").training
    with pytest.raises(InputError, match=r"size: images of \(8, 8\) do not pass through the network"):
        fully_convolutional(network, 3, (8, 8))
    assert network.training
    assert not frozen.training


HEADS: dict[str, dict[str, nn.Module]] = {
    "nested": {
        "pool": nn.AdaptiveAvgPool2d((2, 4)),
        "rest": nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(32, 6), nn.GELU()), nn.Linear(6, 3)),
    },
    "normalised": {
        "norm": nn.BatchNorm2d(4),
        "flat": nn.Flatten(),
        "hidden": nn.Linear(256, 6),
        "layer": nn.LayerNorm(6),
        "batch": nn.BatchNorm1d(6),
        "logits": nn.Linear(6, 3),
    },
    "one axis": {"pool": nn.AdaptiveAvgPool2d((None, 1)), "flat": nn.Flatten(), "logits": nn.Linear(32, 3)},
    "features": {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "norm": nn.LayerNorm(4)},
}


@pytest.mark.parametrize("name", HEADS)
def test_heads(name: str) -> None:
    torch.manual_seed(0)
    network = small(**HEADS[name]).eval().double()
    images = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    dense = fully_convolutional(network, 1, (8, 8))
    assert (dense(images)[:, :, 0, 0] - network(images)).abs().max() <= 1e-12
    larger = torch.randn(2, 1, 10, 11, dtype=torch.float64)
    features = network.stages(network.stem(larger))
    for row, column in ((0, 0), (2, 3)):
        expected = network.head(features[:, :, row : row + 8, column : column + 8])
        assert (dense(larger)[:, :, row, column] - expected).abs().max() <= 1e-12


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"conv": nn.Conv2d(4, 3, 1)}, r"head.conv: Conv2d on maps of 8x8 has no form for larger images"),
        ({"flat": nn.Flatten(), "norm": nn.LayerNorm(256)}, r"head.norm: LayerNorm on maps of 8x8"),
        ({"norm": nn.LayerNorm((4, 8, 8))}, r"head.norm: LayerNorm on maps of 8x8"),
        ({"a": nn.Sequential(nn.Flatten(), nn.Sequential(nn.Softmax(1)))}, r"head.a.1.0: Softmax on maps of 8x8"),
        ({"flat": nn.Flatten(), "fc": nn.Linear(64, 3)}, r"head.fc: reads 64 features, but .* 4x8x8 = 256"),
        ({"fc": nn.Linear(8, 3)}, r"head.fc: Linear on maps of 8x8"),
        ({"flat": nn.Flatten(2)}, r"head.flat: Flatten on maps"),
        ({"flat": nn.Flatten()}, r"head: ends before it has one vector for an image"),
        ({"a": nn.AdaptiveAvgPool2d(4), "b": nn.AdaptiveAvgPool2d(2)}, r"head.b: AdaptiveAvgPool2d on maps of 4x4"),
    ],
)
def test_other_heads_are_refused(head: dict[str, nn.Module], message: str) -> None:
    network = small(**head).train()
    with pytest.raises(InputError, match=message):
        fully_convolutional(network, 1, (8, 8))
    assert all(module.training for module in network.modules())


def test_an_image_of_another_size_than_the_heads() -> None:
    network = small(flat=nn.Flatten(), logits=nn.Linear(256, 3))
    with pytest.raises(InputError, match=r"head.logits: reads 256 features, but images of this size give 4x4x4 = 64"):
        fully_convolutional(network, 1, (4, 4))


def test_weights_are_shared_and_modes_kept() -> None:
    network = create("lenet5_modern").train()
    dense = fully_convolutional(network, 1, (32, 32))
    assert network.training
    assert dense.training
    with torch.no_grad():
        network.head.f6.weight.zero_()  # type: ignore[union-attr,operator]
        assert not dense.head.f6.weight.any()  # type: ignore[union-attr,operator]


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"size: 7 x 7 must divide the 100 inputs of the layer"):
        to_convolution(nn.Linear(100, 10), (7, 7))
    with pytest.raises(InputError, match=r"head.pool: pools 5x6 to 3x3"):
        fully_convolutional(create("convnet_fast"), 1, (32, 36))
    with pytest.raises(InputError, match=r"groups: groups=2 must be 1"):
        to_fully_connected(nn.Conv2d(4, 4, 3, groups=2))


@pytest.mark.parametrize("size", [(4, 5), (7, 9), (8, 9), (7, 12)])  # up to a kernel's positions, and more
def test_a_large_kernel_computes_what_a_convolution_does(size: tuple[int, int]) -> None:
    layer = nn.Linear(3 * 4 * 5, 6).double()
    convolution = to_convolution(layer, (4, 5))
    plain = nn.Conv2d(3, 6, (4, 5)).double()
    plain.load_state_dict(convolution.state_dict())
    x = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    inputs = (x.clone().requires_grad_(), x.clone().requires_grad_())
    output, expected = convolution(inputs[0]), plain(inputs[1])
    torch.testing.assert_close(output, expected)
    for scores in (output, expected):
        (scores * torch.arange(scores.numel()).view(scores.shape)).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    torch.testing.assert_close(convolution.weight.grad, plain.weight.grad)
    assert convolution.bias is not None
    assert plain.bias is not None
    torch.testing.assert_close(convolution.bias.grad, plain.bias.grad)
