"""docs/features.md names every view, shows pictures that are there, and options that exist."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from convworks.cli.verbs import app
from convworks.explain.features.views.of_weights import CONTROLS, ENOUGH
from convworks.explain.features.views.options import VIEWS
from convworks.explain.gabor.fit import PARAMETERS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "features.md").read_text()
WORDS = {3: "three"}


def test_every_view_is_named_with_what_it_needs() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*?) ?\|$", PAGE, re.MULTILINE))
    assert set(rows) == set(VIEWS)
    for name, view in VIEWS.items():
        assert ("images" in view.needs, "data" in view.needs) == (rows[name] == "images", rows[name] == "`--data`")


def test_every_picture_is_there_small_and_shown() -> None:
    shown = set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE))
    files = {f"features/{path.name}": path.stat().st_size for path in (DOCS / "features").iterdir()}
    assert shown == set(files)
    assert max(files.values()) < 150_000


def test_every_option_is_one() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lines = [line.replace("#", " ").split() for line in PAGE.splitlines() if line.startswith("    convworks ")]
    assert len(lines) >= 4
    for _, verb, *words in lines:
        options = {option for parameter in commands[verb].params for option in parameter.opts}
        assert {word.strip(",;") for word in words if word.startswith("--")} <= options


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"{PARAMETERS} parameters" in PAGE
    assert f"fewer than {ENOUGH} values" in PAGE
    assert f"{WORDS[CONTROLS]} untrained networks" in PAGE
