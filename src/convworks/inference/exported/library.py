"""Libraries that compute and make exported networks, imported without their telemetry.

ONNX Runtime sends events to Microsoft and keeps an identifier in the user's cache; OpenVINO and NNCF send theirs to
Google Analytics through the package openvino-telemetry, which keeps an identifier and counts uses in the user's home.
What a user has decided stays: the variable of ONNX Runtime if it is set, the consent that openvino-telemetry recorded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from convworks.errors import InputError
from convworks.files import read_bytes

#: What ONNX Runtime reads once, when it is imported.
ONNX_RUNTIME = "ORT_DISABLE_TELEMETRY"
#: What OpenVINO and NNCF report through, if it can be imported.
OPENVINO = "openvino_telemetry"
#: More bytes than a recorded consent has, which is 0 or 1.
CONSENT = 64
#: Threads import one after the other, as what they change is the whole process's.
ONE = Lock()


def load(library: str) -> Any:
    """Import a library that is installed; InputError if it cannot be imported."""
    if sys.modules.get(library) is not None:
        return import_module(library)  # which waits for another thread that is importing it
    try:
        with ONE, _without_telemetry():
            module = import_module(library)
    except Exception as error:  # a package that is broken raises anything
        line = next(iter(str(error).splitlines()), type(error).__name__)
        remedy = f"install it again: pip install --force-reinstall {library}"
        raise InputError(library, f"is installed, but cannot be imported ({line})", remedy) from error
    if library == "onnxruntime" and ONNX_RUNTIME not in os.environ:
        module.disable_telemetry_events()  # of versions that do not know the variable
    return module


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Let libraries be imported with telemetry off, unless the user has decided; then leave all as it was."""
    undecided = ONNX_RUNTIME not in os.environ
    blocked = not _consented()
    before = sys.modules.get(OPENVINO)
    if undecided:
        os.environ[ONNX_RUNTIME] = "1"
    if blocked:
        sys.modules[OPENVINO] = None  # type: ignore[assignment]  # its import fails, as where it is not installed
    try:
        yield
    finally:
        if undecided:
            os.environ.pop(ONNX_RUNTIME, None)
        if blocked:
            sys.modules.pop(OPENVINO)
            if before is not None:
                sys.modules[OPENVINO] = before


def _consented() -> bool:
    """Return whether the user has agreed to the telemetry of OpenVINO: `opt_in_out --opt_in` wrote so."""
    windows = os.name == "nt"
    with suppress(InputError, RuntimeError):
        home = Path(os.environ.get("LOCALAPPDATA", ""), "Intel Corporation") if windows else Path.home() / "intel"
        return read_bytes(home / OPENVINO, limit=CONSENT).strip() == b"1"
    return False
