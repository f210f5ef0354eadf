"""Classify a folder of photographs the usual way: one file after another, Pillow, torchvision transforms, float32.

python plain_predict.py BUNDLE ROOT --size N --model NAME    The network alone comes from convworks. The last line is
a JSON object; its seconds leave imports and loading out.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms

from convworks.models.catalogue import create


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = create(args.model)
    model.load_state_dict(load_file(args.bundle / "weights.safetensors"))
    model.eval().to(device)
    files = sorted(path for path in args.root.rglob("*") if path.is_file())
    steps = [
        transforms.Resize(args.size),
        transforms.CenterCrop(args.size),
        transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.25,) * 3),
    ]
    transform = transforms.Compose(steps)
    started = time.perf_counter()
    answers = []
    with torch.inference_mode():
        for file in files:
            image = transform(Image.open(file).convert("RGB"))
            probabilities = model(image[None].to(device)).softmax(1)
            answers.append(probabilities.topk(5).indices[0].tolist())
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "images": len(answers), "precision": "float32"}))


if __name__ == "__main__":
    main()
