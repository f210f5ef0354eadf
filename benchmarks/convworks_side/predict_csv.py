"""Classify a folder of photographs with convworks, into a CSV file.

python predict_csv.py FOLDER ROOT OUT auto|int8    The bundle in FOLDER by the fastest runtime, or int8.xml there. The
last line is a JSON object; its seconds leave imports, loading and the choice of a runtime out.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path

import convworks


def main() -> None:
    folder, root, out, kind = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    predictor = (
        convworks.load(folder / "int8.xml") if kind == "int8" else convworks.load(folder / "bundle", runtime=kind)
    )
    started = time.perf_counter()
    files = sorted(path for path in root.rglob("*") if path.is_file())
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for answer in predictor.predict_files(files, top=5):
            writer.writerow([answer["path"], *answer["labels"], *answer["probabilities"]])
    seconds = time.perf_counter() - started
    precision = str(predictor.precision).removeprefix("torch.")
    print(json.dumps({"seconds": seconds, "images": len(files), "runtime": f"{predictor.runtime.name} {precision}"}))


if __name__ == "__main__":
    main()
