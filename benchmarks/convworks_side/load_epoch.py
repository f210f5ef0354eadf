"""Iterate over an epoch of a class folder with convworks.

python load_epoch.py ROOT --epoch first|later --cache DIR    The last line is a JSON object; its seconds leave imports
out. The first epoch starts with an empty cache in DIR, a later one with what the last run left there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from pathlib import Path

import torch

from convworks.data.batches import batches
from convworks.data.config import AugmentConfig
from convworks.data.decode.load import load_split
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.images import normalise
from convworks.data.samples import Samples
from convworks.data.source import training_split
from convworks.data.sources.open import open_source
from convworks.hardware import keep_memory

STORED, SIZE = (256, 256), (224, 224)  # size in the cache, and input size of the network
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def epoch(samples: Samples, number: int) -> int:
    augment = AugmentConfig(crop=0.08, flip=True)
    count = 0
    for batch in batches(samples, augment, batch_size=64, seed=0, epoch=number, size=SIZE):
        count += len(normalise(batch.images, MEAN, STD))
    return count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--epoch", choices=("first", "later"), required=True)
    parser.add_argument("--cache", type=Path, required=True)
    args = parser.parse_args()
    os.environ["XDG_CACHE_HOME"] = str(args.cache)
    if args.epoch == "first":
        shutil.rmtree(args.cache, ignore_errors=True)
    keep_memory(torch.device("cpu"))  # as every run does
    preprocessing = Preprocessing(size=STORED, channels=3, fit="crop", mean=MEAN, std=STD)
    started = time.perf_counter()
    split = training_split(open_source(args.root))
    samples = Samples(images=load_split(split, preprocessing).images, targets=torch.from_numpy(split.labels))
    loaded = time.perf_counter()
    images = epoch(samples, 0)
    ended = time.perf_counter()
    facts = {"images": images, "loading_s": loaded - started, "seconds": ended - started}
    if args.epoch == "later":
        images = epoch(samples, 1)
        facts["seconds"] = time.perf_counter() - ended
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
