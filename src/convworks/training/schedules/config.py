"""How the learning rate changes from step to step. In each kind `rate` is the learning rate that the others scale."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from convworks.config import Config

#: A moment of a run: a share of its steps (below 1), or the number of a step.
Moment = Annotated[int, Field(gt=0, strict=True)] | Annotated[float, Field(gt=0, lt=1)]
Factor = Annotated[float, Field(gt=0, lt=1)]


class Constant(Config):
    """One learning rate."""

    kind: Literal["constant"] = "constant"
    rate: PositiveFloat


class StepSchedule(Config):
    """The learning rate starts at `rate` and is multiplied by `factor` at each milestone."""

    kind: Literal["step"] = "step"
    rate: PositiveFloat
    factor: Factor = 0.1
    milestones: tuple[Moment, ...] = (0.5, 0.75)


class Exponential(Config):
    """The learning rate is multiplied by `factor` every so many epochs (GoogLeNet: 0.96 every 8 epochs)."""

    kind: Literal["exponential"] = "exponential"
    rate: PositiveFloat
    factor: Factor
    epochs: PositiveInt = 1


class Plateau(Config):
    """The learning rate is divided when validation stops improving (Krizhevsky et al. 2012: by 10, three times).

    After `patience` epochs without a better value of the metric that `training.best` names, it is multiplied by
    `factor`, at most `drops` times; then the epochs are counted anew.
    """

    kind: Literal["plateau"] = "plateau"
    rate: PositiveFloat
    factor: Factor = 0.1
    patience: PositiveInt = 5
    drops: PositiveInt = 3


class Linear(Config):
    """The learning rate falls evenly from `rate` to `final`."""

    kind: Literal["linear"] = "linear"
    rate: PositiveFloat
    final: NonNegativeFloat = 0.0


class Cosine(Config):
    """The learning rate falls along half a cosine from `rate` to `final` (Loshchilov and Hutter 2017)."""

    kind: Literal["cosine"] = "cosine"
    rate: PositiveFloat
    final: NonNegativeFloat = 0.0


class OneCycle(Config):
    """The learning rate rises evenly to `rate` over the share `rise` of all steps, then falls to `final`.

    `fall` is linear or half a cosine.
    """

    kind: Literal["one_cycle"] = "one_cycle"
    rate: PositiveFloat
    rise: Annotated[float, Field(ge=0, le=1)] = 0.3
    initial: NonNegativeFloat = 0.0
    final: NonNegativeFloat = 0.0
    fall: Literal["linear", "cosine"] = "linear"


class Warmup(Config):
    """The learning rate rises evenly from `initial` to the beginning of the schedule, which starts when that is done.

    `steps` is a share of the run or a number of steps (Goyal et al. 2017: five epochs).
    """

    steps: Moment
    initial: NonNegativeFloat = 0.0


Schedule = Constant | StepSchedule | Exponential | Plateau | Linear | Cosine | OneCycle
