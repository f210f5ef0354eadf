"""One display for a whole experiment."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

import convworks
from convworks.errors import InputError
from convworks.experiments.command import parse_workers
from convworks.experiments.show import Bar, Plain, show


def test_lines_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with show(3) as display:
        assert type(display) is Plain
        display.moved("seed-0", 0.5, None)
        display.finish("seed-0", "validation 90.00%", "90.00% (seed-0)")
        display.last -= 20
        display.moved("seed-1", 0.25, {"epoch": 2, "validation_top1": 0.5})
    first, second = capsys.readouterr().err.splitlines()
    assert first == "seed-0 (1 of 3): validation 90.00%; best so far 90.00% (seed-0)"
    assert second.startswith("run 2 of 3  seed-1 epoch 2 50.00%  best 90.00% (seed-0)")
    assert second.endswith("left")


def test_several_runs_at_a_time() -> None:
    display = Plain(5)
    for name in ("trial-0", "trial-1"):
        display.moved(name, 0.5, None)
    assert display.describe() == "run 1-2 of 5"


def test_one_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    with show(2) as display:
        assert isinstance(display, Bar)
        display.moved("seed-0", 0.5, {"epoch": 1, "validation_top1": 0.25})
        assert display.bar.tasks[0].completed == 0.5
        display.finish("seed-0", "validation 25.00%", "25.00% (seed-0)")
        assert display.bar.tasks[0].completed == 1
    assert len(display.bar.tasks) == 1
    assert "seed-0 (1 of 2): validation 25.00%" in screen.getvalue()


@pytest.mark.parametrize("text", ["0", "-1", "two", "", "9999", 0])
def test_no_number_of_workers(text: str | int) -> None:
    with pytest.raises(InputError, match=r"--workers: is .* from 1 to 1024, or ray"):
        parse_workers(text)


def test_workers() -> None:
    assert (parse_workers("4"), parse_workers(1), parse_workers("ray")) == (4, 1, "ray")


@pytest.mark.parametrize(("name", "verb"), [("optuna", "tune"), ("ray", "restarts")])
def test_an_extra_that_is_not_installed(name: str, verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"is not installed; pip install \"convworks\["):
        getattr(convworks, verb)(workers="ray" if name == "ray" else 1, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())
