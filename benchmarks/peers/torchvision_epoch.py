"""Iterate over an epoch of a class folder the usual way: ImageFolder, and transforms in the workers of a DataLoader.

python torchvision_epoch.py ROOT --epoch first|later    The last line is a JSON object; its seconds leave imports out.
"""

from __future__ import annotations

import argparse
import json
import time

from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--epoch", choices=("first", "later"), required=True)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    steps = [
        transforms.RandomResizedCrop(224),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    started = time.perf_counter()
    dataset = ImageFolder(args.root, transform=transforms.Compose(steps))
    loader = DataLoader(dataset, batch_size=64, shuffle=True, num_workers=args.workers, persistent_workers=True)
    images = sum(len(batch) for batch, _ in loader)
    if args.epoch == "later":  # workers are running
        started = time.perf_counter()
        images = sum(len(batch) for batch, _ in loader)
    print(json.dumps({"seconds": time.perf_counter() - started, "images": images}))


if __name__ == "__main__":
    main()
