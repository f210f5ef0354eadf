"""Evaluate an untrained network on images by a protocol.

python protocol.py MODEL --views center|ten-crop|dense    The last line is a JSON object; its seconds leave imports and
building out. The images have 1.3 times the network's size, and dense views all of it.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from convworks.data.column import COLOURS, Arrays
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.kinds import input_of
from convworks.data.source import Split
from convworks.hardware import choose_precision, keep_memory
from convworks.inference.protocol import PROTOCOLS, Protocol
from convworks.inference.runtime import TorchRuntime
from convworks.inference.test_time_views import activated_by, counter, prepared
from convworks.layers.normalisation.folded import folded
from convworks.models.catalogue import Shape, create
from convworks.tasks.classification import CLASSIFICATION

SIZE, LARGER, COUNT = (224, 224), 1.3, 32
EVALUATIONS = {
    "center": PROTOCOLS["center"],
    "ten-crop": PROTOCOLS["ten-crop"],
    "dense": Protocol(summary="the whole image, once", dense=(LARGER,)),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--views", choices=EVALUATIONS, required=True)
    args = parser.parse_args()
    keep_memory(torch.device("cpu"))  # as `convworks evaluate` does
    network = folded(create(args.model, Shape(classes=1000, channels=3, size=SIZE)).eval())
    network.to(memory_format=torch.channels_last)
    pixels = np.random.default_rng(0).integers(
        0, 256, (COUNT, *(round(side * LARGER) for side in SIZE), 3), dtype=np.uint8
    )
    split = Split(
        names=tuple(map(str, range(COUNT))), inputs=Arrays(pixels, COLOURS), targets=Arrays(np.zeros(COUNT, np.int64))
    )
    preprocessing = Preprocessing(size=SIZE, channels=3, fit="crop", mean=(0.5,) * 3, std=(0.25,) * 3)
    precision = choose_precision("auto", torch.device("cpu"))

    def evaluate(images: Split) -> float:
        started = time.perf_counter()
        protocol = EVALUATIONS[args.views]
        viewing, input = prepared(protocol, network, preprocessing), input_of(preprocessing)
        runtime = TorchRuntime(network=viewing, input=input, precision=precision)
        _, cost = activated_by(protocol, runtime, counter(viewing, input), images, preprocessing, CLASSIFICATION)
        macs.append(cost.macs)
        return time.perf_counter() - started

    macs: list[float] = []
    evaluate(split.select(np.arange(8)))
    print(json.dumps({"seconds": evaluate(split), "images": COUNT, "macs": round(macs[-1])}))


if __name__ == "__main__":
    main()
