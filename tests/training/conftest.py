"""What the tests of training share: few digits."""

from __future__ import annotations

from few_digits import train_on_few

__all__ = ["train_on_few"]
