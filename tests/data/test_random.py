from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from convworks.data import random


@given(st.integers(0, 2**62), st.integers(0, 1000), st.integers(1, 500), st.integers(1, 500))
def test_a_samples_numbers_do_not_depend_on_the_size_of_the_set(seed: int, epoch: int, n: int, m: int) -> None:
    first, second = random.noise(seed, epoch, n, 16), random.noise(seed, epoch, m, 16)
    common = min(n, m)
    assert np.array_equal(first[:common], second[:common])


def test_streams_epochs_and_seeds_differ() -> None:
    base = random.noise(0, 0, 100, 4)
    for other in (random.noise(0, 1, 100, 4), random.noise(1, 0, 100, 4)):
        assert not np.array_equal(base, other)
    assert not np.array_equal(random.order(0, 0, 100), random.order(0, 1, 100))
    assert random.step_seed(0, 1) != random.step_seed(1, 0)


def test_order_visits_every_sample_once() -> None:
    assert sorted(random.order(3, 5, 1000)) == list(range(1000))


def test_numbers_are_uniform() -> None:
    result = random.noise(1, 2, 20_000, 16)
    assert result.min() >= 0
    assert result.max() < 1
    assert abs(result.mean() - 0.5) < 0.005
    assert abs(result.var() - 1 / 12) < 0.002


def test_numbers_stay_the_same_from_version_to_version() -> None:
    # Changing these changes every run that was ever made.
    assert random.order(0, 0, 10).tolist() == [8, 0, 3, 7, 6, 4, 1, 5, 2, 9]
    assert np.allclose(random.noise(0, 0, 1, 3), [[0.1163452, 0.6073660, 0.5275425]], atol=1e-6)
    assert random.step_seed(0, 0) == 8747803846533196990
