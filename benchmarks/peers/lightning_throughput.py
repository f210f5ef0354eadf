"""Time Lightning: `lightning_throughput.py FOLDER resnet20|lenet5_modern BATCH STEPS`.

Network, data and transforms are those of plain_throughput.py; the loop is Lightning's, without what it can leave out.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from plain_throughput import MODELS, WARM, load_images
from torch import Tensor, nn


class Classifier(lightning.LightningModule):
    """A network with its loss and its optimiser."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        return F.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)


class Timer(lightning.Callback):
    """Takes the time after each step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        self.times.append(time.perf_counter())


def main() -> None:
    folder, name, batch_size, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(0)
    model, timer = Classifier(MODELS[name]()), Timer()
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=WARM + steps,
        callbacks=[timer],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, load_images(folder, batch_size))
    seconds = timer.times[-1] - timer.times[WARM - 1]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"seconds": seconds, "parameters": parameters}))


if __name__ == "__main__":
    main()
