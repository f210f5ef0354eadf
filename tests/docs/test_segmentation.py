"""The commands of docs/segmentation.md run as they stand, in order."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from squares import write_squares

import convworks
from convworks.cli.main import run

PAGE = Path(__file__).parents[2] / "docs" / "segmentation.md"
COMMANDS = re.findall(r"^    \$ convworks (.+)$", PAGE.read_text(), re.MULTILINE)
(SNIPPET,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
#: What makes the training of a test short.
SHORT = "--epochs 1 --device cpu --set model.table.widths=[4,8] --set data.size=16,16"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write pairs, and train another network on them; each command finds what those before it have made."""
    root = tmp_path_factory.mktemp("page")
    write_squares(root / "pairs", 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        assert run(shlex.split(f"train --data pairs --out runs/other --seed 1 {SHORT}")) == 0
        yield root


def test_the_page_has_commands() -> None:
    verbs = [shlex.split(command)[0] for command in COMMANDS]
    assert verbs == ["data", "train", "predict", "evaluate", "compare", "predict"]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = f" {SHORT}" if command.startswith("train") else ""
    again = " --overwrite" if command.endswith("--probabilities") else ""
    assert run(shlex.split(command + short + again)) == 0, capsys.readouterr().err


def test_the_snippet_segments_an_image_row_by_row(place: Path) -> None:
    names: dict[str, Any] = {}
    exec(SNIPPET, names)
    names["segment"](convworks.load("runs/other"), place / "pairs" / "images" / "3.png", place / "snippet.png")
    with Image.open(place / "snippet.png") as mask:
        assert mask.size == (16, 16)
        assert set(np.unique(np.asarray(mask)).tolist()) <= {0, 1}
