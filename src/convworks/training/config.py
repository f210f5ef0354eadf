"""The training configuration, and the complete configuration of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

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
    """Gradient clipping (lectures 000 and 003): by value, by the norm of each variable, or by the global norm."""

    kind: Literal["value", "variable_norm", "global_norm"] = "global_norm"
    limit: PositiveFloat


class Resolution(Config):
    """The size (height, width) of the training images until the fraction `until` of all steps."""

    size: tuple[PositiveInt, PositiveInt]
    until: Annotated[float, Field(gt=0, le=1)]


class Pretraining(Config):
    """Greedy layer-wise pre-training of an autoencoder (Hinton and Salakhutdinov 2006, Vincent et al. 2010).

    Each layer is trained for `epochs` to reconstruct its input before `corruption`.
    """

    epochs: PositiveInt
    corruption: Annotated[Corruption | None, Field(discriminator="kind")] = None


class TrainingConfig(Config):
    """The training configuration.

    Attributes:
        batch_size: samples in a step.
        accumulation: number of micro-batches a step is split into, where the batch does not fit into memory.
        ema: decay of the exponential moving average of the weights, which is then validated and saved; at most
            (1 + step) / (10 + step), or the first weights would never fade in a short run.
        sampling: `balanced` draws every class equally often.
        best: validation metric by which epochs and runs are compared, one of those that the task measures.
        kept: whether the bundle holds the best epoch or the last; with few validation images the last is as good.
        patience: stop after this many epochs without improvement.
        keep_last, keep_best: how many of the last and of the best epochs keep their checkpoints.
        resolutions: image sizes smaller than the network's, each used until its fraction of the steps (progressive
            resizing, Howard 2018); the remaining steps use the network's own size.
        freeze: a tap; all layers up to it are frozen, with their running statistics, in evaluation mode.
        thaw: gradual unfreezing (Howard and Ruder 2018): at first only the part after the tap at which the network was
            cut is trained (or the last part with weights), then one more stage every `thaw` epochs, down to `freeze`.
        depth_decay: factor on the learning rate of each of these stages, to the power of its depth from the end: once
            for the last, twice for the one before it, and so on.
        batch_norm: whether the processes of a distributed run use their own statistics or those of the whole batch.
        greedy: train the innermost layer of an autoencoder alone, to reconstruct the code of the layers below it
            instead of the image; data.corruption then applies to that code.
        pretraining: train each layer greedily first, from the outermost on, and start from the resulting weights.
        statistics: whether gradients, updates and activations of all layers are measured, at up to fifty steps.
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
    statistics: bool = True
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
            raise ValueError(f"accumulation {self.accumulation} is more than batch_size {self.batch_size}")
        return self

    @model_validator(mode="after")
    def _resolutions_follow_each_other(self) -> TrainingConfig:
        moments = [resolution.until for resolution in self.resolutions]
        if moments != sorted(set(moments)):
            raise ValueError(
                f"resolutions end at {', '.join(map(str, moments))}: each must end later than the one before"
            )
        return self


class RunConfig(Config):
    """The complete configuration of a run.

    `precision` auto is bfloat16 where the hardware multiplies it faster, else float32. `task` is the name of a task; by
    default it follows from the network and the source (tasks/). `tracking` lists the trackers that receive the metrics
    besides metrics.jsonl; in a string they are separated by commas.
    """

    SYNONYMS: ClassVar[Mapping[str, str]] = {
        "lr": "training.schedule.rate",
        "learning_rate": "training.schedule.rate",
        "wd": "training.optimizer.weight_decay",
        "batch": "training.batch_size",
        "bs": "training.batch_size",
        "network": "model.name",
        "scheduler": "training.schedule",
        "criterion": "training.loss",
    }

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
