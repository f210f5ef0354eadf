"""Distributed training: the processes started by torchrun."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from convworks.data.batches import Part
from convworks.errors import InputError
from convworks.hardware import choose_device, widest

Forward = Callable[[Tensor], tuple[Tensor, dict[str, tuple[float, Tensor]]]]

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class World:
    """A group of `size` processes, of which this is number `rank`; by default a single process."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def part(self) -> Part:
        """The part of every batch for this process."""
        return Part(self.rank, self.size)

    @property
    def double(self) -> torch.dtype:
        """float64, or float32 on devices without it."""
        return widest(self.device)

    def summed(self, values: Tensor) -> Tensor:
        """Return the sums over all processes, in double precision."""
        sums = values.to(self.device, self.double)
        if self.size > 1:
            dist.all_reduce(sums)
        return sums

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Copy the values of the first process to all others, in place."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def broadcast_values(self, values: Any) -> Any:
        """Return the plain JSON values of the first process, in every process."""
        if self.size == 1:
            return values
        content = torch.frombuffer(bytearray(json.dumps(values).encode()), dtype=torch.uint8).to(self.device)
        length = torch.tensor([len(content)], device=self.device)
        dist.broadcast(length, 0)
        content = content if self.rank == 0 else torch.empty(int(length), dtype=torch.uint8, device=self.device)
        dist.broadcast(content, 0)
        return json.loads(bytes(content.cpu().numpy()))

    def parallel(self, forward: Forward, network: nn.Module) -> Forward:
        """Return a forward pass whose backward pass averages the gradients over the processes."""
        if self.size == 1:
            return forward
        # A weight with one channel has two equivalent memory layouts; which one the gradient has does not matter.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        devices = [self.device] if self.device.type == "cuda" else None
        parallel: Forward = DistributedDataParallel(_Forward(forward, network), device_ids=devices)
        return parallel

    def communicating(self, forward: Forward, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a part of a step: gradients are synchronised only with the last part."""
        if last or not isinstance(forward, DistributedDataParallel):
            return contextlib.nullcontext()
        context: contextlib.AbstractContextManager[Any] = forward.no_sync()
        return context


ALONE = World()


class _Forward(nn.Module):
    """A function and the network whose parameters it uses, as one module for DistributedDataParallel."""

    def __init__(self, function: Forward, network: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.network = network

    def forward(self, inputs: Tensor) -> tuple[Tensor, dict[str, tuple[float, Tensor]]]:
        return self.function(inputs)


@contextlib.contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the process group that torchrun started; without torchrun, yield a single process.

    On GPUs, one per process, the backend is NCCL; on CPUs it is gloo. Raises InputError for an unavailable device, and
    for a GPU index under torchrun, which gives each process its own GPU.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        chosen = choose_device(device)
        # Seeds and events are those of the current device, which is cuda:0 unless it is set.
        with torch.cuda.device(chosen) if chosen.type == "cuda" else contextlib.nullcontext():
            yield World(device=chosen)
        return
    if ":" in device:
        raise InputError(f"--device {device}", "torchrun assigns one GPU to each process", "use --device cuda")
    chosen = choose_device(device)
    if chosen.type == "cuda":
        chosen = choose_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        torch.cuda.set_device(chosen)
    # A new prefix for each restart: the store still holds the addresses of the processes that died.
    store, rank, size = next(dist.rendezvous("env://"))  # type: ignore[attr-defined]
    start = f"start-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    store = dist.PrefixStore(start, store)  # type: ignore[attr-defined]
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", store=store, rank=rank, world_size=size)
    try:
        yield World(rank=dist.get_rank(), size=dist.get_world_size(), device=chosen)
        dist.barrier()  # wait for the first process: torchrun would end it if another one failed
    finally:
        gc.collect()  # frees DistributedDataParallel before the process group is destroyed
        dist.destroy_process_group()
