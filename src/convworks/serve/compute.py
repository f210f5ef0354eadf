"""What a worker computes: the answers to some requests, whose images are computed together."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from convworks import files
from convworks.bundle.bundle import Bundle, describe
from convworks.bundle.description import is_exported
from convworks.bundle.pretrained import locate
from convworks.deploy.choice import with_runtime
from convworks.errors import ConvworksError, InputError
from convworks.hardware import precision_name
from convworks.inference.combination import check_alike
from convworks.inference.exported.format import SAMPLES
from convworks.inference.limits import batch_size
from convworks.inference.load import load
from convworks.inference.predictor import Predictor
from convworks.inference.reader import Computed, Reader
from convworks.inference.together import reader_of, reads_of
from convworks.tasks.task import Task

#: Statuses of what is wrong with one request.
UNREADABLE, WRONG, BROKEN = 422, 400, 500


@dataclass(frozen=True, kw_only=True)
class Item:
    """The part of a request that a worker reads: encoded images, or samples that are decoded already.

    `names` stand for the images in errors; `shape` is that of the samples. `outputs` names the tensors to answer with;
    empty asks for answers as `convworks predict` gives them, the `top` classes (None: as many as it lists).
    """

    names: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    outputs: tuple[str, ...] = ()
    top: int | None = None
    threshold: float | None = None

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.names) if self.names else self.shape[0]

    @property
    def pieces(self) -> int:
        """The number of pieces of bytes that it comes with."""
        return len(self.names) or 1


def item_of(facts: dict[str, Any]) -> Item:
    """Return an item from plain values."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    return Item(**values)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer to an item: a header, and pieces of bytes (pictures, tensors)."""

    header: dict[str, Any]
    pieces: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Served:
    """The networks of one name, which form an ensemble if there is more than one, and the facts about them."""

    members: tuple[Predictor, ...]
    reader: Reader
    facts: dict[str, Any]

    @property
    def first(self) -> Predictor:
        """The first network: all have its task, its classes, and each its own input."""
        return self.members[0]


def load_served(
    name: str,
    paths: Sequence[Path],
    *,
    runtime: str,
    device: str,
    precision: str,
    max_pixels: int | None,
    max_batch: int | None,
    busy: bool = False,
) -> Served:
    """Load the networks of one name; InputError where one cannot be loaded, or does not fit the first.

    `busy` says that others compute meanwhile, on which what is measured depends.
    """
    located = [locate(path) for path in paths]
    loaded = [load(path, device=device, precision=precision, max_pixels=max_pixels) for path in located]
    check_alike(paths, [(each.task.name, each.classes) for each in loaded], name)
    first = loaded[0]
    size = max_batch or batch_size(first.runtime.device.type, first.input.size)
    chosen = [with_runtime(each, runtime, size, busy=busy) for each in loaded]
    members = tuple(each for each, _ in chosen)
    reader = reader_of(members)
    facts = {
        "name": name,
        "version": _version(members, located),
        "model": " + ".join(member.bundle.model.title for member in members),
        "task": first.task.name,
        "classes": list(first.classes),
        "samples": _shape_of_samples(members),
        "outputs": _tensors_of(first.task, reader),
        "runtime": members[0].runtime.name,
        "precision": precision_name(members[0].precision),
        "why": chosen[0][1].why,
        "max_batch": size,
    }
    return Served(members=members, reader=reader, facts=facts)


def _version(members: Sequence[Predictor], paths: Sequence[Path]) -> str:
    """Return a short checksum of all that answers depend on: descriptions, weights, runtimes and precisions."""
    digest = hashlib.sha256()
    for member, path in zip(members, paths, strict=True):
        facts = describe(member.bundle)
        del facts["preprocessing"]["decoding"]["max_pixels"]  # which images are refused, not what is answered
        digest.update(json.dumps(facts, sort_keys=True).encode())
        digest.update(f"{member.runtime.name} {precision_name(member.precision)}".encode())
        if isinstance(member.bundle, Bundle):
            for name, tensor in member.bundle.network.state_dict().items():
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        elif is_exported(path):
            digest.update(files.sha256(path).encode())
    return digest.hexdigest()[:12]


def _shape_of_samples(members: Sequence[Predictor]) -> list[int] | None:
    """Return the shape of decoded samples; None for an ensemble whose networks fit images each in its own way."""
    if len({reads_of(member) for member in members}) > 1:
        return None
    input = members[0].input
    return [-1, *input.decoded(input.blank(1)).shape[1:]]


def _tensors_of(task: Task, reader: Reader) -> dict[str, dict[str, Any]]:
    """Return type and shape of what may be asked for as a tensor: the picture, if that is the answer, and outputs."""
    picture = task.picture
    (computed,) = reader.compute([reader.blank()])
    shapes = {name: (values.dtype, [-1, *values.shape]) for name, values in computed.tensors.items()}
    if picture is not None:
        pixels = picture.make(computed.activated)
        shapes = {picture.name: (pixels.dtype, picture.shape(pixels)), **shapes}
    return {name: {"type": str(dtype), "shape": shape} for name, (dtype, shape) in shapes.items()}


Samples = Callable[[], list[Any]]  # gives the samples of an item, or raises InputError


def decoding(served: Served, pool: ThreadPoolExecutor) -> Callable[[Item, Sequence[bytes]], Samples]:
    """Return a function that begins to decode an item in the pool, and returns what waits for its samples."""

    def start(item: Item, pieces: Sequence[bytes]) -> Samples:
        if not item.names:
            return lambda: _samples(served, item, pieces[0])
        read = served.reader.read
        waiting = [pool.submit(read, name, content) for name, content in zip(item.names, pieces, strict=True)]
        return lambda: [each.result() for each in waiting]

    return start


def _samples(served: Served, item: Item, content: bytes) -> list[Any]:
    """Return samples that came decoded; InputError if they have another shape than the network's."""
    if served.facts["samples"] is None:
        reason = "are not taken by this ensemble: its networks fit images each in its own way"
        raise InputError(SAMPLES, reason, "send the images encoded")
    expected = tuple(served.facts["samples"][1:])
    if item.shape[1:] != expected:
        reason = f"have the shape {list(item.shape)}, not {[-1, *expected]}"
        raise InputError(SAMPLES, reason, "fit the images to the input of the network, or send them encoded")
    if math.prod(item.shape) != len(content):
        reason = f"have {len(content):,} values, not the {math.prod(item.shape):,} of the shape {list(item.shape)}"
        raise InputError(SAMPLES, reason, "send one byte a value")
    decoded = np.frombuffer(content, np.uint8).reshape(item.shape)
    return [served.reader.fitted(pixels) for pixels in decoded]


def respond(served: Served, items: Sequence[tuple[Item, Samples]]) -> list[Reply]:
    """Return the replies to some items, whose images are computed together."""
    replies: dict[int, Reply] = {}
    good: list[tuple[int, Item, Any]] = []
    for index, (item, samples_of) in enumerate(items):
        try:
            _check(served, item)
            good.append((index, item, samples_of()))
        except InputError as error:
            replies[index] = _failure(error, UNREADABLE if item.names else WRONG)
    replies |= _replies(served, good)
    return [replies[index] for index in range(len(items))]


def _check(served: Served, item: Item) -> None:
    """Raise InputError for options that do not fit the networks."""
    served.first.task.at(item.threshold)
    outputs = served.facts["outputs"]
    if unknown := [name for name in item.outputs if name not in outputs]:
        raise InputError("outputs", f"there is no output {unknown[0]!r}", f"choose from {', '.join(outputs)}")


def _replies(served: Served, items: Sequence[tuple[int, Item, Any]]) -> dict[int, Reply]:
    """Return the replies to items that are computed together; if that fails, each one's own reply or error."""
    computed = iter(served.reader.compute([sample for *_, samples in items for sample in samples]))
    try:
        return {index: _reply(served, item, islice(computed, item.count)) for index, item, _ in items}
    except ConvworksError as error:
        if len(items) == 1:
            return {items[0][0]: _failure(error, UNREADABLE if isinstance(error, InputError) else BROKEN)}
        return {index: reply for each in items for index, reply in _replies(served, [each]).items()}


def _reply(served: Served, item: Item, computed: Iterator[Computed]) -> Reply:
    """Return what was asked for of the images of an item: tensors, else answers."""
    return (_tensors if item.outputs else _answers)(served, item, computed)


def _answers(served: Served, item: Item, computed: Iterator[Computed]) -> Reply:
    """Return what `convworks predict` says of each image; pictures as PNG files beside it."""
    task, answer = served.first.task, served.first.answer(top=item.top, threshold=item.threshold)
    rows: list[dict[str, Any]] = []
    pieces: list[bytes] = []
    for name, each in zip(item.names or [None] * item.count, computed, strict=True):
        row = answer(name, each.activated)
        del row["path"]
        if task.picture is not None:
            pieces.append(task.picture.png(row[task.picture.name]))
            row[task.picture.name] = {"piece": len(pieces) - 1}
        rows.append(row)
    return Reply(header={"answers": rows}, pieces=pieces)


def _tensors(served: Served, item: Item, computed: Iterator[Computed]) -> Reply:
    """Return outputs of all images as tensors, with their types and shapes."""
    picture = served.first.task.picture
    columns: dict[str, list[np.ndarray]] = {name: [] for name in item.outputs}
    for each in computed:
        for name, column in columns.items():
            if picture is not None and name == picture.name:
                column.append(picture.make(each.activated))
            else:
                column.append(each.tensors[name])
    if unequal := [name for name, column in columns.items() if len({each.shape for each in column}) > 1]:
        reason = f"{unequal[0]} has the size of the image, and these have different sizes"
        return _failure(InputError("images", reason, "send images of one size, or one at a time"), WRONG)
    chosen = {name: np.stack(column) for name, column in columns.items()}
    facts = [{"name": name, "type": str(each.dtype), "shape": list(each.shape)} for name, each in chosen.items()]
    return Reply(header={"tensors": facts}, pieces=[each.tobytes() for each in chosen.values()])


def _failure(error: ConvworksError, status: int) -> Reply:
    where = error.where.removeprefix("--")
    return Reply(header={"error": {"status": status, "where": where, "reason": error.reason, "remedy": error.remedy}})
