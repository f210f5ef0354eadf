"""Batch normalisation over processes equals PyTorch's over the whole batch, in double precision."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMPARE = """
import copy, json
import torch
import torch.distributed as dist
from torch import nn
from convworks.layers.normalisation.synchronised import SynchronisedBatchNorm, synchronise

dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
worst = 0.0
kinds = ((nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d))
for axes, (conv, norm) in enumerate(kinds, start=1):
    for options in ({}, {"affine": False}, {"momentum": None}, {"track_running_stats": False}):
        torch.manual_seed(0)
        whole = nn.Sequential(conv(2, 4, 3, bias=False), norm(4, **options), nn.Tanh()).double()
        parts = copy.deepcopy(whole)
        synchronise(parts)
        assert type(parts[1]) is SynchronisedBatchNorm
        for _ in range(3):
            x = torch.randn(7, 2, *(6,) * axes, dtype=torch.float64)
            weights = torch.randn(7, 4, *(4,) * axes, dtype=torch.float64)
            mine = x.tensor_split(size)[rank], weights.tensor_split(size)[rank]
            whole.zero_grad(), parts.zero_grad()
            (whole(x) * weights).sum().backward()
            (parts(mine[0]) * mine[1]).sum().backward()
            for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
                total = b.grad.clone()
                dist.all_reduce(total)
                worst = max(worst, float((total - a.grad).abs().max() / a.grad.abs().max()))
            for a, b in zip(whole.buffers(), parts.buffers(), strict=True):
                worst = max(worst, float((a - b).abs().max()))
        if options != {"track_running_stats": False}:
            worst = max(worst, float((whole.eval()(x) - parts.eval()(x)).abs().max()))
if rank == 0:
    print(json.dumps(worst))
dist.destroy_process_group()
"""


@pytest.mark.parametrize("processes", [2, *(pytest.param(count, marks=pytest.mark.slow) for count in (1, 3))])
def test_values_gradients_and_statistics_are_those_of_the_whole_batch(processes: int, tmp_path: Path) -> None:
    (tmp_path / "compare.py").write_text(COMPARE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [*command, str(tmp_path / "compare.py")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) < 1e-12
