"""Train a class folder from scratch as timm's train.py does by default, with timm's own parts, for a given time.

python timm_folder.py ROOT --seconds N    ROOT holds train/ and test/. The last line is a JSON object.

Its defaults, as published: resnet50 at 224 pixels, batches of 128, SGD with Nesterov's momentum 0.9, learning rate 0.1
for 256 images and in proportion, weight decay 2e-5, a cosine after a warm-up of 5 of 300 epochs, crops of 8 to 100 %
of the area, mirrored, colours varied by 0.4, label smoothing 0.1. Warm-up and cosine are stretched over the time there
is. The last weights are tested; all of train/ is trained on.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from timm.data import ImageDataset, create_loader, resolve_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.models import create_model
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import random_seed

# The schedule has 300 epochs and is evaluated at the elapsed fraction of the time.
EPOCHS, WARMUP, UPDATES = 300, 5, 100


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random_seed(args.seed, 0)

    train, test = (ImageDataset(f"{args.root}/{split}") for split in ("train", "test"))
    # The loader leaves a last batch that is not full out: of a smaller set it would leave nothing.
    batch_size = args.batch_size
    while batch_size > len(train):
        batch_size //= 2
    model = create_model(args.model, num_classes=len(train.reader.class_to_idx))
    config = resolve_data_config({"img_size": args.size}, model=model)
    shared = {
        "input_size": config["input_size"],
        "mean": config["mean"],
        "std": config["std"],
        "num_workers": args.workers,
        "use_prefetcher": False,
        "device": torch.device("cpu"),
    }
    loader = create_loader(train, batch_size=batch_size, is_training=True, interpolation="random", **shared)
    test_loader = create_loader(
        test, batch_size=64, interpolation=config["interpolation"], crop_pct=config["crop_pct"], **shared
    )
    rate = 0.1 * batch_size / 256
    optimizer = create_optimizer_v2(model, opt="sgd", lr=rate, weight_decay=2e-5, momentum=0.9)
    scheduler, _ = create_scheduler_v2(
        optimizer,
        sched="cosine",
        num_epochs=EPOCHS,
        min_lr=0.0,
        warmup_lr=1e-5,
        warmup_epochs=WARMUP,
        step_on_epochs=False,
        updates_per_epoch=UPDATES,
    )
    loss_function = LabelSmoothingCrossEntropy(0.1)

    next(iter(loader))  # starting workers is not training
    started, steps, epochs, progress = time.perf_counter(), 0, 0, 0.0
    model.train()
    while progress < 1:
        for images, labels in loader:
            scheduler.step_update(int(progress * EPOCHS * UPDATES))
            optimizer.zero_grad()
            loss_function(model(images), labels).backward()
            optimizer.step()
            steps += 1
            progress = (time.perf_counter() - started) / args.seconds
            if progress >= 1:
                break
        epochs += 1
    seconds = time.perf_counter() - started

    model.eval()
    correct = 0
    with torch.inference_mode():
        for images, labels in test_loader:
            correct += int((model(images).argmax(1) == labels).sum())
    facts = {
        "test_top1": correct / len(test),
        "n": len(test),
        "epochs": steps * batch_size / len(train),
        "seconds": seconds,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
