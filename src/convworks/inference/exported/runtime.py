"""The runtime of a network in any format of exported networks."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor

from convworks.data.inputs.input import Input
from convworks.inference.exported.format import ACTIVATED, OUTPUTS, Compute, Files, Format


@dataclass(frozen=True, kw_only=True)
class ExportedRuntime:
    """A network in an exported format, on the CPU."""

    name: str
    precision: torch.dtype
    input: Input
    compute: Compute

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    def ready(self) -> AbstractContextManager[object]:
        """Return a context that does nothing."""
        return nullcontext()

    def __call__(self, batch: Tensor) -> Float32[Tensor, "b *output"]:
        """Return the outputs for a batch."""
        return self.both(batch)[0]

    def both(self, batch: Tensor) -> tuple[Float32[Tensor, "b *output"], Float32[Tensor, "b *output"]]:
        """Return the outputs for a batch, and the activated outputs."""
        outputs, activated = self.compute(self.input.decoded(batch))
        return torch.from_numpy(outputs), torch.from_numpy(activated)


def open_runtime(form: Format, content: Files, input: Input, precision: str) -> ExportedRuntime:
    """Return the runtime of an exported network."""
    return runtime_of(form, form.start(content, precision, (OUTPUTS, ACTIVATED)), input, precision)


def runtime_of(form: Format, compute: Compute, input: Input, precision: str) -> ExportedRuntime:
    """Return the runtime of what computes an exported network in a precision."""
    return ExportedRuntime(name=form.name, precision=getattr(torch, precision), input=input, compute=compute)
