"""Values that nothing can be computed with, found by one pass."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.layers.values import fault, require_sound

NAMES = ("weight", "running_mean", "running_var", "counts")


@settings(max_examples=repeats(25, 100), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.lists(st.floats(width=32), max_size=4)), max_size=4))
def test_the_first_bad_tensor_is_named(content: list[tuple[str, list[float]]]) -> None:
    """The oracle looks at each number in Python."""
    tensors = {
        f"{place}.{name}": torch.tensor(values, dtype=torch.float32) for place, (name, values) in enumerate(content)
    }

    def bad(name: str, value: float) -> bool:
        return not float("-inf") < value < float("inf") or (name.endswith("running_var") and value < 0)

    expected = [name for name, tensor in tensors.items() if any(bad(name, value) for value in tensor.tolist())]
    message = fault(tensors)
    assert (message is None) == (not expected)
    if message is not None:
        assert message.startswith(f"{expected[0]} holds ")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_line_counts_them(dtype: torch.dtype) -> None:
    tensor = torch.tensor([[1.0, float("nan")], [float("-inf"), 2.0]], dtype=dtype)
    assert fault({"a": tensor}) == "a holds 2 NaN or infinite values of 4"
    variances = {"bn.running_var": torch.tensor([0.5, -0.25, 1.0], dtype=dtype)}
    with pytest.raises(InputError, match=r"^FILE: bn.running_var holds 1 negative variance \(down to -0.25\); remedy$"):
        require_sound("FILE", variances, "remedy")


def test_whole_numbers_and_nothing_are_sound() -> None:
    assert fault({"counter": torch.tensor(-3), "running_var": torch.empty(0), "x": torch.zeros(2, 0, 3)}) is None
