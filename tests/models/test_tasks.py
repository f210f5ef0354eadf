"""One contract for the networks that are no image classifiers: segmentation, restoration, codes, text, sound, video."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from thorough import shallow_first
from torch import Tensor

from convworks.layers.blank import unfilled
from convworks.models import FAMILIES
from convworks.models.analysis.count import count_published
from convworks.models.analysis.describe import describe
from convworks.models.analysis.meta import without_values
from convworks.models.catalogue import Shape, create, example, facts

TASKS = ("unet", "encoder_unet", "fcn", "hourglass", "prior_resnet", "autoencoder", "textcnn", "waveform", "c3d")
NAMES = [name for family in TASKS for name in FAMILIES[family]]
#: One of each make: the others differ in widths and depths only.
LIGHT = [
    *("unet_resnet18", "fcn8s_resnet18", "prior_unet", "prior_denoise", "prior_jpeg", "prior_hole2", "prior_resnet"),
    *("autoencoder_fc", "autoencoder_fc_deep", "autoencoder_linear", "autoencoder_conv"),
    *("textcnn_static", "textcnn_multichannel", "m3", "m11"),
]
#: Sizes that keep a test short: the smallest of several halvings, or odd ones.
SMALL = {
    "encoder_unet": (37, 50),
    "fcn": (37, 50),
    "hourglass": (33, 36),
    "prior_resnet": (13, 10),
    "textcnn": (9,),
    "waveform": (1111,),
}
SIZES = {"prior_unet": (35, 38), "autoencoder_conv": (27, 30)}
WORDS = 200

PARAMETERS = {
    "unet": 31_030_658,
    "unet_padded": 31_030_658,
    "prior_denoise": 2_217_831,
    "prior_inpaint": 3_002_627,
    "prior_jpeg": 572_827,
    "autoencoder_fc": 784 * 128 + 128 + 784,
    "autoencoder_fc_untied": 2 * 784 * 128 + 128 + 784,
    "autoencoder_fc_deep": 2_837_314,
    "autoencoder_denoising": 784 * 1000 + 1000 + 784,
    "textcnn_static": 360_902,
    "textcnn_rand": 360_902 + 18_766 * 300,
    "m5": 558_090,
    "c3d": 79_991_015,
}


def shape_of(name: str) -> Shape:
    """Return the published shape with a small size."""
    family = next(family for family in TASKS if name in FAMILIES[family])
    published_shape = facts(name).shape
    channels = WORDS if family == "textcnn" else published_shape.channels
    return dataclasses.replace(
        published_shape, channels=channels, size=SIZES.get(name, SMALL.get(family, published_shape.size))
    )


def result_shape(name: str, shape: Shape, batch: int) -> tuple[int, ...]:
    images = name.startswith(("unet", "fcn", "prior", "autoencoder"))
    return (batch, shape.classes, *shape.size) if images else (batch, shape.classes)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name: str) -> None:
    assert count_published(name).parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", shallow_first(NAMES))
def test_layers_add_up_and_printed_sizes_come_out(name: str) -> None:
    rows, total, network_facts = describe(name, batch=2).layers, count_published(name), facts(name)
    assert sum(row.parameters for row in rows) == total.parameters
    assert sum(row.macs for row in rows) == total.macs
    taps = [printed.tap for printed in network_facts.printed if printed.output]
    with without_values():
        activations = create(name).eval().activations(example(name), taps)
    for printed in network_facts.printed:
        if printed.output:
            channels, *size = activations[printed.tap].shape[1:]
            assert "x".join(map(str, (*size, channels))) == printed.output, printed.tap


@pytest.mark.parametrize("name", LIGHT)
def test_outputs_taps_and_export(name: str) -> None:
    shape = shape_of(name)
    torch.manual_seed(0)
    network, x = create(name, shape).eval(), example(name, shape, batch=2)
    assert unfilled(network) == ()
    activations = network.activations(x, network.taps)
    assert list(activations) == list(network.taps)
    assert activations["head"].shape == result_shape(name, shape, 2)
    assert torch.equal(activations["head"], network(x))
    with torch.no_grad():
        exported = torch.export.export(network, (x,)).module()
        torch.testing.assert_close(exported(x), network(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LIGHT)
def test_precision_and_layout(name: str) -> None:
    shape = shape_of(name)
    torch.manual_seed(0)
    network, x = create(name, shape).eval(), example(name, shape, batch=2)
    with torch.no_grad():
        expected = network.double()(to(x, torch.float64))
        actual = network.float().channels_last()(to(x, torch.float32))
        torch.testing.assert_close(actual.double(), expected, rtol=1e-3, atol=1e-3)
        rough = network.bfloat16()(to(x, torch.bfloat16))
    assert rough.dtype == torch.bfloat16
    assert (rough.double() - expected).abs().mean() <= 0.02 * expected.abs().max()


def to(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert images; token numbers stay."""
    return x.to(dtype) if x.is_floating_point() else x


@pytest.mark.parametrize("name", LIGHT)
def test_gradients_reach_every_trainable_parameter(name: str) -> None:
    shape = shape_of(name)
    torch.manual_seed(0)
    network = create(name, shape)
    x = example(name, shape, batch=3)
    output = network(x)
    (output * torch.randn_like(output)).sum().backward()
    normalised_next = ("bias",)  # what is added before batch normalisation is taken out again
    for parameter, value in network.named_parameters():
        if value.requires_grad:
            assert value.grad is not None, parameter
            assert value.grad.abs().sum() > 0 or parameter.endswith(normalised_next), parameter
        else:
            assert value.grad is None


@pytest.mark.parametrize("name", LIGHT)
def test_other_classes_and_channels(name: str) -> None:
    published_shape = shape_of(name)
    channels = 5 if not name.startswith("textcnn") else 50
    classes = channels if name.startswith("autoencoder") else 4
    shape = dataclasses.replace(published_shape, channels=channels, classes=classes)
    with torch.no_grad():
        assert create(name, shape).eval()(example(name, shape, batch=1)).shape == result_shape(name, shape, 1)


@pytest.mark.parametrize("name", shallow_first(NAMES))
def test_facts_say_what_goes_in_and_out(name: str) -> None:
    network_facts = facts(name)
    axes = {"text": 1, "signals": 1, "images": 2, "volumes": 3}
    assert len(network_facts.shape.size) == axes[network_facts.reads]
    with without_values():
        made = create(name).eval()(example(name))
    assert (made.ndim == 2) == (network_facts.makes == "logits")
    assert (tuple(made.shape[2:]) == network_facts.shape.size) == (network_facts.makes != "logits" and name != "unet")
