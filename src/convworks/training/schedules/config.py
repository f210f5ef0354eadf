"""Learning rate schedules. In each kind `rate` is the base learning rate, which the other fields scale."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from convworks.config import Config

#: A point in a run: a fraction of its steps (below 1), or the number of a step.
Moment = Annotated[int, Field(gt=0, strict=True)] | Annotated[float, Field(gt=0, lt=1)]
Factor = Annotated[float, Field(gt=0, lt=1)]


class Constant(Config):
    """A constant learning rate."""

    kind: Literal["constant"] = "constant"
    rate: PositiveFloat


class StepSchedule(Config):
    """The learning rate starts at `rate` and is multiplied by `factor` at each milestone."""

    kind: Literal["step"] = "step"
    rate: PositiveFloat
    factor: Factor = 0.1
    milestones: tuple[Moment, ...] = (0.5, 0.75)


class Exponential(Config):
    """The learning rate is multiplied by `factor` every `epochs` epochs (GoogLeNet: 0.96 every 8 epochs)."""

    kind: Literal["exponential"] = "exponential"
    rate: PositiveFloat
    factor: Factor
    epochs: PositiveInt = 1


class Plateau(Config):
    """The learning rate is reduced when validation stops improving (Krizhevsky et al. 2012: by 10, three times).

    After `patience` epochs without improvement of the metric `training.best`, it is multiplied by `factor`, at most
    `drops` times; the count of epochs restarts after each reduction.
    """

    kind: Literal["plateau"] = "plateau"
    rate: PositiveFloat
    factor: Factor = 0.1
    patience: PositiveInt = 5
    drops: PositiveInt = 3


class Linear(Config):
    """Linear decay from `rate` to `final`."""

    kind: Literal["linear"] = "linear"
    rate: PositiveFloat
    final: NonNegativeFloat = 0.0


class Cosine(Config):
    """Cosine decay from `rate` to `final` (Loshchilov and Hutter 2017)."""

    kind: Literal["cosine"] = "cosine"
    rate: PositiveFloat
    final: NonNegativeFloat = 0.0


class OneCycle(Config):
    """The learning rate rises linearly from `initial` to `rate` over the fraction `rise` of all steps, then decays.

    It ends at `final`; the decay is linear or a half cosine (`fall`).
    """

    kind: Literal["one_cycle"] = "one_cycle"
    rate: PositiveFloat
    rise: Annotated[float, Field(ge=0, le=1)] = 0.3
    initial: NonNegativeFloat = 0.0
    final: NonNegativeFloat = 0.0
    fall: Literal["linear", "cosine"] = "linear"


class Warmup(Config):
    """A linear warm-up from `initial` to the schedule's first learning rate; the schedule starts after it.

    `steps` is a fraction of the run or a number of steps (Goyal et al. 2017: five epochs).
    """

    steps: Moment
    initial: NonNegativeFloat = 0.0


Schedule = Constant | StepSchedule | Exponential | Plateau | Linear | Cosine | OneCycle
