"""The methods by name: each a row of this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor, nn

from convworks.errors import InputError
from convworks.explain.attribution import gradients, promises, rectifiers
from convworks.explain.attribution.cam import cam, grad_cam
from convworks.explain.attribution.integrated import FEWEST, integrate, integrated_gradients
from convworks.explain.attribution.occlusion import occlusion
from convworks.explain.attribution.passes import BackwardRule
from convworks.explain.attribution.target import Target

#: (network, images [b c *size], target) -> a value of each channel of each pixel, or of each pixel.
Attribute = Callable[[nn.Module, Tensor, Target], Tensor]
#: (network, images, target, values) -> the error of a promise, for each image.
Promise = Callable[[nn.Module, Tensor, Target, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method: what it computes, and how its values are read.

    A `signed` value is a contribution: those of the channels of a pixel are added, and those against the score are
    negative. Others say how strongly a pixel counts: the largest magnitude of its channels. `promised` names what
    `promise` measures. `quick` computes the same with fewer points, for tests that repeat it; `rule` is that of its way
    back; `mapped` methods weigh the maps of taps. `coarse` maps have few numbers, spread over many pixels.
    """

    title: str
    attribute: Attribute
    signed: bool
    promised: str = ""
    promise: Promise | None = None
    quick: Attribute | None = None
    rule: BackwardRule | None = None
    mapped: bool = False
    coarse: bool = False
    taps: tuple[str, ...] = ()

    def pixels(self, values: Tensor, images: Tensor) -> Tensor:
        """Return one value for each pixel [b *size]."""
        if values.ndim < images.ndim:
            return values
        return values.sum(1) if self.signed else values.abs().amax(1)


def _few_points(network: nn.Module, images: Tensor, target: Target) -> Tensor:
    return integrate(network, images, target, most=FEWEST).values


def _tiles(network: nn.Module, images: Tensor, target: Target) -> Tensor:
    side = max(1, min(images.shape[2:]) // 8)
    return occlusion(network, images, target, window=side, step=side)


METHODS: Mapping[str, Method] = {
    "gradient": Method(
        title="Gradient",
        attribute=gradients.gradient,
        signed=False,
        promised="sensitivity",
        promise=promises.sensitivity,
    ),
    "gradient-x-input": Method(
        title="Gradient x input",
        attribute=gradients.gradient_times_input,
        signed=True,
    ),
    "integrated-gradients": Method(
        title="Integrated gradients",
        attribute=integrated_gradients,
        signed=True,
        promised="completeness",
        promise=promises.completeness,
        quick=_few_points,
    ),
    "smoothgrad": Method(
        title="SmoothGrad",
        attribute=gradients.smoothgrad,
        signed=False,
        quick=partial(gradients.smoothgrad, samples=8),
    ),
    "guided-backpropagation": Method(
        title="Guided backpropagation",
        attribute=gradients.guided_backpropagation,
        signed=False,
        rule=rectifiers.guided,
    ),
    "deconvnet": Method(
        title="Deconvnet",
        attribute=gradients.deconvnet,
        signed=False,
        rule=rectifiers.deconvnet,
    ),
    "grad-cam": Method(title="Grad-CAM", attribute=grad_cam, signed=True, mapped=True, coarse=True),
    "cam": Method(
        title="CAM",
        attribute=cam,
        signed=True,
        coarse=True,
        promised="completeness",
        promise=promises.map_completeness,
    ),
    "occlusion": Method(title="Occlusion", attribute=occlusion, signed=True, quick=_tiles, coarse=True),
}


def with_taps(methods: Mapping[str, Method], taps: Sequence[str]) -> dict[str, Method]:
    """Return methods of which those that weigh maps take them from these taps; InputError if there is none."""
    if taps and not any(method.mapped for method in methods.values()):
        raise InputError("--tap", f"is for grad-cam, not for {', '.join(methods)}", "leave it out")
    if not taps:
        return dict(methods)
    at = tuple(taps)
    return {
        name: replace(method, attribute=partial(grad_cam, taps=at), taps=at) if method.mapped else method
        for name, method in methods.items()
    }
