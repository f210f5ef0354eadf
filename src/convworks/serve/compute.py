"""What a worker computes: the answers to some requests, whose images are computed together."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image

from convworks import files
from convworks.bundle.bundle import Bundle, describe
from convworks.bundle.description import is_exported
from convworks.bundle.pretrained import locate
from convworks.deploy.choice import with_runtime
from convworks.errors import ConvworksError, InputError, RunError
from convworks.hardware import precision_name
from convworks.inference.answers import both
from convworks.inference.exported.format import ACTIVATED, OUTPUTS, SAMPLES
from convworks.inference.limits import batch_size
from convworks.inference.predictor import Predictor, load
from convworks.serve.settings import check_members

#: Statuses of what is wrong with one request.
UNREADABLE, WRONG, BROKEN = 422, 400, 500


@dataclass(frozen=True, kw_only=True)
class Item:
    """The part of a request that a worker reads: encoded images, or samples that are decoded already.

    `names` stand for the images in errors; `shape` is that of the samples. `outputs` names the tensors to answer with;
    empty asks for answers as `convworks predict` gives them, the `top` classes.
    """

    names: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    outputs: tuple[str, ...] = ()
    top: int = 5
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
) -> Served:
    """Load the networks of one name; InputError where one cannot be loaded, or does not fit the first."""
    located = [locate(path) for path in paths]
    loaded = [load(path, device=device, precision=precision, max_pixels=max_pixels) for path in located]
    check_members(name, [(path, (each.task.name, each.classes)) for path, each in zip(paths, loaded, strict=True)])
    _check_ensemble(name, loaded)
    first = loaded[0]
    if first.task.mask is not None:
        reason = f"{first.task.does}, and the server answers with no masks yet"
        raise InputError(paths[0], reason, "use `convworks predict BUNDLE PATH... --out DIR`")
    size = max_batch or batch_size(first.runtime.device.type, first.input.size)
    chosen = [with_runtime(each, runtime, size) for each in loaded]
    members = tuple(each for each, _ in chosen)
    shape = [-1, *first.input.decoded(first.input.blank(1)).shape[1:]]
    blank = _outputs(members, [[member.input.decoded(member.input.blank(1))[0]] for member in members])
    outputs = {ACTIVATED: [-1, *blank[ACTIVATED].shape[1:]]}
    if len(members) == 1:
        outputs[OUTPUTS] = [-1, *blank[OUTPUTS].shape[1:]]
    facts = {
        "name": name,
        "version": _version(members, located),
        "model": " + ".join(member.bundle.model.title for member in members),
        "task": first.task.name,
        "classes": list(first.classes),
        "pictures": first.task.picture is not None,
        "samples": shape,
        "outputs": outputs,
        "runtime": members[0].runtime.name,
        "precision": precision_name(members[0].precision),
        "why": chosen[0][1].why,
        "max_batch": size,
    }
    return Served(members=members, facts=facts)


def _check_ensemble(name: str, members: Sequence[Predictor]) -> None:
    first = members[0]
    if len(members) > 1 and first.task.outcome is None:
        reason = f"is the name of several networks, but a network that {first.task.does} has no ensembles"
        raise InputError(name, reason, "give each bundle a name: NAME=BUNDLE")


def _version(members: Sequence[Predictor], paths: Sequence[Path]) -> str:
    """Return a short checksum of all that answers depend on: descriptions and weights."""
    digest = hashlib.sha256()
    for member, path in zip(members, paths, strict=True):
        digest.update(json.dumps(describe(member.bundle), sort_keys=True).encode())
        if isinstance(member.bundle, Bundle):
            for name, tensor in member.bundle.network.state_dict().items():
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        elif is_exported(path):
            digest.update(files.sha256(path).encode())
    return digest.hexdigest()[:12]


Samples = Callable[[], Any]  # gives the samples of an item for each member, or raises InputError


def decoding(served: Served, pool: ThreadPoolExecutor) -> Callable[[Item, Sequence[bytes]], Samples]:
    """Return a function that begins to decode an item in the pool, and returns what waits for its samples."""

    def start(item: Item, pieces: Sequence[bytes]) -> Samples:
        if not item.names:
            return lambda: [_samples(served, item, pieces[0])] * len(served.members)
        rows = [
            [pool.submit(member.input.read, name, content) for name, content in zip(item.names, pieces, strict=True)]
            for member in served.members
        ]
        return lambda: [[each.result() for each in row] for row in rows]

    return start


def _samples(served: Served, item: Item, content: bytes) -> list[np.ndarray]:
    """Return samples that came decoded; InputError if they have another shape than the network's."""
    expected = tuple(served.facts["samples"][1:])
    if item.shape[1:] != expected:
        reason = f"have the shape {list(item.shape)}, not {[-1, *expected]}"
        raise InputError(SAMPLES, reason, "fit the images to the input of the network, or send them encoded")
    if math.prod(item.shape) != len(content):
        reason = f"have {len(content):,} values, not the {math.prod(item.shape):,} of the shape {list(item.shape)}"
        raise InputError(SAMPLES, reason, "send one byte a value")
    return list(np.frombuffer(content, np.uint8).reshape(item.shape))


def respond(served: Served, items: Sequence[tuple[Item, Samples]]) -> list[Reply]:
    """Return the replies to some items, whose images are computed together."""
    replies: list[Reply | None] = [None] * len(items)
    good: list[tuple[int, Any]] = []
    for index, (item, samples_of) in enumerate(items):
        try:
            served.first.task.at(item.threshold)
            good.append((index, samples_of()))
        except InputError as error:
            replies[index] = _failure(error, UNREADABLE if item.names else WRONG)
    for index, outputs in _computed(served, good):
        if isinstance(outputs, ConvworksError):
            replies[index] = _failure(outputs, BROKEN)
            continue
        item = items[index][0]
        replies[index] = _tensors(item, outputs) if item.outputs else _answers(served, item, outputs)
    assert all(replies)
    return [reply for reply in replies if reply is not None]


Outputs = dict[str, Float32[np.ndarray, "n *output"]]


def _computed(served: Served, items: Sequence[tuple[int, Any]]) -> list[tuple[int, Outputs | ConvworksError]]:
    """Return the outputs of items that are computed together; if that fails, each item's own outputs or its error."""
    if not items:
        return []
    together = [[sample for _, samples in items for sample in samples[at]] for at in range(len(served.members))]
    try:
        outputs = _outputs(served.members, together)
    except RunError as error:
        if len(items) == 1:
            return [(items[0][0], error)]
        return [each for item in items for each in _computed(served, [item])]
    ends = np.cumsum([len(samples[0]) for _, samples in items])
    parts = {name: np.split(values, ends[:-1]) for name, values in outputs.items()}
    return [(index, {name: parts[name][at] for name in parts}) for at, (index, _) in enumerate(items)]


def _outputs(members: Sequence[Predictor], samples: Sequence[Sequence[np.ndarray]]) -> Outputs:
    """Return what the networks compute for samples, and the activated outputs: of an ensemble, their mean."""
    each = [
        both(member.task, member.runtime, member.input.stack(its)) for member, its in zip(members, samples, strict=True)
    ]
    if len(members) == 1:
        return dict(zip((OUTPUTS, ACTIVATED), each[0], strict=True))
    activated = [values for _, values in each]
    return {ACTIVATED: np.asarray(np.mean(activated, axis=0, dtype=np.float64), np.float32)}


def _answers(served: Served, item: Item, outputs: Outputs) -> Reply:
    """Return what `convworks predict` says of each image; pictures as PNG files beside it."""
    task = served.first.task.at(item.threshold)
    rows: list[dict[str, Any]] = []
    pieces: list[bytes] = []
    for name, output in zip(item.names or [None] * item.count, outputs[ACTIVATED], strict=True):
        row = task.answer(name, output, served.first.classes, item.top)
        del row["path"]
        for key, value in row.items():
            if isinstance(value, np.ndarray):
                row[key] = {"piece": len(pieces)}
                pieces.append(as_png(value))
        rows.append(row)
    return Reply(header={"answers": rows}, pieces=pieces)


def _tensors(item: Item, outputs: Outputs) -> Reply:
    unknown = [name for name in item.outputs if name not in outputs]
    if unknown:
        error = InputError("outputs", f"there is no output {unknown[0]!r}", f"choose from {', '.join(outputs)}")
        return _failure(error, WRONG)
    chosen = [np.ascontiguousarray(outputs[name], np.float32) for name in item.outputs]
    facts = [{"name": name, "shape": list(each.shape)} for name, each in zip(item.outputs, chosen, strict=True)]
    return Reply(header={"tensors": facts}, pieces=[each.tobytes() for each in chosen])


def _failure(error: ConvworksError, status: int) -> Reply:
    where = error.where.removeprefix("--")
    return Reply(header={"error": {"status": status, "where": where, "reason": error.reason, "remedy": error.remedy}})


def as_png(image: np.ndarray) -> bytes:
    """Return a picture as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else np.ascontiguousarray(image)).save(file, "PNG")
    return file.getvalue()
