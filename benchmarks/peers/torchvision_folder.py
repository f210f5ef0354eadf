"""Read a class folder the usual way: ImageFolder, Resize and CenterCrop in the workers of a DataLoader.

python torchvision_folder.py ROOT --size N    The last line is a JSON object; its seconds leave imports out.
"""

from __future__ import annotations

import argparse
import json
import time

from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    # Bytes, not ToTensor's floats: as little work as convworks does up to here.
    steps = [transforms.Resize(args.size), transforms.CenterCrop(args.size), transforms.PILToTensor()]
    started = time.perf_counter()
    dataset = ImageFolder(args.root, transform=transforms.Compose(steps))
    images = sum(len(batch) for batch, _ in DataLoader(dataset, batch_size=64, num_workers=args.workers))
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "images": images}))


if __name__ == "__main__":
    main()
