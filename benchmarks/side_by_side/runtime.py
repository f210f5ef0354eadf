"""Time a network alone, in memory: `runtime.py FOLDER KIND BATCH`.

KIND is a way of convworks (auto, and float32, bfloat16 and int8 for OpenVINO), `eager`, or `bare-f32`, `bare-bf16`,
`bare-int8`: OpenVINO's own conversion of the same network, which reads floats that were normalised before. The last
line is a JSON object.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import convworks
from convworks.bundle.bundle import Bundle, load_bundle

LEAST, MOST, LONGEST = 5, 200, 6.0  # rounds, and seconds


def convworks_way(folder: Path, kind: str, batch: int) -> Callable[[], object]:
    """Return the computation of a batch as convworks does it."""
    if kind == "auto":
        predictor = convworks.load(folder / "bundle", runtime="auto")
    else:
        file, precision = ("int8.xml", "auto") if kind == "int8" else ("network.xml", kind)
        predictor = convworks.load(folder / file, precision=precision)
    samples = predictor.input.noise(batch, torch.Generator().manual_seed(0))
    return lambda: predictor.runtime(samples)


def bare(bundle: Bundle, kind: str, batch: int) -> Callable[[], object]:
    """Return the computation of a batch by OpenVINO, converted from PyTorch by OpenVINO."""
    import openvino

    floats = bundle.input.normalise(bundle.input.noise(batch, torch.Generator().manual_seed(0)))
    floats = floats.contiguous()
    example = floats[:1]
    model = openvino.convert_model(bundle.network, example_input=example, input=[(-1, *example.shape[1:])])
    if kind == "bare-int8":
        with contextlib.redirect_stdout(sys.stderr):
            import nncf

            calibration = nncf.Dataset([image[None].numpy() for image in floats])
            model = nncf.quantize(model, calibration, subset_size=len(floats))
    hint = "bf16" if kind == "bare-bf16" else "f32"
    settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    values = floats.numpy()
    return lambda: request.infer([values])


def eager(bundle: Bundle, batch: int) -> Callable[[], object]:
    """Return the computation of a batch by PyTorch, as the network was built."""
    floats = bundle.input.normalise(bundle.input.noise(batch, torch.Generator().manual_seed(0))).contiguous()
    network = bundle.network.to(memory_format=torch.contiguous_format)

    def compute() -> object:
        with torch.inference_mode():
            return network(floats)

    return compute


def main() -> None:
    folder, kind, batch = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if kind == "eager":
        compute = eager(load_bundle(folder / "bundle"), batch)
    elif kind.startswith("bare"):
        compute = bare(load_bundle(folder / "bundle"), kind, batch)
    else:
        compute = convworks_way(folder, kind, batch)
    compute()
    times: list[float] = []
    while len(times) < LEAST or (sum(times) < LONGEST and len(times) < MOST):
        started = time.perf_counter()
        compute()
        times.append(time.perf_counter() - started)
    print(json.dumps({"seconds": statistics.median(times)}))


if __name__ == "__main__":
    main()
