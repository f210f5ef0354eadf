"""Everything that decides how a network is trained, and the complete configuration of a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from convworks.config import Config
from convworks.data.config import AugmentConfig, DataConfig
from convworks.hardware import DEVICES, is_device
from convworks.models.config import ModelConfig


class SGD(Config):
    """Stochastic gradient descent; weight decay spares biases and normalisation parameters."""

    kind: Literal["sgd"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: NonNegativeFloat = 5e-4

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SGD:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class AdamW(Config):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), which spares biases and norms as well."""

    kind: Literal["adamw"] = "adamw"
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    epsilon: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.01


class OneCycle(Config):
    """The learning rate rises linearly to `peak` over the share `warmup` of all steps, then falls to `final`.

    `fall` is linear or half a cosine.
    """

    kind: Literal["one_cycle"] = "one_cycle"
    peak: PositiveFloat
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.3
    initial: NonNegativeFloat = 0.0
    final: NonNegativeFloat = 0.0
    fall: Literal["linear", "cosine"] = "linear"


class StepSchedule(Config):
    """The learning rate starts at `initial` and is multiplied by `factor` at each milestone (shares of all steps)."""

    kind: Literal["step"] = "step"
    initial: PositiveFloat
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.75)


class Constant(Config):
    """One learning rate."""

    kind: Literal["constant"] = "constant"
    rate: PositiveFloat


class CrossEntropy(Config):
    """Cross-entropy of the softmax of the logits, with label smoothing (Szegedy et al. 2015, section 7)."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


class PenaltyLoss(Config):
    """The penalty of the right class (LeCun et al. 1998, equation 8), for networks whose logits are minus penalties.

    With `rivals` the wrong classes are pushed away too (equation 9, the discriminative criterion); `rubbish` is
    its constant j, the penalty of a class for everything that is no digit.
    """

    kind: Literal["penalty"] = "penalty"
    rivals: bool = True
    rubbish: PositiveFloat = 1.0


class TrainingConfig(Config):
    """How the network is trained. `patience`: stop after so many epochs that were not the best on validation."""

    epochs: PositiveInt
    batch_size: PositiveInt
    optimizer: Annotated[SGD | AdamW, Field(discriminator="kind")] = SGD()
    schedule: Annotated[OneCycle | StepSchedule | Constant, Field(discriminator="kind")]
    loss: Annotated[CrossEntropy | PenaltyLoss, Field(discriminator="kind")] = CrossEntropy()
    patience: PositiveInt | None = None
    checkpoint_seconds: PositiveFloat = 60.0


class RunConfig(Config):
    """A complete run. `precision` auto: bfloat16 where the hardware multiplies it faster, else float32."""

    recipe: str
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    deterministic: bool = False
    data: DataConfig
    augment: AugmentConfig = AugmentConfig()
    model: ModelConfig
    training: TrainingConfig

    @field_validator("device")
    @classmethod
    def _a_device(cls, device: str) -> str:
        if not is_device(device):
            raise ValueError(f"must be {DEVICES}")
        return device
