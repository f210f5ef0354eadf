"""Train a U-Net on torchvision's resnet18, or segment images with it, in plain PyTorch: float32, transforms v2.

python plain_unet.py train ROOT --size HEIGHT WIDTH --batch-size B --warm W --steps N
python plain_unet.py predict ROOT --size HEIGHT WIDTH --batch-size B

ROOT holds images/ and masks/ with eleven classes; 11 is ignored. A DataLoader with two workers reads and transforms
them. The last line is a JSON object; its seconds are those of the last N steps, or of all images without start-up.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from mask_pairs import CLASSES, FLOATS, IGNORED, OUTSIDE, training_pairs
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, decode_image
from torchvision.models import resnet18
from torchvision.transforms import InterpolationMode, v2


def twice(inside: int, outside: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inside, outside):
        layers += [
            nn.Conv2d(channels, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """resnet18 without its head; on the way up, nearest neighbour, skip connections, two convolutions each."""

    def __init__(self) -> None:
        super().__init__()
        encoder = resnet18(weights=None)
        self.stem = nn.Sequential(encoder.conv1, encoder.bn1, encoder.relu)
        self.stages = nn.ModuleList(
            [nn.Sequential(encoder.maxpool, encoder.layer1), encoder.layer2, encoder.layer3, encoder.layer4]
        )
        pairs = ((512 + 256, 256), (256 + 128, 128), (128 + 64, 64), (64 + 64, 32), (32, 16))
        self.up = nn.ModuleList([twice(*pair) for pair in pairs])
        self.logits = nn.Conv2d(16, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        size, maps = x.shape[2:], [self.stem(x)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        x = maps.pop()
        for up in self.up:
            skip = maps.pop() if maps else None
            x = F.interpolate(x, size if skip is None else skip.shape[2:], mode="nearest")
            x = up(x if skip is None else torch.cat([skip, x], 1))
        return self.logits(x)


class Images(Dataset[tuple[Tensor, int, int]]):
    """Images in files."""

    def __init__(self, root: Path, transform: v2.Compose) -> None:
        self.files, self.transform = sorted((root / "images").iterdir()), transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int, int]:
        image = tv_tensors.Image(decode_image(str(self.files[index]), ImageReadMode.RGB))
        return self.transform(image), image.shape[1], image.shape[2]


def train(model: nn.Module, args: argparse.Namespace) -> dict[str, object]:
    transform = v2.Compose(
        [
            v2.Resize(args.size),
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(5, scale=(0.7, 1.3), interpolation=InterpolationMode.BILINEAR, fill=OUTSIDE),
            *FLOATS,
        ]
    )
    loader = training_pairs(args.root, transform, args.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001)
    step, started = 0, 0.0
    while step < args.warm + args.steps:
        for images, masks in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), masks, ignore_index=IGNORED)
            loss.backward()
            optimizer.step()
            step += 1
            if step == args.warm:
                started = time.perf_counter()
            if step == args.warm + args.steps:
                break
    seconds = time.perf_counter() - started
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"seconds": seconds, "parameters": parameters, "precision": "float32"}


def predict(model: nn.Module, args: argparse.Namespace) -> dict[str, object]:
    model.eval()
    images = Images(args.root, v2.Compose([v2.Resize(args.size), *FLOATS]))
    started, pixels = time.perf_counter(), 0
    with torch.inference_mode():
        for batch, heights, widths in DataLoader(images, args.batch_size, num_workers=2):
            scores = model(batch)
            for one, height, width in zip(scores, heights.tolist(), widths.tolist(), strict=True):
                mask = F.interpolate(one[None], (height, width), mode="bilinear").argmax(1)[0].byte().numpy()
                pixels += mask.size
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "images": len(images), "pixels": pixels, "runtime": "torch float32"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["train", "predict"])
    parser.add_argument("root", type=Path)
    parser.add_argument("--size", type=int, nargs=2, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--warm", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(0)
    job = train if args.what == "train" else predict
    print(json.dumps(job(UNet(), args)))


if __name__ == "__main__":
    main()
