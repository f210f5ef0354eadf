"""From photographs to a CSV file, the network alone, and one image from prompt to prompt, against the usual way."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.folder import enlarge
from benchmarks.measure import Benchmark, Variant, data, last_line, program, script

#: The networks: the side of their images, how many photographs, and images in a batch of the network alone.
NETWORKS = {"resnet50": (224, 200, 16), "resnet20": (32, 600, 128), "convnet_photo": (96, 600, 64)}
PLAIN = "torchvision: ImageFolder, DataLoader with 2 workers, eager, float32"
EAGER, BARE = "PyTorch, eager, float32", "OpenVINO by itself"


def _prepared(workspace: Path, network: str) -> tuple[Path, Path, int]:
    """Return photographs, and the folder of a bundle and of its exports for OpenVINO, float32 and int8."""
    side, count, _ = NETWORKS[network]
    root, folder = workspace / "photos", workspace / "network"
    enlarge(data() / "photos", root, count)
    subprocess.run(
        script("convworks_side/save_bundle.py", folder / "bundle", "--size", side, "--model", network), check=True
    )
    subprocess.run(script("convworks_side/export.py", folder, root), check=True)
    return root, folder, count


def files_to_csv(network: str, workspace: Path) -> Benchmark:
    """Compare `convworks.load(..., runtime="auto")` and an int8 file with a loop around the same network."""
    root, folder, count = _prepared(workspace, network)
    side, _, _ = NETWORKS[network]
    own = {"convworks, runtime auto": "auto", "convworks, OpenVINO, int8": "int8"}
    plain = (
        "peers/plain_csv.py",
        folder / "bundle",
        root,
        "--size",
        side,
        "--model",
        network,
        "--out",
        workspace / "plain.csv",
    )
    return Benchmark(
        name=f"deploy-{network}",
        job=f"{count} photographs to a CSV file of five classes each, {network} at {side}x{side}, without start-up.",
        variants=(
            *(
                Variant(
                    name=name,
                    command=lambda _, k=kind: script(
                        "convworks_side/predict_csv.py", folder, root, workspace / f"{k}.csv", k
                    ),
                    read=last_line,
                )
                for name, kind in own.items()
            ),
            Variant(name=PLAIN, command=lambda _: script(*plain), read=last_line),
        ),
        yardstick=PLAIN,
        repeats=5,
        amount=count,
        unit="images/s",
        same=("images",),
    )


def alone(network: str, workspace: Path) -> Benchmark:
    """Compare the runtimes with OpenVINO's own conversion of the same network, and with PyTorch."""
    _, folder, _ = _prepared(workspace, network)
    side, _, batch = NETWORKS[network]
    kinds = {
        EAGER: "eager",
        f"{BARE}, float32": "bare-f32",
        f"{BARE}, bfloat16": "bare-bf16",
        f"{BARE}, int8": "bare-int8",
        "convworks, runtime auto": "auto",
        "convworks, OpenVINO, float32": "float32",
        "convworks, OpenVINO, bfloat16": "bfloat16",
        "convworks, OpenVINO, int8": "int8",
    }
    return Benchmark(
        name=f"deploy-{network}-alone",
        job=f"{network}, batches of {batch} of {side}x{side} in memory, median of several, without start-up.",
        variants=tuple(
            Variant(
                name=name,
                command=lambda _, k=kind: script("side_by_side/runtime.py", folder, k, batch),
                read=last_line,
            )
            for name, kind in kinds.items()
        ),
        yardstick=EAGER,
        repeats=5,
        amount=batch,
        unit="images/s",
    )


def one_image(workspace: Path) -> Benchmark:
    """Compare an exported file with its bundle and with a script around the same network, for one photograph."""
    root, folder, _ = _prepared(workspace, "resnet50")
    image = next(path for path in sorted(root.rglob("*")) if path.is_file())
    usual = ("peers/plain_one.py", folder / "bundle", image, "--size", 224, "--model", "resnet50")
    return Benchmark(
        name="deploy-one",
        job="One photograph to the names of five classes by resnet50, from prompt to prompt.",
        variants=(
            Variant(name="convworks predict network.xml", command=lambda _: _predict(folder / "network.xml", image)),
            Variant(name="convworks predict int8.xml", command=lambda _: _predict(folder / "int8.xml", image)),
            Variant(name="convworks predict BUNDLE", command=lambda _: _predict(folder / "bundle", image)),
            Variant(name="script with torchvision's transforms", command=lambda _: script(*usual)),
            Variant(name="import torch", command=lambda _: [sys.executable, "-c", "import torch"]),
        ),
        yardstick="script with torchvision's transforms",
        repeats=9,
    )


def _predict(network: Path, image: Path) -> list[str]:
    return [program("convworks"), "predict", str(network), str(image)]


DEPLOY = {
    **{f"deploy-{network}": partial(files_to_csv, network) for network in NETWORKS},
    **{f"deploy-{network}-alone": partial(alone, network) for network in NETWORKS},
    "deploy-one": one_image,
}
