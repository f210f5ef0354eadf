"""Train a class folder with the settings that Ultralytics publishes for classification, without its code or networks.

python ultralytics_like_folder.py ROOT --seconds N    ROOT holds train/ and test/. The last line is a JSON object.

Settings, from its documentation: 224 pixels, batches of 16 whose gradients are summed to 64, crops of 50 to 100 % of
the area, mirrored, RandAugment, erasing 0.4, pixels in 0 to 1; `optimizer=auto`: AdamW at 0.002 * 5 / (4 + classes) for
less than 10,000 steps, weight decay 5e-4 of weights, the rate falling evenly to a hundredth after a warm-up of 3 of 100
epochs; gradients clipped to a norm of 10; a moving average of the weights (decay 0.9999,
growing with exp(-step / 2000)), which is tested. Schedules are stretched over the time there is. The network is ours to
choose: timm's resnet18. The last weights are tested; all of train/ is trained on.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time

import torch
import torch.nn.functional as F
from timm.models import create_model
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

NOMINAL = 64  # images a step, whose gradients are summed
WARMUP = 0.03


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    varied = [
        transforms.RandomResizedCrop(args.size, scale=(0.5, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.RandAugment(),
        transforms.ToTensor(),
        transforms.RandomErasing(0.4),
    ]
    centred = [transforms.Resize(args.size), transforms.CenterCrop(args.size), transforms.ToTensor()]
    train = ImageFolder(f"{args.root}/train", transforms.Compose(varied))
    test = ImageFolder(f"{args.root}/test", transforms.Compose(centred))
    loader = DataLoader(
        train, batch_size=args.batch_size, shuffle=True, num_workers=args.workers, persistent_workers=True
    )
    test_loader = DataLoader(test, batch_size=64, num_workers=args.workers)

    model = create_model(args.model, num_classes=len(train.classes))
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer, peak = _optimizer(model, len(train.classes))

    next(iter(loader))  # starting workers is not training
    started, batches, seen, updates, share = time.perf_counter(), 0, 0, 0, 0.0
    model.train()
    while share < 1:
        for images, labels in loader:
            batches += 1
            warm = min(1.0, share / WARMUP)
            parts = max(1, round(1 + warm * (NOMINAL / args.batch_size - 1)))
            for group in optimizer.param_groups:
                group["lr"] = warm * peak * (1 - 0.99 * min(share, 1))
                group["betas"] = (0.8 + warm * 0.1, 0.999)
            F.cross_entropy(model(images), labels).backward()
            if batches % parts == 0:
                nn.utils.clip_grad_norm_(model.parameters(), 10.0)
                optimizer.step()
                optimizer.zero_grad()
                updates += 1
                _move(average, model, 0.9999 * (1 - math.exp(-updates / 2000)))
            seen += len(images)
            share = (time.perf_counter() - started) / args.seconds
            if share >= 1:
                break
    seconds = time.perf_counter() - started

    average.eval()
    right = 0
    with torch.inference_mode():
        for images, labels in test_loader:
            right += int((average(images).argmax(1) == labels).sum())
    facts = {
        "test_top1": right / len(test),
        "n": len(test),
        "epochs": seen / len(train),
        "seconds": seconds,
    }
    print(json.dumps(facts))


def _optimizer(model: nn.Module, classes: int) -> tuple[torch.optim.Optimizer, float]:
    """Return AdamW, whose decay spares biases and normalisation, and its highest rate."""
    peak = round(0.002 * 5 / (4 + classes), 6)
    decaying = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [{"params": decaying, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.999)), peak


@torch.no_grad()
def _move(average: nn.Module, model: nn.Module, decay: float) -> None:
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)


if __name__ == "__main__":
    main()
