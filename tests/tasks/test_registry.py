"""Which task is asked of a network, and what a wrong name or one that does not fit gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from convworks.cli.main import run


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["task=foo"], ("there is no task 'foo'", "choose one of")),
        (["task=multi_label"], ("multi_label", "convnet_digits", "leave it out")),
        (["task=reconstruction"], ("reconstruction", "convnet_digits", "leave it out")),
        (
            ["task=classification", "model.name=autoencoder_conv"],
            ("classification", "autoencoder_conv", "leave it out"),
        ),
    ],
    ids=" ".join,
)
def test_a_task_that_does_not_fit_is_one_line(
    words: list[str], parts: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [word for change in words for word in ("--set", change)]
    assert run(["train", "--epochs", "1", "--out", str(tmp_path / "run"), *options]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert all(part in line for part in parts), line
    assert list(tmp_path.iterdir()) == []
