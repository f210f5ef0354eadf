"""What the scripts that segment CamVid share: pairs of images and masks, training for a given time, mean IoU."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

CLASSES = IGNORED = 11
OUTSIDE = {tv_tensors.Image: 0, tv_tensors.Mask: IGNORED}
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FLOATS = [
    v2.ToDtype({tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64, "others": None}, scale=True),
    v2.Normalize(MEAN, DEVIATION),
]


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Images and masks in files of the same names, transformed together; masks are [h, w]."""

    def __init__(self, root: Path, transform: v2.Compose) -> None:
        self.images = sorted((root / "images").iterdir())
        self.masks = sorted((root / "masks").iterdir())
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = tv_tensors.Image(decode_image(str(self.images[index]), ImageReadMode.RGB))
        mask = tv_tensors.Mask(decode_image(str(self.masks[index]), ImageReadMode.GRAY))
        image, mask = self.transform(image, mask)
        return image, mask[0]


def training_pairs(root: Path, transform: v2.Compose, batch_size: int) -> DataLoader[tuple[Tensor, Tensor]]:
    """Return the batches of an epoch, read and transformed by two workers."""
    pairs = Pairs(root, transform)
    return DataLoader(pairs, batch_size, shuffle=True, num_workers=2, persistent_workers=True, drop_last=True)


def train_for(
    seconds: float, loader: DataLoader[tuple[Tensor, Tensor]], step: Callable[[Tensor, Tensor, float], None]
) -> dict[str, float]:
    """Call `step` with images, masks and the share of the time that is over; return epochs and seconds."""
    next(iter(loader))  # starting workers is not training
    started, steps, progress = time.perf_counter(), 0, 0.0
    while progress < 1:
        for images, masks in loader:
            step(images, masks, progress)
            steps += 1
            progress = (time.perf_counter() - started) / seconds
            if progress >= 1:
                break
    return {"epochs": steps / len(loader), "seconds": time.perf_counter() - started}


def mean_iou(predict: Callable[[Tensor], Tensor], pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Return mean IoU over all pixels of a split, and pixel accuracy; a class that no pixel has is left out."""
    matrix = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    with torch.inference_mode():
        for images, masks in pairs:
            counted = masks != IGNORED
            both = masks[counted] * CLASSES + predict(images).argmax(1)[counted]
            matrix += torch.bincount(both, minlength=CLASSES**2).view(CLASSES, CLASSES)
    matches = matrix.diagonal()
    union = matrix.sum(0) + matrix.sum(1) - matches
    iou = matches[union > 0] / union[union > 0]
    return {"test_mean_iou": float(iou.mean()), "pixel_accuracy": float(matches.sum() / matrix.sum())}


def arguments() -> argparse.Namespace:
    """Parse ROOT --seconds S --seed N, and seed PyTorch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    return args
