"""Passes through a network: the number that is explained, the activations on the way, and what comes back from it.

All is read from the graph that autograd has recorded of these very calls, never from the state of a module: modules
that are called several times, functions without a module and operations in place are as right as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convworks.explain.attribution.rectifiers import count_relus
from convworks.explain.attribution.target import Target
from convworks.explain.taps import tapping
from convworks.layers.mode import evaluating, in_full_precision

#: Values of a batch that pass at a time; more rows are divided.
VALUES = 1 << 20
#: Changes how numbers pass backward through the graph that ends in these scores (rectifiers.py).
BackwardRule = Callable[[Tensor], object]


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What a forward and a backward pass gave: the scores, and at each tap the activation and what came back to it.

    `images` is what came back to the images: the gradient of the scores, unless a rule changed it. None: nothing came.
    """

    scores: Float[Tensor, " b"]
    images: Tensor | None
    activations: Mapping[str, Tensor]
    messages: Mapping[str, Tensor | None]


def forward_backward(
    network: nn.Module,
    images: Float[Tensor, "b c *size"],
    target: Target,
    *,
    taps: Sequence[str] = (),
    rule: BackwardRule | None = None,
) -> Pass:
    """Run a network forward on normalised images, in evaluation mode, and backward from the target.

    Raises InputError for an unknown tap.
    """
    with torch.inference_mode(False), torch.enable_grad(), evaluating(network), in_full_precision():
        pixels = images.detach().clone().requires_grad_()
        with tapping(network, [*taps, *([target.tap] if target.tap else [])]) as activations:
            output = network(pixels)
        scores = target.score(activations[target.tap] if target.tap else output)
        if rule is not None:
            rule(scores)
        sources = [pixels, *(activations[tap] for tap in taps)]
        # The images of a batch do not influence each other: the gradient of the sum holds that of each.
        messages = _messages(scores, sources)
    return Pass(
        scores=scores.detach(),
        images=messages[0],
        activations={tap: activations[tap].detach() for tap in taps},
        messages=dict(zip(taps, messages[1:], strict=True)),
    )


def _messages(scores: Tensor, sources: Sequence[Tensor]) -> list[Tensor | None]:
    """Return the gradient of the scores by each source, None where they do not depend on it."""
    recorded = [source for source in sources if source.requires_grad]
    if scores.grad_fn is None or not recorded:
        return [None] * len(sources)
    gradients = iter(torch.autograd.grad(scores.sum(), recorded, allow_unused=True))
    return [next(gradients) if source.requires_grad else None for source in sources]


def has_rectifiers(network: nn.Module, images: Float[Tensor, "b c *size"], target: Target) -> bool:
    """Say whether the score of the first image comes through a ReLU, so that a rule for rectifiers changes anything."""
    counts: list[int] = []
    rows = torch.zeros(1, dtype=torch.long)
    forward_backward(network, images[:1], target.rows(rows), rule=lambda scores: counts.append(count_relus(scores)))
    return counts[0] > 0


def scores_of(network: nn.Module, images: Float[Tensor, "b c *size"], target: Target) -> Float[Tensor, " b"]:
    """Return the number that is explained, for each image, in batches that fit the memory."""
    scores = []
    for part in in_chunks(len(images), images[0]):
        rows = torch.arange(part.start, part.stop)
        scores.append(target.rows(rows).score(outputs_of(network, images[part], target.tap)))
    return torch.cat(scores)


def outputs_of(network: nn.Module, images: Tensor, tap: str | None = None) -> Tensor:
    """Return the output of a network in evaluation mode, or its activation at a tap."""
    taps = [tap] if tap else []
    with torch.no_grad(), evaluating(network), in_full_precision(), tapping(network, taps) as activations:
        output: Tensor = network(images)
    return activations[tap] if tap else output


def answers_of(network: nn.Module, images: Float[Tensor, "b c *size"]) -> Tensor:
    """Return the output of a network for each image, in batches that fit the memory."""
    return torch.cat([outputs_of(network, images[part]) for part in in_chunks(len(images), images[0])])


def in_chunks(rows: int, sample: Tensor) -> Iterator[slice]:
    """Yield slices that divide so many rows, each with the values of a sample, into batches that fit the memory."""
    step = max(1, VALUES // max(1, sample.numel()))
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))
