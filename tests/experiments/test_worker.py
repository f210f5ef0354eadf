"""The process that makes the runs of an experiment, when the experiment ends before it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from convworks.config import override, to_json
from convworks.recipes import recipe


def test_a_worker_whose_experiment_has_gone_before_it_began_ends(tmp_path: Path) -> None:
    config = override(recipe("digits/default"), ["training.epochs=100000", "device=cpu"])
    job = {"name": "seed-0", "configuration": to_json(config), "command": "convworks train"}
    words = [sys.executable, "-m", "convworks.experiments.worker"]
    request = json.dumps({"job": job, "place": str(tmp_path)}) + "\n"
    subprocess.run(words, input=request, text=True, timeout=60, capture_output=True, check=False)
