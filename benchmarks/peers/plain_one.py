"""Classify one photograph the usual way.

python plain_one.py BUNDLE IMAGE --size N --model NAME    The network alone comes from convworks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms

from convworks.models.catalogue import Shape, create


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    classes = json.loads((args.bundle / "bundle.json").read_text())["classes"]
    model = create(args.model, Shape(classes=len(classes), channels=3, size=(args.size, args.size)))
    model.load_state_dict(load_file(args.bundle / "weights.safetensors"), strict=False)
    steps = [
        transforms.Resize(args.size),
        transforms.CenterCrop(args.size),
        transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.25,) * 3),
    ]
    with torch.inference_mode():
        image = transforms.Compose(steps)(Image.open(args.image).convert("RGB"))
        top = model.eval()(image[None]).softmax(1)[0].topk(5)
    for probability, index in zip(top.values.tolist(), top.indices.tolist(), strict=True):
        print(f"{classes[index]} {probability:.1%}")


if __name__ == "__main__":
    main()
