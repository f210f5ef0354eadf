"""Export a bundle for OpenVINO, in float32 and in int8.

python export.py FOLDER ROOT    From FOLDER/bundle to network.xml and int8.xml beside it, with the images of ROOT.
"""

from __future__ import annotations

import sys
from pathlib import Path

from convworks.bundle.bundle import load_bundle
from convworks.deploy import drop, export
from convworks.deploy.export import Int8, find_format, prove, write

ENOUGH = 0.5  # equal answers: random weights are less certain of them than trained ones, and take as long


def main() -> None:
    folder, root = Path(sys.argv[1]), Path(sys.argv[2])
    bundle = load_bundle(folder / "bundle")
    export.AGREEMENT = export.ROUGH = drop.AGREEMENT = ENOUGH
    drop.MAX_DROP = 100.0
    for name, int8 in (("network", None), ("int8", Int8(source=root))):
        write(prove(bundle, find_format("openvino"), source=root, int8=int8), folder / f"{name}.xml")


if __name__ == "__main__":
    main()
