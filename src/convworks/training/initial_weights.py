"""The first weights of a run, where the configuration asks for others than the network's own."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convworks.data.batches import normalise
from convworks.data.decode.images import take
from convworks.errors import InputError
from convworks.layers.initialise import initialise, unit_variance
from convworks.layers.normalisation.whitening import Whitening
from convworks.models.config import ModelConfig
from convworks.ops.initialiser import by_name
from convworks.training.run_data import RunData
from convworks.training.warm_start import grow, place_of

UNIT_VARIANCE = "unit_variance"
IMAGES = 64  # that unit variance is fitted to
WHITENED = 5000  # that whitening is fitted to


def begin(data: RunData) -> None:
    """Initialise the network as the configuration says, then copy the layers that it is to start with.

    Whitening is fitted to training images in any case.
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
        grow(network, model.start)


def _images(data: RunData, count: int) -> Tensor:
    """Return training images as the network gets them, evenly spread: folders are in the order of their classes."""
    device, given, train = next(data.network.parameters()).device, data.preprocessing, data.splits["train"]
    places = np.arange(min(count, len(train))) * len(train) // min(count, len(train))
    images = normalise(take(train.images, places).to(device), given.mean, given.std)
    if images.shape[2:] == torch.Size(given.size):
        return images
    return F.interpolate(images, given.size, mode="bilinear", antialias=True)  # kept larger, for cuts out of them


def placed(model: ModelConfig) -> ModelConfig:
    """Return a model whose start is found from any working directory.

    Raises InputError for an initialiser or a start that there is not: before anything is decoded.
    """
    if model.initialiser not in (None, UNIT_VARIANCE):
        try:
            by_name(str(model.initialiser))
        except InputError as error:
            raise InputError("model.initialiser", error.reason, f"{error.remedy}, {UNIT_VARIANCE}") from None
    if model.start is None:
        return model
    place = str(place_of(model.start).absolute())
    return model.model_copy(update={"start": model.start.model_copy(update={"path": place})})
