"""The commands and snippets of docs/explain.md run as they stand, in order."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convworks.cli.main import run
from convworks.explain.attribution import verdict
from convworks.explain.attribution.named import METHODS

PAGE = (Path(__file__).parents[2] / "docs" / "explain.md").read_text()
COMMANDS = re.findall(r"^ +\$ convworks (.+)$", PAGE, re.MULTILINE)
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, any_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a run of the name that the page uses, and an image."""
    monkeypatch.setattr(verdict, "DRAWS", 2)
    shutil.copytree(any_run, tmp_path / "runs" / "digits-default")
    pixels = np.zeros((8, 8), np.uint8)
    pixels[1:7, 3:5] = 200
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_and_snippets_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        assert run(shlex.split(command)) == 0, capsys.readouterr().err
    for snippet in SNIPPETS:
        exec(snippet, {})
    assert (place / "explained" / "index.html").is_file()


def test_the_page_names_every_method() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)[: len(METHODS)] == list(METHODS)
