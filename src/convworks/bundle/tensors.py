"""Reading safetensors files with any file name."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import load, load_file
from torch import Tensor

from convworks.files import check_regular, read_bytes


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, memory-mapped if possible.

    Raises SafetensorError for a damaged file, InputError for one that cannot be read.
    """
    check_regular(path)
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:  # safetensors cannot open such names
        return load(read_bytes(path))
    return load_file(path)
