"""A restoration in memory: nothing is kept, only progress is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from convworks.restoration.fit import Row
from convworks.restoration.progress import Progress
from convworks.restoration.saved import Saved
from convworks.restoration.session import Session


class Memory:
    """Keeps nothing, and shows a line of progress."""

    def __init__(self, name: str) -> None:
        self.progress = Progress(name)

    def load(self) -> Saved | None:
        """Return None: there is nothing to resume."""
        return None

    def keep(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Keep nothing."""

    def show(self, pictures: Sequence[UInt8[np.ndarray, "h w c"]], shown: Mapping[str, Any]) -> None:
        """Show nothing: the caller gets the result."""

    def tell(self, session: Session, row: Row) -> None:
        """Say where the restoration stands."""
        self.progress(session, row)
