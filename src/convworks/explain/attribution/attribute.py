"""All methods on a batch: values, maps, verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.explain.attribution.curves import random_areas
from convworks.explain.attribution.methods import Method
from convworks.explain.attribution.passes import has_rectifiers
from convworks.explain.attribution.target import Target
from convworks.explain.attribution.verdict import Verdict, Weights, verdicts, weight_tests

Images = Float[Tensor, "b c *size"]
#: Told which method begins, its number from 0, and how many there are.
Report = Callable[[int, int], None]


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
    """Attributions by the name of their method, and the reasons why others are impossible for the network."""

    by_method: Mapping[str, Attribution]
    impossible: Mapping[str, str]


def attribute(
    network: nn.Module,
    images: Images,
    target: Target,
    methods: Mapping[str, Method],
    *,
    measured: nn.Module | None = None,
    required: bool = True,
    report: Report | None = None,
) -> Attributions:
    """Explain a target by several methods, with verdicts.

    Insertion and deletion follow the scores of `measured`, by default the network: one with an activation behind it
    gives probabilities. Raises InputError for a method that the network cannot do, unless `required` is False.
    """
    values: dict[str, Tensor] = {}
    impossible: dict[str, str] = {}
    for number, (name, method) in enumerate(methods.items()):
        if report is not None:
            report(number, len(methods))
        try:
            values[name] = method.attribute(network, images, target)
        except InputError as error:
            if required:
                raise
            impossible[name] = error.reason
    possible = {name: methods[name] for name in values}
    scored = network if measured is None else measured
    chance = random_areas(scored, images, target)
    tests = weight_tests(network, images, target, possible)
    rectified = any(method.rule is not None for method in possible.values()) and has_rectifiers(network, images, target)
    by_method = {
        name: Attribution(
            method=method,
            values=values[name],
            pixels=method.pixels(values[name], images),
            verdicts=tuple(verdicts(network, scored, images, target, method, values[name], chance)),
            weights=tests[name],
            note="" if method.rule is None or rectified else "no ReLU is on the way back, so this is the gradient",
        )
        for name, method in possible.items()
    }
    return Attributions(by_method=by_method, impossible=impossible)


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
