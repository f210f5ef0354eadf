"""docs/production.md: its program runs, its commands are accepted, its limits are those of the code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from small_bundles import LIBRARIES, needs, small_bundle

from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run
from convworks.cli.verbs import app
from convworks.deploy.check import AGREEMENT, BATCHES, TOLERANCE
from convworks.deploy.drop import MAX_DROP
from convworks.deploy.export import find_format, prove, write
from convworks.deploy.int8 import CALIBRATED
from convworks.deploy.runtimes import RUNTIMES
from convworks.deploy.samples import MOST

PAGE = (Path(__file__).parents[2] / "docs" / "production.md").read_text()


def test_every_option_is_one() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lines = [line.split("#")[0].split() for line in PAGE.splitlines() if line.startswith("    convworks ")]
    assert len(lines) >= 6
    for _, verb, *words in lines:
        options = {option for parameter in commands[verb].params for option in parameter.opts}
        assert {word.strip("[]") for word in words if "--" in word} <= options


def test_the_limits_are_those_of_the_code() -> None:
    *first, last = map(str, BATCHES)
    for words in (
        f"batches of {', '.join(first)} and {last}",
        f"up to {MOST} images",
        f"at most {TOLERANCE:.4f}",
        f"at least {AGREEMENT:.0%}".replace("%", " %"),
        f"--max-drop {MAX_DROP}",
        f"{CALIBRATED} images",
        f"--runtime {'|'.join(RUNTIMES)}",
    ):
        assert words in PAGE, words
    assert all(f"--format {name}" in PAGE for name in LIBRARIES)


def test_the_server_has_these_routes_and_its_promises_are_tested() -> None:
    pytest.importorskip("prometheus_client")
    from convworks.serve.app import build
    from convworks.serve.service import Service
    from convworks.serve.settings import Settings

    described = build(Service(Settings(models=()))).app.openapi()["paths"]  # type: ignore[attr-defined]
    section = PAGE[PAGE.index("## A server") :]
    for path in ("/v1/predict", "/v1/models", "/healthz", "/readyz", "/metrics"):
        assert path in section
        assert path in described
    tests = set(re.findall(r"test_\w+\.py", section))
    assert tests
    assert all((Path(__file__).parents[1] / "serve" / name).is_file() for name in tests)


@needs("onnx")
def test_the_program_names_the_class_that_the_network_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = small_bundle("convnet_digits", 8)
    write(prove(bundle, find_format("onnx")), tmp_path / "network.onnx")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(program, {})
    from convworks.inference.load import load

    assert capsys.readouterr().out.strip() == load("network.onnx").predict("image.png")["labels"][0]


def test_the_commands_for_millions_of_files_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but that for a cluster, which tests/api/test_predict_at_scale.py starts."""
    save_bundle(tmp_path / "BUNDLE", small_bundle("convnet_digits", 8))
    (tmp_path / "PHOTOS").mkdir()
    draw = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "PHOTOS" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("convworks.inference.bulk.scorers.MOST", 4)
    section = PAGE[PAGE.index("## Millions of files") :]
    commands = [line.split("#")[0].split()[1:] for line in section.splitlines() if line.startswith("    convworks ")]
    (joining,) = [line.strip() for line in section.splitlines() if line.startswith("    (cat ")]
    assert sum("--workers" in words for words in commands) == 1
    for words in (each for each in commands if "--workers" not in each):
        for part in "123":
            mine = [word.replace("3/16", f"{part}/3").replace("answers-3", f"answers-{part}") for word in words]
            assert run(mine) == 0
            if Path("answers.csv").exists():
                Path("answers.csv").rename("whole.csv")
    subprocess.run(["sh", "-c", joining], check=True)
    assert Path("answers.csv").read_bytes() == Path("whole.csv").read_bytes()
