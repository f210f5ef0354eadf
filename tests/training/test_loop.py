"""The loop of training against one written in PyTorch alone, and what happens around it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convworks.config import override
from convworks.data.decode.images import take
from convworks.data.inputs.images import normalise
from convworks.data.sources.open import open_source
from convworks.errors import RunError
from convworks.recipes import recipe
from convworks.training import loop
from convworks.training.events import EventList, Events
from convworks.training.loop import fit, parts
from convworks.training.progress import Progress
from convworks.training.run import prepare
from convworks.training.setup import Setup
from convworks.training.world import ALONE

#: Without batch normalisation a batch may be computed in parts.
PLAIN = ["model.name=perceptron", "model.table={'units': (12,)}", "device=cpu", "precision=float32"]
RATE = 0.05


def make(*changes: str) -> Setup:
    """A run of two epochs on few digits, at a constant learning rate."""
    torch.manual_seed(0)
    schedule = f"training.schedule={{'kind': 'constant', 'rate': {RATE}}}"
    config = override(recipe("digits/default"), [*PLAIN, "training.epochs=2", schedule, *changes])
    return prepare(ALONE, config, open_source("digits"))[0]


def weights(setup: Setup) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in setup.parameters.items()}


def trained(*changes: str) -> tuple[dict[str, Tensor], Progress]:
    setup, progress = make(*changes), Progress()
    fit(setup, progress, Events())
    return weights(setup), progress


class Log(Events):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        self.told.append(("step", progress.step, progress.epoch))

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        self.told.append(("epoch", progress.step, progress.epoch))


class Stop(Events):
    """Ends a run after a step, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def step_ended(self, setup: Setup, progress: Progress) -> None:
        if progress.step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("config", "make_reference"),
    [
        ({"kind": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.0}, torch.optim.SGD),
        ({"kind": "adam", "weight_decay": 0.0}, torch.optim.Adam),
    ],
)
def test_it_equals_a_loop_in_pytorch(config: dict[str, Any], make_reference: Any) -> None:
    setup, network = make(f"training.optimizer={config}"), make().network
    network.load_state_dict(setup.network.state_dict())
    options = {name: value for name, value in config.items() if name != "kind"}
    optimizer = make_reference(network.parameters(), lr=RATE, **options)
    losses: list[float] = []
    for epoch in range(2):
        total = 0.0
        for batch in setup.batches(Progress(epoch=epoch)):
            inputs = normalise(batch.images, setup.preprocessing.mean, setup.preprocessing.std)
            loss = F.cross_entropy(network.train()(inputs), batch.targets, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(batch.targets)
        losses.append(total / len(setup.train))
    progress = Progress()
    fit(setup, progress, Events())
    expected = dict(network.named_parameters())
    assert expected.keys() == setup.parameters.keys()
    for name, value in setup.parameters.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)
    assert [row["train_loss"] for row in progress.history] == pytest.approx(losses, rel=1e-5)


def test_validation_is_measured_with_the_weights_of_the_epochs_end() -> None:
    setup, progress = make(), Progress()
    fit(setup, progress, Events())
    inputs = normalise(take(setup.validation.images, slice(None)), setup.preprocessing.mean, setup.preprocessing.std)
    with torch.no_grad():
        logits = setup.network.eval()(inputs)
    right = (logits.argmax(1) == setup.validation.targets).double().mean()
    assert progress.history[-1]["validation_top1"] == pytest.approx(float(right))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_batch_in_parts_is_the_batch(count: int) -> None:
    whole, parted = trained()[0], trained(f"training.accumulation={count}")[0]
    for name, value in whole.items():
        torch.testing.assert_close(parted[name], value, rtol=1e-4, atol=1e-6)


def test_parts_are_nearly_equal_and_the_last_is_marked() -> None:
    batch = next(iter(make("training.batch_size=16").batches(Progress())))
    cut = list(parts(batch, 3))
    lengths = [len(part.targets) for part, _ in cut]
    assert sum(lengths) == len(batch.targets)
    assert max(lengths) - min(lengths) <= 1
    assert [last for _, last in cut] == [False, False, True]
    assert torch.equal(torch.cat([part.images for part, _ in cut]), batch.images)


def test_events_follow_steps_and_epochs_in_every_listener() -> None:
    setup, logs = make(), [Log(), Log()]
    fit(setup, Progress(), EventList(logs))
    n = setup.steps_per_epoch
    first = [("step", number, 0) for number in range(1, n + 1)] + [("epoch", n, 1)]
    second = [("step", n + number, 1) for number in range(1, n + 1)] + [("epoch", 2 * n, 2)]
    assert logs[0].told == logs[1].told == first + second


@pytest.mark.parametrize("step", [1, 2, 4])
def test_it_goes_on_from_any_step(step: int) -> None:
    expected, through = trained("training.batch_size=70")
    setup, progress = make("training.batch_size=70"), Progress()
    with pytest.raises(KeyboardInterrupt):
        fit(setup, progress, Stop(step))
    fit(setup, Progress.from_state(progress.to_state()), Events())
    assert all(torch.equal(value, expected[name]) for name, value in setup.parameters.items())
    assert through.step == 2 * setup.steps_per_epoch > step


def test_patience_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    setup, progress = make("training.epochs=9", "training.patience=2"), Progress()
    falling = iter((0.5, 0.6, 0.55, 0.6, 0.9, 0.9))
    monkeypatch.setattr(loop, "validate", lambda _: {"loss": 1.0, "top1": next(falling), "top5": 1.0})
    fit(setup, progress, Events())
    assert [row["validation_top1"] for row in progress.history] == [0.5, 0.6, 0.55, 0.6]
    fit(setup, progress, Events())
    assert progress.epoch == 4, "nothing is left to do"


def test_a_loss_that_is_no_number_never_reaches_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = make()
    before = weights(setup)
    batch = next(iter(setup.batches(Progress())))
    monkeypatch.setattr(loop, "batch_loss", lambda *_: sum(v.sum() for v in setup.parameters.values()) * float("nan"))
    with pytest.raises(RunError, match=r"loss at step 0 is nan.*largest gradients.*lower the learning rate"):
        loop.step(setup, 0, batch, RATE)
    assert all(torch.equal(value, before[name]) for name, value in setup.parameters.items())
