"""Losses against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from convworks.data.batches import Batch
from convworks.errors import InputError
from convworks.losses.config import BinaryCrossEntropy, CrossEntropy, OwnLoss, PenaltyLoss
from convworks.losses.functions import batch_loss, class_weights, loss_function, positive_weights

COUNTS = torch.tensor([10, 20, 30, 5, 35])
LABELS = torch.tensor([0, 1, 2, 3, 4, 0])


def test_label_smoothing_is_its_formula() -> None:
    logits = torch.randn(6, 5)
    target = torch.full((6, 5), 0.1 / 5)
    target[torch.arange(6), LABELS] += 0.9
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(loss_function(CrossEntropy(smoothing=0.1), COUNTS)(logits, LABELS), expected)


def test_penalties_are_equations_8_and_9() -> None:
    penalties = torch.rand(6, 5) * 10
    right = penalties[torch.arange(6), LABELS]
    torch.testing.assert_close(loss_function(PenaltyLoss(rivals=False), COUNTS)(-penalties, LABELS), right.mean())
    everything = math.exp(-2.0) + penalties.neg().exp().sum(1)
    expected = (right + everything.log()).mean()
    torch.testing.assert_close(loss_function(PenaltyLoss(rubbish=2.0), COUNTS)(-penalties, LABELS), expected)


def test_balanced_weights_are_scikit_learns() -> None:
    labels = np.repeat(np.arange(5), COUNTS.numpy())
    expected = compute_class_weight("balanced", classes=np.arange(5), y=labels)
    weights = class_weights(CrossEntropy(class_weights="balanced"), COUNTS)
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-6)


def test_weights_have_a_mean_of_1_over_the_images_and_parts_add_up() -> None:
    config = CrossEntropy(class_weights=(1.0, 2.0, 3.0, 4.0, 5.0), smoothing=0.1)
    weights = class_weights(config, COUNTS)
    assert float((weights * COUNTS).sum() / COUNTS.sum()) == pytest.approx(1)
    assert float(weights[4] / weights[0]) == pytest.approx(5)
    loss, logits = loss_function(config, COUNTS), torch.randn(6, 5)
    parts = loss(logits[:2], LABELS[:2]) * 2 / 6 + loss(logits[2:], LABELS[2:]) * 4 / 6
    torch.testing.assert_close(loss(logits, LABELS), parts)


def test_a_class_without_images_weighs_nothing() -> None:
    weights = class_weights(CrossEntropy(class_weights="balanced"), torch.tensor([3, 0, 1]))
    assert weights.tolist() == pytest.approx([2 / 3, 0, 2])


def test_class_weights_that_are_not_one_a_class() -> None:
    with pytest.raises(InputError, match=r"training\.loss\.class_weights: has 2 numbers for 5 classes"):
        loss_function(CrossEntropy(class_weights=(1.0, 2.0)), COUNTS)


def test_a_loss_of_ones_own() -> None:
    assert loss_function(OwnLoss(name="mine"), COUNTS, torch.nn.functional.mse_loss) is torch.nn.functional.mse_loss
    with pytest.raises(InputError, match=r"loss.*'mine'"):
        loss_function(OwnLoss(name="mine"), COUNTS)


def test_auxiliary_losses_count_by_their_weights_and_mixed_samples_have_two_labels() -> None:
    loss = loss_function(CrossEntropy(), COUNTS)
    logits, side, images = torch.randn(6, 5), torch.randn(6, 5), torch.zeros(6, 1, 2, 2, dtype=torch.uint8)
    batch = Batch(images, LABELS, 6, LABELS.flip(0), 0.7)
    expected = 0.7 * loss(logits, LABELS) + 0.3 * loss(logits, LABELS.flip(0))
    expected = expected + 0.3 * (0.7 * loss(side, LABELS) + 0.3 * loss(side, LABELS.flip(0)))
    torch.testing.assert_close(batch_loss(loss, {"head": (1.0, logits), "aux1": (0.3, side)}, batch), expected)
    soft = 0.7 * torch.nn.functional.one_hot(LABELS, 5) + 0.3 * torch.nn.functional.one_hot(LABELS.flip(0), 5)
    torch.testing.assert_close(
        batch_loss(loss, {"head": (1.0, logits)}, batch), torch.nn.functional.cross_entropy(logits, soft.float())
    )


ANSWERS = (torch.arange(30).view(6, 5) % 3 == 0).float()


def test_binary_cross_entropy_is_its_formula() -> None:
    logits, weights = torch.randn(6, 5), (1.0, 2.0, 3.0, 4.0, 5.0)
    config = BinaryCrossEntropy(smoothing=0.1, positive_weights=weights)
    answers, p = 0.9 * ANSWERS + 0.05, logits.sigmoid()
    expected = -(torch.tensor(weights) * answers * p.log() + (1 - answers) * (1 - p).log()).sum(1).mean()
    torch.testing.assert_close(loss_function(config, COUNTS)(logits, ANSWERS), expected)
    loss = loss_function(BinaryCrossEntropy(), COUNTS)
    torch.testing.assert_close(loss(logits, LABELS), loss(logits, torch.nn.functional.one_hot(LABELS, 5).float()))


def test_mixed_samples_have_mixed_answers() -> None:
    config = BinaryCrossEntropy(smoothing=0.2, positive_weights="balanced")
    loss, logits = loss_function(config, COUNTS, images=100), torch.randn(6, 5)
    batch = Batch(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), ANSWERS, 6, ANSWERS.flip(0), 0.7)
    expected = loss(logits, 0.7 * ANSWERS + 0.3 * ANSWERS.flip(0))
    torch.testing.assert_close(batch_loss(loss, {"head": (1.0, logits)}, batch), expected)


def test_balanced_positives_count_as_much_as_negatives() -> None:
    weights = positive_weights(BinaryCrossEntropy(positive_weights="balanced"), COUNTS, 100)
    assert weights is not None
    torch.testing.assert_close(weights * COUNTS, 100.0 - COUNTS)
    edge = positive_weights(BinaryCrossEntropy(positive_weights="balanced"), torch.tensor([0, 100]), 100)
    assert edge is not None
    assert edge.tolist() == [100, pytest.approx(0.01)]
    with pytest.raises(InputError, match=r"training\.loss\.positive_weights: has 1 numbers for 5 classes"):
        loss_function(BinaryCrossEntropy(positive_weights=(1.0,)), COUNTS)
