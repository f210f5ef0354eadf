"""Whether an exported network gives the answers of the bundle, measured in the library that will compute it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convworks.bundle.bundle import Bundle
from convworks.hardware import precision_name
from convworks.inference.exported.runtime import ExportedRuntime
from convworks.inference.runtime import Runtime, TorchRuntime

#: The batches that it is run at; samples beyond the largest come in batches of that size.
BATCHES = (1, 3, 16)
TOLERANCE, AGREEMENT = 1e-4, 0.99
#: Equal answers of int8 on these samples, before a whole split is compared: so few that chance does not refuse it.
ROUGH = 0.95
SMALLEST = 1e-30  # of outputs that are all 0
REPEATS = 3
#: The most that a coarser precision may change outputs for noise, in parts of how much they vary over it: a network may
#: give all noise one answer, which is then the same however wrong its outputs are.
OF_SPREAD = 0.1


class DisagreementError(Exception):
    """An exported network does not give the answers of the bundle."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How an exported network compares with PyTorch, in a precision.

    `difference` is the largest of activated outputs; `raw_difference` that of outputs, in parts of the largest output.
    `agreement` is the fraction of equal answers. `spread_difference` is the difference of outputs in parts of how much
    they vary from sample to sample, as root mean squares.
    """

    precision: str
    samples: int
    difference: float
    raw_difference: float
    agreement: float
    spread_difference: float


@dataclass(frozen=True, kw_only=True)
class Check(Comparison):
    """The same, and how fast it is: `latency` is in seconds for one sample, `rate` in samples a second."""

    latency: float
    rate: float


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Samples, real or noise, and what PyTorch answers in float32: outputs, and activated outputs."""

    samples: Tensor
    real: bool
    outputs: np.ndarray
    activated: np.ndarray


def expected(bundle: Bundle, samples: Tensor, *, real: bool = True) -> Expected:
    """Return what a bundle answers in float32, with normalisation and batch normalisation as in training."""
    runtime = TorchRuntime(network=bundle.network.cpu(), input=bundle.input, precision=torch.float32)
    with runtime.ready():
        parts = [runtime(samples[part]) for part in _pieces(len(samples))]
    outputs = torch.cat(parts)
    activated = bundle.task.activation.apply(outputs).numpy()
    return Expected(samples=samples, real=real, outputs=outputs.numpy(), activated=activated)


def check(runtime: ExportedRuntime, right: Expected, bundle: Bundle, agreement: float = AGREEMENT) -> Check:
    """Compare an exported network with what is right, and time it; raises DisagreementError as `compare` does."""
    comparison = compare(runtime, right, bundle, agreement)
    batch = right.samples[: BATCHES[-1]]
    latency, rate = seconds(runtime, batch[:1]), len(batch) / seconds(runtime, batch)
    return Check(**vars(comparison), latency=latency, rate=rate)


def compare(runtime: ExportedRuntime, right: Expected, bundle: Bundle, agreement: float = AGREEMENT) -> Comparison:
    """Compare an exported network with what is right; raises DisagreementError where it fails or differs.

    `agreement` is the fraction of equal answers that a precision other than float32 needs. Of noise, outputs must not
    differ by much either.
    """
    size, largest = len(right.samples), max(SMALLEST, float(np.abs(right.outputs).max()))
    worst = raw_worst = 0.0
    alike: list[np.ndarray] = []
    pieces, center = _pieces(size), right.outputs.mean(0)
    squares, spread = 0.0, SMALLEST
    for part in [slice(0, min(batch, size)) for batch in BATCHES[:-1]] + pieces:
        batch = right.samples[part]
        try:
            outputs, activated = (values.numpy() for values in runtime.both(batch))
        except Exception as error:  # each library has errors of its own
            line = next(iter(str(error).splitlines()), type(error).__name__)
            raise DisagreementError(f"fails at a batch of {len(batch)} ({line})") from error
        if (outputs.shape, activated.shape) != (right.outputs[part].shape, right.activated[part].shape):
            shapes = " and ".join("x".join(map(str, each.shape)) for each in (outputs, right.outputs[part]))
            raise DisagreementError(f"gives outputs of another shape at a batch of {len(batch)} ({shapes})")
        if not (np.isfinite(outputs).all() and np.isfinite(activated).all()):
            raise DisagreementError(f"gives NaN or infinite values at a batch of {len(batch)}")
        if part in pieces:
            squares += _squares(outputs - right.outputs[part])
            spread += _squares(right.outputs[part] - center)
        worst = max(worst, float(np.abs(activated - right.activated[part]).max()))
        raw_worst = max(raw_worst, float(np.abs(outputs - right.outputs[part]).max()) / largest)
        alike.append(bundle.task.activation.agree(right.activated[part], activated).ravel())
    result = Comparison(
        precision=precision_name(runtime.precision),
        samples=size,
        difference=worst,
        raw_difference=raw_worst,
        agreement=float(np.concatenate(alike).mean()),
        spread_difference=math.sqrt(squares / spread),
    )
    _judge(result, runtime.precision, agreement, real=right.real)
    return result


def _squares(values: np.ndarray) -> float:
    """Return the sum of the squares."""
    return float(np.square(values, dtype=np.float64).sum())


def _judge(result: Comparison, precision: torch.dtype, agreement: float, *, real: bool) -> None:
    """Raise DisagreementError for a difference that rounding does not explain."""
    if precision == torch.float32:
        if not max(result.difference, result.raw_difference) <= TOLERANCE:
            raise DisagreementError(
                f"differs from PyTorch by up to {result.difference:.3g} after the activation and by "
                f"{result.raw_difference:.3g} of the largest output before it, more than {TOLERANCE:g}"
            )
    elif result.agreement < agreement:
        raise DisagreementError(
            f"gives {result.agreement:.1%} of the answers of PyTorch in {result.precision}, less than {agreement:.0%}"
        )
    elif not real and not result.spread_difference <= OF_SPREAD:
        raise DisagreementError(
            f"differs from PyTorch in {result.precision} by {result.spread_difference:.0%} of how much outputs vary "
            f"over noise, more than {OF_SPREAD:.0%}"
        )


def seconds(runtime: Runtime, batch: Tensor) -> float:
    """Return the seconds that a runtime needs for a batch: the least of a few, after the first."""
    times = []
    with runtime.ready():
        runtime(batch)
        for _ in range(REPEATS):
            started = time.perf_counter()
            runtime(batch)
            times.append(time.perf_counter() - started)
    return min(times)


def _pieces(size: int) -> list[slice]:
    """Return the largest batches."""
    return [slice(first, min(first + BATCHES[-1], size)) for first in range(0, size, BATCHES[-1])]
