"""A system that refuses to write or to read: one line with the remedy that fits the failure."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from workplace import Place, check_line, predict, train

from convworks.cli.main import run

REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EROFS: "choose a writable path",
    errno.EIO: "check the disk",
    errno.ENOENT: "check the path and its permissions",
}


@pytest.mark.parametrize("code", REMEDIES, ids=errno.errorcode.get)
@pytest.mark.parametrize("before", [0, 5])
def test_writing(
    code: int, before: int, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fail the first write of a run, or one after its first checkpoint: then the line says how to go on, too."""
    written = []
    flush = os.fsync

    def fail(handle: int) -> None:
        written.append(handle)
        if len(written) > before:
            raise OSError(code, os.strerror(code))
        flush(handle)

    monkeypatch.setattr(os, "fsync", fail)
    assert run(train(place.folder())) == 1
    *_, line = capsys.readouterr().err.splitlines()
    check_line(line, [os.strerror(code), REMEDIES[code], *(["; then", "--resume out"] if before else [])])
    assert ("space" in line) == (code in (errno.ENOSPC, errno.EDQUOT))


@pytest.mark.parametrize("name", ["bundle/weights.safetensors", "bundle/bundle.json"])
def test_reading_a_bundle(
    name: str, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = predict(place.bundle(), place.images("x"))
    opened = os.open

    def refuse(path: Any, *more: Any, **options: Any) -> int:
        if str(path).endswith(name):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *more, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert run(words) == 2
    check_line(capsys.readouterr().err, [name, "Permission denied"])


def test_a_name_that_is_too_long(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*predict(place.bundle(), place.images("x")), "--out", f"{'x' * 300}.csv"]) == 2
    check_line(capsys.readouterr().err, ["File name too long", "choose a shorter name"])
    assert not list(Path().glob("xx*"))
