"""Progressive resizing: sizes by step, their numbers, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import convworks
from convworks.errors import InputError
from convworks.training.config import Resolution
from convworks.training.events import Events
from convworks.training.progress import Progress
from convworks.training.resolution import size_at
from convworks.training.setup import Setup

DIGITS = 900
SMALLER = "training.resolutions=[{'size':(6,7),'until':0.25},{'size':(7,7),'until':0.5}]"


class Seen(Events):
    """Notes the size of the input of every step."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []
        self.hooked = False

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        if not self.hooked:
            self.hooked = True
            setup.network.register_forward_pre_hook(
                lambda module, inputs: self.sizes.append(tuple(inputs[0].shape[2:])) if module.training else None
            )


def train(*overrides: str, **options: Any) -> dict[str, Any]:
    return convworks.train(overrides=overrides, deterministic=True, **options)


def test_images_grow_at_their_steps(tmp_path: Path) -> None:
    seen = Seen()
    results = train(SMALLER, epochs=4, out=tmp_path / "run", events=[seen])
    each = (len(seen.sizes) + 1) // 4  # the hook missed the first step
    assert seen.sizes == [(6, 7)] * (each - 1) + [(7, 7)] * each + [(8, 8)] * 2 * each
    assert results["test"]["top1"] > 0.8


def test_a_run_resumed_among_smaller_images_ends_with_the_same_weights(tmp_path: Path) -> None:
    class Stop(Events):
        def epoch_ended(self, setup: Setup, progress: Progress) -> None:
            raise KeyboardInterrupt

    whole = train(SMALLER, epochs=4, out=tmp_path / "whole")
    with pytest.raises(BaseException, match="interrupted"):
        train(SMALLER, epochs=4, out=tmp_path / "parts", events=[Stop()])
    parts = train(epochs=4, resume=tmp_path / "parts")
    weights = [(Path(run["bundle"]) / "weights.safetensors").read_bytes() for run in (whole, parts)]
    assert weights[0] == weights[1]


def test_the_size_of_a_step() -> None:
    resolutions = (Resolution(size=(4, 4), until=0.3), Resolution(size=(6, 6), until=0.5))
    assert [size_at(resolutions, step, 10) for step in (0, 2, 3, 4, 5, 9)] == [
        (4, 4),
        (4, 4),
        (6, 6),
        (6, 6),
        None,
        None,
    ]
    assert size_at((), 0, 10) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("[{'size':(9,8),'until':0.5}]", "has 9x8, but the network's images are 8x8"),
        ("[{'size':(1,1),'until':0.5}]", "has 1x1, which the network cannot take"),
        ("[{'size':(6,6),'until':0.5},{'size':(7,7),'until':0.4}]", "each must end later than the one before"),
        ("[{'size':(6,6),'until':0}]", "greater than 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, value: str, reason: str) -> None:
    with pytest.raises(InputError, match=r"training\.resolutions|training") as caught:
        train(f"training.resolutions={value}", epochs=1, out=tmp_path / "run")
    assert reason in str(caught.value)
    assert not (tmp_path / "run").exists()
