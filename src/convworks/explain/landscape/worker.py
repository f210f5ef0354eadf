"""A further process of a landscape: python -m convworks.explain.landscape.worker FOLDER ROW,ROW,..."""

from __future__ import annotations

import sys
from pathlib import Path

from convworks.errors import ConvworksError
from convworks.explain.landscape.measure import open_landscape
from convworks.explain.landscape.plan import read_plan


def main() -> None:
    """Measure the rows that the arguments name."""
    folder, rows = Path(sys.argv[1]), [int(word) for word in sys.argv[2].split(",")]
    try:
        open_landscape(read_plan(folder)).measure_rows(folder, rows)
    except ConvworksError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
