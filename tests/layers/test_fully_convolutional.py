"""Fully connected layers as convolutions, on the real networks and on larger images."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convworks.errors import InputError
from convworks.layers.fully_convolutional import fully_convolutional, to_convolution, to_fully_connected
from convworks.layers.network import Network
from convworks.models import NAMES
from convworks.models.catalogue import create, facts

SMALL = [name for name in NAMES if "1202" not in name and "110" not in name]


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
    assert isinstance(create("lenet5"), Network)
