"""Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), block by block in cache."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convworks.ops.normalisation import local_response_normalisation as definition

#: Number of values that are normalised at a time on a CPU: intermediate results stay in its cache.
BLOCK = 2**20


class Options(NamedTuple):
    """The constants of the formula."""

    n: int
    k: float
    alpha: float
    beta: float


class LocalResponseNormalisation(nn.Module):
    """`z[i] = x[i] / (k + alpha * sum of x[j]^2 over the n channels around i)^beta`, at each position.

    The definition, with its derivative, is in ops/normalisation/local_response_normalisation.py; PyTorch's
    LocalResponseNorm divides alpha by n. Any number of spatial axes; half precisions are normalised in float32.
    Raises InputError for n < 1, k <= 0, alpha < 0 and numbers that are not finite. Lecture 003, VGG: column A-LRN.
    """

    def __init__(self, n: int = 5, *, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75) -> None:
        super().__init__()
        definition.forward(np.zeros((1, 1, 1)), n=n, k=k, alpha=alpha, beta=beta)  # checks the options
        self.options = Options(n, k, alpha, beta)

    def forward(self, x: Float[Tensor, "b c w *size"]) -> Float[Tensor, "b c w *size"]:
        """Normalise each value by its own and the neighbouring channels."""
        # Compilers fuse the plain formula themselves, and the meta device computes nothing.
        recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if recorded or x.is_meta or not x.numel():
            return plain(x, self.options)
        normalised: Tensor = _Normalise.apply(x, self.options)  # type: ignore[no-untyped-call]
        return normalised

    def extra_repr(self) -> str:
        """Show the constants in the repr."""
        return ", ".join(f"{name}={value}" for name, value in self.options._asdict().items())


def plain(x: Float[Tensor, "b c w *size"], options: Options) -> Float[Tensor, "b c w *size"]:
    """Normalise by PyTorch's own function, which can be exported and differentiated any number of times."""
    n, k, alpha, beta = options
    return F.local_response_norm(_wide(x), n, alpha * n, beta, k).to(x.dtype)


class _Normalise(torch.autograd.Function):
    """The formula block by block. Only x is saved for backward: recomputing divisors is faster than loading them."""

    @staticmethod
    def forward(x: Tensor, options: Options) -> Tensor:
        last = _has_channels_last(x)
        values = _stacked(x, last)
        z = torch.empty_like(values)
        work = _Workspace(values, options)
        for block in work.blocks:
            own = _wide(values[block])
            torch.mul(work.powers(work.divisors(own)), own, out=z[block])
        return _unstacked(z, x, last)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Options], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.options = inputs[1]

    @staticmethod
    def backward(ctx: Any, *messages: Tensor) -> tuple[Tensor, None]:
        """Send message / d^beta - 2 alpha beta x * (message * x / d^(beta + 1), summed over neighbours)."""
        (x,), options = ctx.saved_tensors, ctx.options
        if torch.is_grad_enabled():  # for derivatives of this derivative
            (delta,) = torch.autograd.grad(plain(x, options), x, messages[0], create_graph=True)
            return delta, None
        last = _has_channels_last(x)
        values, message = _stacked(x, last), _stacked(messages[0], last)
        delta = torch.empty_like(values)
        work = _Workspace(values, options)
        for block in work.blocks:
            own = _wide(values[block])
            divisors = work.divisors(own)
            direct = work.powers(divisors).mul_(_wide(message[block]))
            around = work.through(direct, own, divisors)
            torch.addcmul(direct, own, around, value=-2 * options.alpha * options.beta, out=delta[block])
        return _unstacked(delta, x, last), None


class _Workspace:
    """Reusable memory for one block [maps, channels, positions]: new pages would cost more than sums.

    Channels are padded by n - 1 in vectors that hold a block contiguously. The window sums of all maps and positions
    are then sums of the vector and shifted copies of itself; those that mix two maps fall on padding.
    """

    def __init__(self, values: Tensor, options: Options) -> None:
        maps, channels, positions = values.shape
        self.options = options
        padded = channels + options.n - 1
        limit = BLOCK if values.device.type == "cpu" else maps * padded * positions
        columns, column_starts = _blocks(positions, max(1, limit // padded))
        rows, row_starts = _blocks(maps, max(1, limit // (padded * columns)))
        #: Blocks have equal sizes, so the last one may overlap the one before it.
        self.blocks: list[tuple[slice, slice, slice]] = [
            (slice(row, row + rows), slice(None), slice(column, column + columns))
            for row, column in itertools.product(row_starts, column_starts)
        ]
        self.shape = (rows, padded, columns)
        self.channels = channels
        self.length = rows * padded * columns
        reference = torch.empty(0, dtype=_wide(values[:0]).dtype, device=values.device)
        size = self.length + (options.n - 1) * columns
        self.offset = reference.new_tensor(options.k / options.n)
        self.squares = reference.new_full((size,), options.k / options.n)
        self.doubled = (reference.new_empty(size), reference.new_empty(size))
        self.total, self.power = reference.new_empty(self.length), reference.new_empty(self.length)

    @cached_property
    def messages(self) -> Tensor:
        """A padded vector for messages."""
        return torch.zeros_like(self.squares)

    def divisors(self, own: Tensor) -> Tensor:
        """Return d = k + alpha * sum of squares. Each of the n terms includes k / n, which saves a pass."""
        inner = self._inner(self.squares, self.options.n // 2)
        torch.addcmul(self.offset, own, own, value=self.options.alpha, out=inner)
        return self._inner(self._window_sums(self.squares))

    def powers(self, divisors: Tensor) -> Tensor:
        """Return d^-beta; two roots are faster than a power."""
        power = self._inner(self.power)
        if self.options.beta != 0.75:
            return torch.pow(divisors, -self.options.beta, out=power)
        root = torch.rsqrt(divisors, out=self._inner(self.doubled[0]))
        return torch.sqrt(root, out=power).mul_(root)

    def through(self, direct: Tensor, own: Tensor, divisors: Tensor) -> Tensor:
        """Return direct * x / d, summed over the neighbouring channels."""
        inner = self._inner(self.messages, (self.options.n - 1) // 2)
        torch.mul(direct, own, out=inner).div_(divisors)
        return self._inner(self._window_sums(self.messages))

    def _inner(self, vector: Tensor, before: int = 0) -> Tensor:
        return vector[: self.length].view(self.shape)[:, before : before + self.channels]

    def _window_sums(self, vector: Tensor) -> Tensor:
        """Return the sums of n values, one channel apart, by doubling windows of 1, 2, 4, ... values."""
        step, n, width, done = self.shape[2], self.options.n, 1, 0
        total: Tensor | None = None
        spare = itertools.cycle(self.doubled)
        while True:
            if n & width:
                window = vector[done * step : done * step + self.length]
                total = window if total is None else torch.add(total, window, out=self.total)
                done += width
            if done == n:
                return total  # type: ignore[return-value]  # n has at least one bit
            ends = len(vector) - width * step
            doubled = self.total if 2 * width == n else next(spare)[:ends]
            vector = torch.add(vector[:ends], vector[width * step :], out=doubled)
            width *= 2


def _blocks(length: int, limit: int) -> tuple[int, list[int]]:
    """Split a length into equal blocks of at most `limit`; return their length and starts."""
    count = -(-length // limit)
    size = -(-length // count)
    return size, [min(number * size, length - size) for number in range(count)]


def _has_channels_last(x: Tensor) -> bool:
    return x.movedim(1, -1).is_contiguous() and not x.is_contiguous()


def _stacked(x: Tensor, last: bool) -> Tensor:
    """Return x as [maps, channels, positions], copied if necessary. With channels last, every pixel is a map."""
    return x.movedim(1, -1).reshape(-1, x.shape[1], 1) if last else x.reshape(*x.shape[:2], -1)


def _unstacked(values: Tensor, x: Tensor, last: bool) -> Tensor:
    """Return values with the shape and memory layout of x."""
    return values.view(x.movedim(1, -1).shape).movedim(-1, 1) if last else values.view(x.shape)


def _wide(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
