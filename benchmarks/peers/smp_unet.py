"""Train segmentation_models.pytorch's U-Net on CamVid for a given time, as its example does, and test it.

python smp_unet.py ROOT --seconds S [--seed N]    ROOT holds train/ and test/. The last line is a JSON object.

resnet18 with random weights, Dice plus cross-entropy, batches of 8, AdamW at 0.001 whose rate falls by half a cosine
over the time there is. Images are mirrored, scaled by 0.5 to 1.5, shifted by a tenth, vary in brightness and contrast,
and are padded to 192x256, as the network takes multiples of 32. The last weights are tested; all of train/ is trained
on.
"""

from __future__ import annotations

import json
import math

import segmentation_models_pytorch as smp
import torch
from mask_pairs import CLASSES, FLOATS, IGNORED, OUTSIDE, Pairs, arguments, mean_iou, train_for, training_pairs
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import InterpolationMode, v2

RATE, BATCH = 0.001, 8
SIDES = (8, 6)  # pixels of padding left and right, above and below


def main() -> None:
    args = arguments()
    varied = [
        v2.RandomHorizontalFlip(),
        v2.RandomAffine(0, (0.1, 0.1), (0.5, 1.5), interpolation=InterpolationMode.BILINEAR, fill=OUTSIDE),
        v2.ColorJitter(0.2, 0.2),
    ]
    pad = v2.Pad(SIDES, fill=OUTSIDE)
    loader = training_pairs(args.root / "train", v2.Compose([*varied, pad, *FLOATS]), BATCH)
    model = smp.Unet("resnet18", encoder_weights=None, classes=CLASSES)
    dice = smp.losses.DiceLoss("multiclass", ignore_index=IGNORED)
    cross_entropy = nn.CrossEntropyLoss(ignore_index=IGNORED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)

    def step(images: Tensor, masks: Tensor, progress: float) -> None:
        optimizer.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * progress)) / 2
        optimizer.zero_grad()
        outputs = model(images)
        (dice(outputs, masks) + cross_entropy(outputs, masks)).backward()
        optimizer.step()

    model.train()
    trained = train_for(args.seconds, loader, step)
    model.eval()
    test = DataLoader(Pairs(args.root / "test", v2.Compose([pad, *FLOATS])), BATCH)
    print(json.dumps({**mean_iou(model, test), **trained}))


if __name__ == "__main__":
    main()
