"""Every method on every network of the catalogue that classifies images, with its verdicts: a contract."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from convworks.errors import InputError
from convworks.explain.attribution import attribute as attribution
from convworks.explain.attribution import curves, integrated, occlusion, verdict
from convworks.explain.attribution.methods import METHODS
from convworks.explain.attribution.passes import outputs_of
from convworks.explain.attribution.target import Target, class_target, predicted, unit_target
from convworks.layers.network import without_auxiliary
from convworks.models import NAMES
from convworks.models.catalogue import Shape, create, facts

IMAGES = [name for name in NAMES if facts(name).makes == "logits" and facts(name).reads == "images"]
DENSE = [name for name in NAMES if facts(name).makes == "map of logits"]
#: Quick to run; the others differ in depth and width only.
QUICK = ["lenet5", "convnet_digits", "resnet20", "perceptron"]
#: Networks whose head is linear in the mean of each of the last maps.
LINEAR = ("resnet", "plain", "googlenet", "bn_inception", "inception", "convnet_color", "convnet_photo")
#: 1,202 layers without shortcuts: the gradient is a million million times the score, so that this bends within any step
#: that float64 can take, and other rules of the way back overflow. The verdicts say so.
CHAOTIC = ("plain1202",)
#: The side of the images, where that of the paper would take long; those with a side of their own keep it.
SIDE = 64


def shape_of(name: str) -> Shape:
    published = facts(name).shape
    fixed = max(published.size) <= SIDE or name.startswith(("inception", "googlenet", "bn_inception", "alexnet", "zf"))
    size = published.size if fixed else (SIDE, SIDE)
    return Shape(classes=5 if not name.startswith("lenet5") else 10, channels=published.channels, size=size)


@torch.no_grad()
def measure_statistics(network: nn.Module, images: torch.Tensor) -> None:
    """Give normalisation the statistics of these images."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(images)
    network.eval()


def refused(method: str, name: str, target: Target) -> str:
    """Return what a network says of a method that it cannot do, or nothing."""
    if method == "cam":
        return (
            "explains classes of images, not"
            if target.tap or target.where is not None
            else ""
            if name.startswith(LINEAR)
            else "head"
        )
    return "needs maps|is a vector" if method == "grad-cam" and name.startswith("perceptron") else ""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in (*IMAGES, *DENSE)]
)
def test_every_method_explains_every_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are, but for fewer points on a path, windows, parts, random orders and random networks."""
    monkeypatch.setattr(integrated, "FEWEST", 8)
    monkeypatch.setattr(integrated, "MOST", 8)
    monkeypatch.setattr(occlusion, "WINDOWS", 2)
    monkeypatch.setattr(curves, "curve", partial(curves.curve, steps=2))
    monkeypatch.setattr(attribution, "random_areas", partial(curves.random_areas, orders=1))
    monkeypatch.setattr(verdict, "DRAWS", 2)
    torch.manual_seed(0)
    shape = shape_of(name)
    network = without_auxiliary(create(name, shape)).eval()
    images = torch.randn(2, shape.channels, *shape.size)
    outputs = outputs_of(network, images)
    if not outputs.isfinite().all():  # 600 residual blocks without statistics of their own overflow
        measure_statistics(network, images)
        outputs = outputs_of(network, images)
    target = class_target("the class", predicted(outputs), outputs)
    last = [tap for tap in network.taps if not tap.startswith("head")][-1]
    unit = unit_target("a unit", (0,), outputs_of(network, images[:1], last), tap=last)
    for each, batch in ((target, images), (unit, images[:1])):
        expected = {method: reason for method in METHODS if (reason := refused(method, name, each))}
        attributed = attribution.attribute(network, batch, each, METHODS, required=())
        assert attributed.impossible.keys() == expected.keys()
        for method, reason in expected.items():
            with pytest.raises(InputError, match=reason):
                METHODS[method].attribute(network, batch, each)
        for method, found in attributed.by_method.items():
            assert found.pixels.shape == (len(batch), *shape.size)
            assert len(found.verdicts) == len(batch)
            assert all(
                bool(found.pixels[n].isfinite().all()) or (name in CHAOTIC and row.empty)
                for n, row in enumerate(found.verdicts)
            )
            assert all(row.empty or found.pixels[n].any() for n, row in enumerate(found.verdicts))
            if method == "gradient":
                assert all(row.kept == (name not in CHAOTIC) for row in found.verdicts)
            if (quick := METHODS[method].quick) is not None:
                assert quick(network, batch, each).shape == found.values.shape
