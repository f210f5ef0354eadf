"""U-Nets on classifiers: counts by hand, sizes, the weights that they start from, and transfer."""

from __future__ import annotations

import pytest
import torch

from convworks.layers.cut import body, default_cut, end_of_encoder
from convworks.models.analysis.count import count_published
from convworks.models.catalogue import Shape, create
from convworks.models.transfer.adapted import adapt, kept_parts, new_parts
from convworks.models.transfer.head_config import PixelHead, UNetHead


def twice(channels: int, width: int) -> int:
    """Count two 3x3 convolutions, and the scales and shifts of their normalisation."""
    return 9 * width * (channels + width) + 4 * width


def way_up(*channels: int) -> int:
    """Count the way up from the coarsest map over skip connections of these channels; 0 for the image."""
    total, below = 0, channels[0]
    for skip, width in zip(channels[1:], (256, 128, 64, 32, 16), strict=True):
        total, below = total + twice(below + skip, width), width
    return total + 16 * 21 + 21


PARAMETERS = {
    "unet_resnet18": 11_176_512 + way_up(512, 256, 128, 64, 64, 0),
    "unet_resnet34": 21_284_672 + way_up(512, 256, 128, 64, 64, 0),
    "unet_resnet50_v1_5": 23_508_032 + way_up(2048, 1024, 512, 256, 64, 0),
    "unet_vgg16": 14_714_688 + way_up(512, 512, 512, 256, 128, 64),
    "unet_vgg16_bn": 14_714_688 + 8_448 + way_up(512, 512, 512, 256, 128, 64),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name: str) -> None:
    assert count_published(name).parameters == PARAMETERS[name]
    assert PARAMETERS["unet_resnet18"] == 14_328_421, "as the network of segmentation_models.pytorch, whose last is 3x3"


def test_it_computes_what_is_drawn() -> None:
    torch.manual_seed(0)
    shape = Shape(classes=3, channels=3, size=(61, 40))
    network, images = create("unet_resnet18", shape).eval(), torch.randn(1, 3, 61, 40)
    skips = ["conv4_x", "conv3_x", "conv2_x", "stem"]
    with torch.no_grad():
        kept = network.activations(images, [*skips, "conv5_x"])
        x = kept["conv5_x"]
        for part, finer in zip(
            network.tapped("decoder").children(), [*(kept[tap] for tap in skips), images], strict=True
        ):
            height, width = finer.shape[2:]
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, :height, :width]
            x = part.get_submodule("body")(x if finer is images else torch.cat([finer, x], 1))
        torch.testing.assert_close(network(images), network.get_submodule("head.logits")(x))
    assert network.taps[-8:] == (*(f"decoder.up{n}" for n in (5, 4, 3, 2, 1)), "decoder", "head.logits", "head")


@pytest.mark.parametrize("size", [(180, 240), (1, 1), (33, 47)])
def test_every_size_comes_back(size: tuple[int, int]) -> None:
    for name in ("unet_resnet18", "unet_vgg16"):
        with torch.device("meta"):
            network = create(name, Shape(classes=2, channels=3, size=size)).eval()
            assert network(torch.zeros(1, 3, *size)).shape == (1, 2, *size)


def test_cuts_and_what_is_new() -> None:
    shape = Shape(classes=2, channels=3, size=(64, 64))
    network = create("unet_resnet18", shape)
    assert (default_cut(network), end_of_encoder(network)) == ("decoder", "conv5_x")
    stages = tuple(f"conv{n}_x" for n in (2, 3, 4, 5))
    assert kept_parts(network, "conv5_x") == ("stem", *stages)
    assert new_parts(network, "conv5_x") == ("decoder", "head.logits")
    images = torch.randn(1, 3, 64, 64)
    other = adapt(network, "decoder", PixelHead(), Shape(classes=7, channels=3, size=(64, 64)))
    assert other.eval()(images).shape == (1, 7, 64, 64)
    part = body(network.eval(), "decoder.up3")
    torch.testing.assert_close(part(images), network.activations(images, ["decoder.up3"])["decoder.up3"])
    again = adapt(network, "conv4_x", UNetHead(), shape).eval()
    assert again(images).shape == (1, 2, 64, 64)
