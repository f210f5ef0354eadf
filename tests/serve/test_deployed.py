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

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy"
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
    assert settings()["OOMPolicy"] == "continue"  # else a worker without memory ends the server


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "convworks.service"
    unit.write_text(UNIT.replace("/opt/convworks/bin/convworks", sys.executable))
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert [line for line in checked.stderr.splitlines() if "convworks.service" in line] == []


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_accepts_the_image() -> None:
    checked = subprocess.run(["hadolint", str(FOLDER / "Dockerfile")], capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "")


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
    port = start[start.index("--port") + 1]
    assert f":{port}/readyz" in words["HEALTHCHECK"]  # which knows no other, so it is not among the options of a user
    assert words["EXPOSE"] == port
    assert "--port" not in words["CMD"]
    assert all("--no-cache-dir" in rest for word, rest in listed if "pip install" in rest)
    assert "serve" in re.findall(r"\.\[([a-z,]+)\]", IMAGE)[0].split(",")


def test_containers_are_given_the_time_to_stop() -> None:
    pages = [IMAGE, (ROOT / "docs" / "production.md").read_text()]
    commands = [line for page in pages for line in page.splitlines() if "docker run" in line]
    assert len(commands) == 2
    for command in commands:
        assert int(command.partition("--stop-timeout ")[2].split()[0]) > WITHIN + 3


def test_the_sources_do_not_come_before_what_takes_longest_to_install() -> None:
    words = [f"{word} {rest}" for word, rest in instructions()]
    (torch,) = [at for at, line in enumerate(words) if " torch==" in line]
    assert torch < words.index("COPY src src")


def ignored(path: str) -> bool:
    """Return whether .dockerignore leaves out a path: the last line that matches it, or a folder above, decides."""
    left_out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            parts = re.split(r"(\*\*/|\*\*|\*)", line.removeprefix("!"))
            known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
            if re.fullmatch("".join(known.get(part, re.escape(part)) for part in parts) + "(?:/.*)?", path):
                left_out = not line.startswith("!")
    return left_out


def test_what_is_sent_to_the_builder_is_what_the_image_is_made_of() -> None:
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    files = [file for names in copied for file in names if "$" not in file]
    assert files == ["pyproject.toml", "constraints.txt", "README.md", "LICENSE", "src"]
    assert [file for file in files if ignored(file)] == []
    bundles = [
        "runs/ants/bundle/bundle.json",
        "runs/restarts/runs/seed-1/bundle/weights.safetensors",
        "mine/bundle.json",
    ]
    assert [file for file in bundles if ignored(file)] == []
    others = [".git/HEAD", ".venv/bin/python", "runs/ants/checkpoints/step-1.safetensors", "runs/ants/report.html"]
    others += ["src/convworks/__pycache__/x.pyc", "tests/conftest.py"]
    assert [file for file in others if not ignored(file)] == []
