"""Time the training of a U-Net by convworks on images with masks, as its engine does it.

python train_masks.py ROOT --size HEIGHT WIDTH --batch-size B --warm W --steps N    ROOT holds images/ and masks/, of
which class 11 is ignored. The last line is a JSON object; its seconds are those of the last N steps.
"""

from __future__ import annotations

import argparse
import json
from contextlib import suppress

from throughput import Timer

from convworks.config import override
from convworks.data.sources.open import open_source
from convworks.hardware import precision_name
from convworks.recipes import recipe
from convworks.training.loop import fit
from convworks.training.progress import Progress
from convworks.training.run import prepare
from convworks.training.world import ALONE


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--size", type=int, nargs=2, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--warm", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    args = parser.parse_args()
    changes = [
        f"data.source={args.root}",
        f"data.size={tuple(args.size)}",
        "data.ignore=11",
        f"training.batch_size={args.batch_size}",
        "training.loss={'kind': 'cross_entropy'}",
    ]
    setup, _ = prepare(ALONE, override(recipe("camvid/unet"), changes), open_source(args.root))
    timer = Timer(args.warm + args.steps)
    with suppress(StopIteration):
        fit(setup, Progress(score=setup.task.score.name), timer)
    parameters = sum(parameter.numel() for parameter in setup.parameters.values())
    facts = {"seconds": timer.times[-1] - timer.times[args.warm - 1], "parameters": parameters}
    print(json.dumps({**facts, "precision": precision_name(setup.precision)}))


if __name__ == "__main__":
    main()
