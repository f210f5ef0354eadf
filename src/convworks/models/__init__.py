"""Architectures as tables: one file and one builder per paper. This module holds only their names."""

from __future__ import annotations

from typing import Any

from convworks.errors import InputError, nearest

CIFAR_DEPTHS = (20, 32, 44, 56, 110, 1202)
IMAGENET_DEPTHS = (18, 34, 50, 101, 152)

FAMILIES: dict[str, tuple[str, ...]] = {
    "lenet": ("lenet5", "lenet5_modern"),
    "convnet": ("convnet_digits", "convnet_fast", "convnet_accurate", "convnet_color", "convnet_photo"),
    "alexnet": ("alexnet", "alexnet_torchvision", "zfnet", "zfnet_wide"),
    "vgg": (
        *("vgg_a", "vgg_a_lrn", "vgg_b", "vgg_c", "vgg_d", "vgg_e"),
        *("vgg_a_bn", "vgg_b_bn", "vgg_d_bn", "vgg_e_bn"),
    ),
    "resnet": (
        *(f"resnet{depth}" for depth in IMAGENET_DEPTHS),
        *(f"resnet{depth}_v1_5" for depth in (50, 101, 152)),
        *("resnet18_a", "resnet34_a", "resnet34_c", "plain18", "plain34"),
    ),
    "resnet_cifar": (
        *(f"resnet{depth}" for depth in CIFAR_DEPTHS),
        *(f"plain{depth}" for depth in CIFAR_DEPTHS),
    ),
    "googlenet": ("googlenet", "googlenet_torchvision"),
    "bn_inception": ("bn_inception",),
    "inception": ("inception_v2", "inception_v3"),
    "unet": ("unet", "unet_padded", "prior_unet"),
    "encoder_unet": ("unet_resnet18", "unet_resnet34", "unet_resnet50_v1_5", "unet_vgg16", "unet_vgg16_bn"),
    "fcn": ("fcn32s", "fcn16s", "fcn8s", "fcn8s_resnet18"),
    "hourglass": (
        *("prior_denoise", "prior_denoise_narrow", "prior_inpaint", "prior_jpeg", "prior_meshgrid"),
        *("prior_hole6", "prior_hole4", "prior_hole2"),
    ),
    "prior_resnet": ("prior_resnet",),
    "autoencoder": (
        *("autoencoder_fc", "autoencoder_fc_untied", "autoencoder_fc_deep", "autoencoder_linear"),
        *("autoencoder_denoising", "autoencoder_conv"),
    ),
    "perceptron": ("perceptron", "perceptron_wide"),
    "textcnn": ("textcnn", "textcnn_rand", "textcnn_static", "textcnn_nonstatic", "textcnn_multichannel"),
    "waveform": ("m3", "m5", "m11", "m18"),
    "c3d": ("c3d",),
    "airbench": ("airbench94",),
    "ensemble": ("ensemble_best",),
}

NAMES: tuple[str, ...] = tuple(name for names in FAMILIES.values() for name in names)

#: Families with networks that output something other than logits (see `Facts.makes`).
MAKERS = ("unet", "encoder_unet", "fcn", "hourglass", "prior_resnet", "autoencoder", "own")

#: Networks registered by the user (models/own.py), each like a module of this package.
OWN: dict[str, Any] = {}


def family(name: str) -> str:
    """Return the module under `convworks.models` that holds a network's table; unknown names raise InputError."""
    for module, names in FAMILIES.items():
        if name in names:
            return module
    if name in OWN:
        return "own"
    raise InputError(
        "model", f"there is no network {name!r}{nearest(name, (*NAMES, *OWN))}", "`convworks models` lists them"
    )
