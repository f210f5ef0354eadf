from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from convworks.data.split.stratify import choose, class_quotas, mix

COUNTS = st.lists(st.integers(2, 500), min_size=2, max_size=12)


@given(COUNTS, st.floats(0.01, 0.99), st.none() | st.integers(1, 800))
def test_shares_add_up(counts: list[int], fraction: float, limit: int | None) -> None:
    quotas = class_quotas(np.array(counts), fraction, limit)
    assert all(1 <= quota < count for quota, count in zip(quotas, counts, strict=True))
    if limit is not None:
        assert quotas.sum() <= max(limit, len(counts))
    target = min(round(fraction * sum(counts)), limit or sum(counts))
    exact = np.array(counts) * target / sum(counts)
    inside = (exact >= 1) & (exact <= np.array(counts) - 1)
    if inside.all() and target >= len(counts):
        assert quotas.sum() == target
        assert (abs(quotas - exact) < 1).all()


def test_shares_by_hand() -> None:
    assert class_quotas(np.array([60, 30, 10]), 0.1, None).tolist() == [6, 3, 1]
    assert class_quotas(np.array([60, 30, 10]), 0.1, 5).tolist() == [3, 1, 1]
    assert class_quotas(np.array([1000, 2, 2]), 0.01, None).tolist() == [8, 1, 1]
    assert class_quotas(np.array([2, 2]), 0.9, None).tolist() == [1, 1]


def test_choice_does_not_depend_on_the_order_of_the_samples() -> None:
    names = [f"{index:04d}" for index in range(100)]
    labels = np.arange(100) % 3
    chosen = choose(labels, names, np.array([5, 6, 7]), 1)
    assert [int(chosen[labels == label].sum()) for label in range(3)] == [5, 6, 7]
    shuffle = np.random.default_rng(0).permutation(100)
    again = choose(labels[shuffle], [names[index] for index in shuffle], np.array([5, 6, 7]), 1)
    np.testing.assert_array_equal(again, chosen[shuffle])
    assert (choose(labels, names, np.array([5, 6, 7]), 2) != chosen).any()


def test_mix_is_fixed_for_ever() -> None:
    values = mix(np.arange(3, dtype=np.uint64), 0)
    assert values.tolist() == SPLITMIX


def test_mix_agrees_with_whole_numbers() -> None:
    def naive(value: int, seed: int) -> int:
        top = 2**64
        state = (value + seed * 0x9E3779B97F4A7C15 + 0x5851F42D4C957F2D) % top
        for _ in range(2):
            state = (state * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % top
            state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % top
            state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % top
            state ^= state >> 31
        return state

    for seed in (0, 1, 2**40, -3):
        assert mix(np.arange(20, dtype=np.uint64), seed).tolist() == [naive(value, seed) for value in range(20)]


def test_mix_is_even() -> None:
    ranks = mix(np.arange(100_000, dtype=np.uint64), 7) >> np.uint64(60)
    counts = np.bincount(ranks.astype(np.int64), minlength=16)
    assert abs(counts / 6250 - 1).max() < 0.05


SPLITMIX = [16566142768969330569, 17745934392027409392, 3213831473437727028]
