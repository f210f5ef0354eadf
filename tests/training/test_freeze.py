"""Frozen means frozen; thawing by stages; learning rates by depth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from thorough import repeats
from torch import Tensor, nn

from convworks.config import override
from convworks.data.decode.images import take
from convworks.data.sources.open import open_source
from convworks.errors import InputError
from convworks.layers.network import Network
from convworks.models.catalogue import Shape, create
from convworks.models.transfer.adapted import kept_parts
from convworks.recipes import recipe
from convworks.training.events import Events
from convworks.training.freeze import frozen, rate_factors
from convworks.training.loop import fit
from convworks.training.progress import Progress
from convworks.training.run import prepare
from convworks.training.setup import Setup
from convworks.training.world import ALONE

IMAGES = 32
THIN: dict[str, Any] = {"widths": (4, 8, 8, 8, 8), "hidden": (16, 16), "side": 1}

#: name: (table, size)
NETWORKS: dict[str, tuple[dict[str, Any], int]] = {
    "lenet5": ({}, 32),
    "convnet_digits": ({}, 8),
    "resnet20": ({}, 8),
    "vgg_a_bn": (THIN, 32),
    "ensemble_best": ({}, 28),
}


def make(name: str, *changes: str) -> Setup:
    """A run on a few digits, with all that could move a weight: momentum, weight decay, averaged weights."""
    table, size = NETWORKS[name]
    assignments = [f"model.name={name}", f"model.table={table!r}", f"data.size=({size}, {size})", "device=cpu"]
    assignments += ["training.epochs=1", "training.batch_size=16", "training.ema=0.9"]
    assignments += ["training.schedule={'kind': 'constant', 'rate': 0.01}", "training.optimizer.weight_decay=0.1"]
    setup = prepare(ALONE, override(recipe("digits/default"), [*assignments, *changes]), open_source("digits"))[0]
    return few(setup)


def few(setup: Setup) -> Setup:
    def cut(samples: Any) -> Any:
        targets = samples.targets
        assert targets is not None
        return replace(samples, images=take(samples.images, slice(IMAGES)), targets=targets[:IMAGES])

    return replace(setup, train=cut(setup.train), validation=cut(setup.validation))


def copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in (*module.named_parameters(), *module.named_buffers())}


#: The last layer with weights, and what comes after it.
NOTHING_LEFT = {
    *((name, tap) for name in NETWORKS for tap in ("head.logits", "head")),
    *(("lenet5", tap) for tap in ("head.f6", "head.features")),
    *(("ensemble_best", tap) for tap in ("members.member3", "members", "head.mean")),
}


def points() -> list[tuple[str, str]]:
    pairs = []
    for name, (table, size) in NETWORKS.items():
        with torch.device("meta"):
            network = create(name, Shape(classes=10, channels=1, size=(size, size)), table=table)
        pairs += [(name, tap) for tap in network.taps]
    return pairs[:: repeats(3, 1)]


@pytest.mark.parametrize(("name", "tap"), points())
def test_what_is_frozen_is_the_same_bit_for_bit_after_training(name: str, tap: str) -> None:
    if (name, tap) in NOTHING_LEFT:
        with pytest.raises(InputError, match="leaves nothing to train"):
            make(name, f"training.freeze={tap}")
        return
    setup = make(name, f"training.freeze={tap}")
    network, averaged = setup.network, setup.averaged
    assert isinstance(network, Network)
    assert isinstance(averaged, Network)
    still = {id(value) for module in frozen(network, tap) for value in (*module.parameters(), *module.buffers())}
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    names = [key for key, value in tensors.items() if id(value) in still]
    assert not set(names) & set(setup.parameters)
    before = copied(network)
    fit(setup, Progress(), Events())
    for after in (copied(network), copied(averaged)):
        assert [key for key in names if not torch.equal(after[key], before[key])] == []
    moved = [key for key in setup.parameters if not torch.equal(network.state_dict()[key], before[key])]
    assert moved
    statistics = [key for key in before if key.endswith("running_mean") and key not in names]
    assert [key for key in statistics if torch.equal(network.state_dict()[key], before[key])] == []


class Watch(Events):
    """Notes which parameters each epoch moves."""

    def __init__(self, setup: Setup) -> None:
        self.last, self.moved = copied(setup.network), list[set[str]]()

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        now = copied(setup.network)
        self.moved.append({key for key in now if not torch.equal(now[key], self.last[key])})
        self.last = now


def test_stages_thaw_one_after_the_other_down_to_what_is_frozen() -> None:
    setup = make("resnet20", "training.freeze=stem", "training.thaw=2", "training.epochs=7")
    watch = Watch(setup)
    fit(setup, Progress(), watch)
    stages = [{key.split(".")[1] for key in moved if key.startswith("stages")} for moved in watch.moved]
    everything = {"stage1", "stage2", "stage3"}
    assert stages == [set(), set(), {"stage3"}, {"stage3"}, *[{"stage2", "stage3"}] * 2, everything]
    assert not any(key.startswith("stem") for moved in watch.moved for key in moved)
    assert all("head.logits.weight" in moved for moved in watch.moved)


def test_thawing_goes_on_where_a_run_is_resumed() -> None:
    """What is trained is a function of the epoch: the second half of a run does not depend on the first being there."""
    setup = make("resnet20", "training.thaw=1", "training.epochs=5")
    watch = Watch(setup)
    fit(setup, Progress(epoch=3, step=6), watch)
    assert {key.split(".")[1] for key in watch.moved[0] if key.startswith("stages")} == {"stage1", "stage2", "stage3"}
    assert not any(key.startswith("stem") for key in watch.moved[0])
    assert any(key.startswith("stem") for key in watch.moved[1])


def test_too_short_a_run_is_refused() -> None:
    with pytest.raises(InputError, match=r"thaws the last stage after 4 epochs.*training.epochs=5"):
        make("resnet20", "training.thaw=1", "training.epochs=4")


def test_rates_fall_with_depth() -> None:
    plain = ("training.ema=None", "training.optimizer={'kind': 'sgd', 'momentum': 0, 'nesterov': False}")
    steps = {}
    for decay in (1.0, 0.5):
        setup = make("resnet20", *plain, "training.batch_size=32", f"training.depth_decay={decay}")
        before = copied(setup.network)
        fit(setup, Progress(), Events())
        steps[decay] = {key: (setup.network.state_dict()[key] - before[key]).norm() for key in setup.parameters}
    depths = {"stem": 4, "stages.stage1": 3, "stages.stage2": 2, "stages.stage3": 1, "head": 0}
    for key in steps[1.0]:
        depth = next(depth for part, depth in depths.items() if key.startswith(f"{part}."))
        if steps[1.0][key] > 1e-6:
            assert float(steps[0.5][key] / steps[1.0][key]) == pytest.approx(0.5**depth, rel=0.01), key


def test_the_parts_of_a_head_are_stages_too() -> None:
    network = create("vgg_a", Shape(classes=3, channels=3, size=(32, 32)), table=THIN)
    factors = rate_factors(network, 0.5, None)
    assert kept_parts(network, None)[-3:] == ("head.hidden6", "head.hidden7", "head.logits")
    assert (factors["head.hidden7.weight"], factors["head.hidden6.bias"], factors["stem.conv.weight"]) == (
        0.5,
        0.25,
        0.5**7,
    )
    assert "head.logits.weight" not in factors
