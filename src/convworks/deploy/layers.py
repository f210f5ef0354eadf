"""Which layer of an exported network is the first to differ."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from convworks.data.inputs.input import Input
from convworks.deploy.convert import CONVERTERS
from convworks.deploy.graph import Graph, Layers
from convworks.inference.exported.format import FLOAT32, Format

#: Samples that it is looked for with, and the difference that rounding does not explain, in parts of the largest value.
SAMPLES = 4
TOLERANCE = 1e-4


def first_difference(form: Format, graph: Graph, input: Input, samples: Tensor) -> str:
    """Return, as part of a sentence, which layer of a network that is exported in float32 is the first to differ."""
    batch = input.decoded(samples[:SAMPLES])
    layers = Layers(graph, torch.from_numpy(batch))
    try:
        content = CONVERTERS[form.name](layers, batch, layers.outputs)
        computed = form.start(content, FLOAT32, layers.outputs)(batch)
    except Exception:  # each library has errors of its own
        return "which layer is the first cannot be said: with all of them as outputs it fails"
    with torch.no_grad():
        right = [values.numpy() for values in layers(torch.from_numpy(batch))]
    for name, one, other in zip(layers.outputs, right, computed, strict=True):
        if one.shape != other.shape or not _near(one, other):
            return f"the first layer that differs is {name}"
    return "no single layer differs much: the differences add up"


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    largest = float(np.abs(one).max(initial=0.0))
    return bool(np.isfinite(other).all() and np.abs(one - other).max(initial=0.0) <= TOLERANCE * largest)
