"""What is restored, and with which network: the settings of Ulyanov et al. as tables. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convworks.errors import InputError, nearest
from convworks.restoration.rules import HELD_OUT, ITERATIONS, MOVING_VARIANCE


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How a network is fitted to a picture by Adam.

    In each iteration, noise of the standard deviation `jitter` is added to the input, which is uniform noise, or
    (`grid`) the coordinates of each pixel. The noise that the paper adds to weights has no effect in its code. With
    `block`, which the paper does not have, fits that hold pixels out start from the means of blocks of about `block` x
    `block` pixels.
    """

    rate: float = 0.01
    jitter: float = 1 / 30
    grid: bool = False
    block: int = 0


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A kind of restoration: its network, the rule that stops it (`because`), and the published number of iterations.

    With fewer than `enough` iterations a picture is worse than one of fewer pixels that got them. By default, `runs`
    are averaged. If `composed`, known pixels are kept as they are, and only the others are taken from the network. A
    restored picture is `scale` times as large on each side.
    """

    does: str
    model: str
    rule: str
    iterations: int
    enough: int
    runs: int = 2
    composed: bool = False
    scale: int = 1
    because: str = ""


PROBLEMS: Mapping[str, Problem] = {
    "denoise": Problem(
        does="denoised", model="prior_denoise_narrow", rule=HELD_OUT, iterations=1800, enough=400, runs=4
    ),
    "inpaint": Problem(
        does="inpainted", model="prior_inpaint", rule=HELD_OUT, iterations=6001, enough=600, composed=True
    ),
    "superres": Problem(
        does="enlarged",
        model="prior_denoise",
        rule=ITERATIONS,
        because="exact pixels have no noise that could be fitted",
        iterations=2000,
        enough=500,
        scale=4,
    ),
    "jpeg": Problem(
        does="cleared of artefacts",
        model="prior_jpeg",
        rule=MOVING_VARIANCE,
        because="neighbouring pixels share their errors, so none can be held out",
        iterations=2400,
        enough=500,
    ),
}

_HOLE = Fitting(jitter=0.0)
_SLOW = Fitting(rate=0.001, jitter=0.0)

NETWORKS: Mapping[str, Fitting] = {
    "prior_denoise": Fitting(),
    "prior_denoise_narrow": Fitting(block=16),
    "prior_inpaint": Fitting(jitter=0.03),
    "prior_jpeg": Fitting(),
    "prior_meshgrid": Fitting(jitter=0.03, grid=True),
    "prior_hole6": _HOLE,
    "prior_hole4": _HOLE,
    "prior_hole2": _HOLE,
    "prior_unet": _SLOW,
    "prior_resnet": _SLOW,
}


def problem_of(name: str) -> Problem:
    """Return a problem by name; InputError for an unknown one."""
    if name not in PROBLEMS:
        reason = f"there is no restoration {name!r}{nearest(name, PROBLEMS)}"
        raise InputError("restore", reason, f"choose from {', '.join(PROBLEMS)}")
    return PROBLEMS[name]


def fitting_of(model: str) -> Fitting:
    """Return how a network is fitted; InputError for one that is no image prior."""
    if model not in NETWORKS:
        reason = f"{model!r} is no network of the deep image prior{nearest(model, NETWORKS)}"
        raise InputError("--model", reason, f"choose from {', '.join(NETWORKS)}")
    return NETWORKS[model]
