"""What starts without the heavy libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
import sys
from convworks.cli.main import run
status = run({arguments!r})
heavy = [name for name in ("torch", "sklearn", "matplotlib", "scipy", "urllib3") if name in sys.modules]
print("STATUS", status, heavy)
"""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["train", "--help"], 0),
        (["train", "mnist/fats"], 2),
        (["train", "--data", "no/such/path"], 2),
        (["train", "--set", "training.epoch=3"], 2),
        (["train", "--model", "resnet21"], 2),
        (["train", "--device", "tpu"], 2),
        (["train", "--nonsense"], 2),
        (["evaluate", "no/such/bundle", "--data", "digits"], 2),
        (["predict", "no/such/bundle", "x.png"], 2),
        (["explain", "no/such/bundle", "x.png"], 2),
        (["explain", "no/such/bundle", "x.png", "--method", "lime"], 2),
        (["models", "resnet21"], 2),
        (["data", "no/such/path"], 2),
        (["filter"], 0),
        (["filter", "no/such/image.png", "--kernel", "edge"], 2),
        (["restarts", "mnist/fats"], 2),
        (["crossval", "--data", "no/such/path"], 2),
        (["tune", "--set", "training.epoch=3"], 2),
        (["tune", "--help"], 0),
        (["recipes"], 0),
        (["cache"], 0),
        (["recipes", "mnist/fast"], 0),
    ],
)
def test_help_and_wrong_input_need_no_heavy_library(arguments: list[str], status: int) -> None:
    command = [sys.executable, "-W", "error", "-c", PROBE.format(arguments=arguments)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == f"STATUS {status} []", found.stdout + found.stderr


def test_importing_convworks_imports_nothing_heavy() -> None:
    code = "import sys, convworks; print([n for n in ('torch', 'numpy', 'pydantic') if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
