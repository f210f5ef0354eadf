"""An exported file answers without PyTorch, with the same bits as with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_bundles import formats, small_bundle

import convworks
from convworks.bundle.bundle import save_bundle
from convworks.deploy.export import find_format, prove, write

#: Runs a command, then names the modules that it imported of those that take long.
PROGRAM = """
import sys
from convworks.cli.main import run
status = run(sys.argv[1:])
heavy = {"torch", "sklearn", "scipy", "matplotlib", "nncf", "pandas"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else status)
"""
#: Runs a command where PyTorch is not installed.
WITHOUT = """
import sys
sys.modules["torch"] = None
from convworks.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["serve net.onnx", "evaluate net --data digits", "export net --format onnx"])
def test_without_pytorch_other_commands_say_so_in_one_line(command: str, tmp_path: Path) -> None:
    save_bundle(tmp_path / "net", small_bundle("convnet_digits", 8))
    (tmp_path / "net.onnx").touch()
    words = [sys.executable, "-c", WITHOUT, *command.split()]
    result = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.endswith(
        "needs torch, which is not installed; pip install torch; convworks predict runs exported files without it"
    )


@pytest.mark.parametrize("form", formats("onnx", "openvino"))
@pytest.mark.parametrize("task", ["classification", "multi_label", "reconstruction"])
def test_a_file_and_a_library_are_all_that_predict_imports(form: str, task: str, tmp_path: Path) -> None:
    pictures = task == "reconstruction"
    bundle = small_bundle("autoencoder_conv", 28, task=task) if pictures else small_bundle("resnet20", 16, task=task)
    proven = prove(bundle, find_format(form))
    file = tmp_path / f"net{proven.format.suffixes[0]}"
    write(proven, file)
    image = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(image)
    out = ["--out", str(tmp_path / "out")] if pictures else []
    command = [sys.executable, "-c", PROGRAM, "predict", str(file), str(image), "--json", *out]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    predictor, (answer,) = convworks.load(file), json.loads(result.stdout)["predictions"]
    if pictures:
        assert np.array_equal(np.asarray(Image.open(answer["out"])), predictor.reconstruct(image))
    else:
        assert answer == predictor.predict(image)
