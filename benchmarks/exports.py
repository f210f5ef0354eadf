"""Every network of the catalogue that reads images, in every format: how far the answers are from PyTorch's.

python -m benchmarks.exports [NAME...] [--seconds N] [--out FILE.jsonl]    One line of JSON for each network and format.

Weights are random, with the batch statistics of real images, or those of $CONVWORKS_DATA/weights.
Images are 1,000 of CIFAR-10's test images for small networks, else photographs, and noise for image priors; fewer
where PyTorch would take longer than `--seconds` for them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import data
from convworks.bundle.bundle import Bundle
from convworks.bundle.foreign import import_bundle
from convworks.data.decode.preprocess import Preprocessing
from convworks.deploy.check import DisagreementError, compare, expected
from convworks.deploy.convert import CONVERTERS
from convworks.deploy.graph import graph_of
from convworks.inference.exported.format import ACTIVATED, OUTPUTS
from convworks.inference.exported.read import FORMATS
from convworks.inference.exported.runtime import open_runtime
from convworks.inference.runtime import TorchRuntime
from convworks.layers.network import without_auxiliary
from convworks.models import NAMES
from convworks.models.catalogue import create, facts
from convworks.models.config import ModelConfig
from convworks.tasks.registry import named

COUNT, SMALL, LARGEST, SECONDS = 1000, 40, 256, 60.0
READ = (1, 3)  # channels of images
STATISTICS = 32  # images that the statistics of batch normalisation are those of


def names() -> list[str]:
    """Return the networks that a task trains."""
    return [name for name in NAMES if facts(name).reads == "images" and facts(name).makes in ("logits", "images")]


def bundle_of(name: str, images: Sequence[Path]) -> Bundle:
    """Return a network with its published shape; image priors for smaller images, of which several fit in memory."""
    weights = sorted((data() / "weights").glob(f"{name}-*.th"))
    if weights:
        return import_bundle(weights[0], name, peer="cifar")
    shape, task = facts(name).shape, named("reconstruction" if facts(name).makes == "images" else "classification")
    torch.manual_seed(0)
    network = create(name)
    mean = (0.5,) * shape.channels if task.normalises else (0.0,) * shape.channels
    std = (0.25,) * shape.channels if task.normalises else (1.0,) * shape.channels
    size = shape.size if facts(name).makes == "logits" or max(shape.size) <= LARGEST else (LARGEST, LARGEST)
    preprocessing = Preprocessing(size=size, channels=shape.channels, fit="crop", mean=mean, std=std)
    bundle = Bundle(
        network=network,
        model=ModelConfig(name=name),
        preprocessing=preprocessing,
        classes=() if facts(name).makes == "images" else tuple(map(str, range(shape.classes))),
        record={},
        task=task,
    )
    with torch.no_grad():
        network.train()(bundle.input.normalise(stored(bundle, images[:STATISTICS])))
    return Bundle(**{**vars(bundle), "network": without_auxiliary(network).eval()})


def stored(bundle: Bundle, images: Sequence[Path]) -> torch.Tensor:
    """Return images as a network stores them; noise for image priors, which read nothing else."""
    if bundle.input.channels not in READ:
        return bundle.input.noise(len(images), torch.Generator().manual_seed(0))
    return bundle.input.stack([bundle.input.decode(image) for image in images])


def rows(name: str, images: Sequence[Path], seconds: float) -> Iterator[dict[str, Any]]:
    """Yield how each format of a network compares."""
    bundle = bundle_of(name, images)
    runtime = TorchRuntime(network=bundle.network, input=bundle.input, precision=torch.float32)
    few = stored(bundle, images[:4])
    with runtime.ready():
        runtime(few)
        started = time.perf_counter()
        runtime(few)
    each = (time.perf_counter() - started) / len(few)
    count = max(16, min(COUNT, len(images), int(seconds / each)))
    right = expected(bundle, stored(bundle, images[:count]))
    for form in FORMATS.values():
        started = time.perf_counter()
        result: dict[str, Any] = {"network": name, "format": form.name, "images": count, "checks": {}}
        try:
            decoded = bundle.input.decoded(right.samples[:1])
            content = CONVERTERS[form.name](graph_of(bundle), decoded, (OUTPUTS, ACTIVATED))
            result["bytes"] = sum(map(len, content.values()))
            for precision in form.precisions():
                opened = open_runtime(form, content, bundle.input, precision)
                try:
                    compared = compare(opened, right, bundle)
                    facts_of = {"difference": compared.difference, "raw": compared.raw_difference}
                    result["checks"][precision] = facts_of | {"agreement": compared.agreement}
                except DisagreementError as error:
                    result["checks"][precision] = {"error": str(error)}
        except Exception as error:  # the others are still worth having
            result["error"] = f"{type(error).__name__}: {error}"
        result["seconds"] = round(time.perf_counter() - started, 1)
        yield result


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return a row a network: by format, the larger difference in float32, of outputs (in parts of the largest) or
    after the activation; equal answers.
    """
    lines = [
        "| network | images | ONNX | OpenVINO | pt2 | equal answers | OpenVINO in bfloat16 |",
        "|---|" + "---:|" * 6,
    ]
    for name in dict.fromkeys(result["network"] for result in results):
        each = {result["format"]: result for result in results if result["network"] == name}
        exact = [each[form]["checks"].get("float32", {}) if form in each else {} for form in FORMATS]
        cells = [f"{max(check['difference'], check['raw']):.0e}" if "raw" in check else "refused" for check in exact]
        equal = min(check["agreement"] for check in exact if "agreement" in check)
        halves = each.get("openvino", {}).get("checks", {}).get("bfloat16", {})
        half = f"{halves['agreement']:.1%}" if "agreement" in halves else "less than 99 %"
        lines.append(
            f"| {name} | {next(iter(each.values()))['images']:,} | {' | '.join(cells)} | {equal:.0%} | {half} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", action="store_true", help="print what FILE holds as a table in Markdown")
    args = parser.parse_args()
    if args.table:
        print(table([json.loads(line) for line in args.out.read_text().splitlines()]))
        return 0
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(data() / "cifar10-jpeg.tar.xz") as archive:
            members = (member for member in archive if "/test/" in f"/{member.name}" and member.isfile())
            archive.extractall(folder, members, filter="data")
        small = sorted(Path(folder).rglob("*.jpg"))
        small = small[:: max(1, len(small) // COUNT)][:COUNT]
        photographs = sorted((data() / "photos").iterdir())
        for name in args.names or names():
            images = small if max(facts(name).shape.size) <= SMALL else photographs
            for row in rows(name, images, args.seconds):
                print(json.dumps(row), flush=True)
                with args.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
