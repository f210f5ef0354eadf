"""The commands and the snippet of docs/restore.md run as they stand, in order, on a small image by a small network."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convworks
from convworks.cli.main import run

PAGE = Path(__file__).parents[2] / "docs" / "restore.md"
COMMANDS = re.findall(r"^    \$ convworks (.+)$", PAGE.read_text(), re.MULTILINE)
(SNIPPET,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
SMALL = {"model": "prior_hole2", "iterations": 1, "runs": 1, "device": "cpu"}
SHORT = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("page")
    (root / "photos").mkdir()
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    for name in ("photo.png", "photo.jpg", "photos/a.png"):
        photo.save(root / name)
    mask = np.full((16, 16), 255, dtype=np.uint8)
    mask[4:8, 4:8] = 0
    Image.fromarray(mask).save(root / "mask.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield root


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command, comments=True)
    assert run([*words, *SHORT]) == 0, capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_the_snippet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    whole = convworks.restore
    monkeypatch.setattr(convworks, "restore", lambda *images, **options: whole(*images, **{**options, **SMALL}))
    exec(SNIPPET, {})
    assert "(16, 16, 3) ended by the number of iterations" in capsys.readouterr().out
