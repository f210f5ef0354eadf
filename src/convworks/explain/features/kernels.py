"""The kernels of a layer, as images on one signed scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from torch import nn

from convworks.errors import InputError
from convworks.explain.features.layer import Layer
from convworks.layers.partial import PartialConv2d

COLOURS = 3
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WITH_KERNELS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED, PartialConv2d)


def kernels(layer: Layer) -> Float32[np.ndarray, "o i h w"]:
    """Return the kernels of a convolution: output channels, input channels (of a group), height, width.

    Those of signals have one row; the slices of volumes are below each other. Raises InputError for a layer without
    kernels, or one that holds several layers.
    """
    module: Any = layer.module
    if not isinstance(module, WITH_KERNELS):
        inside = [name for name, part in module.named_modules() if name and isinstance(part, WITH_KERNELS)]
        remedy = f"name {layer.name}.{inside[0]}" if inside else "name a convolution"
        raise InputError("--tap", f"{layer.name} ({type(module).__name__}) has no kernels of its own", remedy)
    weight = module.dense_weight() if isinstance(module, PartialConv2d) else module.weight
    values: np.ndarray = weight.detach().float().cpu().numpy()
    if isinstance(module, TRANSPOSED):  # PyTorch stores input channels first, those of all groups
        values = np.concatenate([group.swapaxes(0, 1) for group in np.split(values, module.groups)])
    if values.ndim == 3:
        return np.ascontiguousarray(values[:, :, None])
    o, i, *size = values.shape
    return np.ascontiguousarray(values.reshape(o, i, -1, size[-1]))


def first_convolution(modules: dict[str, nn.Module]) -> str:
    """Return the name of the first layer with kernels; InputError if there is none."""
    for name, module in modules.items():
        if isinstance(module, WITH_KERNELS):
            return name
    raise InputError("--tap", "the network has no convolution", "choose another view")


def in_colour(kernel: Float32[np.ndarray, "3 h w"], scale: float) -> UInt8[np.ndarray, "h w 3"]:
    """Return a kernel on three colours as an image: 0 is grey, -scale black and scale full colour."""
    return (127.5 + 127.5 * np.clip(kernel / scale, -1, 1)).round().astype(np.uint8).transpose(1, 2, 0)
