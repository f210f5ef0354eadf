"""Every snippet of the README runs as it stands, in order, on a few of its photographs."""

from __future__ import annotations

import re
import runpy
import shlex
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from few_digits import train_on_few

from convworks.cli.commands import app
from convworks.cli.main import run

__all__ = ["train_on_few"]
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
#: What installs or downloads: `make` is what runs these tests, and the photographs are taken from a local copy.
ELSEWHERE = (
    "make train",
    ". .venv/bin/activate",
    "pip install '.[tune]'",
    "curl -LO https://download.pytorch.org/tutorial/hymenoptera_data.zip",
    "unzip -q hymenoptera_data.zip",
)
SNIPPETS = re.findall(r"^    \$ ([^\n]+)$|^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PHOTOS, NAMED = 8, "10870992_eebeeb3a12.jpg"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("readme")
    counts: dict[str, int] = {}
    with tarfile.open(data / "hymenoptera.tar") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            counts[folder] = counts.get(folder, 0) + 1
            if member.isfile() and (counts[folder] <= PHOTOS or name == NAMED):
                archive.extract(member, root / "hymenoptera_data")
    (root / "examples").symlink_to(ROOT / "examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name in ("EPOCHS", "FEWEST"):  # few photographs would be seen as often as many
            patch.setattr(f"convworks.recipes.folder.{name}", 8)
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield root


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(("command", "code"), SNIPPETS, ids=[command or "python" for command, _ in SNIPPETS])
def test_a_snippet(command: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    if command in ELSEWHERE:
        return
    if code:
        exec(compile(code, "README.md", "exec"), {})
        assert "bees" in capsys.readouterr().out
        return
    program, *words = shlex.split(command)
    if program == "python":
        runpy.run_path(words[0])
        return
    assert program == "convworks"
    if words[0] == "tune":
        pytest.importorskip("optuna")
    assert run(words) == 0, command


def test_it_is_short_and_names_every_command() -> None:
    assert len(TEXT.splitlines()) <= 150
    table = TEXT[TEXT.index("## Commands") :]
    verbs = {info.name or info.callback.__name__ for info in app.registered_commands if info.callback is not None}
    named = {word for row in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for word in re.findall(r"[\w-]+", row)}
    assert {verb.replace("_", "-").strip("-") for verb in verbs} <= named


def test_its_links_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / link).exists(), link
