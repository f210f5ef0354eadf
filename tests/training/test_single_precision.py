"""Devices without float64 (MPS): what is computed on them is float32, and samples are augmented on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from few_digits import train_on_few
from torch.utils._python_dispatch import TorchDispatchMode

from convworks.config import override
from convworks.data.samples import Samples
from convworks.data.sources.open import open_source
from convworks.recipes import recipe
from convworks.training.loop import step
from convworks.training.progress import Progress
from convworks.training.run import prepare
from convworks.training.run_data import home_of
from convworks.training.validation import validate
from convworks.training.world import ALONE

__all__ = ["train_on_few"]


class NoFloat64(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Fails at the first operation that returns float64, as MPS does."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.dtype == torch.float64:
            raise TypeError(f"{func} returns float64")
        return result


def test_a_step_and_validation_need_no_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("training.world", "layers.normalisation.folded"):  # the CPU passes for such a device
        monkeypatch.setattr(f"convworks.{module}.widest", lambda device: torch.float32)
    config = override(recipe("digits/default"), ["device=cpu", "precision=float32"])
    setup = prepare(ALONE, config, open_source("digits"))[0]
    batch = next(iter(setup.batches(Progress())))
    forbidding: Any = NoFloat64
    with forbidding():
        sums = step(setup, 0, batch, 0.01)
        result = validate(setup)
    assert sums.dtype == torch.float32
    assert set(result) == {"loss", "top1", "top5", "balanced_accuracy"}
    with pytest.raises(TypeError, match="float64"), forbidding():
        torch.zeros(1).double()


def test_samples_for_such_a_device_stay_on_the_cpu() -> None:
    samples = Samples(images=torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
    assert home_of([samples], torch.device("mps")) == torch.device("cpu")
