"""What a network loses in int8: the headline metric of its task before and after, and how many answers are the same."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convworks.bundle.bundle import Bundle
from convworks.data.source import Source
from convworks.deploy.check import AGREEMENT
from convworks.errors import RunError, counted
from convworks.inference.predictor import Predictor
from convworks.inference.runtime import Runtime

MAX_DROP = 0.5
#: Images below which neither ranges of values nor an accuracy say much.
FEW = 50


@dataclass(frozen=True, kw_only=True)
class Drop:
    """The headline metric of a network before and after, and the drop in points (dB, where it is in dB).

    `agreement` is the fraction of equal answers; None where outputs are too large to keep.
    """

    metric: str
    before: float
    after: float
    points: float
    samples: int
    agreement: float | None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A runtime that keeps what it computes."""

    runtime: Runtime
    outputs: list[Tensor] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The library that computes."""
        return self.runtime.name

    @property
    def precision(self) -> torch.dtype:
        """The type of the products."""
        return self.runtime.precision

    @property
    def device(self) -> torch.device:
        """The device it computes on."""
        return self.runtime.device

    def ready(self) -> AbstractContextManager[object]:
        """Return the context in which it may be called."""
        return self.runtime.ready()

    def __call__(self, batch: Tensor) -> Tensor:
        """Return the outputs for a batch."""
        outputs = self.runtime(batch)
        self.outputs.append(outputs)
        return outputs


@dataclass(frozen=True, kw_only=True)
class Before:
    """A network in float32 on a source: the value of its metric, of how many samples, and its outputs by batches."""

    bundle: Bundle
    source: Source
    value: float
    samples: int
    outputs: list[Tensor]


def measure_before(bundle: Bundle, runtime: Runtime, source: Source) -> Before:
    """Measure a network in float32; raises InputError if the source does not fit the task."""
    result, outputs = _evaluated(bundle, runtime, source)
    value = result[bundle.task.headline.name]
    return Before(bundle=bundle, source=source, value=value, samples=result["n"], outputs=outputs)


def measure_drop(before: Before, runtime: Runtime) -> Drop:
    """Measure what a runtime of the same network loses; RunError where too few answers are the same."""
    bundle, source = before.bundle, before.source
    metric, activation = bundle.task.headline, bundle.task.activation
    result, outputs = _evaluated(bundle, runtime, source)
    points = (before.value - result[metric.name]) * metric.sign * (100 if metric.unit == "fraction" else 1)
    alike = [
        activation.agree(*(activation.apply(each).numpy() for each in pair)).ravel()
        for pair in zip(before.outputs, outputs, strict=True)
    ]
    drop = Drop(
        metric=metric.name,
        before=before.value,
        after=result[metric.name],
        points=points,
        samples=before.samples,
        agreement=float(np.concatenate(alike).mean()) if alike else None,
    )
    if drop.agreement is not None and drop.agreement < AGREEMENT:
        reason = f"gives {drop.agreement:.1%} of the answers of float32 on {source.name}, less than {AGREEMENT:.0%}"
        remedy = "calibrate on more varied samples, or leave out --int8"
        raise RunError("--int8", f"{reason}; nothing was written", remedy)
    return drop


def check_drop(before: Before, drop: Drop, max_drop: float | None) -> None:
    """Raise RunError for a drop of more points than `max_drop`."""
    metric, limit = before.bundle.task.headline, MAX_DROP if max_drop is None else max_drop
    if not drop.points <= limit:
        reason = (
            f"loses {drop.points:.2f} points of {metric.title} on {before.source.name} ({metric.write(drop.before)} to "
            f"{metric.write(drop.after)}), more than {limit:g}; nothing was written"
        )
        remedy = "calibrate on more varied samples, raise --max-drop, or leave out --int8"
        raise RunError("--int8", reason, remedy)


def doubts(calibrated: int, before: Before | None, unmeasured: str) -> tuple[str, ...]:
    """Return, in one line, what speaks against relying on a quantisation: no accuracy, or few images; or nothing.

    `unmeasured` says why the accuracy was not measured, where `before` is None.
    """
    parts = []
    if before is None:
        parts.append(f"the accuracy in int8 was not measured ({unmeasured})")
    elif before.samples < FEW:
        parts.append(f"the accuracy in int8 was measured on {_images(before.samples)}")
    if calibrated < FEW:
        parts.append(f"the ranges of values are those of {_images(calibrated)}")
    if not parts:
        return ()
    labelled = " with labels" if before is None else ""
    return (f"{', and '.join(parts)}; calibrate on at least {FEW} images{labelled}",)


def _images(count: int) -> str:
    return f"only {counted(count, 'image')}"


def _evaluated(bundle: Bundle, runtime: Runtime, source: Source) -> tuple[dict[str, Any], list[Tensor]]:
    """Return the metrics of a runtime on a source, and its outputs where they are small enough to be kept."""
    recorded = Recorded(runtime=runtime)
    keeps = bundle.task.outcome is not None
    chosen: Runtime = recorded if keeps else runtime
    return Predictor(bundle=bundle, precision=runtime.precision, chosen=chosen).evaluate(source), recorded.outputs
