"""Bundles of untrained networks, for tests that ask what becomes of a network rather than how good it is."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from convworks.bundle.bundle import Bundle
from convworks.data.decode.preprocess import Preprocessing
from convworks.layers.network import without_auxiliary
from convworks.models.catalogue import Shape, create
from convworks.models.config import ModelConfig
from convworks.tasks.registry import named

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
#: Fields of the table that make a network that segments small.
NARROW = {"widths": (4, 8), "dropout": 0.0}
#: What runs each format, besides what converts a network.
LIBRARIES = {"onnx": ("onnxscript", "onnxruntime"), "openvino": ("onnxscript", "openvino"), "pt2": ()}


def small_bundle(
    name: str,
    side: int,
    *,
    task: str = "classification",
    classes: str = "abcde",
    table: Mapping[str, Any] | None = None,
    fit: str = "crop",
) -> Bundle:
    """Make a bundle whose batch normalisation has seen images, for square images of three colours."""
    kind = named(task, "test")
    names = () if task == "reconstruction" else tuple(classes)
    torch.manual_seed(0)
    network = create(name, Shape(classes=kind.outputs(names, 3), channels=3, size=(side, side)), table=table)
    normalised = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [module.momentum for module in normalised]
    for module in normalised:
        module.momentum = None  # the statistics are those of the images alone: deep networks explode otherwise
    with torch.no_grad():
        network.train()(torch.randn(8, 3, side, side))
    for module, momentum in zip(normalised, momenta, strict=True):
        module.momentum = momentum
    return Bundle(
        network=without_auxiliary(network).eval(),
        model=ModelConfig(name=name, table=dict(table or {})),
        preprocessing=Preprocessing(size=(side, side), channels=3, fit=fit, mean=MEAN, std=STD),
        classes=names,
        record={},
        task=kind,
    )


def formats(*names: str) -> list[Any]:
    """Return names of formats as parameters of a test, skipped where the extra `deploy` is not installed."""
    return [pytest.param(name, marks=needs(name)) for name in names]


def needs(name: str) -> pytest.MarkDecorator:
    """Return the mark that skips a test where a format's libraries are not installed."""
    missing = [library for library in LIBRARIES[name] if importlib.util.find_spec(library) is None]
    return pytest.mark.skipif(bool(missing), reason=f'{", ".join(missing)} missing: pip install "convworks[deploy]"')
