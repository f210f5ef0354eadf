"""Outputs of layers, kernels, patches: against what the network itself computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from small_bundles import small_bundle
from torch import nn

import convworks
from convworks.bundle.bundle import save_bundle
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.images import ImageInput
from convworks.errors import InputError, RunError
from convworks.explain.features.field import fields_at
from convworks.explain.features.kernels import first_convolution, kernels
from convworks.explain.features.layer import Layer, layer_at, layers, outputs_at
from convworks.explain.features.patches import patch, strongest
from convworks.inference.load import load
from convworks.inference.predictor import Predictor
from convworks.models.catalogue import create
from convworks.ops.receptive import Field


@pytest.fixture(scope="module")
def predictor(any_run: Path) -> Predictor:
    return load(any_run, device="cpu")


def test_the_output_of_a_tap_is_its_activation(predictor: Predictor) -> None:
    network, images = predictor.trained, torch.randn(3, 1, *predictor.input.size)
    for tap in network.taps:
        expected = network.activations(images, [tap])[tap]
        assert torch.equal(outputs_at(network, layer_at(network, tap), images), expected)


def test_a_layer_inside_a_tap_has_both_names() -> None:
    network = create("resnet20").eval()
    assert layer_at(network, "stages.stage1.block1.body.0") == layer_at(network, "stage1.block1.body.0")
    with pytest.raises(InputError, match=r"tap: there is no tap 'stage9' \(did you mean 'stage"):
        layer_at(network, "stage9")
    assert not any(module._forward_hooks for module in network.modules())


def test_maps_that_overflow_are_refused(tmp_path: Path) -> None:
    bundle = small_bundle("convnet_digits", 16)
    nn.init.constant_(bundle.network.stem.conv.weight, 1e38)  # type: ignore[union-attr, arg-type]
    save_bundle(tmp_path / "bundle", bundle)
    image = np.full((16, 16, 3), 255, np.uint8)
    for view in ("maps", "field", "invert"):
        with pytest.raises(RunError, match=r"stem\.conv: is NaN or infinite: its values overflow"):
            convworks.visualise(tmp_path / "bundle", view, images=image, tap="stem.conv", device="cpu")


def test_kernels_are_the_weights() -> None:
    network = create("lenet5")
    first = first_convolution(layers(network))
    assert first == "stem.c1"
    values = kernels(layer_at(network, first))
    assert values.shape == (6, 1, 5, 5)
    np.testing.assert_array_equal(values, network.state_dict()["stem.c1.weight"].numpy())
    with pytest.raises(InputError, match=r"--tap: stem \(Sequential\) has no kernels of its own; name stem.c1"):
        kernels(layer_at(network, "stem"))


def test_partial_and_up_convolutions_have_output_channels_first() -> None:
    assert kernels(layer_at(create("lenet5"), _named("lenet5", "PartialConv2d"))).shape == (16, 6, 5, 5)
    weights = kernels(layer_at(create("unet"), _named("unet", "ConvTranspose2d")))
    assert weights.shape[0] * 2 == weights.shape[1]


def test_kernels_of_a_grouped_up_convolution_are_its_answers_to_single_pixels() -> None:
    layer = nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False)
    values = kernels(Layer(name="up", module=layer))
    assert values.shape == (6, 2, 3, 3)
    for channel in range(4):
        pixel = torch.zeros(1, 4, 1, 1)
        pixel[0, channel] = 1
        answer = layer(pixel)[0].detach().numpy()
        group = slice(0, 3) if channel < 2 else slice(3, 6)
        np.testing.assert_array_equal(values[group, channel % 2], answer[group])


def _named(network: str, kind: str) -> str:
    return next(name for name, module in layers(create(network)).items() if type(module).__name__ == kind)


def test_the_strongest_units_of_a_source(predictor: Predictor) -> None:
    """Against the maps of all images at once; the patch is the part of the image that the unit depends on."""
    network, reads = predictor.trained, predictor.input
    assert isinstance(reads, ImageInput)
    images = torch.randint(0, 256, (40, 1, *reads.size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    layer = layer_at(network, "stem")
    best = strongest(network, layer, images, reads, most=3)
    with torch.no_grad():
        maps = outputs_at(network, layer, reads.normalise(images))
    peaks = maps.flatten(2).max(2).values
    expected = peaks.sort(0, descending=True).values[:3].T
    np.testing.assert_allclose(best.values, expected.numpy(), rtol=1e-6)
    fields = fields_at(network, layer, 1, reads.size)
    for channel in (0, 1):
        index, unit = int(best.images[channel, 0]), best.units[channel, 0].tolist()
        assert maps[(index, channel, *unit)] == pytest.approx(float(best.values[channel, 0]), rel=1e-6)
        cut = patch(images, index, unit, fields, reads)
        (top, bottom), (left, right) = (field.span(at) or (0, 0) for field, at in zip(fields, unit, strict=True))
        assert cut.shape == (bottom - top + 1, right - left + 1, 1)
        inside = images[index, 0, max(top, 0) : bottom + 1, max(left, 0) : right + 1].numpy()
        y, x = max(-top, 0), max(-left, 0)
        np.testing.assert_array_equal(cut[y : y + inside.shape[0], x : x + inside.shape[1], 0], inside)


def test_a_patch_of_a_field_larger_than_the_image_is_as_large_as_the_image() -> None:
    """Only along that axis; what the unit cannot see is grey."""
    images = torch.arange(20, dtype=torch.uint8).view(1, 1, 4, 5)
    fields = (Field(spans=((-5, 1),), step=2), Field(spans=((-1, 1),), step=2))
    reads = ImageInput(Preprocessing(size=(4, 5), channels=1, fit="crop", mean=(0,), std=(1,)))
    cut = patch(images, 0, (0, 1), fields, reads)[..., 0]
    assert cut.tolist() == [[1, 2, 3], [6, 7, 8], [128] * 3, [128] * 3]
    assert patch(images, 0, (2, 0), fields, reads)[..., 0].tolist() == [[128, n, n + 1] for n in (0, 5, 10, 15)]


def test_a_patch_that_is_padding_alone_is_grey() -> None:
    """A unit whose window lies beyond the border, before the image or behind it."""
    images = torch.arange(20, dtype=torch.uint8).view(1, 1, 4, 5)
    fields = (Field(spans=((-5, -3),), step=8), Field(spans=((0, 1),), step=1))
    reads = ImageInput(Preprocessing(size=(4, 5), channels=1, fit="crop", mean=(0,), std=(1,)))
    for unit in ((0, 0), (2, 3)):  # rows -5 to -3, and 11 to 13
        assert patch(images, 0, unit, fields, reads)[..., 0].tolist() == [[128] * 2] * 3


def test_the_history_of_a_run_ends_with_its_last_weights(long_run: Path) -> None:
    (shown,) = convworks.visualise(long_run, "history")
    saved = sorted((long_run / "checkpoints").glob("*.safetensors"))
    assert shown.arrays["steps"].tolist() == [int(path.stem.removeprefix("step-")) for path in saved]
    name = shown.values["layer"]
    for values, path in zip(shown.arrays["kernels"], saved, strict=True):
        np.testing.assert_array_equal(values, load_file(path)[f"network.{name}.weight"])
    image = np.zeros((8, 8), np.uint8)
    (shown,) = convworks.visualise(long_run, "history", images=image, tap="stem")
    assert len(shown.arrays["maps"]) == len(saved)
