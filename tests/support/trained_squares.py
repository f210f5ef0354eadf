"""A run on squares with masks, for the tests of networks that segment: 40 images of several sizes, grey."""

from __future__ import annotations

from pathlib import Path

import pytest
from once import once
from squares import write_squares

SMALL = "model.table={'widths': [6, 12], 'dropout': 0.0}"
SETTINGS = [SMALL, "precision=float32", "data.size=16,16", "data.validation=0.2", "augment={'flip': True}"]
WORDS = ["--device", "cpu", *(word for each in SETTINGS for word in ("--set", each))]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on squares of 255 on 0, in the folder `pairs`, of which the images have several sizes: `run`."""

    def make(root: Path) -> None:
        import convworks

        write_squares(root / "pairs", 40, sizes=((16, 16), (16, 20), (24, 16)), value=255)
        convworks.train(data=root / "pairs", out=root / "run", epochs=16, device="cpu", overrides=SETTINGS)

    return once(tmp_path_factory.getbasetemp(), "squares", make)
