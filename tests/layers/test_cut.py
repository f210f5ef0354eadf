"""Networks cut at every tap at which they can be."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from convworks.errors import InputError
from convworks.layers.cut import body, check_cut, cut_points, default_cut
from convworks.layers.network import Network
from convworks.models.catalogue import Shape, create

THIN: dict[str, Any] = {"widths": (4, 8, 16, 16, 16), "hidden": (32, 32), "side": 1}

#: name: (table, classes, channels, size)
NETWORKS: dict[str, tuple[dict[str, Any], int, int, int]] = {
    "lenet5": ({}, 10, 1, 32),
    "convnet_digits": ({}, 10, 1, 8),
    "alexnet": ({}, 5, 3, 67),
    "vgg_a_bn": (THIN, 5, 3, 32),
    "resnet18": ({}, 5, 3, 40),
    "resnet20": ({}, 5, 3, 16),
    "googlenet": ({}, 5, 3, 64),
    "inception_v3": ({}, 5, 3, 80),
    "airbench94": ({}, 5, 3, 32),
    "autoencoder_fc_deep": ({}, 1, 1, 12),
    "autoencoder_conv": ({}, 1, 1, 12),
    "unet_padded": ({}, 2, 1, 32),
    "unet_resnet18": ({}, 2, 3, 45),
    "fcn8s_resnet18": ({}, 2, 3, 45),
    "ensemble_best": ({}, 5, 1, 28),
}


def made(name: str) -> tuple[Network, torch.Tensor]:
    table, classes, channels, size = NETWORKS[name]
    torch.manual_seed(0)
    network = create(name, Shape(classes=classes, channels=channels, size=(size, size)), table=table).eval()
    return network, torch.randn(2, channels, size, size)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_left_computes_the_activation_at_the_tap_under_the_same_names(name: str) -> None:
    network, images = made(name)
    taps = tuple(cut_points(network))
    whole = network.state_dict()
    with torch.no_grad():
        expected = {tap: network.activations(images, [tap])[tap] for tap in taps}
        for tap in taps:
            kept = body(network, tap)
            assert torch.equal(kept(images), expected[tap]), tap
            assert all(torch.equal(value, whole[key]) for key, value in kept.state_dict().items()), tap


DEFAULTS = {
    "lenet5": "head.features",
    "convnet_digits": "head.dropout",
    "vgg_a_bn": "head.dropout7",
    "resnet20": "head.features",
    "airbench94": "head.features",
    "autoencoder_fc_deep": "encoder",
    "autoencoder_conv": "hourglass.down2",
    "unet_padded": "hourglass",
    "unet_resnet18": "decoder",
    "fcn8s_resnet18": "head.features",
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_is_before_the_last_layer_or_the_code(name: str) -> None:
    assert default_cut(made(name)[0], encoder=name.startswith("autoencoder")) == DEFAULTS[name]


def test_taps_beside_the_flow_are_refused() -> None:
    with pytest.raises(InputError, match="is not the only input to the rest of the network"):
        check_cut(made("unet_padded")[0], "hourglass.across1")
    with pytest.raises(InputError, match="is not the only input to the rest"):
        check_cut(made("ensemble_best")[0], "members.member1")
    with pytest.raises(InputError, match="no default cut"):
        default_cut(made("ensemble_best")[0])
    with pytest.raises(InputError, match=r"no tap 'stage4'.*did you mean.*valid taps: stem, stage1.block1"):
        check_cut(made("resnet20")[0], "stage4")
