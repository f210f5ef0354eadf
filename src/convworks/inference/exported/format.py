"""A format of exported networks, as a value; nothing imports PyTorch unless it computes the format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

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
#: The precisions of products.
FLOAT32, BFLOAT16, INT8 = "float32", "bfloat16", "int8"
#: What a processor needs so that int8 gives the answers that were checked, where a file says so.
VNNI = "VNNI"


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
    precisions: Callable[[], tuple[str, ...]]
    seal: Callable[[Files, str], Files]
    description: Callable[[Files], str]
    digest: Callable[[Files], str]
    start: Callable[[Files, str, Sequence[str]], Compute]

    @property
    def installed(self) -> bool:
        """Whether the library that runs it is installed."""
        return find_spec(self.library) is not None

    def require(self, where: object, remedy: str = INSTALL) -> None:
        """Raise InputError if the library that runs it is not installed."""
        require(self.library, where, remedy)


def require(library: str, where: object, remedy: str = INSTALL) -> None:
    """Raise InputError if a library of the extra `deploy` is not installed."""
    if find_spec(library) is None:
        raise InputError(where, f"needs {library}, which is not installed", remedy)
