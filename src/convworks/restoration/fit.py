"""Fitting a network to one observation, iteration by iteration (Ulyanov et al. 2018, section 2)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from convworks.data.random import step_seed
from convworks.errors import RunError
from convworks.layers.network import Network
from convworks.restoration.observation import Observation, coarse, held_out
from convworks.restoration.problems import Fitting
from convworks.restoration.rules import HELD_OUT, ITERATIONS, MOVING_VARIANCE, Best, Rule, stopped
from convworks.restoration.variance import MovingVariance
from convworks.tasks.outcomes.reconstruction import psnr
from convworks.training.optimizers.config import Adam
from convworks.training.optimizers.update import initial_state, trainable, update

ADAM = Adam()
#: Part of each new output in the exponential average; early on, the average is that of the last quarter of all outputs.
NEW, QUARTER = 0.01, 4.0
INPUT_SCALE = 0.1  # the input is uniform noise from 0 to this
EVERY = 10  # iterations between the rows of a curve
MARGIN = 1 / 512  # of a base from 0 and 1, whose logits are infinite
LEAST_ERROR = 1e-10  # below it, pictures count as equal: 100 dB

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the curve; None is what was not measured. `psnr` is that of the averaged output, against the truth."""

    iteration: int
    seconds: float
    loss: float
    held_out: float | None = None
    moving_variance: float | None = None
    psnr_output: float | None = None
    psnr: float | None = None


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What does not change while a network is fitted; `weight` is 1 for pixels that count, `held` are held out.

    The network's output is added to `base`, before the sigmoid at its end.
    """

    observation: Observation
    weight: Float32[Tensor, "1 1 h w"]
    held: Int64[Tensor, " n"] | None
    input: Float32[Tensor, "1 k h2 w2"]
    fitting: Fitting
    rule: Rule
    iterations: int | None
    seed: int
    base: Float32[Tensor, "1 c h2 w2"] | None = None
    clean: Float32[Tensor, "1 c h2 w2"] | None = None


@dataclass(kw_only=True)
class Fit:
    """A network, and where its fit stands: all that a checkpoint holds."""

    network: Network
    forward: Forward
    parameters: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    averaged: Float32[Tensor, "1 c h2 w2"]
    chosen: Float32[Tensor, "1 c h2 w2"]
    variance: MovingVariance
    best: Best = field(default_factory=Best)
    iteration: int = 0
    seconds: float = 0.0
    curve: list[Row] = field(default_factory=list)

    @property
    def image(self) -> Float32[Tensor, "1 c h2 w2"]:
        """The averaged output at the best iteration so far; the latest one, if the rule has not chosen any."""
        return self.chosen if self.best.iteration else self.averaged


def prepare(
    observation: Observation,
    *,
    channels: int,
    fitting: Fitting,
    rule: Rule,
    iterations: int | None,
    seed: int,
    clean: Float32[Tensor, "1 c h2 w2"] | None = None,
) -> Setup:
    """Return the setup of a fit: draws the input with `channels`, and the pixels to hold out if the rule needs them."""
    device = observation.values.device
    held = held_out(observation.known, seed).to(device) if rule.name == HELD_OUT else None
    weight = observation.known.float()
    if held is not None:
        weight = weight.flatten().index_fill(0, held, 0.0).reshape(weight.shape)
    base = None
    if fitting.block and rule.name == HELD_OUT:  # the other rules are published ones, for fits without a base
        here = torch.device("cpu")  # not every device pools blocks of several sizes
        means = coarse(observation.to(here), weight.to(here), fitting.block)
        base = torch.logit(means, MARGIN).to(device)
    values = grid(observation.size) if fitting.grid else uniform(channels, observation.size, seed)
    return Setup(
        observation=observation,
        weight=weight,
        held=held,
        input=values.to(device).contiguous(memory_format=torch.channels_last),
        fitting=fitting,
        rule=rule,
        iterations=iterations,
        seed=seed,
        base=base,
        clean=clean,
    )


def begin(setup: Setup, network: Network, forward: Forward) -> Fit:
    """Return the fit of a network before its first iteration."""
    parameters = trainable(network)
    blank = torch.zeros(1, setup.observation.values.shape[1], *setup.observation.size, device=setup.input.device)
    return Fit(
        network=network,
        forward=forward,
        parameters=parameters,
        optimizer=initial_state(ADAM, parameters),
        averaged=blank,
        chosen=blank.clone(),
        variance=MovingVariance(blank),
    )


def step(setup: Setup, fit: Fit) -> Row:
    """Take one iteration: fit the known pixels, average the output, and look whether it is the best one so far.

    Raises RunError for a loss that is not finite, before it reaches the weights.
    """
    started = time.perf_counter()
    output = fit.forward(jittered(setup, fit.iteration))
    observation, averaged = setup.observation, fit.averaged
    errors = (observation.operator(output) - observation.values).square() * setup.weight
    loss = errors.sum() / (setup.weight.sum() * errors.shape[1])
    if not math.isfinite(value := float(loss.detach())):
        raise RunError("restore", f"the loss at iteration {fit.iteration + 1} is {value}", "try another --seed")
    loss.backward()  # type: ignore[no-untyped-call]
    update(ADAM, fit.parameters, fit.optimizer, setup.fitting.rate)
    fit.iteration += 1
    with torch.no_grad():
        image = output.detach()
        averaged.lerp_(image, max(NEW, min(1.0, QUARTER / fit.iteration)))
        variance = fit.variance.add(image)
        error = held_out_error(setup, averaged)
        number = number_of(setup.rule.name, error, variance)
        best = fit.best if number is None else fit.best.after(fit.iteration, number, setup.rule.tolerance)
        if best is not fit.best:
            fit.best = best
            fit.chosen.copy_(averaged)
        fit.seconds += time.perf_counter() - started
        truths = (None, None) if setup.clean is None else (ratio(setup, image), ratio(setup, averaged))
    row = Row(
        iteration=fit.iteration,
        seconds=round(fit.seconds, 3),
        loss=value,
        held_out=error,
        moving_variance=variance,
        psnr_output=truths[0],
        psnr=truths[1],
    )
    if fit.iteration % EVERY == 0:
        fit.curve.append(row)
    return row


def number_of(rule: str, held_out: float | None, moving_variance: float | None) -> float | None:
    """Return the number that a rule compares; None without one."""
    return {HELD_OUT: held_out, MOVING_VARIANCE: moving_variance, ITERATIONS: None}[rule]


def ended(setup: Setup, fit: Fit) -> str:
    """Return what ends a fit after this iteration, if anything: the rule, or the number of iterations."""
    if setup.iterations is not None and fit.iteration >= setup.iterations:
        return ITERATIONS
    return setup.rule.name if stopped(setup.rule, fit.best, fit.iteration) else ""


def jittered(setup: Setup, iteration: int) -> Float32[Tensor, "1 k h2 w2"]:
    """Return the input of an iteration: with noise that depends on the seed and the iteration alone."""
    if not setup.fitting.jitter:
        return setup.input
    draw = torch.Generator(setup.input.device).manual_seed(step_seed(setup.seed, iteration))
    # Drawn in the order of memory (channels last): PyTorch draws strided tensors one number at a time.
    rows = setup.input.permute(0, 2, 3, 1)
    noise = torch.empty_like(rows).normal_(std=setup.fitting.jitter, generator=draw)
    return noise.add_(rows).permute(0, 3, 1, 2)


def uniform(channels: int, size: tuple[int, int], seed: int) -> Float32[Tensor, "1 k h w"]:
    """Return uniform noise."""
    return torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(seed)) * INPUT_SCALE


def grid(size: tuple[int, int]) -> Float32[Tensor, "1 2 h w"]:
    """Return the coordinates of each pixel, from 0 to 1 along each axis."""
    rows, columns = (torch.linspace(0, 1, length) for length in size)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij")).flip(0)[None]


def held_out_error(setup: Setup, image: Float[Tensor, "1 c h w"]) -> float | None:
    """Return the mean squared error at the pixels that are held out; None without any."""
    if setup.held is None or not len(setup.held):
        return None
    observed, values = setup.observation.operator(image), setup.observation.values
    difference = observed.flatten(2)[:, :, setup.held] - values.flatten(2)[:, :, setup.held]
    return float(difference.square().mean())


def ratio(setup: Setup, image: Float[Tensor, "1 c h w"]) -> float:
    """Return the peak signal-to-noise ratio of a finished output against the truth, in dB."""
    assert setup.clean is not None
    error = float((setup.observation.finish(image).clamp(0, 1) - setup.clean).square().mean())
    return psnr(max(error, LEAST_ERROR))
