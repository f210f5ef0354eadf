"""Recipes for autoencoders (lecture 001), on MNIST; `--data` takes any other source, with labels or without."""

from __future__ import annotations

from convworks.data.config import DataConfig, Masking, SaltAndPepper
from convworks.losses.config import PixelCrossEntropy, SquaredError
from convworks.models.config import ModelConfig, Start
from convworks.training.config import Pretraining, RunConfig, TrainingConfig
from convworks.training.optimizers.config import SGD, Adam
from convworks.training.schedules.config import OneCycle

DATA = DataConfig(source="mnist", validation_limit=5000)


def linear() -> RunConfig:
    """Find the principal components by gradients: `convworks train autoencoder/linear`.

    784-30-784 without nonlinearity, squared error: the code spans what principal component analysis finds (Bourlard
    and Kamp 1988). The variances along the 30th and the 31st component differ by 5 %, which takes so many epochs.
    One core of an AMD EPYC: 2 to 3 minutes; the largest principal angle between both is 0.21, 0.07, 0.13, 0.20 and
    0.16 degrees with seeds 0 to 4.
    """
    return RunConfig(
        recipe="autoencoder/linear",
        data=DATA.model_copy(update={"mean": (0.1307,), "std": (1.0,)}),
        model=ModelConfig(name="autoencoder_linear"),
        training=TrainingConfig(
            epochs=250,
            batch_size=1000,
            optimizer=SGD(momentum=0.95, weight_decay=0.0),
            schedule=OneCycle(rate=4.0, rise=0.1),
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


def deep() -> RunConfig:
    """Train layer by layer, unroll, train all: `convworks train autoencoder/deep`.

    784-1000-500-250-30 and back, the network of Hinton and Salakhutdinov 2006; shallow autoencoders stand for the
    paper's restricted Boltzmann machines, as in lecture 001. Five runs, of which each begins with the one before.
    """
    return RunConfig(
        recipe="autoencoder/deep",
        data=DATA,
        model=ModelConfig(name="autoencoder_fc_deep"),
        training=TrainingConfig(
            epochs=10,
            batch_size=128,
            optimizer=Adam(),
            schedule=OneCycle(rate=0.001, rise=0.1),
            loss=PixelCrossEntropy(),
            best="loss",
            pretraining=Pretraining(epochs=4),
        ),
    )


def stacked_denoising() -> RunConfig:
    """Learn features from damaged digits, without labels: `convworks train autoencoder/stacked`.

    Three layers of 1000 logistic units, each trained to give back the code below it of which a quarter was set to zero
    (Vincent et al. 2010), then all of them. `autoencoder/classifier` begins with its encoder.
    """
    return RunConfig(
        recipe="autoencoder/stacked",
        data=DATA,
        model=ModelConfig(name="autoencoder_fc_deep", table={"units": [1000, 1000, 1000], "code": "sigmoid"}),
        training=TrainingConfig(
            epochs=1,
            batch_size=128,
            optimizer=Adam(),
            schedule=OneCycle(rate=0.001, rise=0.1),
            loss=PixelCrossEntropy(),
            best="loss",
            pretraining=Pretraining(epochs=5, corruption=Masking(rate=0.25)),
        ),
    )


def classifier() -> RunConfig:
    """Classify with learned features: `convworks train autoencoder/classifier --set model.start.path=RUN`.

    784-1000-1000-1000-10, whose hidden layers begin with the encoder of autoencoder/stacked: the path is
    RUN/layer3, or RUN/whole.
    """
    return RunConfig(
        recipe="autoencoder/classifier",
        data=DATA,
        model=ModelConfig(name="perceptron_wide", start=Start(layers=("encoder",))),
        training=TrainingConfig(
            epochs=10, batch_size=128, optimizer=Adam(), schedule=OneCycle(rate=0.001, rise=0.1), best="loss"
        ),
    )
