"""Whatever `convworks train` and `transfer` make, of every task and with every head, is exported to every format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_bundles import formats
from squares import write_squares

import convworks

SETTINGS = ("precision=float32",)
SMALL: dict[str, Any] = {"epochs": 1, "device": "cpu"}
#: The largest difference of what is answered: the fifth digit.
TOLERANCE = 1e-4


def transferred(base: Path, out: Path, data: Path | str, head: str, *changes: str) -> Any:
    return convworks.transfer(base, data=data, head=head, out=out, overrides=[*SETTINGS, *changes], **SMALL)


def trained(out: Path, model: str, data: Path | str, *changes: str) -> Any:
    return convworks.train(data=data, model=model, out=out, overrides=[*SETTINGS, *changes], **SMALL)


def table(folder: Path) -> Path:
    """Write images of several labels; return their table."""
    draw = np.random.default_rng(0)
    rows = ["path,labels"]
    for number in range(40):
        Image.fromarray(draw.integers(0, 256, (16, 16), dtype=np.uint8)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'a;b' if number % 3 else 'c'}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder / "labels.csv"


def pairs(folder: Path) -> Path:
    return write_squares(folder / "pairs", 20, sizes=((16, 16), (16, 12)))


NARROW = ("model.table={'widths': [4, 8], 'dropout': 0.0}", "data.size=16,16")
UNPADDED = ("model.table={'widths': [4, 8], 'dropout': 0.0}", "data.size=20,20")
#: How each is made: from a run on digits, a folder for data, and the folder of the new run.
MADE: dict[str, Callable[[Path, Path, Path], Any]] = {
    "linear SVM": lambda base, data, out: transferred(base, out, "digits", "svm"),
    "SVM with RBF kernel": lambda base, data, out: transferred(base, out, "digits", "rbf-svm"),
    "two-layer head": lambda base, data, out: transferred(base, out, "digits", "two-layer"),
    "multi-label": lambda base, data, out: trained(out, "convnet_fast", table(data)),
    "autoencoder": lambda base, data, out: trained(out, "autoencoder_fc", "digits"),
    "denoising autoencoder": lambda base, data, out: trained(
        out, "autoencoder_conv", "digits", "data.corruption={'kind': 'masking', 'rate': 0.2}"
    ),
    "layer by layer": lambda base, data, out: trained(
        out, "autoencoder_fc_deep", "digits", "training.pretraining.epochs=1"
    ),
    "innermost layer alone": lambda base, data, out: trained(
        out, "autoencoder_fc_deep", "digits", "training.greedy=true"
    ),
    "U-Net": lambda base, data, out: trained(out, "unet_padded", pairs(data), *NARROW),
    "U-Net without padding": lambda base, data, out: trained(out, "unet", pairs(data), *UNPADDED),
    "U-Net on a classifier": lambda base, data, out: transferred(base, out, pairs(data), "unet"),
    "FCN-16s on a classifier": lambda base, data, out: transferred(base, out, pairs(data), "fcn16s"),
    "FCN-32s on a classifier": lambda base, data, out: transferred(base, out, pairs(data), "fcn32s"),
}


@pytest.fixture(scope="module")
def runs(any_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give what makes each run once, and returns its bundle."""
    made: dict[str, Path] = {}

    def run_of(name: str) -> Path:
        if name not in made:
            root = tmp_path_factory.mktemp("trained")
            made[name] = Path(MADE[name](any_run, root, root / "run")["bundle"])
        return made[name]

    return run_of


@pytest.mark.slow
@pytest.mark.parametrize("form", formats("onnx", "openvino", "pt2"))
@pytest.mark.parametrize("name", MADE)
def test_every_task_and_head_is_exported_with_its_answers(
    name: str, form: str, runs: Callable[[str], Path], tmp_path: Path
) -> None:
    out = tmp_path / f"network{ {'onnx': '.onnx', 'openvino': '.xml', 'pt2': '.pt2'}[form] }"
    results = convworks.export(runs(name), format=form, out=out)
    exact = results["checks"][0]
    assert exact["precision"] == "float32"
    assert max(exact["difference"], exact["raw_difference"]) <= TOLERANCE
    assert exact["agreement"] == 1
    trained, exported = (convworks.load(each, device="cpu", precision="float32") for each in (runs(name), out))
    shape = (*trained.input.size, trained.input.channels)
    pixels = list(np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8))
    if trained.task.files == "images":
        one, other = (each.reconstruct(pixels).astype(int) for each in (trained, exported))
        np.testing.assert_allclose(one, other, atol=1)
        return
    for answer, again in zip(trained.predict(pixels), exported.predict(pixels), strict=True):
        assert answer.keys() == again.keys()
        for key, value in answer.items():
            compare(value, again[key])


def compare(one: Any, other: Any) -> None:
    """Compare values of answers: numbers up to rounding, all others exactly; in masks one pixel in a thousand."""
    if isinstance(one, np.ndarray):
        assert (one != other).mean() <= 1e-3
    elif one and isinstance(one, list) and isinstance(one[0], float):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)
    else:
        assert one == other
