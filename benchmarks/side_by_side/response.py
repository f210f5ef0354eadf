"""Time local response normalisation of one library: `response.py convworks|torch forward|training`.

AlexNet's two maps of a batch of 32 (96x55x55 and 256x27x27), each with channels first and last, float32; `training` is
forward and backward. The medians of ten are added up, and given in milliseconds one by one.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import torch
from torch import nn

library, job = sys.argv[1:]
layer: nn.Module = nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)
if library == "convworks":
    from convworks.layers.normalisation.local_response_normalisation import LocalResponseNormalisation

    layer = LocalResponseNormalisation(5, alpha=1e-4, beta=0.75, k=2.0)


def timed(x: torch.Tensor, message: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Return the median of ten in milliseconds, and the last result."""
    seconds = []
    for _ in range(12):
        started = time.perf_counter()
        if job == "forward":
            with torch.inference_mode():
                result = layer(x)
        else:
            (result,) = torch.autograd.grad(layer(x), x, message)
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[2:]), result


torch.manual_seed(0)
milliseconds_by_case: dict[str, float] = {}
total = 0.0
for shape in ((32, 96, 55, 55), (32, 256, 27, 27)):
    images, message = torch.randn(shape).relu(), torch.randn(shape)
    for name, layout in (("first", torch.contiguous_format), ("last", torch.channels_last)):
        x = images.contiguous(memory_format=layout).requires_grad_(job == "training")
        milliseconds, result = timed(x, message.contiguous(memory_format=layout))
        milliseconds_by_case[f"{'x'.join(map(str, shape[1:]))} channels {name} ms"] = milliseconds
        total += float(result.double().abs().sum())
print(
    json.dumps(
        {"seconds": sum(milliseconds_by_case.values()) / 1000, "checksum": f"{total:.5e}", **milliseconds_by_case}
    )
)
