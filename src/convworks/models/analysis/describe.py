"""Static description of a network: layers, memory, comparison with its paper's table, outline for a diagram."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from convworks.errors import InputError
from convworks.models.analysis.count import total_parameters
from convworks.models.analysis.layer_table import Layer, fields_of, layer_table
from convworks.models.analysis.memory import Memory, memory
from convworks.models.analysis.meta import without_values
from convworks.models.analysis.outline import Stage, outline
from convworks.models.analysis.printed import Compared, compare
from convworks.models.analysis.trace import trace
from convworks.models.catalogue import Shape, create, example, facts


@dataclass(frozen=True, kw_only=True)
class Description:
    """A network of the catalogue on samples of a shape, in batches.

    `layers` are those of the network, `auxiliary` those of its auxiliary classifiers; `total_parameters` includes the
    parameters that are not trained; `printed` is empty unless the shape is the published one.
    """

    name: str
    shape: Shape
    batch: int
    layers: tuple[Layer, ...]
    auxiliary: tuple[Layer, ...]
    total_parameters: int
    memory: Memory
    printed: tuple[Compared, ...]
    stages: tuple[Stage, ...]


def describe(name: str, shape: Shape | None = None, *, batch: int = 1) -> Description:
    """Describe a network without running it. Raises InputError for invalid sample shapes."""
    published = facts(name).shape
    sample_shape = shape or published
    try:
        with without_values():
            network, images = create(name, sample_shape), example(name, sample_shape)
            calls = trace(network, images)
            parameter_total = total_parameters(network)
            layers = layer_table(calls, fields_of(network, images))
            printed = compare(network, calls, facts(name).printed) if sample_shape == published else []
        with torch.device("meta"):
            memory_use = memory(network, example(name, sample_shape, batch=batch))
    except (RuntimeError, ValueError) as error:
        if batch == 1 and "more than 1 value per channel" in str(error):  # PyTorch's message in training
            reason = f"{name} cannot be trained on one image: batch normalisation would see a single value"
            raise InputError("batch", reason, "give 2 or more") from None
        shape_text = "x".join(map(str, (sample_shape.channels, *sample_shape.size)))
        reason = " ".join(str(error).split())[:120]
        raise InputError("input", f"{name} cannot take {shape_text} ({reason})", "give another size") from None
    return Description(
        name=name,
        shape=sample_shape,
        batch=batch,
        layers=tuple(row for row in layers if not row.name.startswith("auxiliary.")),
        auxiliary=tuple(row for row in layers if row.name.startswith("auxiliary.")),
        total_parameters=parameter_total,
        memory=memory_use,
        printed=tuple(printed),
        stages=tuple(outline(calls)),
    )
