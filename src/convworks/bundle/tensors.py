"""Reading safetensors files, whatever they are called."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import load, load_file
from torch import Tensor

from convworks.files import check_regular, read_bytes


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, mapped where that can be.

    Raises SafetensorError for a damaged file, InputError for one that cannot be read.
    """
    check_regular(path)
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:  # which the library does not open
        return load(read_bytes(path))
    return load_file(path)
