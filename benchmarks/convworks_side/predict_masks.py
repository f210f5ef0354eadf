"""Segment a folder of images with convworks.

python predict_masks.py BUNDLE ROOT torch|openvino|onnx|auto

The last line is a JSON object; its seconds leave imports, loading and the choice of a runtime out.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import convworks


def main() -> None:
    bundle, root, runtime = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    predictor = convworks.load(bundle, runtime=runtime)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    started = time.perf_counter()
    pixels = sum(answer["mask"].size for answer in predictor.predict_files(files))
    seconds = time.perf_counter() - started
    precision = str(predictor.precision).removeprefix("torch.")
    facts = {"seconds": seconds, "images": len(files), "pixels": pixels}
    print(json.dumps({**facts, "runtime": f"{predictor.runtime.name} {precision}"}))


if __name__ == "__main__":
    main()
