"""The curves of a run for TensorBoard: RUN/tensorboard/."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from convworks.training.tracking.point import Point


class TensorBoard:
    """Event files of a run. They are written anew when it goes on: every point is in its checkpoint.

    So no reader has to know which points an interrupted process wrote after its last checkpoint.
    """

    def __init__(self, run: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = run / "tensorboard"
        for file in self.folder.glob("events.out.tfevents.*"):
            file.unlink()
        # purge_step tells a TensorBoard that looks on to forget what it has read.
        self.writer = SummaryWriter(str(self.folder), purge_step=0)

    def write(self, points: Sequence[Point]) -> None:
        """Write points, and flush them to the disk."""
        for name, value, step, when in points:
            self.writer.add_scalar(name, value, step, walltime=when)
        self.writer.flush()

    def close(self, status: str) -> None:
        """Close the file; TensorBoard knows no status."""
        self.writer.close()

    def discard(self) -> None:
        """Delete the folder."""
        self.close("FAILED")
        shutil.rmtree(self.folder, ignore_errors=True)
