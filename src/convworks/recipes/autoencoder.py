"""Recipes for autoencoders (lecture 001), on MNIST; `--data` takes any other source, with labels or without."""

from __future__ import annotations

from convworks.data.config import DataConfig, SaltAndPepper
from convworks.models.config import ModelConfig
from convworks.training.config import RunConfig, TrainingConfig
from convworks.training.loss_config import PixelCrossEntropy, SquaredError
from convworks.training.optimizer_config import Adam
from convworks.training.schedule_config import OneCycle

DATA = DataConfig(source="mnist", validation_limit=5000)


def linear() -> RunConfig:
    """Find the principal components by gradients: `convworks train autoencoder/linear`.

    784-30-784 without nonlinearity, squared error: the code spans what principal component analysis finds (Bourlard
    and Kamp 1988).
    """
    return RunConfig(
        recipe="autoencoder/linear",
        data=DATA,
        model=ModelConfig(name="autoencoder_linear"),
        training=TrainingConfig(
            epochs=30,
            batch_size=256,
            optimizer=Adam(),
            schedule=OneCycle(rate=0.003, rise=0.1),
            loss=SquaredError(),
            best="loss",
        ),
    )


def fully_connected() -> RunConfig:
    """Give digits back through a code of 128 numbers: `convworks train autoencoder/fc`.

    784-128-784, logistic units, tied weights, cross-entropy of the pixels.
    """
    return RunConfig(
        recipe="autoencoder/fc",
        data=DATA,
        model=ModelConfig(name="autoencoder_fc"),
        training=TrainingConfig(
            epochs=20,
            batch_size=128,
            optimizer=Adam(),
            schedule=OneCycle(rate=0.003, rise=0.1),
            loss=PixelCrossEntropy(),
            best="loss",
        ),
    )


def denoising() -> RunConfig:
    """Give whole digits back from corrupted ones: `convworks train autoencoder/denoising`.

    784-1000-784, tied weights, a tenth of the pixels black or white by chance, as in lecture 001
    (`--set data.corruption.rate=0.05`).
    """
    return RunConfig(
        recipe="autoencoder/denoising",
        data=DATA.model_copy(update={"corruption": SaltAndPepper(rate=0.1)}),
        model=ModelConfig(name="autoencoder_denoising"),
        training=TrainingConfig(
            epochs=15,
            batch_size=128,
            optimizer=Adam(),
            schedule=OneCycle(rate=0.002, rise=0.1),
            loss=PixelCrossEntropy(),
            best="loss",
        ),
    )


def convolutional() -> RunConfig:
    """Give images back through 8 maps of a sixteenth of the pixels: `convworks train autoencoder/convolutional`.

    28x28 down to 7x7 by pooling, up by up-convolutions, squared error.
    """
    return RunConfig(
        recipe="autoencoder/convolutional",
        data=DATA,
        model=ModelConfig(name="autoencoder_conv"),
        training=TrainingConfig(
            epochs=3,
            batch_size=64,
            optimizer=Adam(),
            schedule=OneCycle(rate=0.003, rise=0.1),
            loss=SquaredError(),
            best="loss",
        ),
    )
