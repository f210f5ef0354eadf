"""Losses of masks against their formulas, written out in NumPy."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from convworks.config import build
from convworks.data.column import IGNORED
from convworks.errors import InputError
from convworks.losses.borders import border_weights
from convworks.losses.config import BorderCrossEntropy, CrossEntropy, Dice, Focal, LossConfig, OwnLoss, SumLoss
from convworks.losses.pixels import pixel_loss

K, SHAPE = 4, (3, 9, 11)
PIXELS = torch.tensor([400, 50, 0, 150])


def made(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Return outputs and masks: class 2 is nowhere, class 3 not in the second image, some pixels are ignored."""
    draw = np.random.default_rng(0)
    masks = draw.choice([0, 0, 1, 3, IGNORED], SHAPE)
    masks[1][masks[1] == 3] = 0
    outputs = torch.from_numpy(draw.normal(0, 2, (SHAPE[0], K, *SHAPE[1:]))).to(dtype).requires_grad_()
    return outputs, torch.from_numpy(masks)


def by_hand(config: LossConfig, outputs: np.ndarray, masks: np.ndarray) -> float:
    """Compute a loss pixel by pixel."""
    p = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    counts = PIXELS.numpy()
    per_image = []
    for probabilities, mask in zip(p, masks, strict=True):
        counted = mask != IGNORED
        if isinstance(config, Dice):
            scores = []
            for k in np.unique(mask[counted]):
                y, q = (mask == k)[counted], probabilities[k][counted]
                scores.append(2 * (q * y).sum() / (q.sum() + y.sum()))
            per_image.append(1 - np.mean(scores))
            continue
        weights = np.ones(K)
        if getattr(config, "class_weights", None) == "balanced":
            weights = np.where(counts > 0, 1 / counts.clip(min=1), 0)
            weights = weights * counts.sum() / (weights * counts).sum()
        extra = np.zeros(mask.shape)
        if isinstance(config, BorderCrossEntropy):
            extra = border_weights(mask, border=config.border, sigma=config.sigma, background=config.background)
        values = []
        for at in zip(*counted.nonzero(), strict=True):
            own = probabilities[(mask[at], *at)]
            smoothing = getattr(config, "smoothing", 0)
            value = -(1 - smoothing) * np.log(own) - smoothing * np.log(probabilities[(slice(None), *at)]).mean()
            if isinstance(config, Focal):
                value *= (1 - own) ** config.gamma
            values.append((weights[mask[at]] + extra[at]) * value)
        per_image.append(np.mean(values))
    return float(np.mean(per_image))


CONFIGS: list[Any] = [
    CrossEntropy(),
    CrossEntropy(smoothing=0.1, class_weights="balanced"),
    BorderCrossEntropy(sigma=2.0),
    BorderCrossEntropy(class_weights=None, background=1),
    Focal(),
    Focal(gamma=0.5, class_weights="balanced"),
    Dice(),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_a_loss_is_its_formula(config: LossConfig) -> None:
    outputs, masks = made()
    expected = by_hand(config, outputs.detach().numpy(), masks.numpy())
    assert pixel_loss(config, PIXELS)(outputs, masks).item() == pytest.approx(expected, rel=1e-6)


ALL = [*CONFIGS, SumLoss(), SumLoss(parts=(Focal(), Dice()), weights=(1.0, 3.0))]


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.kind)
def test_gradients_are_those_of_differences_and_ignored_pixels_have_none(config: LossConfig) -> None:
    outputs, masks = made()
    loss = pixel_loss(config, PIXELS)
    corner = outputs.detach()[:2, :, :3, :4].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda values: loss(values, masks[:2, :3, :4]), (corner,))
    gradient = torch.autograd.grad(loss(outputs, masks), outputs)[0].movedim(1, -1)
    assert gradient[masks == IGNORED].abs().sum() == 0
    # Where the last bit of an output is infinite, too.
    wild = torch.where((masks == IGNORED)[:, None], 1e300, outputs.detach())
    assert torch.equal(loss(wild, masks), loss(outputs, masks))


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.kind)
def test_parts_of_a_batch_add_up(config: LossConfig) -> None:
    outputs, masks = made()
    masks[2] = IGNORED  # an image of which nothing counts
    loss = pixel_loss(config, PIXELS)
    parts = loss(outputs[:1], masks[:1]) / 3 + loss(outputs[1:], masks[1:]) * 2 / 3
    torch.testing.assert_close(loss(outputs, masks), parts)
    assert loss(outputs[2:], masks[2:]).item() == 0


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.kind)
def test_a_perfect_answer_costs_nothing(config: LossConfig) -> None:
    _, masks = made()
    right = 40.0 * torch.nn.functional.one_hot(masks.masked_fill(masks == IGNORED, 0), K).movedim(-1, 1).double()
    loss = pixel_loss(config, PIXELS)
    assert float(loss(-right, masks)) > 0.2
    if not getattr(config, "smoothing", 0):
        assert float(loss(right, masks)) < 1e-9


def test_sums_are_set_in_one_value_and_a_weight_too_few_is_refused() -> None:
    outputs, masks = made()
    values = {
        "kind": "sum",
        "parts": [{"kind": "cross_entropy", "smoothing": 0.1}, {"kind": "dice"}],
        "weights": [1, 2],
    }
    config = build(SumLoss, values)
    one, two = (pixel_loss(part, PIXELS)(outputs, masks).item() for part in config.parts)
    assert pixel_loss(config, PIXELS)(outputs, masks).item() == pytest.approx(one + 2 * two)
    with pytest.raises(InputError, match=r"weights has 1 numbers for 2 parts"):
        build(SumLoss, values | {"weights": [1]})
    with pytest.raises(InputError, match=r"parts.0.kind: there is no kind 'dise' \(did you mean 'dice'"):
        build(SumLoss, values | {"parts": [{"kind": "dise"}]})


def test_class_weights_are_one_a_class_and_ones_own_loss_is_taken() -> None:
    with pytest.raises(InputError, match=r"training\.loss\.class_weights: has 2 numbers for 4 classes"):
        pixel_loss(Focal(class_weights=(1.0, 2.0)), PIXELS)
    own: Callable[[Tensor, Tensor], Tensor] = lambda outputs, masks: outputs.sum()  # noqa: E731
    outputs, masks = made()
    assert pixel_loss(OwnLoss(), PIXELS, own)(outputs, masks) == outputs.sum()


def test_borders_are_those_of_the_whole_mask_where_a_network_scores_its_centre() -> None:
    """A neighbour just beyond the centre, and one object that the edge of the centre cuts in two."""
    masks = torch.zeros(2, 60, 64, dtype=torch.int64)
    masks[0, 20:40, 4:11], masks[0, 20:40, 14:30] = 1, 1
    masks[1, 4:56, 15:25], masks[1, 4:56, 30:40], masks[1, 50:56, 15:40] = 1, 1, 1
    masks[1, 30:34, 45:50] = IGNORED
    outputs = torch.randn(2, K, 36, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    centre = (slice(None), slice(12, 48), slice(12, 52))
    weights = 1 + torch.from_numpy(np.stack([border_weights(mask) for mask in masks.numpy()]))[centre]
    assert weights[0].max() > 5
    cropped = masks[centre].numpy()
    assert border_weights(cropped[0]).max() == 0, "of the centre alone the neighbour is not seen"
    assert border_weights(cropped[1]).max() > 4 > weights[1].max(), "and one object is two"
    counted = cropped != IGNORED
    p = outputs.log_softmax(1).numpy()
    own = np.take_along_axis(p, np.where(counted, cropped, 0)[:, None], 1)[:, 0]
    expected = np.mean([-(weights.numpy() * own)[one][counted[one]].mean() for one in range(2)])
    config = BorderCrossEntropy(class_weights=None)
    assert pixel_loss(config, PIXELS)(outputs, masks).item() == pytest.approx(expected, rel=1e-6)
    both = pixel_loss(SumLoss(parts=(config, Dice()), weights=(1.0, 2.0)), PIXELS)(outputs, masks).item()
    dice = pixel_loss(Dice(), PIXELS)(outputs, masks[centre]).item()
    assert both == pytest.approx(expected + 2 * dice, rel=1e-6)


@pytest.mark.parametrize("config", [each for each in ALL if not isinstance(each, BorderCrossEntropy)])
def test_every_other_loss_compares_the_centre_alone(config: LossConfig) -> None:
    outputs, masks = made()
    whole = torch.nn.functional.pad(masks, (3, 4, 5, 6), value=1)
    whole[:, 5:14, 3:14] = masks
    loss = pixel_loss(config, PIXELS)
    assert loss(outputs, whole).item() == loss(outputs, masks).item()


def test_a_background_that_is_no_class_is_refused() -> None:
    """Nothing would be background, and no border have a weight."""
    pixel_loss(BorderCrossEntropy(background=3), PIXELS)
    for config in (BorderCrossEntropy(background=4), SumLoss(parts=(Dice(), BorderCrossEntropy(background=4)))):
        with pytest.raises(InputError, match=r"training\.loss\.background: is 4, but the classes are 0 to 3; name one"):
            pixel_loss(config, PIXELS)


def test_border_weights_are_not_kept() -> None:
    """Augmented masks are all different: what is kept of them would only fill the memory."""
    loss, side = pixel_loss(BorderCrossEntropy(), PIXELS), 256
    outputs, masks = torch.zeros(1, K, side, side), torch.zeros(8, 1, side, side, dtype=torch.int64)
    loss(outputs, masks[0])  # imports SciPy
    tracemalloc.start()
    for number, mask in enumerate(masks[1:]):
        mask[0, 5:9, number : number + 4] = mask[0, 15:19, number : number + 4] = 1
        loss(outputs, mask)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < side * side


def test_a_batch_in_single_precision_is_finite_for_confident_networks() -> None:
    outputs, masks = made(torch.float32)
    for config in ALL:
        loss = pixel_loss(config, PIXELS)(200 * outputs, masks)
        loss.backward()  # type: ignore[no-untyped-call]
        assert loss.isfinite()
        assert outputs.grad is not None
        assert outputs.grad.isfinite().all(), config
