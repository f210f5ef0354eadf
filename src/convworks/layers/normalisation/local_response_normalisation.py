"""Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), part by part in the cache."""

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

#: Values that are normalised at a time on a processor: what lies between the steps stays in its cache.
PART = 2**20


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
        definition.forward(np.zeros((1, 1, 1)), n=n, k=k, alpha=alpha, beta=beta)  # refuses what makes no sense
        self.options = Options(n, k, alpha, beta)

    def forward(self, x: Float[Tensor, "b c w *size"]) -> Float[Tensor, "b c w *size"]:
        """Normalise each value by its own channel and the channels around it."""
        # Compilers fuse the plain formula themselves, and the meta device computes nothing.
        recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if recorded or x.is_meta or not x.numel():
            return plain(x, self.options)
        normalised: Tensor = _Normalise.apply(x, self.options)  # type: ignore[no-untyped-call]
        return normalised

    def extra_repr(self) -> str:
        """Name the constants where the network is printed."""
        return ", ".join(f"{name}={value}" for name, value in self.options._asdict().items())


def plain(x: Float[Tensor, "b c w *size"], options: Options) -> Float[Tensor, "b c w *size"]:
    """Normalise by PyTorch's own function: operations that can be exported, and derived any number of times."""
    n, k, alpha, beta = options
    return F.local_response_norm(_wide(x), n, alpha * n, beta, k).to(x.dtype)


class _Normalise(torch.autograd.Function):
    """The formula part by part. Only x is kept for the derivative: its divisors are faster computed than fetched."""

    @staticmethod
    def forward(x: Tensor, options: Options) -> Tensor:
        last = _has_channels_last(x)
        values = _stacked(x, last)
        z = torch.empty_like(values)
        work = _Workspace(values, options)
        for part in work.parts:
            own = _wide(values[part])
            torch.mul(work.powers(work.divisors(own)), own, out=z[part])
        return _unstacked(z, x, last)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Options], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.options = inputs[1]

    @staticmethod
    def backward(ctx: Any, *messages: Tensor) -> tuple[Tensor, None]:
        """Send message / d^beta - 2 alpha beta x * (message * x / d^(beta + 1), summed over those that see it)."""
        (x,), options = ctx.saved_tensors, ctx.options
        if torch.is_grad_enabled():  # for derivatives of this derivative
            (delta,) = torch.autograd.grad(plain(x, options), x, messages[0], create_graph=True)
            return delta, None
        last = _has_channels_last(x)
        values, message = _stacked(x, last), _stacked(messages[0], last)
        delta = torch.empty_like(values)
        work = _Workspace(values, options)
        for part in work.parts:
            own = _wide(values[part])
            divisors = work.divisors(own)
            direct = work.powers(divisors).mul_(_wide(message[part]))
            around = work.through(direct, own, divisors)
            torch.addcmul(direct, own, around, value=-2 * options.alpha * options.beta, out=delta[part])
        return _unstacked(delta, x, last), None


class _Workspace:
    """Memory for one part [maps, channels, positions], used again for the next: fresh pages cost more than sums.

    Channels are padded by n - 1 on vectors that hold a part from end to end. There, the sums over the windows of all
    maps and positions at once are sums of the vector and itself further on; those that mix two maps fall on padding.
    """

    def __init__(self, values: Tensor, options: Options) -> None:
        maps, channels, positions = values.shape
        self.options = options
        padded = channels + options.n - 1
        most = PART if values.device.type == "cpu" else maps * padded * positions
        columns, columns_at = _shares(positions, max(1, most // padded))
        rows, rows_at = _shares(maps, max(1, most // (padded * columns)))
        #: Parts are equally large, so the last one may begin within the one before it.
        self.parts: list[tuple[slice, slice, slice]] = [
            (slice(row, row + rows), slice(None), slice(column, column + columns))
            for row, column in itertools.product(rows_at, columns_at)
        ]
        self.shape = (rows, padded, columns)
        self.channels = channels
        self.length = rows * padded * columns
        like = torch.empty(0, dtype=_wide(values[:0]).dtype, device=values.device)
        size = self.length + (options.n - 1) * columns
        self.share = like.new_tensor(options.k / options.n)
        self.squares = like.new_full((size,), options.k / options.n)
        self.doubled = (like.new_empty(size), like.new_empty(size))
        self.total, self.power = like.new_empty(self.length), like.new_empty(self.length)

    @cached_property
    def sent(self) -> Tensor:
        """A padded vector for messages."""
        return torch.zeros_like(self.squares)

    def divisors(self, own: Tensor) -> Tensor:
        """Return d = k + alpha * sum of squares. Each of the n terms brings its share of k: a pass less."""
        inner = self._inner(self.squares, self.options.n // 2)
        torch.addcmul(self.share, own, own, value=self.options.alpha, out=inner)
        return self._inner(self._window_sums(self.squares))

    def powers(self, divisors: Tensor) -> Tensor:
        """Return d^-beta; two roots are faster than a power."""
        power = self._inner(self.power)
        if self.options.beta != 0.75:
            return torch.pow(divisors, -self.options.beta, out=power)
        root = torch.rsqrt(divisors, out=self._inner(self.doubled[0]))
        return torch.sqrt(root, out=power).mul_(root)

    def through(self, direct: Tensor, own: Tensor, divisors: Tensor) -> Tensor:
        """Return direct * x / d, summed over the channels that have a channel around them."""
        inner = self._inner(self.sent, (self.options.n - 1) // 2)
        torch.mul(direct, own, out=inner).div_(divisors)
        return self._inner(self._window_sums(self.sent))

    def _inner(self, vector: Tensor, before: int = 0) -> Tensor:
        return vector[: self.length].view(self.shape)[:, before : before + self.channels]

    def _window_sums(self, vector: Tensor) -> Tensor:
        """Return the sums of n values, a channel apart, from windows of 1, 2, 4, ... that are doubled."""
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


def _shares(length: int, most: int) -> tuple[int, list[int]]:
    """Cut a length into equal shares of at most `most`: their length, and where each begins."""
    count = -(-length // most)
    share = -(-length // count)
    return share, [min(number * share, length - share) for number in range(count)]


def _has_channels_last(x: Tensor) -> bool:
    return x.movedim(1, -1).is_contiguous() and not x.is_contiguous()


def _stacked(x: Tensor, last: bool) -> Tensor:
    """Return x as [maps, channels, positions], copied if need be. With channels last, every pixel is a map."""
    return x.movedim(1, -1).reshape(-1, x.shape[1], 1) if last else x.reshape(*x.shape[:2], -1)


def _unstacked(values: Tensor, x: Tensor, last: bool) -> Tensor:
    """Return values with the shape and the order of x."""
    return values.view(x.movedim(1, -1).shape).movedim(-1, 1) if last else values.view(x.shape)


def _wide(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
