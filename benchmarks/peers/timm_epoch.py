"""Iterate over an epoch of a class folder as timm's training script does: create_dataset, create_loader.

python timm_epoch.py ROOT --epoch first|later    The last line is a JSON object; its seconds leave imports out.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from timm.data import create_dataset, create_loader

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--epoch", choices=("first", "later"), required=True)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    started = time.perf_counter()
    dataset = create_dataset("", root=args.root, split="", is_training=True)
    # Crops and flips alone, and every image of the epoch; its prefetcher, which normalises, is for GPUs.
    loader = create_loader(
        dataset,
        input_size=(3, 224, 224),
        batch_size=64,
        is_training=True,
        use_prefetcher=False,
        num_workers=args.workers,
        scale=(0.08, 1.0),
        hflip=0.5,
        color_jitter=None,
        interpolation="bilinear",
        mean=MEAN,
        std=STD,
        device=torch.device("cpu"),
        persistent_workers=True,
    )
    loader.batch_sampler.drop_last = False
    images = sum(len(batch) for batch, _ in loader)
    if args.epoch == "later":  # workers are running
        started = time.perf_counter()
        images = sum(len(batch) for batch, _ in loader)
    print(json.dumps({"seconds": time.perf_counter() - started, "images": images}))


if __name__ == "__main__":
    main()
