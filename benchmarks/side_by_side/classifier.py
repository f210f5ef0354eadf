"""Time a network: `classifier.py NAME LIBRARY LAYOUT FORM forward|step BATCH ROUNDS`.

LIBRARY is convworks or torchvision, LAYOUT channels_last or contiguous, FORM "as built", folded or bfloat16.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

CATALOGUE_NAMES = {"resnet50": "resnet50_v1_5", "googlenet": "googlenet_torchvision"}


def network(name: str, library: str) -> nn.Module:
    """Build and initialise the network."""
    if library == "convworks":
        from convworks.models.catalogue import create

        model: nn.Module = create(CATALOGUE_NAMES[name])
    else:
        from torchvision import models

        options = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
        model = getattr(models, name)(**options)
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
    return model


def losses(images: torch.Tensor) -> torch.Tensor:
    """Return the loss, in training with those of the auxiliary classifiers."""
    if library == "convworks" and model.training:
        logits, auxiliary = model.outputs(images)
        others = list(auxiliary.values())
    else:
        logits, others = model(images), []
        if isinstance(logits, tuple):
            logits, others = logits[0], [each for each in logits[1:] if each is not None]
    return F.cross_entropy(logits, labels) + sum(0.3 * F.cross_entropy(each, labels) for each in others)


name, library, layout, form, job = sys.argv[1:6]
batch, rounds = map(int, sys.argv[6:8])
memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
model = network(name, library).train(job == "step").to(memory_format=memory_format)
images = torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(1)).to(memory_format=memory_format)
labels = torch.arange(batch)
parameters = sum(p.numel() for p in model.parameters())
if form == "folded":
    from convworks.layers.normalisation.folded import folded

    model = folded(model)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)


def forward() -> torch.Tensor:
    with torch.inference_mode():
        return losses(images)


def step() -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=form == "bfloat16"):
        loss = losses(images)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


run = {"forward": forward, "step": step}[job]
run()
run()
seconds = []
for _ in range(rounds):
    started = time.perf_counter()
    run()
    seconds.append(time.perf_counter() - started)
print(json.dumps({"seconds": statistics.median(seconds), "parameters": parameters}))
