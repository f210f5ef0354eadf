"""All that can be said of a network without running it: layers, memory, its paper's table, the outline of a picture."""

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

    `layers` and `auxiliary` are those of the network and of its auxiliary classifiers, `total_parameters` those of the
    network that are trained and those that are not; `printed` is empty for another
    shape than the published one, which is all that papers print.
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
    """Describe a network; nothing is computed. Raises InputError for samples that it cannot take."""
    published = facts(name).shape
    chosen = shape or published
    try:
        with without_values():
            network, images = create(name, chosen), example(name, chosen)
            calls = trace(network, images)
            total = total_parameters(network)
            rows = layer_table(calls, fields_of(network, images))
            printed = compare(network, calls, facts(name).printed) if chosen == published else []
        with torch.device("meta"):
            needed = memory(network, example(name, chosen, batch=batch))
    except (RuntimeError, ValueError) as error:
        if batch == 1 and "more than 1 value per channel" in str(error):  # PyTorch's words about training
            reason = f"{name} cannot be trained on one image: batch normalisation would see a single value"
            raise InputError("batch", reason, "give 2 or more") from None
        shown = "x".join(map(str, (chosen.channels, *chosen.size)))
        reason = " ".join(str(error).split())[:120]
        raise InputError("input", f"{name} cannot take {shown} ({reason})", "give another size") from None
    return Description(
        name=name,
        shape=chosen,
        batch=batch,
        layers=tuple(row for row in rows if not row.name.startswith("auxiliary.")),
        auxiliary=tuple(row for row in rows if row.name.startswith("auxiliary.")),
        total_parameters=total,
        memory=needed,
        printed=tuple(printed),
        stages=tuple(outline(calls)),
    )
