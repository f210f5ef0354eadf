"""The data of a run: the decoded splits of its source, and the fully resolved configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from convworks.console import counting
from convworks.data.batches import steps_per_epoch
from convworks.data.column import digest
from convworks.data.config import DataConfig, Decoding
from convworks.data.decode.damaged import Usable, leave_out, refuse
from convworks.data.decode.floats import decoding_of, floats_note, has_floats
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.decode.shape import (
    Headers,
    channels_note,
    fit_note,
    frames_note,
    image_shape,
    main_split,
    read_headers,
)
from convworks.data.decode.sizes import refuse_mismatched
from convworks.data.inputs.input import Input
from convworks.data.inputs.kinds import input_of
from convworks.data.samples import Samples
from convworks.data.source import Source
from convworks.data.sources.ignoring import coding_of, ignoring
from convworks.data.sources.named import CATALOGUE
from convworks.data.sources.open import located
from convworks.data.sources.split_names import TEST
from convworks.data.split.folds import held_out, named_by_columns
from convworks.data.targets.samples import with_targets
from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.models.catalogue import Shape, facts
from convworks.models.transfer.adapted import assemble
from convworks.tasks.registry import is_trained, task_of
from convworks.tasks.task import Task
from convworks.training.config import RunConfig
from convworks.training.warm_start import normalisation

LARGEST = 224  # largest side of the squares that images of different sizes become, unless the recipe has a size


@dataclass(frozen=True, kw_only=True)
class RunData:
    """Task, source, decoded splits, preprocessing, the untrained network, and the resolved configuration.

    `usable` lists the damaged files that were skipped, `contents` holds a digest of the bytes of each split's files,
    `notes` are lines for the user about how images are fitted; `held_out` describes the validation split, if the run
    made it.
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
    held_out: str = ""

    @property
    def input(self) -> Input:
        """What the network reads."""
        return input_of(self.preprocessing)


def prepare_data(config: RunConfig, source: Source, device: torch.device) -> RunData:
    """Decode every split of a source and build the network for it, on the device.

    Size, channels, mean and std default to those of the training images. A network that reconstructs images is given
    them without normalisation; one that starts from another network's layers uses the normalisation of that network.
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
        start_values = normalisation(config.model.start, channels)
        data = data.model_copy(update={name: getattr(data, name) or values for name, values in start_values.items()})
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
    validation = division.held_out or named_by_columns(source)
    several_frames = sum(probe.several_frames for probe in headers.probes)
    notes = (
        f"validation: {validation}" if validation else None,
        None if data.source in CATALOGUE else fit_note(headers, preprocessing.size, data.fit),  # recipes mean it
        frames_note(several_frames, looked=len(headers.probes), total=headers.total),
        floats_note(decoding.float_range) if has_floats(headers.probes) else None,
        channels_note(headers, preprocessing.channels, adapted=config.model.start is not None),
    )
    stored_size = data.stored or preprocessing.size
    input_of(preprocessing).check_augment(config.augment, stored_size)
    # Built before anything is decoded, so that a network that does not fit the images fails at once.
    network = _network(config, task.outputs(source.classes, channels), input_of(preprocessing))
    if data.decode == "always":
        refuse(source, decoding)  # before training, not in the middle of it
    loaded, stored = {}, {}
    for name, split in source.splits.items():
        with counting(f"decoding {name}") as report:
            size = stored_size if name == "train" else preprocessing.size
            stored[name] = preprocessing.model_copy(update={"size": size})
            loaded[name] = input_of(stored[name]).open(split, always=data.decode == "always", report=report)
    if (data.mean is None or data.std is None) and task.normalises:
        mean, std = loaded["train"].mean_std()
        # A constant channel keeps its scale.
        measured = {"mean": data.mean or mean, "std": data.std or tuple(value or 1.0 for value in std)}
        preprocessing = preprocessing.model_copy(update=measured)
    opened = {}
    for name, images in loaded.items():
        with counting(f"decoding targets of {name}") as report:
            opened[name] = with_targets(images, task.target, source.splits[name], stored[name], report=report)
    home = home_of([samples for samples, _ in opened.values()], device)
    splits = {name: samples.to(home) for name, (samples, _) in opened.items()}
    _check_smallest_batch(config, network, len(splits["train"]), preprocessing)
    return RunData(
        task=task.of(config, network),
        config=config.model_copy(update={"data": _resolved(data, source, preprocessing)}),
        source=source,
        usable=usable,
        splits=splits,
        contents={name: content for name, (_, content) in opened.items()},
        preprocessing=preprocessing,
        network=network.to(device).channels_last(),
        notes=tuple(note for note in notes if note),
        held_out=division.held_out,
    )


@dataclass(frozen=True, kw_only=True)
class Division:
    """The task of a run, its source with splits, the headers of its images, and their decoding.

    `held_out` describes the validation split, if the run made it.
    """

    task: Task
    usable: Usable
    headers: Headers
    decoding: Decoding
    held_out: str


def divided(config: RunConfig, source: Source) -> Division:
    """Return a source as a run of this configuration uses it: validation split off, damaged files skipped.

    Raises InputError if the configuration does not fit the source.
    """
    task = task_of(config, source)
    source = task.target.read(ignoring(source, config.data.ignore, "data.ignore"))
    if not config.data.test:
        source = replace(source, splits={name: split for name, split in source.splits.items() if name != TEST})
    task.check(task, config, source)
    headers = read_headers(main_split(source))
    decoding = decoding_of(config.data, source, headers.probes)
    usable = leave_out(source, config.data.skip_damaged, decoding)
    for split in usable.source.splits.values():
        refuse_mismatched(split)
    whole = usable.source
    usable = replace(usable, source=task.target.divide(whole, config.data, config.seed))
    note = held_out(whole, usable.source, config.data, config.seed)
    return Division(task=task, usable=usable, headers=headers, decoding=decoding, held_out=note)


def fingerprint(source: Source, contents: Mapping[str, str]) -> dict[str, Any]:
    """Return the fingerprint by which a resumed run recognises its data, wherever they are stored.

    Checksums of names, targets, file sizes (or the pixels of arrays) and, if files were read, their `contents`; for
    masks the values of the classes, which give their pixels a meaning.
    """
    digests: dict[str, Any] = {"classes": digest("\0".join(source.classes).encode())}
    for name, split in sorted(source.splits.items()):
        digests[name] = {
            "images": len(split),
            "names": digest("\0".join(split.names).encode("utf-8", "surrogateescape")),
            "labels": split.targets.fingerprint(),
            "contents": split.inputs.fingerprint(),
            **({"bytes": contents[name]} if contents.get(name) else {}),
            **({"values": str(coding)} if (coding := coding_of(split)) is not None else {}),
        }
    return digests


def _network(config: RunConfig, outputs: int, input: Input) -> Network:
    model = facts(config.model.name)
    if model.reads != input.reads or not is_trained(config.model):
        reason = f"{config.model.name} maps {model.reads} to {model.makes}, which no task trains"
        raise InputError("--model", reason, "choose another: `convworks models` lists them")
    torch.manual_seed(config.seed)
    shape = Shape(classes=outputs, channels=input.channels, size=input.size)
    return assemble(config.model, shape)


def _resolved(data: DataConfig, source: Source, preprocessing: Preprocessing) -> DataConfig:
    """Return the data configuration with the values taken from the images and an absolute source."""
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


def home_of(splits: Iterable[Samples], device: torch.device) -> torch.device:
    """Return where samples are kept and augmented: on a CUDA device if half of its free memory holds them, else CPU.

    Augmentation needs float64, which MPS does not have.
    """
    cpu = torch.device("cpu")
    if device.type != "cuda":
        return cpu
    columns = [column for samples in splits for column in (samples.images, samples.targets) if column is not None]
    fits = sum(column.shape.numel() for column in columns) <= torch.cuda.mem_get_info(device)[0] // 2
    return device if fits else cpu


def _check_smallest_batch(config: RunConfig, network: Network, count: int, preprocessing: Preprocessing) -> None:
    """Raise InputError for batches of one image in which batch normalisation would see a single value."""
    size, accumulation = config.training.batch_size, config.training.accumulation
    if count // steps_per_epoch(count, size) // accumulation > 1:
        return
    try:
        copy.deepcopy(network).train()(input_of(preprocessing).example())
    except ValueError:
        raise InputError(
            "training.batch_size",
            f"{size} gives batches of one image from {count}, which batch normalisation cannot work with"
            if accumulation == 1
            else f"{size} in {accumulation} parts gives single images, which batch normalisation cannot work with",
            "choose another batch size" if accumulation == 1 else "choose a smaller training.accumulation",
        ) from None
