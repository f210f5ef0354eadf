"""Networks by name: their facts, and how to build them."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from convworks.config import rule
from convworks.errors import InputError, nearest
from convworks.layers.network import Network
from convworks.models import OWN, family


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Input and output of a network: classes, channels, size of the images along each axis.

    Signals have one axis, images two (height, width), volumes three. For text, channels is the size of the vocabulary
    and size the length of a sentence. Networks that output images have as many classes as channels.
    """

    classes: int
    channels: int
    size: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A row of a table in a paper, as printed: `tap` names the part of the network, "" the whole.

    `output` is like 56x56x64, `parameters` like 112K, `macs` like 360M. `note` explains a difference from ours.
    """

    tap: str
    output: str = ""
    parameters: str = ""
    macs: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a published network.

    `reads` is images, text, signals or volumes; `makes` is logits, map of logits or images.
    """

    year: int
    paper: str
    summary: str
    shape: Shape
    published_error: str = ""
    differs: str = ""
    training: str = ""
    printed: tuple[Printed, ...] = ()
    reads: str = "images"
    makes: str = "logits"


def row(name: str, table: Mapping[str, Any] | None = None) -> Any:
    """Return a network's table row, with the fields named in `table` replaced."""
    entry = module(name).ROWS[name]
    fields = [field.name for field in dataclasses.fields(entry)]
    for key in table or {}:
        if key not in fields:
            raise InputError(
                f"model.table.{key}",
                f"the table of {name} has no field {key!r}{nearest(key, fields)}",
                f"fields: {', '.join(fields)}",
            )
    if not table:
        return entry
    values = {field: getattr(entry, field) for field in fields} | dict(table)
    try:
        return TypeAdapter(type(entry)).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, ("model.table", *first["loc"])))
        raise InputError(where, rule(first["type"], first["msg"]), f"the published row has {entry}") from None


def facts(name: str) -> Facts:
    """Return the facts about a network."""
    network_facts: Facts = module(name).FACTS[name]
    return network_facts


def create(name: str, shape: Shape | None = None, *, table: Mapping[str, Any] | None = None) -> Network:
    """Build and initialise a network; `shape` defaults to the published one.

    Raises InputError for an unknown name or table field, and for images too small for the network.
    """
    entry, shape = row(name, table), shape or facts(name).shape
    if table:
        _check_table(name, entry, shape)
    network: Network = module(name).build(entry, shape)
    if any(n < published for n, published in zip(shape.size, facts(name).shape.size, strict=True)):
        _check_fits(name, entry, shape)
    return network


def example(name: str, shape: Shape | None = None, *, batch: int = 1) -> Tensor:
    """Return a random input of a network: images N(0, 1) [b, c, *size], or that of its module (token indices)."""
    sample_shape, maker = shape or facts(name).shape, getattr(module(name), "example", None)
    if maker is not None:
        sample: Tensor = maker(sample_shape, batch)
        return sample
    return torch.randn(batch, sample_shape.channels, *sample_shape.size)


def module(name: str) -> Any:
    """Return the module with the table of a network."""
    if name in OWN:
        return OWN[name]
    return importlib.import_module(f"convworks.models.{family(name)}")


def _check_table(name: str, entry: Any, shape: Shape) -> None:
    """Try a modified table on the meta device, with the larger of published size and image size."""
    trial_shape = dataclasses.replace(shape, size=tuple(map(max, shape.size, facts(name).shape.size)))
    try:
        with torch.device("meta"):
            network = module(name).build(entry, trial_shape).eval()
            network(example(name, trial_shape))
        empty = [parameter for parameter, value in network.named_parameters() if not value.numel()]
        reason = f"{empty[0]} would have no values" if empty else ""
    except InputError:  # more specific than the error below
        raise
    except Exception as error:  # a table may contain anything
        reason = f"{type(error).__name__}: {error}"
    if reason:
        table_text = ", ".join(f"{field.name}={getattr(entry, field.name)!r}" for field in dataclasses.fields(entry))
        raise InputError("model.table", f"no {name} can be built with {table_text} ({reason})", "correct the values")


def _check_fits(name: str, entry: Any, shape: Shape) -> None:
    """Try the network on the meta device; if it fails, find the smallest square that it accepts."""
    with torch.device("meta"):
        network = module(name).build(entry, shape).eval()

    def fits(size: tuple[int, ...]) -> bool:
        try:
            with torch.device("meta"):
                network(example(name, dataclasses.replace(shape, size=size)))
        except (RuntimeError, ValueError):  # ValueError: nothing left to normalise
            return False
        return True

    if not fits(shape.size):
        rank = len(shape.size)
        smallest = next((side for side in range(1, 1025) if fits((side,) * rank)), None)
        sides = (str(smallest),) * rank
        raise InputError(
            "data.size",
            f"images of {'x'.join(map(str, shape.size))} pixels are too small for {name}",
            f"it needs at least {'x'.join(sides)}: --set data.size={','.join(sides)}, or another --model",
        )
