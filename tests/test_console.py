from __future__ import annotations

import pytest

from convworks.console import clock, counting, downloading


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


def test_counting_is_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with counting("looking") as report:
        assert report is None
    assert capsys.readouterr().err == ""
