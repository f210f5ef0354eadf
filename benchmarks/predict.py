"""From image files to class names."""

from __future__ import annotations

from pathlib import Path

from benchmarks.folder import COUNT, enlarge
from benchmarks.measure import Benchmark, Variant, data, last_line, script

SIDE = 96
MODEL = "resnet20"


def predict(workspace: Path) -> Benchmark:
    """Compare `predict_files` with a plain loop over the files around the same untrained network, in float32."""
    root, bundle = workspace / "photos", workspace / "bundle"
    enlarge(data() / "photos", root)
    _save(bundle)
    return Benchmark(
        name="predict",
        job=f"{COUNT} photographs to class names by {MODEL} at {SIDE}x{SIDE}, without start-up.",
        variants=(
            Variant(
                name="convworks predict_files",
                command=lambda _: script("ours/predict_files.py", bundle, root),
                read=last_line,
            ),
            Variant(
                name="plain loop: Pillow, torchvision transforms, one image at a time, float32",
                command=lambda _: script("peers/plain_predict.py", bundle, root, "--size", SIDE, "--model", MODEL),
                read=last_line,
            ),
        ),
        yardstick="plain loop: Pillow, torchvision transforms, one image at a time, float32",
        repeats=5,
        amount=COUNT,
        unit="images/s",
        same=("images",),
    )


def _save(folder: Path) -> None:
    """Write the bundle of an untrained network; how long it takes does not depend on the weights."""
    import torch

    from convworks.bundle.bundle import Bundle, save_bundle
    from convworks.data.preprocess import Preprocessing
    from convworks.models.catalogue import Shape, create
    from convworks.models.config import ModelConfig

    torch.manual_seed(0)
    preprocessing = Preprocessing(size=(SIDE, SIDE), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.25,) * 3)
    classes = tuple(f"class{number}" for number in range(10))
    network = create(MODEL, Shape(classes=len(classes), channels=3, size=preprocessing.size))
    model = ModelConfig(name=MODEL)
    save_bundle(folder, Bundle(network=network, model=model, preprocessing=preprocessing, classes=classes, record={}))
