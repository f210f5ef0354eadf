"""deploy/: the unit and the image start the server as this version does, and stop it as it promises."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from convworks.cli.verbs import app
from convworks.serve.server import WITHIN

FOLDER = Path(__file__).parents[2] / "deploy"
UNIT, IMAGE = ((FOLDER / name).read_text() for name in ("convworks.service", "Dockerfile"))


def check_words(words: list[str]) -> None:
    command = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    assert command.make_context("serve", words).params["bundles"]


def settings() -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE))


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", IMAGE, flags=re.MULTILINE))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def test_the_unit_starts_and_stops_the_server() -> None:
    program, verb, *words = shlex.split(settings()["ExecStart"])
    assert (Path(program).name, verb) == ("convworks", "serve")
    check_words(words)
    assert "kill -HUP" in settings()["ExecReload"]
    assert settings()["KillMode"] == "mixed"
    assert int(settings()["TimeoutStopSec"]) > WITHIN + 3


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "convworks.service"
    unit.write_text(UNIT.replace("/opt/convworks/bin/convworks", sys.executable))
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert [line for line in checked.stderr.splitlines() if "convworks.service" in line] == []


def test_the_image_starts_the_server_without_rights() -> None:
    listed = instructions()
    words = dict(listed)
    known = "FROM WORKDIR COPY ARG RUN ENV USER EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD"
    assert {word for word, _ in listed} <= set(known.split())
    start = [*json.loads(words["ENTRYPOINT"]), *json.loads(words["CMD"])]
    assert start[:2] == ["convworks", "serve"]
    check_words(start[2:])
    assert words["STOPSIGNAL"] == "SIGTERM"
    assert words["USER"] not in ("0", "root")
    assert [word for word, _ in listed].index("USER") < [word for word, _ in listed].index("ENTRYPOINT")
    assert all(":latest" not in rest and (":" in rest) for word, rest in listed if word == "FROM")
    assert "/readyz" in words["HEALTHCHECK"]
    assert all("--no-cache-dir" in rest for word, rest in listed if "pip install" in rest)
    assert "serve" in re.findall(r"\.\[([a-z,]+)\]", IMAGE)[0].split(",")
