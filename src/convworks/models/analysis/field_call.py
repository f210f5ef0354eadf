"""A call of one of PyTorch's functions, with what its inputs see of the image."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from torch import Tensor

from convworks.errors import InputError
from convworks.ops.receptive import Field

Fields = tuple[Field, ...]


class Call(NamedTuple):
    """A call of a function: its name, its arguments, those with a field, and its outputs.

    The axes with fields are the last of a tensor; the fields of one without them see the same everywhere.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: list[tuple[Tensor, Fields]]
    outputs: list[Tensor]
    place: int

    @property
    def tensor(self) -> Tensor:
        """The first input."""
        return self.inputs[0][0]

    @property
    def fields(self) -> Fields:
        """The fields of the first input."""
        return self.inputs[0][1]

    @property
    def size(self) -> tuple[int, ...]:
        """The size of the first input along the axes with fields."""
        return tuple(self.tensor.shape[-len(self.fields) :])

    @property
    def output(self) -> Tensor:
        """The output that is asked for."""
        return self.outputs[self.place]


def everywhere(field: Field) -> bool:
    """Whether all units see the same."""
    return field.step == 0 and len(field.spans) == 1


def over_map(field: Field, size: int) -> Field:
    """Return what a unit sees that sees a whole map."""
    if everywhere(field):
        return field
    seen = [span for span in map(field.span, range(size)) if span is not None]
    span = (min(first for first, _ in seen), max(last for _, last in seen)) if seen else None
    return Field(spans=(span,), step=0)


def refuse(call: Call) -> NoReturn:
    """Raise InputError for a function that is not known, or not with these shapes."""
    shapes = f"{tuple(call.tensor.shape)} into {tuple(call.output.shape)}"
    raise InputError("receptive field", f"{call.name} turns {shapes}, no known window", "use a layer")
