"""What is exported: from decoded samples to activated outputs; and the same with the output of every layer."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from convworks.bundle.bundle import Bundle
from convworks.layers.mode import not_in_place
from convworks.layers.normalisation.folded import folded
from convworks.tasks.activations import Activation

#: What does not compute anything in evaluation mode.
NOTHING = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Dropout3d)


class Graph(nn.Module):
    """A network with its normalisation before it and the activation of its task after it."""

    def __init__(self, normalisation: nn.Module, network: nn.Module, activation: Activation) -> None:
        super().__init__()
        self.normalisation, self.network, self.activation = normalisation, network, activation

    def forward(self, samples: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for decoded samples, and the activated outputs."""
        outputs = self.network(self.normalisation(samples))
        return outputs, self.activation.apply(outputs)


def graph_of(bundle: Bundle) -> Graph:
    """Return the graph of a bundle on the CPU, in evaluation mode, with batch normalisation folded."""
    network = copy.deepcopy(folded(bundle.network)).cpu()  # what it shares with the bundle must keep its memory format
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.contiguous()
        tensor.requires_grad_(False)
    graph = Graph(bundle.input.graph(), network, bundle.task.activation)
    return graph.eval()


class Layers(nn.Module):
    """A graph whose outputs are those of its layers, named and in the order in which they are computed."""

    def __init__(self, graph: nn.Module, samples: Tensor) -> None:
        super().__init__()
        self.whole = graph  # `graph` is a name of torch.fx
        calls: list[str] = []
        values: list[str] = []

        def note(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
            calls.append(name)
            if isinstance(output, Tensor) and output.is_floating_point():
                values.append(name)

        with torch.no_grad():
            self._hooked(note, samples)
        self.outputs = tuple([name for name in values if calls.count(name) == 1])

    def forward(self, samples: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of the layers."""
        seen: dict[str, Tensor] = {}

        def keep(name: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
            seen[name] = output

        self._hooked(keep, samples)
        return tuple(seen[name] for name in self.outputs)

    def _hooked(self, hook: Any, samples: Tensor) -> None:
        """Compute the graph with a hook on each module that computes something."""
        modules = [(name, module) for name, module in self.whole.named_modules() if name]
        computing = [(name, module) for name, module in modules if not isinstance(module, NOTHING)]
        handles = [module.register_forward_hook(partial(hook, name)) for name, module in computing]
        try:
            with not_in_place(self.whole):
                self.whole(samples)
        finally:
            for handle in handles:
                handle.remove()
