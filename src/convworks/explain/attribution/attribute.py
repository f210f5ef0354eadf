"""All methods on a batch: values, maps, verdicts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.explain.attribution.curves import random_areas
from convworks.explain.attribution.methods import Method
from convworks.explain.attribution.passes import has_rectifiers
from convworks.explain.attribution.target import Target
from convworks.explain.attribution.verdict import (
    FEWEST_PIXELS,
    TESTED,
    Verdict,
    Weights,
    undecided,
    verdicts,
    weight_tests,
)

Images = Float[Tensor, "b c *size"]
#: Called after each step of the work: the values of a method, its verdicts, the maps of a random network.
Report = Callable[[], None]
#: Steps for each method, besides one for each random network.
STEPS = 2


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """A method on a batch: its values, one of each pixel, the verdict on each image, and the test of its weights.

    `note` says where the network makes the method another one.
    """

    method: Method
    values: Float[Tensor, "b *c_and_size"]
    pixels: Float[Tensor, "b *size"]
    verdicts: tuple[Verdict, ...]
    weights: Weights
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Attributions:
    """Attributions by the name of their method.

    Others are `impossible` for the network, and the weights of some are `untested`: for the reasons that are given.
    """

    by_method: Mapping[str, Attribution]
    impossible: Mapping[str, str]
    untested: Mapping[str, str]


def attribute(
    network: nn.Module,
    images: Images,
    target: Target,
    methods: Mapping[str, Method],
    *,
    measured: nn.Module | None = None,
    required: Collection[str] | None = None,
    weights: Mapping[str, Weights] | None = None,
    report: Report = lambda: None,
) -> Attributions:
    """Explain a target by several methods, with verdicts.

    Insertion and deletion follow the scores of `measured`, by default the network: one with an activation behind it
    gives probabilities. `weights` are tests made before, on other images; by default they are made here. Raises
    InputError for a method that the network cannot do if it is `required` (None: all are), and for wrong taps.
    """
    values, impossible = _values(network, images, target, methods, required, report)
    possible = {name: methods[name] for name in values}
    scored = network if measured is None else measured
    chance = random_areas(scored, images, target)
    judged: dict[str, tuple[Verdict, ...]] = {}
    for name, method in possible.items():
        judged[name] = tuple(verdicts(network, scored, images, target, method, values[name], chance))
        report()
    untested = {} if weights else _untested(images, judged)
    tests = weights or _tests(network, images, target, possible, untested, report)
    rectified = any(method.rule is not None for method in possible.values()) and has_rectifiers(network, images, target)
    by_method = {
        name: Attribution(
            method=method,
            values=values[name],
            pixels=method.pixels(values[name], images),
            verdicts=judged[name],
            weights=tests[name],
            note="" if method.rule is None or rectified else "no ReLU is on the way back, so this is the gradient",
        )
        for name, method in possible.items()
    }
    return Attributions(by_method=by_method, impossible=impossible, untested=untested)


def _values(
    network: nn.Module,
    images: Images,
    target: Target,
    methods: Mapping[str, Method],
    required: Collection[str] | None,
    report: Report,
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the values of each method, and the reasons why others are impossible.

    Taps that a user names are no reason: wrong ones are refused, by a look at the first image before any work.
    """
    first = target.rows(torch.zeros(1, dtype=torch.long))
    for method in methods.values():
        if method.taps:
            method.attribute(network, images[:1], first)
    values: dict[str, Tensor] = {}
    impossible: dict[str, str] = {}
    for name, method in methods.items():
        try:
            values[name] = method.attribute(network, images, target)
        except InputError as error:
            if required is None or name in required:
                raise
            impossible[name] = error.reason
        report()
    return values, impossible


def _tests(
    network: nn.Module,
    images: Images,
    target: Target,
    methods: Mapping[str, Method],
    untested: Mapping[str, str],
    report: Report,
) -> dict[str, Weights]:
    """Return the test of the weights of each method, without random networks where all are untested."""
    nothing = undecided(images[0, 0].numel())
    tested = {name: method for name, method in methods.items() if name not in untested}
    tests = weight_tests(network, images, target, tested, report=report) if tested else {}
    return dict.fromkeys(untested, nothing) | tests


def _untested(images: Images, judged: Mapping[str, Sequence[Verdict]]) -> dict[str, str]:
    """Say of methods why random networks could not tell anything about their maps, and so are spared."""
    pixels = images[0, 0].numel()
    if pixels < FEWEST_PIXELS:
        return dict.fromkeys(judged, f"maps of {pixels} pixels are too small for it")
    empty = [name for name, each in judged.items() if all(verdict.empty for verdict in each[:TESTED])]
    return dict.fromkeys(empty, "all maps are empty")


def with_activation(network: nn.Module, activation: Callable[[Tensor], Tensor]) -> nn.Module:
    """Return a network that gives what an activation makes of the outputs: probabilities."""
    return _Activated(network, activation)


class _Activated(nn.Module):
    def __init__(self, network: nn.Module, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.activation = activation

    def forward(self, images: Tensor) -> Tensor:
        """Run the network, then the activation."""
        return self.activation(self.network(images))
