"""Calls of PyTorch functions, with the receptive fields of their inputs."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from torch import Tensor

from convworks.errors import InputError
from convworks.ops.receptive import Field

Fields = tuple[Field, ...]


class Call(NamedTuple):
    """A call of a function: name, arguments, inputs with receptive fields, outputs; `output_index` selects an output.

    Fields belong to the last axes of a tensor; a tensor without spatial axes has fields that cover everything.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: list[tuple[Tensor, Fields]]
    outputs: list[Tensor]
    output_index: int

    @property
    def tensor(self) -> Tensor:
        """Return the first input."""
        return self.inputs[0][0]

    @property
    def fields(self) -> Fields:
        """Return the fields of the first input."""
        return self.inputs[0][1]

    @property
    def size(self) -> tuple[int, ...]:
        """Return the size of the first input along the axes with fields."""
        return tuple(self.tensor.shape[-len(self.fields) :])

    @property
    def output(self) -> Tensor:
        """Return the output in question."""
        return self.outputs[self.output_index]


def everywhere(field: Field) -> bool:
    """Return whether all units have the same field."""
    return field.step == 0 and len(field.spans) == 1


def over_map(field: Field, size: int) -> Field:
    """Return the field of a unit that depends on a whole map."""
    if everywhere(field):
        return field
    present = [span for span in map(field.span, range(size)) if span is not None]
    span = (min(first for first, _ in present), max(last for _, last in present)) if present else None
    return Field(spans=(span,), step=0)


def refuse(call: Call) -> NoReturn:
    """Raise InputError for an unsupported function, or one with unsupported shapes."""
    shapes = f"{tuple(call.tensor.shape)} into {tuple(call.output.shape)}"
    raise InputError("receptive field", f"{call.name} turns {shapes}, no known window", "use a layer")
