"""Logging a run to TensorBoard: RUN/tensorboard/."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from convworks.training.tracking.point import Point


class TensorBoard:
    """The event files of a run, rewritten when it is resumed: all points are in its checkpoint.

    So points that an interrupted process wrote after its last checkpoint do not remain.
    """

    def __init__(self, run: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = run / "tensorboard"
        for file in self.folder.glob("events.out.tfevents.*"):
            file.unlink()
        # purge_step makes a running TensorBoard drop the points that it has read.
        self.writer = SummaryWriter(str(self.folder), purge_step=0)

    def write(self, points: Sequence[Point]) -> None:
        """Write points, and flush them to the disk."""
        for name, value, step, when in points:
            self.writer.add_scalar(name, value, step, walltime=when)
        self.writer.flush()

    def close(self, status: str) -> None:
        """Close the file; TensorBoard has no status."""
        self.writer.close()

    def discard(self) -> None:
        """Delete the folder."""
        self.close("FAILED")
        shutil.rmtree(self.folder, ignore_errors=True)
