"""Classify a class folder the usual way: ImageFolder, DataLoader, float32, batches of 64, into a CSV file.

python plain_csv.py BUNDLE ROOT --size N --model NAME --out FILE    The network alone comes from convworks. The last
line is a JSON object; its seconds leave imports and loading out.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from convworks.models.catalogue import Shape, create


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    state = load_file(args.bundle / "weights.safetensors")
    classes = json.loads((args.bundle / "bundle.json").read_text())["classes"]
    model = create(args.model, Shape(classes=len(classes), channels=3, size=(args.size, args.size)))
    model.load_state_dict(state, strict=False)  # without auxiliary classifiers
    model.eval()
    steps = [
        transforms.Resize(args.size),
        transforms.CenterCrop(args.size),
        transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.25,) * 3),
    ]
    started = time.perf_counter()
    dataset = ImageFolder(args.root, transform=transforms.Compose(steps))
    paths = iter(path for path, _ in dataset.samples)
    images = 0
    with torch.inference_mode(), args.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for batch, _ in DataLoader(dataset, batch_size=64, num_workers=2):
            top = model(batch).softmax(1).topk(5)
            for probabilities, indices in zip(top.values.tolist(), top.indices.tolist(), strict=True):
                writer.writerow([next(paths), *(classes[index] for index in indices), *probabilities])
                images += 1
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "images": images, "runtime": "torch float32"}))


if __name__ == "__main__":
    main()
