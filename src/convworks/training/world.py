"""The processes that train one network together, started by torchrun."""

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
from convworks.hardware import choose_device

Forward = Callable[[Tensor], tuple[Tensor, dict[str, tuple[float, Tensor]]]]

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class World:
    """`size` processes, of which this is number `rank`; alone by default."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def part(self) -> Part:
        """Which part of every batch is this process's."""
        return Part(self.rank, self.size)

    @property
    def double(self) -> torch.dtype:
        """Double precision, where the device has it."""
        return torch.float64 if self.device.type != "mps" else torch.float32

    def summed(self, values: Tensor) -> Tensor:
        """Return the sums over all processes, in double precision."""
        found = values.to(self.device, self.double)
        if self.size > 1:
            dist.all_reduce(found)
        return found

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the values of the first, in place."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def share_values(self, values: Any) -> Any:
        """Return the plain JSON values of the first process in all of them."""
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
        # A weight with one channel has two layouts that are the same; which one the gradient names does not matter.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        devices = [self.device] if self.device.type == "cuda" else None
        found: Forward = DistributedDataParallel(_Forward(forward, network), device_ids=devices)
        return found

    def communicating(self, forward: Forward, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a part of a step: gradients are exchanged with the last part alone."""
        if last or not isinstance(forward, DistributedDataParallel):
            return contextlib.nullcontext()
        context: contextlib.AbstractContextManager[Any] = forward.no_sync()
        return context


ALONE = World()


class _Forward(nn.Module):
    """A function with the network whose parameters it uses, as DistributedDataParallel wants it."""

    def __init__(self, function: Forward, network: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.network = network

    def forward(self, inputs: Tensor) -> tuple[Tensor, dict[str, tuple[float, Tensor]]]:
        return self.function(inputs)


@contextlib.contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the processes that torchrun started, for a while; without torchrun, be alone.

    On GPUs each process has its own, and they speak by NCCL; on processors by gloo. Raises InputError for a device
    that is not there, and for a GPU by number, of which torchrun gives each process one.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield World(device=choose_device(device))
        return
    if ":" in device:
        raise InputError(f"--device {device}", "torchrun gives each process a GPU of its own", "use --device cuda")
    chosen = choose_device(device)
    if chosen.type == "cuda":
        chosen = choose_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        torch.cuda.set_device(chosen)
    # Under a name of its own at each start: the store still holds where the processes were that died.
    store, rank, size = next(dist.rendezvous("env://"))  # type: ignore[attr-defined]
    start = f"start-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    store = dist.PrefixStore(start, store)  # type: ignore[attr-defined]
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", store=store, rank=rank, world_size=size)
    try:
        yield World(rank=dist.get_rank(), size=dist.get_world_size(), device=chosen)
        dist.barrier()  # nobody leaves before the first is done: torchrun would end it when another one ends badly
    finally:
        gc.collect()  # what exchanges gradients goes before the processes part
        dist.destroy_process_group()
