"""Time a plain PyTorch training loop: `plain_throughput.py FOLDER resnet20|lenet5_modern BATCH STEPS`.

FOLDER holds images.npy and labels.npy. float32, DataLoader with two workers, torchvision's transforms on Pillow images,
as torchvision's own CIFAR10 and MNIST have them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

WARM = 20


class Images(Dataset[tuple[Tensor, int]]):
    """Images in memory, transformed one by one."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: transforms.Compose) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index].squeeze())), int(self.labels[index])


class Block(nn.Module):
    """Two 3x3 convolutions and the identity, padded with zero channels where the width changes."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.pad = (outside - inside) // 2
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.pad:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(out + x)


def resnet20() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    inside = 16
    for outside, first in ((16, 1), (32, 2), (64, 2)):
        for number in range(3):
            layers.append(Block(inside, outside, first if number == 0 else 1))
            inside = outside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def lenet5_modern() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 120, 5),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


MODELS = {"resnet20": resnet20, "lenet5_modern": lenet5_modern}


def load_images(folder: Path, batch_size: int) -> DataLoader[tuple[Tensor, int]]:
    images, labels = np.load(folder / "images.npy"), np.load(folder / "labels.npy")
    usual = [transforms.ToTensor(), transforms.Normalize((0.5,) * images.shape[3], (0.25,) * images.shape[3])]
    varied = [transforms.Pad(2)]
    if images.shape[3] == 3:
        varied = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    dataset = Images(images, labels, transforms.Compose([*varied, *usual]))
    return DataLoader(dataset, batch_size, shuffle=True, num_workers=2, persistent_workers=True)


def main() -> None:
    folder, name, batch_size, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    loader = load_images(folder, batch_size)
    torch.manual_seed(0)
    model = MODELS[name]()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    step, started = 0, 0.0
    while step < WARM + steps:
        for batch, target in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(batch), target)
            loss.backward()
            optimizer.step()
            step += 1
            if step == WARM:
                started = time.perf_counter()
            if step == WARM + steps:
                break
    seconds = time.perf_counter() - started
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"seconds": seconds, "parameters": parameters}))


if __name__ == "__main__":
    main()
