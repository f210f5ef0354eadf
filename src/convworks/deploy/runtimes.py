"""The runtimes by name, and a choice of one; nothing imports PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field

from convworks.errors import InputError, nearest
from convworks.inference.exported.read import FORMATS

AUTO, TORCH = "auto", "torch"
#: Those that a bundle is converted for, in the order in which they are tried.
CONVERTED = ("openvino", "onnx")
RUNTIMES = (AUTO, TORCH, *CONVERTED)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A runtime: its name and precision, why it was chosen, and samples a second of all that were measured."""

    runtime: str
    precision: str
    why: str
    rates: dict[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """One line."""
        return f"runtime: {self.runtime}, {self.precision} ({self.why})"


def check_runtime(name: str | None) -> None:
    """Raise InputError for an unknown runtime, or one whose library is not installed."""
    if name is not None and name not in RUNTIMES:
        reason = f"there is no runtime {name!r}{nearest(name, RUNTIMES)}"
        raise InputError("--runtime", reason, f"choose from {', '.join(RUNTIMES)}")
    if name in CONVERTED:
        FORMATS[name].require(f"--runtime {name}")


def exported_for(format: str, precision: str, name: str | None) -> Choice:
    """Return the choice for an exported file; InputError for a runtime other than the one it is for."""
    if name not in (None, AUTO, format):
        reason = f"the file was exported for {format}, not for {name}"
        raise InputError("--runtime", reason, "leave it out, or use the bundle")
    return Choice(runtime=format, precision=precision, why="the file was exported for it")
