"""Saving and loading bundles: weights.safetensors + bundle.json + README.md in one folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import save
from torch import nn

from convworks import files
from convworks.bundle.card import card
from convworks.bundle.description import (
    FORMAT,
    NAME,
    REMEDY,
    WAITING,
    WEIGHTS,
    find_weights,
    identity,
    read_description,
    waiting,
)
from convworks.bundle.tensors import load_tensors
from convworks.config import Config, build, to_json
from convworks.data.column import Colours
from convworks.data.config import Corruption
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.input import Input
from convworks.data.inputs.kinds import input_of
from convworks.errors import InputError
from convworks.layers.heads.kernel_machine import allocate_vectors
from convworks.layers.network import without_auxiliary
from convworks.layers.values import require_sound
from convworks.models.catalogue import Shape
from convworks.models.config import ModelConfig
from convworks.models.transfer.adapted import assemble
from convworks.signed import write_signed
from convworks.tasks.classification import CLASSIFICATION
from convworks.tasks.registry import named
from convworks.tasks.task import Task

TRIES = 3  # failures in a row with the same description, before a bundle counts as damaged


@dataclass(frozen=True, kw_only=True)
class Described:
    """All that is needed to use a network, besides itself. `record` documents its origin (metrics, training, versions).

    `classes` is empty for tasks without classes; `corruption` was applied to the inputs in training and evaluation;
    `ignore` is the class of masks that did not count in either, `colours` are those of the classes of masks, where a
    table gave them.
    """

    model: ModelConfig
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    record: dict[str, Any]
    task: Task = CLASSIFICATION
    corruption: Corruption | None = None
    ignore: int | str | None = None
    colours: Colours | None = None

    @property
    def input(self) -> Input:
        """What the network reads."""
        return input_of(self.preprocessing)


@dataclass(frozen=True, kw_only=True)
class Bundle(Described):
    """A network with all that is needed to use it."""

    network: nn.Module


def save_bundle(folder: Path, bundle: Bundle) -> None:
    """Write a bundle; an existing one is replaced atomically: the old one can be loaded until the new one can.

    Raises InputError for weights with unusable values.
    """
    require_sound(folder, bundle.network.state_dict(), "keep the weights from before they diverged")
    inference_weights = (pair for pair in bundle.network.state_dict().items() if not pair[0].startswith("auxiliary."))
    tensors = dict(inference_weights)  # auxiliary classifiers are for training
    weights = save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})
    description = {"format": FORMAT, **describe(bundle), "weights_sha256": hashlib.sha256(weights).hexdigest()}
    if folder.is_dir() and any(folder.iterdir()):
        # The description decides which weights count: until it is replaced, new weights have a temporary name.
        new = waiting(folder, description["weights_sha256"])
        files.write_bytes(new, weights)
        write_signed(folder / NAME, description)
        new.replace(folder / WEIGHTS)
        files.write_text(folder / "README.md", card(description))
        for old in folder.iterdir():
            if WAITING.fullmatch(old.name):  # of an interrupted replacement
                old.unlink(missing_ok=True)
        return
    with files.atomic_folder(folder) as partial:
        files.write_bytes(partial / WEIGHTS, weights)
        files.write_text(partial / "README.md", card(description))
        write_signed(partial / NAME, description)


def describe(bundle: Described) -> dict[str, Any]:
    """Return what is known of a network as plain JSON values: bundles and exported files say the same."""
    return {
        "task": {
            "name": bundle.task.name,
            **({"corruption": to_json(bundle.corruption)} if bundle.corruption is not None else {}),
            **({"ignore": bundle.ignore} if bundle.ignore is not None else {}),
            **({"colours": list(map(list, bundle.colours))} if bundle.colours is not None else {}),
        },
        "model": to_json(bundle.model),
        "preprocessing": to_json(bundle.preprocessing),
        "classes": list(bundle.classes),
        "record": bundle.record,
    }


def described(description: dict[str, Any], model: ModelConfig, file: Path) -> Described:
    """Return what a file says of a network, whose configuration is `model`; InputError for an unknown task."""
    classes = tuple(description["classes"])
    fields = _task_fields(description["task"], file)
    task = named(description["task"]["name"], str(file)).painted(fields.colours)
    if task.judged and not classes:
        raise InputError(file, "names fewer than two classes", REMEDY)
    return Described(
        model=model,
        preprocessing=build(Preprocessing, description["preprocessing"], where=f"{file} preprocessing"),
        classes=classes,
        record=description["record"],
        task=task,
        **vars(fields),
    )


def load_bundle(path: Path) -> Bundle:
    """Read a bundle from its folder, or from the run folder that contains it.

    Raises InputError for a file that is missing, damaged, modified, or in a format that this version cannot read.
    """
    failures: list[dict[str, Any]] = []
    while True:
        description, folder = read_description(path)
        try:
            return _load(description, folder)
        except InputError:  # it may just be replaced, possibly more than once
            failures.append(description)
            if failures[-TRIES:] == [description] * TRIES:
                raise


def _load(description: dict[str, Any], folder: Path) -> Bundle:
    file = folder / NAME
    try:
        model = build(ModelConfig, description["model"], where="model")
        facts = described(description, model, file)
        channels = facts.preprocessing.channels
        shape = Shape(
            classes=facts.task.outputs(facts.classes, channels), channels=channels, size=facts.preprocessing.size
        )
        network = without_auxiliary(assemble(model, shape))
    except InputError as error:  # its fields and its remedy are those of a run
        if error.where.startswith(str(file)):
            raise
        own_model = "register it with convworks.network if it is your own, or " if error.where == "model" else ""
        raise InputError(file, f"{error.where}: {error.reason}", own_model + REMEDY) from None
    weights, state_of_file = find_weights(folder, description["weights_sha256"])
    try:
        state = load_tensors(weights)
        if identity(weights) != state_of_file:
            raise InputError(weights, "was replaced while being read", "start again")
        allocate_vectors(network, state)
        network.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(weights, f"does not fit the network {model.name} ({_first_line(error)})", REMEDY) from None
    require_sound(weights, state, "its training diverged: train it again, or import other weights")
    network.eval().channels_last()
    return Bundle(network=network, **vars(facts))


#: A part of a colour.
Byte = Annotated[int, Field(ge=0, le=255)]


class _TaskFields(Config):
    """What a description says of a task besides its name."""

    corruption: Annotated[Corruption | None, Field(discriminator="kind")] = None
    ignore: int | str | None = None
    colours: tuple[tuple[Byte, Byte, Byte], ...] | None = None


def _task_fields(task: dict[str, Any], file: Path) -> _TaskFields:
    return build(_TaskFields, {name: task.get(name) for name in _TaskFields.model_fields}, where=str(file))


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))
