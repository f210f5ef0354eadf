"""Everything that decides how a network is trained, and the complete configuration of a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from convworks.config import Config
from convworks.data.config import AugmentConfig, Corruption, DataConfig
from convworks.errors import nearest
from convworks.hardware import DEVICES, is_device
from convworks.losses.config import CrossEntropy, LossConfig
from convworks.metrics.spec import METRICS
from convworks.models.config import ModelConfig
from convworks.training.optimizers.config import SGD, Optimizer
from convworks.training.schedules.config import Schedule, Warmup


class Clip(Config):
    """Gradient clipping (lectures 000 and 003): each value, the norm of each variable, or the norm of the whole."""

    kind: Literal["value", "variable_norm", "global_norm"] = "global_norm"
    limit: PositiveFloat


class Resolution(Config):
    """The size (height, width) that training images are reduced to, `until` that share of all steps is done."""

    size: tuple[PositiveInt, PositiveInt]
    until: Annotated[float, Field(gt=0, le=1)]


class Pretraining(Config):
    """Greedy layer-wise pre-training of an autoencoder (Hinton and Salakhutdinov 2006, Vincent et al. 2010).

    Each layer takes so many `epochs`, and gives back what it reads without the `corruption`.
    """

    epochs: PositiveInt
    corruption: Annotated[Corruption | None, Field(discriminator="kind")] = None


class TrainingConfig(Config):
    """How the network is trained.

    A step takes `batch_size` samples, in `accumulation` parts one after the other where they do not fit into memory
    together. `ema` is the decay of an exponential moving average of the weights, which is then what is validated and
    kept (at most (1 + step) / (10 + step), or the first weights would never fade in a short run). `sampling` balanced
    draws every class equally often. `best` names the metric on validation by which epochs and runs are compared, one of
    those that the task measures. `kept` says whether
    the bundle holds the best epoch or the last, which few validation images cannot choose better; `patience`: stop
    after so many epochs that were not the best. `keep_last` and `keep_best` say how many epochs keep their checkpoints.
    `resolutions` are sizes of images to begin with, smaller than the network's (progressive resizing, Howard 2018),
    each until its share of the steps is done; what is left has the network's own. `freeze` is a tap: all up to it stays
    as it is, running statistics included, and computes as in evaluation. With `thaw`, at first only the part behind the
    tap at which a network was cut is trained (or the last one with weights), and every so many epochs one more stage,
    down to `freeze` (Howard and Ruder 2018). `depth_decay` multiplies the learning rate of each of these stages, once
    for the last of them, twice for the one before it, and so on. `batch_norm` says whether the processes of a
    distributed run take each their own statistics, or those of the whole batch. `greedy` trains the
    innermost layer of an autoencoder alone, to give back the code of the layers below instead of the image;
    data.corruption is then that of the code. `pretraining` makes such a run for each layer first, from the outermost
    one on, and begins with what they found.
    """

    epochs: PositiveInt
    batch_size: PositiveInt
    accumulation: PositiveInt = 1
    optimizer: Annotated[Optimizer, Field(discriminator="kind")] = SGD()
    schedule: Annotated[Schedule, Field(discriminator="kind")]
    warmup: Warmup | None = None
    loss: Annotated[LossConfig, Field(discriminator="kind")] = CrossEntropy()
    resolutions: tuple[Resolution, ...] = ()
    freeze: str | None = None
    thaw: PositiveInt | None = None
    depth_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    clip: Clip | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    batch_norm: Literal["local", "synchronised"] = "local"
    best: str = "top1"
    kept: Literal["best", "last"] = "best"
    greedy: bool = False
    pretraining: Pretraining | None = None
    patience: PositiveInt | None = None
    keep_last: PositiveInt = 1
    keep_best: PositiveInt = 1
    checkpoint_seconds: PositiveFloat = 60.0

    @field_validator("best")
    @classmethod
    def _a_metric(cls, best: str) -> str:
        if best not in METRICS:
            raise ValueError(f"there is no metric {best!r}{nearest(best, METRICS)}; there are {', '.join(METRICS)}")
        return best

    @model_validator(mode="after")
    def _parts_are_not_empty(self) -> TrainingConfig:
        if self.accumulation > self.batch_size:
            raise ValueError(f"accumulation {self.accumulation} cuts batch_size {self.batch_size} into empty parts")
        return self

    @model_validator(mode="after")
    def _resolutions_follow_each_other(self) -> TrainingConfig:
        moments = [found.until for found in self.resolutions]
        if moments != sorted(set(moments)):
            raise ValueError(f"resolutions end at {', '.join(map(str, moments))}: give each a later end than the last")
        return self


class RunConfig(Config):
    """A complete run. `precision` auto: bfloat16 where the hardware multiplies it faster, else float32.

    `task` names what is asked of the network; by default that follows from the network and the source (tasks/).
    `tracking` names who is told of its metrics besides metrics.jsonl; in a text they are separated by commas.
    """

    recipe: str
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    deterministic: bool = False
    task: str | None = None
    tracking: tuple[Literal["tensorboard", "mlflow"], ...] = ()
    data: DataConfig
    augment: AugmentConfig = AugmentConfig()
    model: ModelConfig
    training: TrainingConfig

    @field_validator("tracking", mode="before")
    @classmethod
    def _names(cls, tracking: object) -> object:
        return tuple(tracking.replace(",", " ").split()) if isinstance(tracking, str) else tracking

    @field_validator("device")
    @classmethod
    def _a_device(cls, device: str) -> str:
        if not is_device(device):
            raise ValueError(f"must be {DEVICES}")
        return device
