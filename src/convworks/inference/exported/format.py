"""A format of exported networks, as a value, and the runtime of a network in any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from convworks.data.inputs.input import Input
from convworks.errors import InputError

#: The content of an exported network by suffix: OpenVINO keeps weights in a file of their own.
Files = dict[str, bytes]
#: From decoded samples to the outputs of a graph, in the order of the names that it was opened with.
Compute = Callable[[np.ndarray], Sequence[np.ndarray]]

#: The names of what goes into an exported graph, and comes out.
SAMPLES, OUTPUTS, ACTIVATED = "samples", "outputs", "activated"
#: The name under which metadata hold the description.
KEY = "convworks"
#: What installs all libraries.
INSTALL = 'pip install "convworks[deploy]"'


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format: its name, the suffixes of its files (first that of the file which is named), the library that runs it.

    `precisions` are those in which that library computes a float32 network on this machine, the most exact first.
    `seal` adds a description to a graph, `description` returns it (ValueError if there is none), `digest` is the
    checksum of all but the description. `start` makes a graph ready to compute outputs, by name, in a precision.
    """

    name: str
    suffixes: tuple[str, ...]
    library: str
    precisions: Callable[[], tuple[torch.dtype, ...]]
    seal: Callable[[Files, str], Files]
    description: Callable[[Files], str]
    digest: Callable[[Files], str]
    start: Callable[[Files, torch.dtype, Sequence[str]], Compute]

    @property
    def installed(self) -> bool:
        """Whether the library that runs it is installed."""
        return find_spec(self.library) is not None

    def require(self, where: object) -> None:
        """Raise InputError if the library that runs it is not installed."""
        require(self.library, where)


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


def open_runtime(form: Format, content: Files, input: Input, precision: torch.dtype) -> ExportedRuntime:
    """Return the runtime of an exported network."""
    compute = form.start(content, precision, (OUTPUTS, ACTIVATED))
    return ExportedRuntime(name=form.name, precision=precision, input=input, compute=compute)


def require(library: str, where: object) -> None:
    """Raise InputError if a library of the extra `deploy` is not installed."""
    if find_spec(library) is None:
        raise InputError(where, f"needs {library}, which is not installed", INSTALL)
