"""Time ResNet-50 of one library: `resnet50.py convworks|torchvision channels_last|contiguous forward|step B N`."""

from __future__ import annotations

import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def network(library: str) -> nn.Module:
    """Build the network and draw its weights; both libraries list them in the same order."""
    if library == "convworks":
        from convworks.models.catalogue import create

        made: nn.Module = create("resnet50_v1_5")
    else:
        from torchvision.models import resnet50

        made = resnet50()
    torch.manual_seed(0)
    for parameter in made.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
    nn.init.zeros_(list(made.parameters())[-1])  # torchvision draws the biases of the linear layer
    return made


library, layout, job, batch, rounds = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
model = network(library).train(job == "step").to(memory_format=memory_format)
images = torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(1)).to(memory_format=memory_format)
labels = torch.arange(batch)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)


def forward() -> torch.Tensor:
    with torch.inference_mode():
        return F.cross_entropy(model(images), labels)


def step() -> torch.Tensor:
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


run = {"forward": forward, "step": step}[job]
loss = float(run())  # the first is not timed, and is the same whatever rounding makes of the later ones
run()
seconds = []
for _ in range(rounds):
    started = time.perf_counter()
    run()
    seconds.append(time.perf_counter() - started)
facts = {"seconds": statistics.median(seconds), "parameters": sum(p.numel() for p in model.parameters())}
print(json.dumps({**facts, "loss": f"{loss:.2e}"}))
