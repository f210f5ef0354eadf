"""What is said while a picture is restored."""

from __future__ import annotations

from convworks.console import clock, updating
from convworks.errors import visible
from convworks.restoration.fit import Row
from convworks.restoration.session import Session


class Progress:
    """A line with the iteration, the rate, the loss or the ratio, the time that may be left, and `where` to look."""

    def __init__(self, name: str, where: str = "") -> None:
        self.name, self.where = visible(name), visible(where)
        self.show = updating()

    def __call__(self, session: Session, row: Row) -> None:
        """Show where a restoration stands, after an iteration of the fit in progress."""
        rate = row.iteration / max(row.seconds, 1e-3)
        quality = f"{row.psnr:.2f} dB" if row.psnr is not None else f"loss {row.loss:.3g}"
        self.show(
            f"{self.name}{_which(session)}: iteration {row.iteration:,}, {rate:.1f} iterations/s, {quality}, "
            f"at most {clock(max(0.0, session.budget.left))} left{self.where}"
        )

    def end(self) -> None:
        """End the line."""
        self.show("")


def _which(session: Session) -> str:
    """Return which of several fits is in progress; whether the time allows another run is not known before."""
    assert session.current is not None
    part, text = session.current[0], ""
    if len(session.fitted) > 1:
        text += f", tile {session.fitted.index(part.tile) + 1} of {len(session.fitted)}"
    if session.request.samples > 1:
        text += f", sample {part.sample + 1} of {session.request.samples}"
    return f"{text}, run {part.run + 1}" if part.run else text
