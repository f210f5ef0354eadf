"""What every test shares: executable shape annotations, the folder of real data, a quiet single-threaded torch."""

from __future__ import annotations

import os
from pathlib import Path

import jaxtyping
import pytest
from hypothesis import is_hypothesis_test, settings
from once import once
from thorough import THOROUGH

# Checks every annotation of convworks, shapes included, whenever a test calls the function.
jaxtyping.install_import_hook("convworks", "beartype.beartype").__enter__()

# How long an example takes says more about what else the machine does than about convworks.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile("thorough" if THOROUGH else "quick")

DATA = os.environ.get("CONVWORKS_DATA")

# No test fills the user's cache; those of the cache have one of their own.
os.environ["CONVWORKS_CACHE_LIMIT"] = "0"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the thorough profile repeats more often than the quick one, so that `make test-slow` runs it."""
    for item in items:
        if isinstance(item, pytest.Function) and (
            is_hypothesis_test(item.obj) or hasattr(item.module, "repeats") or hasattr(item.module, "THOROUGH")
        ):
            item.add_marker("repeated")


@pytest.fixture(scope="session")
def any_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a run of one epoch on digits, for whoever needs a run and does not change it."""

    def make(root: Path) -> None:
        import convworks

        changes = ["precision=float32"]
        convworks.train("digits/default", out=root / "run", epochs=1, device="cpu", overrides=changes)

    return once(tmp_path_factory.getbasetemp(), "any", make) / "run"


@pytest.fixture(scope="session")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a run with three checkpoints, for whoever does not change it."""

    def make(root: Path) -> None:
        import convworks

        changes = ["training.keep_last=3", "precision=float32"]
        convworks.train("digits/default", out=root / "run", epochs=3, device="cpu", overrides=changes)

    return once(tmp_path_factory.getbasetemp(), "long", make) / "run"


@pytest.fixture(scope="session")
def data() -> Path:
    """Give the folder of real data sets."""
    if not DATA or not Path(DATA).is_dir():
        pytest.skip("set CONVWORKS_DATA to the folder of real data sets")
    return Path(DATA)
