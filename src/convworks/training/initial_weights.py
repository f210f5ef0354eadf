"""The initial weights of a run: initialiser, whitening, and layers copied from another network."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from convworks.errors import InputError
from convworks.layers.initialise import initialise, unit_variance
from convworks.layers.normalisation.whitening import Whitening
from convworks.models.config import ModelConfig
from convworks.ops.initialiser import by_name
from convworks.training.run_data import RunData
from convworks.training.warm_start import start_path, warm_start

UNIT_VARIANCE = "unit_variance"
IMAGES = 64  # for fitting unit variance
WHITENED = 5000  # for fitting the whitening


def initialise_weights(data: RunData) -> None:
    """Initialise the network as configured, then copy the layers that `model.start` names.

    Whitening is always fitted to training images.
    """
    model, network = data.config.model, data.network
    if model.initialiser == UNIT_VARIANCE:
        unit_variance(network, _images(data, IMAGES), seed=data.config.seed)
    elif model.initialiser is not None:
        initialise(network, model.initialiser, seed=data.config.seed)
    for module in network.modules():
        if isinstance(module, Whitening):
            module.fit(_images(data, WHITENED))
    if model.start is not None:
        warm_start(network, model.start)


def _images(data: RunData, count: int) -> Tensor:
    """Return training images as network inputs, evenly spaced: folders are sorted by class."""
    device, train = next(data.network.parameters()).device, data.splits["train"]
    indices = np.arange(min(count, len(train))) * len(train) // min(count, len(train))
    images = data.input.normalise(train.take(indices)[0].to(device))
    if tuple(images.shape[-len(data.input.size) :]) == data.input.size:
        return images
    return data.input.resize(images, data.input.size)  # stored larger, for crops


def with_absolute_start(model: ModelConfig) -> ModelConfig:
    """Return a model whose start has an absolute path.

    Raises InputError for an unknown initialiser or a missing start, before anything is decoded.
    """
    if model.initialiser not in (None, UNIT_VARIANCE):
        try:
            by_name(str(model.initialiser))
        except InputError as error:
            raise InputError("model.initialiser", error.reason, f"{error.remedy}, {UNIT_VARIANCE}") from None
    if model.start is None:
        return model
    path = str(start_path(model.start).absolute())
    return model.model_copy(update={"start": model.start.model_copy(update={"path": path})})
