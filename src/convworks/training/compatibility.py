"""Loss and metric that suit what is asked for: one class an image, any number of them, or the image itself."""

from __future__ import annotations

import numpy as np

from convworks.data.labels import is_several, told
from convworks.data.source import Source
from convworks.errors import InputError
from convworks.losses.config import (
    BinaryCrossEntropy,
    CrossEntropy,
    LossConfig,
    OwnLoss,
    PixelCrossEntropy,
    SquaredError,
)
from convworks.models import MAKERS, family
from convworks.models.config import ModelConfig
from convworks.training.config import IMAGES, ONE, SEVERAL, Metric, RunConfig

REMEDY = "--set training.loss.kind=binary_cross_entropy"
#: Losses that compare images.
COMPARING = (SquaredError, PixelCrossEntropy, OwnLoss)


def makes_images(model: ModelConfig) -> bool:
    """Say whether a network turns images into images: none that was cut and has a new head does."""
    if model.adapted or family(model.name) not in MAKERS:
        return False
    from convworks.models.catalogue import facts  # with torch, which wrong input shall not wait for

    known = facts(model.name)
    return (known.reads, known.makes) == ("images", "images")


def suited(config: RunConfig, source: Source, model: ModelConfig) -> RunConfig:
    """Return a recipe for a source and a network.

    Where images have any number of labels, cross-entropy becomes that of each class; the best epoch is then the one
    with the best mean average precision, where the recipe does not go by the loss. A network that makes images is
    trained on the squared error, and nothing is mixed.
    """
    if makes_images(model):
        return _comparing(config)
    if not source.several:
        return config
    loss: LossConfig = config.training.loss
    if isinstance(loss, CrossEntropy):
        balanced = "balanced" if loss.class_weights == "balanced" else None
        loss = BinaryCrossEntropy(smoothing=loss.smoothing, positive_weights=balanced)
    best: Metric = config.training.best if config.training.best in SEVERAL else "map"
    return config.model_copy(
        update={"training": config.training.model_copy(update={"loss": loss, "best": best, "sampling": "shuffled"})}
    )


def _comparing(config: RunConfig) -> RunConfig:
    training = config.training
    loss: LossConfig = training.loss if isinstance(training.loss, COMPARING) else SquaredError()
    best: Metric = training.best if training.best in IMAGES else "loss"
    kept = training.model_copy(update={"loss": loss, "best": best, "sampling": "shuffled", "resolutions": ()})
    augment = config.augment.model_copy(update={"mixup": None, "cutmix": None})
    return config.model_copy(update={"training": kept, "augment": augment})


def check_suited(config: RunConfig, source: Source) -> None:
    """Refuse a loss, a metric or a sampling that is not defined for what is asked for."""
    if makes_images(config.model):
        _check_comparing(config)
        return
    training = config.training
    if training.greedy or training.pretraining is not None:
        field = "greedy" if training.greedy else "pretraining"
        reason = f"is for autoencoders, {config.model.name} is none"
        raise InputError(f"training.{field}", reason, "choose --model autoencoder_fc_deep, or leave it out")
    if isinstance(training.loss, SquaredError | PixelCrossEntropy):
        reason = f"{training.loss.kind} compares images, {config.model.name} makes none"
        raise InputError("training.loss", reason, "choose cross_entropy, or an autoencoder: --model autoencoder_conv")
    if config.data.corruption is not None:
        reason = f"is for networks that give images back, {config.model.name} makes none"
        raise InputError("data.corruption", reason, "choose an autoencoder: --model autoencoder_denoising")
    measured = SEVERAL if source.several else ONE
    if source.several and training.loss.kind in ("cross_entropy", "penalty"):
        reason = f"{_example(source)}, but the loss {training.loss.kind} is for exactly one"
        raise InputError(source.where, reason, REMEDY)
    if training.best not in measured:
        which = "any number of labels" if source.several else "one label"
        reason = f"{training.best} is not measured where images have {which}"
        raise InputError("training.best", reason, f"choose one of {', '.join(measured)}")
    if source.several and training.sampling == "balanced":
        reason = "balanced draws the images of one class after the other, but each may show several"
        raise InputError("training.sampling", reason, f"{REMEDY} --set training.loss.positive_weights=balanced")


def _check_comparing(config: RunConfig) -> None:
    """Refuse what is not defined where the image itself is asked for."""
    training, name = config.training, config.model.name
    if not isinstance(training.loss, COMPARING):
        reason = f"{name} makes images, but the loss {training.loss.kind} is for classes"
        raise InputError("training.loss", reason, "--set training.loss.kind=squared_error, or pixel_cross_entropy")
    if training.best not in IMAGES:
        reason = f"{training.best} is not measured where the network makes images"
        raise InputError("training.best", reason, f"choose one of {', '.join(IMAGES)}")
    if training.sampling == "balanced":
        raise InputError("training.sampling", f"balanced draws by classes, {name} asks for none", "leave it out")
    if training.resolutions:
        reason = f"are smaller images than those that {name} is to give back"
        raise InputError("training.resolutions", reason, "leave them out")
    if config.precision == "bfloat16" and isinstance(training.loss, PixelCrossEntropy):
        reason = "bfloat16 has no number between 0.996 and 1, near which the logarithm is steep"
        raise InputError("precision", reason, "--set precision=float32, or training.loss.kind=squared_error")


def _example(source: Source) -> str:
    """Name an image that does not show exactly one class."""
    for split in source.splits.values():
        assert is_several(split.labels)
        counts = split.labels.sum(1)
        for index in np.flatnonzero(counts != 1)[:1].tolist():
            shown = told(split.labels, index, source.classes)
            return f"{split.names[index]} shows {counts[index]} classes" + (f" ({shown})" if shown else "")
    return "its images may show any number of classes"
