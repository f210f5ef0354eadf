"""Few photographs: when a network that was trained on others is worth more than one from scratch."""

from __future__ import annotations

import shlex

# Images of at most this side (icons, digits, CIFAR) are no photographs.
ICON = 48
# Images a class: with 500, transfer was still worth 5 points, with 10 it was worth 26 (docs/transfer.md).
FEW = 500
#: Published weights that suit photographs (`convworks import` lists all), and those of an encoder for masks.
PUBLISHED, ENCODER = "resnet50:imagenet", "resnet18:imagenet"


def few_photographs(images: int, classes: int, size: tuple[int, int], channels: int) -> bool:
    """Say whether so many training images of this size (height, width) and these channels are few photographs."""
    return channels == 3 and min(size) > ICON and images <= FEW * max(1, classes)


def transfer_command(*source: str, masks: bool = False) -> str:
    """Return the command that adapts published weights to a source, given as the options that name it."""
    head = ["--head", "unet"] if masks else []
    return shlex.join(["convworks", "transfer", ENCODER if masks else PUBLISHED, *source, *head])


def photographs_note(images: int, classes: int, command: str, *, masks: bool = False) -> str:
    """Return the line that leads from few photographs, with labels or masks, to a command that transfers."""
    if masks:
        about = f"{images:,} training photographs with masks are few to learn from alone"
        return f"{about}; a U-Net on a network trained on a million others usually does better: {command}"
    about = f"{images:,} training photographs of {classes} classes are few to learn from alone"
    return f"{about}; a network trained on a million others usually does better: {command}"
