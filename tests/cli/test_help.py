"""What `convworks --help` shows: every verb, in groups, each line whole."""

from __future__ import annotations

import pytest
import typer

import convworks
from convworks.cli.help import GROUPS
from convworks.cli.main import run
from convworks.cli.verbs import app

WIDTH = 80


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    assert run(["--help"]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_verb_is_on_one_whole_line_of_its_group(page: list[str]) -> None:
    assert [line.rstrip(":") for line in page if line.rstrip(":") in GROUPS] == list(GROUPS)
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        (line,) = [line for line in page if line.split()[:1] == [name] and line.startswith("  ")]
        assert line.endswith(command.help.partition("\n")[0].rstrip("."))
        assert "..." not in line
        assert len(line) <= WIDTH


def test_arguments_are_written_as_in_any_other_command(capsys: pytest.CaptureFixture[str]) -> None:
    for verb, words in {
        "evaluate": "BUNDLE...",
        "train": "[RECIPE]",
        "filter": "[IMAGE]...",
        "runs": "[FOLDER]...",
    }.items():
        assert run([verb, "--help"]) == 0
        assert f"[OPTIONS] {words}" in capsys.readouterr().out


def test_a_help_page_names_values_without_their_types(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert run([verb, "--help"]) == 0
        page = capsys.readouterr().out
        assert "<" not in page
        assert "x>=" not in page
        assert "  -h, --help" in page


@pytest.mark.parametrize(
    ("words", "options"),
    [("help", "--help"), ("help train", "train --help"), ("train -h", "train --help"), ("version", "--version")],
)
def test_help_and_version_as_commands(words: str, options: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(options.split()) == 0
    page = capsys.readouterr().out
    assert run(words.split()) == 0
    assert capsys.readouterr().out == page


def test_help_on_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "trian"]) == 2
    assert "No such command 'trian'. Did you mean 'train'" in capsys.readouterr().err


def test_the_version_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"convworks {convworks.__version__}\n"
    assert run(["crossval", "--help"]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert "--stratified / --plain Keep class proportions equal" in page
    assert "[default: --stratified]" in page
    assert "--epochs N" in page
