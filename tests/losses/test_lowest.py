"""The lowest loss is what the loss itself gives for the best outputs."""

from __future__ import annotations

import pytest
import torch

from convworks.losses.config import BinaryCrossEntropy, CrossEntropy, SquaredError
from convworks.losses.functions import loss_function
from convworks.losses.lowest import lowest_loss, smoothing_note


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
    assert float(loss(logits.detach(), labels)) == pytest.approx(lowest_loss(config, 4), abs=1e-4)


def test_it_is_said_only_where_it_is_above_zero() -> None:
    assert "0.5003, not 0" in smoothing_note(CrossEntropy(smoothing=0.1), 10)
    assert smoothing_note(CrossEntropy(), 10) == smoothing_note(SquaredError(), 0) == ""
