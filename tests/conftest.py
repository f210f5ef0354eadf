"""What every test shares: executable shape annotations, the folder of real data, a quiet single-threaded torch."""

from __future__ import annotations

import os
from pathlib import Path

import jaxtyping
import pytest
from hypothesis import settings

# Checks every annotation of convworks, shapes included, whenever a test calls the function.
jaxtyping.install_import_hook("convworks", "beartype.beartype").__enter__()

# How long an example takes says more about what else the machine does than about convworks.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

DATA = os.environ.get("CONVWORKS_DATA")

# No test fills the user's cache; those of the cache have one of their own.
os.environ["CONVWORKS_CACHE_LIMIT"] = "0"


@pytest.fixture(scope="session")
def data() -> Path:
    """Give the folder of real data sets."""
    if not DATA or not Path(DATA).is_dir():
        pytest.skip("set CONVWORKS_DATA to the folder of real data sets")
    return Path(DATA)
