"""The first weights of a run, where the configuration asks for others than the network's own."""

from __future__ import annotations

from convworks.data.batches import normalise
from convworks.data.images import take
from convworks.errors import InputError
from convworks.layers.initialise import initialise, unit_variance
from convworks.models.config import ModelConfig
from convworks.ops.initialiser import by_name
from convworks.training.grow import grow, place_of
from convworks.training.material import Material

UNIT_VARIANCE = "unit_variance"
IMAGES = 64  # that unit variance is fitted to


def begin(material: Material) -> None:
    """Initialise the network as the configuration says, then copy the layers that it is to start with."""
    model, network = material.config.model, material.network
    if model.initialiser == UNIT_VARIANCE:
        given, device = material.preprocessing, next(network.parameters()).device
        images = take(material.splits["train"].images, slice(IMAGES)).to(device)
        unit_variance(network, normalise(images, given.mean, given.std), seed=material.config.seed)
    elif model.initialiser is not None:
        initialise(network, model.initialiser, seed=material.config.seed)
    if model.start is not None:
        grow(network, model.start)


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
