from __future__ import annotations

import builtins
import errno
import importlib.machinery
import io
import os
import sys
import types
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.console import bar_console, clock, counting, downloading, rate_of, say, write
from convworks.errors import InputError, visible


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (61.0, "1:01"), (3725.0, "1:02:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_downloads_are_told_in_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell = downloading()
    for done in range(0, 3 << 20, 1 << 18):
        tell("images.gz", done, 3 << 20)
    tell("images.gz", 3 << 20, 3 << 20)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("downloading images.gz: 3.0 of 3.0 MiB")
    assert len(lines) <= 2


def test_counting_is_a_line_every_half_minute_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr("convworks.console.time.perf_counter", lambda: now[0])
    with counting("looking") as report:
        for done in range(0, 1_001, 100):
            now[0] += 8
            report(done, 1_000)
    assert capsys.readouterr().err == "looking: 300 of 1,000\nlooking: 700 of 1,000\n"


def test_notebooks_show_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With stand-ins for IPython and ipywidgets, as far as Rich uses them."""
    shown: list[object] = []

    class Output:
        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None: ...

        def append_display_data(self, content: object) -> None: ...

        def clear_output(self, *, wait: bool) -> None: ...

        def close(self) -> None: ...

    class ZMQInteractiveShell: ...

    contents: dict[str, dict[str, object]] = {
        "IPython": {},
        "IPython.display": {"display": shown.append},
        "ipywidgets": {"Output": Output},
    }
    for name, content in contents.items():
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    with counting("looking") as report:
        report(1, 2)
    assert not shown
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    with counting("looking") as report:
        report(1, 2)
    assert shown
    assert capsys.readouterr() == ("", "")


LETTERS = st.characters(exclude_categories=()) | st.sampled_from("\n\x1b[31m\u202e\udcff\x85\u2028é日")


@settings(max_examples=repeats(25, 100))
@given(st.text(LETTERS), st.sampled_from(["ascii", "cp1252", "utf-8", "shift_jis"]))
def test_any_text_is_shown_by_any_stream_and_moves_nothing(text: str, encoding: str) -> None:
    file = io.BytesIO()
    stream = io.TextIOWrapper(file, encoding=encoding, newline="\n")
    write(stream, text)
    shown = file.getvalue().decode(encoding)
    kinds = {unicodedata.category(letter) for letter in shown.replace("\n", "")}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert shown.count("\n") == text.count("\n") + 1
    if text.isprintable() and encoding == "utf-8":
        assert shown == text + "\n"


def test_escapes_say_what_a_name_holds() -> None:
    assert visible("a\tb\nc") == r"a\tb\nc"
    assert visible(os.fsdecode(b"x\xff\x1b[31m")) == r"x\xff\x1b[31m"
    assert visible("\u202egnp.exe") == r"\u202egnp.exe"
    assert visible("日本語 é\u200d\u3000") == "日本語 é\u200d\u3000"
    assert str(InputError("a  b\nc", "is\n  odd", "go")) == r"a  b\nc: is odd; go"


class Gone(io.StringIO):
    """A stream whose writes fail."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("stream", [None, "closed", Gone()])
def test_what_is_told_on_the_way_needs_no_stream(
    stream: io.StringIO | str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stream == "closed":
        stream = io.StringIO()
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)  # where print(file=None) writes
    say("a line")
    tell = downloading()
    tell("images.gz", 3, 3)
    with counting("looking") as report:
        report(1, 2)
    assert out.getvalue() == ""


def test_a_bar_outlives_its_terminal_and_reads_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Gone()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    with counting("looking") as report:
        report(1, 2)
        bar_console().print("run [/x]: failed")
        say("a line")


def test_rate_and_time_left_are_told_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = iter([0.0, 30.0, 60.0, 60.0, 60.0, 100.0])
    monkeypatch.setattr("convworks.console.time.perf_counter", lambda: next(times))
    with rate_of("predicting", 1_000, 400) as report:
        report(500)
        report(700)
        report(1_000)
    assert capsys.readouterr().err == "predicting: 700 of 1,000, 5 images/s, 1:00 left\n"
