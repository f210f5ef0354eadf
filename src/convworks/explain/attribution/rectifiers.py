"""The two rules for rectifiers on the way back: guided backpropagation and the deconvnet.

A ReLU passes a number back where its input was positive. Guided backpropagation (Springenberg et al. 2015, figure 1)
also asks that the number be positive; the deconvnet (Zeiler and Fergus 2013, section 2.1) asks only that. All else is
as for the gradient: a convolution passes back by its transposed filters, max pooling to where the maximum was, which
are the switches of the deconvnet.

The rules are hooks on the nodes of the graph that autograd recorded: one for each call, whatever module or function
made it, in place or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

#: The nodes of ReLU, as a function, a module or in place.
RELU = "ReluBackward0"


def guided(scores: Tensor) -> int:
    """Let only positive numbers pass back through each ReLU, besides its own gate; return how many there are."""
    nodes = list(relu_nodes(scores))
    for node in nodes:
        node.register_prehook(lambda messages: tuple(_positive(message) for message in messages))
    return len(nodes)


def deconvnet(scores: Tensor) -> int:
    """Let only positive numbers pass back through each ReLU, whose own gate is left out; return how many there are."""
    nodes = list(relu_nodes(scores))
    for node in nodes:
        node.register_hook(lambda _, messages: tuple(_positive(message) for message in messages))
    return len(nodes)


def count_relus(scores: Tensor) -> int:
    """Return the number of calls of ReLU that the scores depend on."""
    return sum(1 for _ in relu_nodes(scores))


def relu_nodes(scores: Tensor) -> Iterator[Any]:
    """Yield the node of each call of ReLU that the scores depend on."""
    waiting, known = [scores.grad_fn], set()
    while waiting:
        node: Any = waiting.pop()
        if node is None or node in known:
            continue
        known.add(node)
        if node.name() == RELU:
            yield node
        waiting += [following for following, _ in node.next_functions]


def _positive(message: Tensor | None) -> Tensor | None:
    return None if message is None else message.clamp(min=0)
