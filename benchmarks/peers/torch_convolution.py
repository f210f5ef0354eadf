"""Time the same convolution by PyTorch in float64, gradients by autograd; the median of ten."""

from __future__ import annotations

import json
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F

rng = np.random.default_rng(0)
values = rng.normal(size=(8, 64, 56, 56)), rng.normal(size=(64, 64, 3, 3)), rng.normal(size=64)
x, weight, bias = (torch.tensor(value, requires_grad=True) for value in values)
message = torch.tensor(rng.normal(size=x.shape))
seconds = []
for _ in range(12):
    started = time.perf_counter()
    z = F.conv2d(x, weight, bias, padding=1)
    gradients = torch.autograd.grad(z, (x, weight, bias), message)
    seconds.append(time.perf_counter() - started)
checksum = f"{float(z.detach().abs().sum() + sum(gradient.abs().sum() for gradient in gradients)):.9e}"
print(json.dumps({"seconds": statistics.median(seconds[2:]), "checksum": checksum}))
