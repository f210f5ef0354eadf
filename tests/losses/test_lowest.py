"""The lowest loss is what the loss itself gives for the best outputs."""

from __future__ import annotations

import pytest
import torch

from convworks.losses.config import BinaryCrossEntropy, CrossEntropy, Dice, Focal, Part, SquaredError, SumLoss
from convworks.losses.functions import loss_function
from convworks.losses.lowest import aimed_confidence, lowest_loss, smoothing_note
from convworks.losses.pixels import pixel_loss


@pytest.mark.parametrize("config", [CrossEntropy(smoothing=0.1), BinaryCrossEntropy(smoothing=0.2), CrossEntropy()])
def test_it_is_the_loss_of_the_best_logits(config: CrossEntropy | BinaryCrossEntropy) -> None:
    labels = torch.tensor([0, 3, 1])
    loss = loss_function(config, torch.tensor([1, 1, 0, 1]), None, images=3)
    logits = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(logits, labels)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    sure = logits.detach().softmax(1) if isinstance(config, CrossEntropy) else logits.detach().sigmoid()
    assert sure[range(3), labels].tolist() == pytest.approx([aimed_confidence(config, 4)] * 3, abs=2e-3)
    assert float(loss(logits.detach(), labels)) == pytest.approx(lowest_loss(config, 4), abs=1e-4)


def test_it_is_said_only_where_it_is_above_zero() -> None:
    assert "0.5003, not 0" in smoothing_note(CrossEntropy(smoothing=0.1), 10)
    assert smoothing_note(CrossEntropy(), 10) == smoothing_note(SquaredError(), 0) == ""


@pytest.mark.parametrize("other", [Dice(), Focal(), CrossEntropy(smoothing=0.2)], ids=lambda other: other.kind)
def test_a_sum_costs_more_than_what_its_parts_cost_at_their_best(other: Part) -> None:
    """Other outputs are the best for one part than for the other: what is known is a bound."""
    config = SumLoss(parts=(CrossEntropy(smoothing=0.1), other), weights=(1.0, 2.0))
    masks = torch.tensor([[[0, 1, 1, 0]]])
    loss = pixel_loss(config, torch.tensor([1, 1]))
    margins = torch.linspace(0.5, 12, 400)
    outputs = [torch.stack([margin * (masks == 0), margin * (masks == 1)], dim=1) for margin in margins]
    lowest = min(float(loss(each, masks)) for each in outputs)
    bound = lowest_loss(config, 2)
    parts = [lowest_loss(part, 2) for part in config.parts]
    assert bound == pytest.approx(parts[0] + 2 * parts[1])
    assert lowest > bound + 1e-4
    assert smoothing_note(config, 2) == f"label smoothing: the loss of a perfect network is at least {bound:.4f}, not 0"
