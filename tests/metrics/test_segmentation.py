"""Metrics of masks against scikit-learn's confusion matrix, against definitions, and where others went wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as oracle
from thorough import repeats

from convworks.data.column import IGNORED
from convworks.metrics import segmentation as metrics
from convworks.metrics.classification import calibration

CASES = repeats(100, 500)


def case(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Give a mask, its prediction and the number of classes: some absent, a single one, pixels ignored, or all."""
    draw = np.random.default_rng(seed)
    k, size = int(draw.integers(1, 7)), tuple(draw.integers(1, 12, 2))
    present = draw.permutation(k)[: draw.integers(1, k + 1)]
    target, predicted = draw.choice(present, size), draw.integers(0, k, size)
    if seed % 3:
        target = np.where(draw.random(size) < (1 if seed % 30 == 1 else 0.3), IGNORED, target)
    if seed % 5 == 0:
        predicted = np.where(target == IGNORED, predicted, target)
    return target.astype(np.uint8), predicted.astype(np.uint8), k


@pytest.mark.filterwarnings("ignore")  # scikit-learn remarks on a single class
@pytest.mark.parametrize("seed", range(CASES))
def test_counts_and_their_ratios_are_scikit_learns(seed: int) -> None:
    target, predicted, k = case(seed)
    counted = target != IGNORED
    matrix = metrics.confusion(target, predicted, k)
    if not counted.any():
        assert not matrix.any()
        assert np.isnan(metrics.mean(metrics.iou(metrics.overlap(matrix))))
        return
    true, answered = target[counted], predicted[counted]
    np.testing.assert_array_equal(matrix, oracle.confusion_matrix(true, answered, labels=range(k)))
    pixels = metrics.overlap(matrix)
    either = np.union1d(true, answered)
    each, dice = metrics.iou(pixels), metrics.dice(pixels)
    for number in range(k):
        if number not in either:
            assert math.isnan(each[number])
            assert math.isnan(dice[number])
            continue
        one = (true == number, answered == number)
        assert each[number] == pytest.approx(oracle.jaccard_score(*one, zero_division=0.0))
        assert dice[number] == pytest.approx(oracle.f1_score(*one, zero_division=0.0))
        assert 0 <= each[number] <= dice[number] <= 1
    macro = oracle.jaccard_score(true, answered, labels=either, average="macro", zero_division=0.0)
    assert float(metrics.mean(each)) == pytest.approx(macro)
    assert float(metrics.pixel_accuracy(pixels)) == pytest.approx(oracle.accuracy_score(true, answered))


def mean_iou(target: list[list[int]], predicted: list[list[int]], k: int) -> float:
    matrix = metrics.confusion(np.array(target, np.uint8), np.array(predicted, np.uint8), k)
    return float(metrics.mean(metrics.iou(metrics.overlap(matrix))))


#: What other libraries were reported to get wrong: target, prediction, classes, mean IoU.
COMPLAINTS = {
    # segmentation_models.pytorch 17: above 1 for a mask that is not of 0 and 1
    "never above 1": ([[1, 1], [1, 1]], [[1, 1], [1, 1]], 2, 1.0),
    # segmentation_models.pytorch 546: an ignored pixel counted where it was predicted
    "ignored pixels are in no union": ([[0, 1], [255, 255]], [[0, 1], [1, 0]], 2, 1.0),
    # torchmetrics 312: predicting anything for an ignored pixel must not change the score (there, class 0 is ignored)
    "ignored, predicted as one class": ([[1, 0, 0, 255]], [[0, 1, 0, 0]], 2, (0 + 1 / 3) / 2),
    "ignored, predicted as another": ([[1, 0, 0, 255]], [[0, 1, 0, 1]], 2, (0 + 1 / 3) / 2),
    # torchmetrics 2747: 255 raised an error
    "255 among the targets": ([[0, 1, 2, 0, 255]], [[0, 1, 1, 0, 1]], 3, (1 + 1 / 2 + 0) / 3),
    # evaluate 421: recall instead of intersection over union where the background was ignored
    "false positives count": ([[0, 0, 1, 1]], [[0, 1, 1, 1]], 2, (1 / 2 + 2 / 3) / 2),
    # torchmetrics 2866: 0 for a class that neither mask has
    "an absent class is left out": ([[0, 1], [1, 0]], [[0, 1], [1, 0]], 3, 1.0),
}


@pytest.mark.parametrize("name", COMPLAINTS)
def test_what_others_got_wrong(name: str) -> None:
    target, predicted, k, expected = COMPLAINTS[name]
    assert mean_iou(target, predicted, k) == pytest.approx(expected)


def segments(mask: np.ndarray) -> dict[tuple[int, int], int]:
    """Number the regions of class 1 by flooding them."""
    numbers: dict[tuple[int, int], int] = {}
    for start in map(tuple, np.argwhere(mask == 1).tolist()):
        if start in numbers:
            continue
        number, waiting = len(set(numbers.values())) + 1, [start]
        while waiting:
            y, x = waiting.pop()
            inside = 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]
            if inside and mask[y, x] == 1 and (y, x) not in numbers:
                numbers[y, x] = number
                waiting += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    return numbers


@pytest.mark.parametrize("seed", range(repeats(10, 60)))
def test_rand_error_counts_pairs_of_pixels(seed: int) -> None:
    draw = np.random.default_rng(seed)
    size = tuple(draw.integers(2, 8, 2))
    target, predicted = (draw.random(size) < 0.6).astype(np.uint8), (draw.random(size) < 0.6).astype(np.uint8)
    true, found = segments(target), segments(predicted)
    if not true:
        assert math.isnan(metrics.rand_error(target, predicted))
        return
    pixels = list(true)
    first = [(true[a] == true[b]) for a in pixels for b in pixels]
    second = [a == b or (found.get(a, 0) == found.get(b, 0) > 0) for a in pixels for b in pixels]
    both = sum(one and other for one, other in zip(first, second, strict=True))
    assert metrics.rand_error(target, predicted) == pytest.approx(1 - 2 * both / (sum(first) + sum(second)))
    assert metrics.rand_error(target, target) == 0


def test_rand_error_of_many_regions_takes_little_memory() -> None:
    """Pairs of 45,000 regions with 45,000 others would fill 16 GB."""
    board = (np.indices((300, 300)).sum(0) % 2).astype(np.uint8)
    assert metrics.rand_error(board, board) == 0


@pytest.mark.parametrize("seed", range(repeats(10, 60)))
def test_calibration_is_that_of_all_counted_pixels(seed: int) -> None:
    draw, parts, pixels, labels = np.random.default_rng(seed), [], [], []
    for _ in range(3):
        target = draw.integers(0, 3, (5, 7)).astype(np.uint8)
        target[draw.random(target.shape) < 0.2] = IGNORED
        probabilities = draw.dirichlet([0.3] * 3, target.shape)
        parts.append(metrics.reliability(target, probabilities.argmax(2).astype(np.uint8), probabilities.max(2)))
        pixels.append(probabilities[target != IGNORED])
        labels.append(target[target != IGNORED].astype(np.int64))
    whole = metrics.Reliability(*np.sum([np.stack(part) for part in parts], axis=0))
    expected = calibration(np.concatenate(pixels), np.concatenate(labels))
    np.testing.assert_array_equal(whole.pixels, expected.count)
    assert metrics.calibration_error(whole) == pytest.approx(expected.error)


def naive_boundary(mask: np.ndarray, number: int) -> list[tuple[int, int]]:
    h, w = mask.shape
    return [
        (y, x)
        for y in range(h)
        for x in range(w)
        if mask[y, x] == number
        and any(
            0 <= v < h and 0 <= u < w and mask[v, u] not in (number, IGNORED)
            for v, u in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1))
        )
    ]


@pytest.mark.parametrize("seed", range(repeats(10, 60)))
def test_boundary_f1_is_that_of_distances_between_pixels(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "TOLERANCE", 0.15)
    draw = np.random.default_rng(seed)
    size = tuple(draw.integers(4, 12, 2))
    target, predicted = (np.repeat(np.repeat(draw.integers(0, 3, size), 2, 0), 2, 1).astype(np.uint8) for _ in "ab")
    target[draw.random(target.shape) < 0.05] = IGNORED
    predicted_counted = np.where(target == IGNORED, IGNORED, predicted)
    most, scores = 0.15 * math.hypot(*target.shape), []
    for number in range(3):
        a, b = naive_boundary(target, number), naive_boundary(predicted_counted, number)
        if a or b:
            near = [
                sum(any(math.dist(p, q) <= most for q in others) for p in points) / len(points) if points else 0.0
                for points, others in ((b, a), (a, b))
            ]
            scores.append(2 * near[0] * near[1] / sum(near) if sum(near) else 0.0)
    expected = np.mean(scores) if scores else math.nan
    assert metrics.boundary_f1(target, predicted, 3) == pytest.approx(expected, nan_ok=True)
