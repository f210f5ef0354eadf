"""What a run works on: the decoded splits of its source, and the configuration with nothing left open."""

from __future__ import annotations

import copy
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from convworks.console import counting
from convworks.data.augment.pipeline import check_augment
from convworks.data.batches import Samples, steps_per_epoch
from convworks.data.config import DataConfig, Decoding
from convworks.data.decode.damaged import Usable, leave_out, refuse
from convworks.data.decode.floats import decoding_of, floats_note, has_floats
from convworks.data.decode.images import Decoded, Images, open_images
from convworks.data.decode.load import Loaded
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.decode.shape import Headers, fit_note, frames_note, image_shape, main_split, read_headers
from convworks.data.location import byte_size
from convworks.data.source import Source
from convworks.data.sources.open import located
from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.models.catalogue import Shape, facts
from convworks.models.transfer.adapted import assemble
from convworks.tasks.registry import output_kind, task_of
from convworks.tasks.task import Task
from convworks.training.config import RunConfig
from convworks.training.warm_start import normalisation

LARGEST = 224  # images of different sizes become squares of at most this side, where the recipe does not say


@dataclass(frozen=True, kw_only=True)
class RunData:
    """Task, source, decoded splits, preprocessing, the untrained network, and the configuration that says all of it.

    `usable` says which damaged files were left out, `contents` holds a digest of the bytes of each split's files,
    `notes` are lines about what becomes of the images.
    """

    config: RunConfig
    task: Task
    source: Source
    usable: Usable
    splits: Mapping[str, Samples]
    contents: Mapping[str, str]
    preprocessing: Preprocessing
    network: Network
    notes: tuple[str, ...] = ()


def prepare_data(config: RunConfig, source: Source, device: torch.device) -> RunData:
    """Decode every split of a source and build the network for it, on the device.

    What the configuration leaves open (size, channels, mean, std) is taken from the training images; a network that
    gives images back reads them as they are, and one that begins with another's layers as that one does.
    """
    data, division = config.data, divided(config, source)
    task = division.task
    usable, headers, decoding = division.usable, division.headers, division.decoding
    source = usable.source
    shape = image_shape(headers, largest=LARGEST, fit=data.fit)
    channels = data.channels or shape.channels
    if channels not in (1, 3, 4, shape.channels):
        reason = f"is {channels}, but the images have {shape.channels}"
        remedy = "give such images, or choose 1 (grey), 3 (colour), 4 (with transparency) or what the images have"
        raise InputError("data.channels", reason, remedy)
    if config.model.start is not None and (data.mean is None or data.std is None):
        known = normalisation(config.model.start, channels)
        data = data.model_copy(update={name: getattr(data, name) or values for name, values in known.items()})
    for name, values in (("mean", data.mean), ("std", data.std)):
        if values is not None and len(values) != channels:
            raise InputError(
                f"data.{name}", f"has {len(values)} values for {channels} channels", f"give {channels} values"
            )
    preprocessing = Preprocessing(
        size=data.size or shape.size,
        channels=channels,
        fit=data.fit,
        mean=data.mean or (0.0,) * channels,
        std=data.std or (1.0,) * channels,
        decoding=decoding,
    )
    frames = sum(found.several_frames for found in headers.probes)
    notes = (
        fit_note(headers, preprocessing.size, data.fit),
        frames_note(frames, looked=len(headers.probes), total=headers.total),
        floats_note(decoding.float_range) if has_floats(headers.probes) else None,
    )
    kept = data.stored or preprocessing.size
    check_augment(config.augment, kept, preprocessing.size, channels)
    # Built before anything is decoded, so that a network that does not fit the images says so at once.
    network = _network(config, task.outputs(source.classes, channels), preprocessing)
    if data.decode == "always":
        refuse(source, decoding)  # before training, not in the middle of it
    loaded = {}
    for name, split in source.splits.items():
        with counting(f"decoding {name}") as report:
            size = kept if name == "train" else preprocessing.size
            wanted = preprocessing.model_copy(update={"size": size})
            loaded[name] = open_images(split, wanted, always=data.decode == "always", report=report)
    if (data.mean is None or data.std is None) and task.normalises:
        mean, std = loaded["train"].mean_std()
        # A channel without any contrast keeps its scale.
        measured = {"mean": data.mean or mean, "std": data.std or tuple(value or 1.0 for value in std)}
        preprocessing = preprocessing.model_copy(update=measured)
    images = {name: found.images if isinstance(found, Loaded) else found for name, found in loaded.items()}
    place = device if _fits(images.values(), device) else torch.device("cpu")
    splits = {
        name: Samples(
            images=pixels if isinstance(pixels, Decoded) else pixels.to(place),
            targets=None if (targets := task.target.collate(source.splits[name])) is None else targets.to(place),
        )
        for name, pixels in images.items()
    }
    _check_smallest_batch(config, network, len(splits["train"]), preprocessing)
    return RunData(
        task=task.of(config, network),
        config=config.model_copy(update={"data": _resolved(data, source, preprocessing)}),
        source=source,
        usable=usable,
        splits=splits,
        contents={name: found.content for name, found in loaded.items()},
        preprocessing=preprocessing,
        network=network.to(device).channels_last(),
        notes=tuple(note for note in notes if note),
    )


@dataclass(frozen=True, kw_only=True)
class Division:
    """The task of a run, its source as the run uses it, the headers of its images, and how these are decoded."""

    task: Task
    usable: Usable
    headers: Headers
    decoding: Decoding


def divided(config: RunConfig, source: Source) -> Division:
    """Return a source as a run of this configuration uses it: validation split off, and what was left out as damaged.

    Raises InputError where the configuration does not suit it.
    """
    task = task_of(config, source)
    source = task.target.read(source)
    task.check(task, config, source)
    headers = read_headers(main_split(source))
    decoding = decoding_of(config.data, source, headers.probes)
    usable = leave_out(source, config.data.skip_damaged, decoding)
    usable = replace(usable, source=task.target.divide(usable.source, config.data, config.seed))
    return Division(task=task, usable=usable, headers=headers, decoding=decoding)


def fingerprint(source: Source, contents: Mapping[str, str]) -> dict[str, Any]:
    """Return what a resumed run knows its data by, wherever they are.

    Checksums of names, labels, file sizes (of an array: pixels) and, where files were read, their `contents`.
    """
    found: dict[str, Any] = {"classes": _digest("\0".join(source.classes).encode())}
    for name, split in sorted(source.splits.items()):
        sizes = list(map(byte_size, split.files or ()))
        sizes += [zlib.crc32(split.arrays.tobytes())] if split.arrays is not None else []
        found[name] = {
            "images": len(split.labels),
            "names": _digest("\0".join(split.names).encode("utf-8", "surrogateescape")),
            "labels": _digest(np.ascontiguousarray(split.labels).tobytes()),
            "contents": _digest(repr(sizes).encode()),
            **({"bytes": contents[name]} if contents.get(name) else {}),
        }
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _network(config: RunConfig, outputs: int, preprocessing: Preprocessing) -> Network:
    known = facts(config.model.name)
    if known.reads != "images" or output_kind(config.model) not in ("logits", "images"):
        reason = f"{config.model.name} turns {known.reads} into {known.makes}, the labels are classes of images"
        raise InputError("--model", reason, "choose a classifier of images: `convworks models` lists them")
    torch.manual_seed(config.seed)
    shape = Shape(classes=outputs, channels=preprocessing.channels, size=preprocessing.size)
    return assemble(config.model, shape)


def _resolved(data: DataConfig, source: Source, preprocessing: Preprocessing) -> DataConfig:
    """Write down what was taken from the images, and where they are whatever the working directory."""
    return data.model_copy(
        update={
            "source": located(data.source),
            "size": preprocessing.size,
            "channels": preprocessing.channels,
            "mean": preprocessing.mean,
            "std": preprocessing.std,
            "float_range": preprocessing.decoding.float_range,
        }
    )


def _fits(images: Iterable[Images], device: torch.device) -> bool:
    """Tell whether the images may all live on the device: a GPU keeps half of its memory for the network."""
    if device.type != "cuda":
        return True
    return sum(pixels.shape.numel() for pixels in images) <= torch.cuda.mem_get_info(device)[0] // 2


def _check_smallest_batch(config: RunConfig, network: Network, count: int, given: Preprocessing) -> None:
    """Refuse batches of a single image where batch normalisation would see a single value."""
    size, accumulation = config.training.batch_size, config.training.accumulation
    if count // steps_per_epoch(count, size) // accumulation > 1:
        return
    try:
        copy.deepcopy(network).train()(torch.zeros(1, *given.shape))
    except ValueError:
        raise InputError(
            "training.batch_size",
            f"{size} gives batches of one image from {count}, which batch normalisation cannot work with"
            if accumulation == 1
            else f"{size} in {accumulation} parts gives single images, which batch normalisation cannot work with",
            "choose another batch size" if accumulation == 1 else "choose a smaller training.accumulation",
        ) from None
