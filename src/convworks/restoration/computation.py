"""How the network of a fit is computed: precision, memory layout, and what an iteration costs."""

from __future__ import annotations

import time
from bisect import bisect_left
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from convworks.hardware import seed_torch
from convworks.inference.runtime import mixed
from convworks.layers.network import Network
from convworks.models.catalogue import Shape, create
from convworks.restoration.fit import Fit, Forward, Setup, begin, prepare, step
from convworks.restoration.observation import Observation
from convworks.restoration.problems import Fitting
from convworks.restoration.rules import ITERATIONS, RULES

#: Pixels of the side of the picture that an iteration is timed on, at most: a GPU is idle in between on a small one.
PROBE = {"cpu": 192}
WARM, TIMED = 2, 3
LARGEST = 512  # a square that every network fits


@dataclass(frozen=True, kw_only=True)
class Computation:
    """Where and how a network is computed; `channels` are those of its input, `classes` those of the picture."""

    model: str
    channels: int
    classes: int
    device: torch.device
    precision: torch.dtype

    def begin(self, setup: Setup) -> Fit:
        """Return the fit of a network with new weights, which depend on its seed alone, before its first iteration.

        The last layer of one with a base is zero, so that its first output is the base.
        """
        seed_torch(setup.seed, self.device)
        shape = Shape(classes=self.classes, channels=self.channels, size=setup.observation.size)
        network = create(self.model, shape)
        if setup.base is not None:
            layers, _ = _head(network)
            for parameter in layers[-1].parameters():
                nn.init.zeros_(parameter)
        network = network.to(self.device).channels_last().train()
        return begin(setup, network, self._forward(network, setup.base))

    def _forward(self, network: Network, base: Float32[Tensor, "1 c h w"] | None) -> Forward:
        """Return the function from the input to the picture: products in `precision`, its values in float32."""
        layers, sigmoid = _head(network)
        body = nn.Sequential(network.stem, network.stages, *layers)

        def compute(inputs: Tensor) -> Tensor:
            with mixed(self.device, self.precision):
                logits = body(inputs)
            logits = logits.float()  # bfloat16 is too coarse for a picture
            image: Tensor = sigmoid(logits if base is None else logits + base)
            return image

        return compute


def _head(network: Network) -> tuple[list[nn.Module], nn.Module]:
    """Return the layers of the head before its sigmoid, and the sigmoid."""
    assert isinstance(network.head, nn.Sequential)
    *layers, sigmoid = network.head
    assert isinstance(sigmoid, nn.Sigmoid)
    return layers, sigmoid


def seconds_per_pixel(computation: Computation, fitting: Fitting, size: tuple[int, int]) -> float:
    """Return what an iteration on a picture of this size costs a pixel, measured on a part of it."""
    height, width = (min(PROBE.get(computation.device.type, length), length) for length in size)
    observation = Observation(
        values=torch.full((1, computation.classes, height, width), 0.5),
        known=torch.ones(1, 1, height, width, dtype=torch.bool),
        size=(height, width),
        operator=lambda image: image,
    ).to(computation.device)
    setup = prepare(
        observation,
        channels=computation.channels,
        fitting=fitting,
        rule=RULES[ITERATIONS],
        iterations=None,
        seed=0,
    )
    fit = computation.begin(setup)
    seconds = []
    for _ in range(WARM + TIMED):
        started = time.perf_counter()
        step(setup, fit)
        seconds.append(time.perf_counter() - started)
    return min(seconds[WARM:]) / (height * width)


def smallest_side(computation: Computation) -> int:
    """Return the side of the smallest square that a network can be fitted to."""
    with torch.device("meta"):
        network = create(computation.model, Shape(classes=1, channels=computation.channels, size=(512, 512))).train()

    def fits(side: int) -> bool:
        try:
            network(torch.empty(1, computation.channels, side, side, device="meta"))
        except (RuntimeError, ValueError):  # ValueError: nothing left to normalise
            return False
        return True

    return bisect_left(range(LARGEST), True, lo=1, key=fits)
