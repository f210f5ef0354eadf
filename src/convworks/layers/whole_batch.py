"""Random numbers of layers, such as dropout's masks, as when a whole batch is computed at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor
from torch.overrides import TorchFunctionMode

#: What fills a tensor with random numbers.
FILLS = frozenset({Tensor.bernoulli_, Tensor.normal_, Tensor.uniform_})
#: Multiplications by a random mask, whose first arguments are (x, p, training, inplace).
DROPOUTS = frozenset({F.dropout, F.dropout1d, F.dropout2d, F.dropout3d})


class WholeBatch(TorchFunctionMode):
    """Within it, samples `first`, `first` + 1, ... of a batch of `size` get the random numbers of their places in it.

    All parts of a batch, whether computed in turn or in several processes, must start from the same seed: each draws
    for all samples, and keeps what is for its own.
    """

    def __init__(self, first: int, size: int) -> None:
        super().__init__()
        self.first, self.size = first, size

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Call a function of PyTorch; what draws random numbers does so for the whole batch."""
        kwargs = kwargs or {}
        if func in FILLS:
            part = args[0]
            return part.copy_(self._of_part(func(self._whole(part), *args[1:], **kwargs), part))
        if func in DROPOUTS:
            return self._dropout(func, *args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(
        self, dropout: Callable[..., Tensor], x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training:
            return dropout(x, p, training, inplace)
        scale = self._of_part(dropout(self._whole(x).fill_(1), p), x)
        return x.mul_(scale) if inplace else x * scale

    def _whole(self, part: Shaped[Tensor, "b *rest"]) -> Shaped[Tensor, "n *rest"]:
        """Return an empty tensor for the whole batch, in the memory format of a part: the order of drawing."""
        last = part.ndim == 4 and not part.is_contiguous() and part.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        size = (self.size, *part.shape[1:])
        return torch.empty(size, dtype=part.dtype, device=part.device, memory_format=layout)

    def _of_part(self, whole: Shaped[Tensor, "n *rest"], part: Shaped[Tensor, "b *rest"]) -> Shaped[Tensor, "b *rest"]:
        return whole[self.first : self.first + len(part)]
