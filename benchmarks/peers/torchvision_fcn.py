"""Train torchvision's FCN on CamVid for a given time, as its reference scripts do, and test it.

python torchvision_fcn.py ROOT --seconds S [--seed N]    ROOT holds train/ and test/. The last line is a JSON object.

fcn_resnet50 with random weights and its auxiliary classifier (weight 0.5, ten times the rate), SGD with momentum 0.9 at
0.01 and weight decay 1e-4, batches of 8; the rate falls as (1 - t)^0.9 over the time there is. Images are scaled by 0.5
to 2, mirrored, cropped to 180x240. The last weights are tested; all of train/ is trained on.
"""

from __future__ import annotations

import json

import torch
import torch.nn.functional as F
from mask_pairs import CLASSES, FLOATS, IGNORED, OUTSIDE, Pairs, arguments, mean_iou, train_for, training_pairs
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.models.segmentation import fcn_resnet50
from torchvision.transforms import v2

RATE, BATCH, SIZE = 0.01, 8, (180, 240)


def main() -> None:
    args = arguments()
    varied = [
        v2.RandomResize(SIZE[0] // 2, 2 * SIZE[0] + 1),
        v2.RandomHorizontalFlip(),
        v2.RandomCrop(SIZE, pad_if_needed=True, fill=OUTSIDE),
    ]
    loader = training_pairs(args.root / "train", v2.Compose([*varied, *FLOATS]), BATCH)
    model = fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True)
    groups = [
        {"params": [*model.backbone.parameters(), *model.classifier.parameters()], "factor": 1},
        {"params": [*model.aux_classifier.parameters()], "factor": 10},
    ]
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=0.9, weight_decay=1e-4)

    def step(images: Tensor, masks: Tensor, progress: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["factor"] * RATE * (1 - progress) ** 0.9
        optimizer.zero_grad()
        outputs = model(images)
        losses = [F.cross_entropy(outputs[name], masks, ignore_index=IGNORED) for name in ("out", "aux")]
        (losses[0] + 0.5 * losses[1]).backward()
        optimizer.step()

    model.train()
    trained = train_for(args.seconds, loader, step)
    model.eval()
    test = DataLoader(Pairs(args.root / "test", v2.Compose(FLOATS)), BATCH)
    print(json.dumps({**mean_iou(lambda images: model(images)["out"], test), **trained}))


if __name__ == "__main__":
    main()
