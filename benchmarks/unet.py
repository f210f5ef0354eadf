"""A U-Net on street scenes: from image files to updated weights, and to masks, against plain PyTorch."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from benchmarks.measure import Benchmark, BenchmarkError, Variant, data, last_line, program, script

MODEL = "unet_resnet18"
SIZE = ("--size", 240, 320)
BATCH, WARM, STEPS = 8, 4, 16
PLAIN = "plain PyTorch: float32, torchvision's transforms v2, DataLoader with 2 workers"


def scenes(workspace: Path) -> Path:
    """Unpack CamVid, which has train, val and test, each with images and masks; return its folder."""
    archive = data() / "camvid.tar"
    if not archive.is_file():
        raise BenchmarkError(f"{archive}: is missing")
    with tarfile.open(archive) as tar:
        tar.extractall(workspace, filter="data")
    return workspace / "camvid"


def training(workspace: Path) -> Benchmark:
    """Time steps of training: decoding or cache, augmentation, forward, backward, update."""
    root = scenes(workspace) / "train"
    words = (*SIZE, "--batch-size", BATCH, "--warm", WARM, "--steps", STEPS)
    return Benchmark(
        name="unet-train",
        job=f"{MODEL}, {STEPS} steps of {BATCH} street scenes of 240x320 with masks, flipped, scaled and rotated.",
        variants=(
            Variant(
                name="convworks",
                command=lambda _: script("convworks_side/train_masks.py", root, *words),
                read=last_line,
            ),
            Variant(name=PLAIN, command=lambda _: script("peers/plain_unet.py", "train", root, *words), read=last_line),
        ),
        yardstick=PLAIN,
        repeats=5,
        amount=BATCH * STEPS,
        unit="images/s",
        same=("parameters",),
    )


def prediction(workspace: Path) -> Benchmark:
    """Time files to masks of their size, in memory."""
    pairs, bundle = scenes(workspace), workspace / "run"
    root, (_, *size) = pairs / "test", SIZE
    # A trained network: where all classes are about as probable, rounding decides, and no runtime agrees with another.
    words = ["--data", pairs, "--set", f"data.size={tuple(size)}", "--set", "data.ignore=11", "--out", bundle]
    train = [program("convworks"), "train", "camvid/unet", "--epochs", "1", *map(str, words)]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    count = len(list((root / "images").iterdir()))
    own = {"convworks, runtime auto": "auto", "convworks, runtime torch": "torch"}
    return Benchmark(
        name="unet-predict",
        job=f"{count} street scenes to masks of 180x240 by {MODEL} at 240x320, without start-up.",
        variants=(
            *(
                Variant(
                    name=name,
                    command=lambda _, k=kind: script("convworks_side/predict_masks.py", bundle, root / "images", k),
                    read=last_line,
                )
                for name, kind in own.items()
            ),
            Variant(
                name=PLAIN,
                command=lambda _: script("peers/plain_unet.py", "predict", root, *SIZE, "--batch-size", BATCH),
                read=last_line,
            ),
        ),
        yardstick=PLAIN,
        repeats=5,
        amount=count,
        unit="images/s",
        same=("images", "pixels"),
    )


UNET = {"unet-train": training, "unet-predict": prediction}
