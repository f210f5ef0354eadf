"""MNIST the usual way: torchvision's dataset and transforms, DataLoader with workers, float32, SGD, OneCycleLR.

python plain_mnist.py ROOT    ROOT/MNIST/raw holds the unpacked files. The last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, random_split
from torchvision import datasets, transforms

MEAN, STD = 0.1307, 0.3081


def network() -> nn.Sequential:
    """Build the network that convworks calls convnet_fast."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 64, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(64 * 3 * 3, 10),
    )


def accuracy(model: nn.Module, loader: DataLoader[tuple[Tensor, Tensor]], device: torch.device) -> float:
    """Return the fraction of correctly classified images (accuracy)."""
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in loader:
            correct += int((model(images.to(device)).argmax(1) == labels.to(device)).sum())
            total += len(labels)
    return correct / total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--peak", type=float, default=0.15)
    parser.add_argument("--warmup", type=float, default=0.3)
    parser.add_argument("--smoothing", type=float, default=0.05)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--validation", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    full = datasets.MNIST(args.root, train=True, transform=transform)
    test = datasets.MNIST(args.root, train=False, transform=transform)
    train, validation = random_split(full, [len(full) - args.validation, args.validation])
    common = {"num_workers": args.workers, "pin_memory": device.type == "cuda"}
    train_loader = DataLoader(train, batch_size=args.batch_size, shuffle=True, persistent_workers=True, **common)
    validation_loader = DataLoader(validation, batch_size=1000, persistent_workers=True, **common)
    test_loader = DataLoader(test, batch_size=1000, **common)

    model = network().to(device)
    optimizer = SGD(model.parameters(), lr=args.peak, momentum=0.9, nesterov=True, weight_decay=args.weight_decay)
    scheduler = OneCycleLR(
        optimizer,
        max_lr=args.peak,
        pct_start=args.warmup,
        anneal_strategy="linear",
        cycle_momentum=False,
        epochs=args.epochs,
        steps_per_epoch=len(train_loader),
    )
    for epoch in range(args.epochs):
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images.to(device)), labels.to(device), label_smoothing=args.smoothing)
            loss.backward()
            optimizer.step()
            scheduler.step()
        print(f"epoch {epoch + 1}: validation {accuracy(model, validation_loader, device):.4f}", flush=True)
    test_accuracy = accuracy(model, test_loader, device)
    parameters = sum(p.numel() for p in model.parameters())
    print(json.dumps({"test_top1": test_accuracy, "parameters": parameters, "precision": "float32"}))


if __name__ == "__main__":
    main()
