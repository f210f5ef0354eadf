"""Classify a folder of photographs with convworks.

python predict_files.py BUNDLE ROOT    The last line is a JSON object; its seconds leave imports and loading out.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import convworks


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("root", type=Path)
    args = parser.parse_args()
    predictor = convworks.load(args.bundle)
    files = sorted(path for path in args.root.rglob("*") if path.is_file())
    started = time.perf_counter()
    answers = [answer["labels"][0] for answer in predictor.predict_files(files, top=5)]
    seconds = time.perf_counter() - started
    precision = str(predictor.precision).removeprefix("torch.")
    print(json.dumps({"seconds": seconds, "images": len(answers), "precision": precision}))


if __name__ == "__main__":
    main()
