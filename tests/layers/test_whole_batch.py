"""Parts of a batch get the random numbers that they have in the whole one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convworks.data.config import Gaussian, Masking
from convworks.layers.stochastic_depth import Survival
from convworks.layers.whole_batch import WholeBatch
from convworks.tasks.codes import corrupted

DRAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "dropout": nn.Sequential(nn.Dropout(0.4), nn.Conv2d(3, 3, 1), nn.Dropout(0.2)),
    "dropout in place": lambda x: nn.Dropout(0.4, inplace=True)(x.clone()),
    "dropout of channels": nn.Dropout2d(0.4),
    "stochastic depth": Survival(0.4),
    "noise": lambda x: corrupted(x.flatten(1), Gaussian(deviation=0.3)).view(x.shape),
    "masking": lambda x: corrupted(x.flatten(1), Masking(rate=0.3)).view(x.shape),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_parts_of_a_batch_draw_as_the_whole(name: str, layout: torch.memory_format, dtype: torch.dtype) -> None:
    x, draw = torch.rand(7, 3, 4, 5).to(memory_format=layout), DRAWS[name]

    def drawn(images: Tensor) -> Tensor:
        torch.manual_seed(1)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return draw(images)

    expected, parts = drawn(x), []
    for first, end in ((0, 3), (3, 4), (4, 7)):
        with WholeBatch(first, 7):
            parts.append(drawn(x[first:end]))
    torch.testing.assert_close(torch.cat(parts), expected, rtol=0, atol=1e-6)
    assert not torch.equal(expected, x)


def test_nothing_is_dropped_in_evaluation() -> None:
    x = torch.rand(2, 3, 4, 5)
    with WholeBatch(1, 9):
        assert torch.equal(nn.Dropout(0.4).eval()(x), x)
