"""Reading safetensors files, whatever they are called."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import load, load_file
from torch import Tensor


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, mapped where that can be.

    Raises SafetensorError for a damaged file, OSError for one that cannot be read.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:  # which the library does not open
        return load(path.read_bytes())
    return load_file(path)
