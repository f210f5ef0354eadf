"""The random seeds that every library here takes."""

from __future__ import annotations

from convworks.errors import InputError

LARGEST = 2**32 - 1  # of scikit-learn


def check_seed(seed: int) -> None:
    """Raise InputError for a seed that a library would refuse."""
    if not 0 <= seed <= LARGEST:
        raise InputError("--seed", f"is {seed}", f"give a whole number from 0 to {LARGEST}")
