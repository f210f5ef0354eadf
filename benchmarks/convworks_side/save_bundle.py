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
    settle(network, torch.randn(16, 3, *preprocessing.size))
    bundle = Bundle(
        network=network,
        model=ModelConfig(name=args.model),
        preprocessing=preprocessing,
        classes=classes,
        record={"parameters": sum(parameter.numel() for parameter in network.parameters())},
    )
    save_bundle(args.bundle, bundle)


def settle(network: torch.nn.Module, images: torch.Tensor) -> None:
    """Make an untrained network answer as clearly as a trained one, or it is not exported and runs in float32.

    Batch normalisation gets the statistics of images: without any, activations grow from layer to layer. The first
    class gets a greater bias: among classes that are equally probable, rounding decides.
    """
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches, here of one
    with torch.no_grad():
        network.train()(images)
        logits = network.eval()(images)
        last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
        last.bias[0] += 10 * logits.std()


if __name__ == "__main__":
    main()
