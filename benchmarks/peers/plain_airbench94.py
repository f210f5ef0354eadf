"""Train the network of Jordan 2024 in plain PyTorch on a processor: `plain_airbench94.py FOLDER SEED [EPOCHS]`.

FOLDER holds train/CLASS/*.jpg and test/CLASS/*.jpg of 32x32 pixels. The arithmetic is that of airbench94_muon: 8
epochs of batches of 2,000, whitened patches, Muon on filters whose norm is held, Nesterov's SGD on the rest, every rate
falling linearly to zero, shifts by 2 pixels, alternating flip, label smoothing 0.2; bfloat16 where it has float16.
Prints the seconds of training, and the accuracy on test images of one view, of the mirrored two, and of six views.
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

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
BATCH, SHIFT = 2000, 2


def read(folder: Path) -> tuple[Tensor, Tensor]:
    """Return normalised images [n, 3, 32, 32] in bfloat16, and labels."""
    files = [(number, path) for number, name in enumerate(sorted(folder.iterdir())) for path in sorted(name.iterdir())]
    images = torch.from_numpy(np.stack([np.asarray(Image.open(path).convert("RGB")) for _, path in files]))
    normal = (images.float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    # Permuted, they are in channels-last order already.
    return normal.permute(0, 3, 1, 2).bfloat16(), torch.tensor([number for number, _ in files])


class Group(nn.Module):
    """Two convolutions, the first of them with pooling."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(n, outside, 3, padding=1, bias=False) for n in (inside, outside))
        self.norms = nn.ModuleList(nn.BatchNorm2d(outside, eps=1e-12, momentum=0.4) for _ in range(2))
        for conv in self.convs:
            nn.init.dirac_(conv.weight.data[: conv.weight.shape[1]])
        for norm in self.norms:
            norm.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norms[0](F.max_pool2d(self.convs[0](x), 2)))
        return F.gelu(self.norms[1](self.convs[1](x)))


class Network(nn.Module):
    """Whitening, three groups, the maximum of each map, a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.weight.requires_grad_(False)
        self.groups = nn.Sequential(Group(24, 64), Group(64, 256), Group(256, 256))
        self.head = nn.Linear(256, 10, bias=False)
        self.head.weight.data /= self.head.weight.data.std()

    def whitened_by(self, images: Tensor) -> None:
        patches = images.float().unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / (values + 5e-4).sqrt()).T.reshape(12, 3, 2, 2)
        self.whiten.weight.data.copy_(torch.cat([filters, -filters]))

    def forward(self, x: Tensor, bias_learns: bool = True) -> Tensor:
        bias = self.whiten.bias if bias_learns else self.whiten.bias.detach()
        x = self.groups(F.gelu(F.conv2d(x, self.whiten.weight, bias)))
        return self.head(F.max_pool2d(x, 3).flatten(1)) / 256


def orthogonal(matrix: Tensor) -> Tensor:
    x = matrix.bfloat16()
    x = x / (x.norm() + 1e-7)
    x = x.T if len(matrix) > matrix.shape[1] else x
    for _ in range(3):
        gram = x @ x.T
        x = 3.4445 * x + (2.0315 * gram @ gram - 4.7750 * gram) @ x
    return x.T if len(matrix) > matrix.shape[1] else x


class Muon:
    """Orthogonal momentum; before each step a filter bank gets back the norm of one a filter."""

    def __init__(self, filters: list[nn.Parameter]) -> None:
        self.filters, self.momentum = filters, [torch.zeros_like(value) for value in filters]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for value, momentum in zip(self.filters, self.momentum, strict=True):
            momentum.mul_(0.6).add_(value.grad)
            direction = value.grad.add(momentum, alpha=0.6)
            value.mul_(len(value) ** 0.5 / value.norm())
            value.add_(orthogonal(direction.reshape(len(value), -1)).view(value.shape), alpha=-rate)


def shifted(padded: Tensor, generator: torch.Generator) -> Tensor:
    """Crop 32x32 pixels from each padded image at random."""
    crops = torch.empty((len(padded), 3, 32, 32), dtype=padded.dtype).to(memory_format=torch.channels_last)
    offsets = torch.randint(2 * SHIFT + 1, (len(padded), 2), generator=generator)
    for y in range(2 * SHIFT + 1):
        for x in range(2 * SHIFT + 1):
            indices = ((offsets[:, 0] == y) & (offsets[:, 1] == x)).nonzero().squeeze(1)
            crops[indices] = padded[indices, :, y : y + 32, x : x + 32]
    return crops


@torch.no_grad()
def accuracies(network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    network.eval()
    correct = {"one": 0, "mirrored": 0, "six": 0}

    def mirrored(x: Tensor) -> Tensor:
        return (network(x).float() + network(x.flip(-1)).float()) / 2

    for x, y in zip(images.split(500), labels.split(500), strict=True):
        padded, averaged = F.pad(x, (1,) * 4, "reflect"), mirrored(x)
        moved = (mirrored(padded[:, :, :32, :32]) + mirrored(padded[:, :, 2:, 2:])) / 2
        for name, logits in (("one", network(x)), ("mirrored", averaged), ("six", (averaged + moved) / 2)):
            correct[name] += int((logits.argmax(1) == y).sum())
    return {name: count / len(labels) for name, count in correct.items()}


def main() -> None:
    folder, seed, epochs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 8
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images, labels = read(folder / "train")
    started = time.perf_counter()
    network = Network()
    network.whitened_by(images[torch.randperm(len(images), generator=generator)[:5000]])
    network = network.bfloat16().to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.float()
    filters = [value for value in network.parameters() if value.ndim == 4 and value.requires_grad]
    shifts = [value for value in network.parameters() if value.ndim == 1 and value.requires_grad]
    muon, rates, decay = Muon(filters), (0.053, 0.67), 2e-6 * BATCH
    groups = [
        {"params": values, "lr": rate, "weight_decay": decay / rate}
        for values, rate in zip((shifts, [network.head.weight]), rates, strict=True)
    ]
    sgd = torch.optim.SGD(groups, momentum=0.85, nesterov=True)
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    padded = F.pad(torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images), (SHIFT,) * 4, "reflect")
    steps, step = epochs * (len(images) // BATCH), 0
    for epoch in range(epochs):
        moved = shifted(padded, generator)
        moved = moved.flip(-1) if epoch % 2 else moved
        order = torch.randperm(len(images), generator=generator)
        for indices in order.split(BATCH):
            if len(indices) == BATCH:
                logits = network(moved[indices], bias_learns=step < 3 * steps // 8)
                F.cross_entropy(logits.float(), labels[indices], label_smoothing=0.2, reduction="sum").backward()
                for group, rate in zip(sgd.param_groups, rates, strict=True):
                    group["lr"] = rate * (1 - step / steps)
                muon.step(0.24 * (1 - step / steps))
                sgd.step()
                network.zero_grad()
                step += 1
    seconds = time.perf_counter() - started
    test_accuracies = accuracies(network, *read(folder / "test"))
    print(
        json.dumps({"seconds": seconds, **test_accuracies, "parameters": sum(p.numel() for p in network.parameters())})
    )


if __name__ == "__main__":
    main()
