"""From image files to class names."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.folder import COUNT, enlarge
from benchmarks.measure import Benchmark, Variant, data, last_line, script

SIDE = 96
MODEL = "resnet20"


def predict(workspace: Path) -> Benchmark:
    """Compare `predict_files` with a plain loop over the files around the same untrained network."""
    root, bundle = workspace / "photos", workspace / "bundle"
    enlarge(data() / "photos", root)
    subprocess.run(script("convworks_side/save_bundle.py", bundle, "--size", SIDE, "--model", MODEL), check=True)
    return Benchmark(
        name="predict",
        job=f"{COUNT} photographs to class names by {MODEL} at {SIDE}x{SIDE}, without start-up.",
        variants=(
            Variant(
                name="convworks predict_files",
                command=lambda _: script("convworks_side/predict_files.py", bundle, root),
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
