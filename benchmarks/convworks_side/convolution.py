"""Time one convolution of convworks.ops: forward, backward message, parameter gradient; the median of ten."""

from __future__ import annotations

import json
import statistics
import time

import numpy as np

from convworks.ops import cross_correlation

rng = np.random.default_rng(0)
x, weight, bias = rng.normal(size=(8, 64, 56, 56)), rng.normal(size=(64, 64, 3, 3)), rng.normal(size=64)
message = rng.normal(size=x.shape)
seconds = []
for _ in range(12):
    started = time.perf_counter()
    z = cross_correlation.forward(x, weight, bias, padding=1)
    back = cross_correlation.backward(message, weight, size=56, padding=1)
    gradient = cross_correlation.gradient(message, x, kernel_size=3, padding=1)
    seconds.append(time.perf_counter() - started)
checksum = f"{abs(z).sum() + abs(back).sum() + abs(gradient.weight).sum() + abs(gradient.bias).sum():.9e}"
print(json.dumps({"seconds": statistics.median(seconds[2:]), "checksum": checksum}))
