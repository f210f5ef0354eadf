"""A further process of a landscape, which ends with its parent, even if that is killed and can stop nothing.

python -m convworks.explain.landscape.worker FOLDER ROW,ROW,... PARENT
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from convworks.errors import ConvworksError
from convworks.explain.landscape.directions import read_directions
from convworks.explain.landscape.measure import open_landscape
from convworks.explain.landscape.plan import DIRECTIONS, read_plan


def main() -> None:
    """Measure the rows that the arguments name."""
    folder, rows, parent = Path(sys.argv[1]), [int(word) for word in sys.argv[2].split(",")], int(sys.argv[3])

    def stay() -> None:
        if os.getppid() != parent:
            sys.exit("the process that started this one has ended")

    try:
        opened = open_landscape(read_plan(folder), read_directions(folder / DIRECTIONS))
        stay()
        opened.measure_rows(folder, rows, stay)
    except ConvworksError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
