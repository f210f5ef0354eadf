"""Write the bundle of an untrained network; prediction time does not depend on its weights.

python save_bundle.py BUNDLE --size N --model NAME
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from convworks.bundle.bundle import Bundle, save_bundle
from convworks.data.decode.preprocess import Preprocessing
from convworks.models.catalogue import Shape, create
from convworks.models.config import ModelConfig


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    preprocessing = Preprocessing(size=(args.size,) * 2, channels=3, fit="crop", mean=(0.5,) * 3, std=(0.25,) * 3)
    classes = tuple(f"class{number}" for number in range(10))
    network = create(args.model, Shape(classes=len(classes), channels=3, size=preprocessing.size))
    bundle = Bundle(
        network=network,
        model=ModelConfig(name=args.model),
        preprocessing=preprocessing,
        classes=classes,
        record={"parameters": sum(parameter.numel() for parameter in network.parameters())},
    )
    save_bundle(args.bundle, bundle)


if __name__ == "__main__":
    main()
