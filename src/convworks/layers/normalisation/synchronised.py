"""Batch normalisation over the batch of all processes of distributed training."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class SynchronisedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation with mean and variance of the whole batch, of which each process has a part.

    PyTorch's own works on GPUs only. The variance is centred on the common mean, as precise as in one process.
    """

    def forward(self, input: Float[Tensor, "b c *size"]) -> Float[Tensor, "b c *size"]:
        """Normalise by the statistics of the whole batch; in evaluation mode, by the running statistics."""
        if not self.training:
            by_batch = self.running_mean is None  # without running statistics, each process uses its own
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, by_batch, 0.0, self.eps
            )
        x = input.float() if input.element_size() < 4 else input  # sums in half precision would be inaccurate
        axes = [0, *range(2, x.ndim)]
        shape = (1, -1, *(1,) * (x.ndim - 2))
        count = summed(torch.full((1,), x.numel() / x.shape[1], device=x.device, dtype=x.dtype))
        mean = summed(x.sum(axes)) / count
        centred = x - mean.view(shape)
        variance = summed((centred**2).sum(axes)) / count
        self._update_statistics(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        normalised = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(input.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of axes."""

    def _update_statistics(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics; the variance is unbiased, as in PyTorch."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


def synchronise(network: nn.Module) -> None:
    """Replace every batch normalisation of a network by a synchronised one with the same tensors."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
                setattr(module, name, _synchronised(child))


def summed(x: Tensor) -> Tensor:
    """Return the sum over all processes; its gradient is summed over all processes as well."""
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *messages: Tensor) -> Tensor:
        total = messages[0].contiguous()
        torch.distributed.all_reduce(total)
        return total


def _synchronised(norm: Any) -> nn.Module:
    if norm.weight is not None and norm.weight.is_cuda:
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(norm)  # type: ignore[no-untyped-call]
        return converted
    synchronised = SynchronisedBatchNorm(
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats, device="meta"
    )
    for name in ("weight", "bias"):
        synchronised.register_parameter(name, getattr(norm, name))
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        synchronised.register_buffer(name, getattr(norm, name))
    return synchronised.train(norm.training)
