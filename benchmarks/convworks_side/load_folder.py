"""Read a class folder with convworks.

python load_folder.py ROOT --size N    The last line is a JSON object; its seconds leave imports out.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.source import training_split
from convworks.data.sources.open import open_source


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--size", type=int, required=True)
    args = parser.parse_args()
    preprocessing = Preprocessing(size=(args.size,) * 2, channels=3, fit="crop", mean=(0,) * 3, std=(1,) * 3)
    started = time.perf_counter()
    images = load_images(training_split(open_source(args.root)), preprocessing)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "images": len(images)}))


if __name__ == "__main__":
    main()
