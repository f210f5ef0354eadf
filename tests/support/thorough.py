"""How often tests repeat what they repeat: a few times by default, many times in the thorough profile."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

import pytest

#: Set by `make test-slow`.
THOROUGH = os.environ.get("CONVWORKS_TESTS") == "thorough"
#: What these networks show, shallower ones of their family show too, in a tenth of the time.
DEEP = re.compile(
    "101|110|152|1202|(resnet|plain)(32|34|44|56)|inception_v3|googlenet_torchvision|vgg_[bcde]|"
    "unet_resnet(34|50)|vgg16_bn|fcn16s|fcn8s$"
)


def repeats(few: int, many: int) -> int:
    """Return how often to repeat; tests whose module imports this, or THOROUGH, are run by `make test-slow` too."""
    return many if THOROUGH else few


def shallow_first(names: Iterable[str]) -> list[Any]:
    """Return names of networks as parameters of a test, the deep ones marked as slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if DEEP.search(name) else name for name in names]
