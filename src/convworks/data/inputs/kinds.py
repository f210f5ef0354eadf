"""The input that a configuration describes, by its type."""

from __future__ import annotations

from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.images import ImageInput
from convworks.data.inputs.input import Input

KINDS = {Preprocessing: ImageInput}


def input_of(preprocessing: Preprocessing) -> Input:
    """Return the input that is preprocessed so."""
    return KINDS[type(preprocessing)](preprocessing)
