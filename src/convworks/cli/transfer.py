"""`convworks transfer`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from convworks.api.transfer import transfer
from convworks.cli.answer import Answer
from convworks.cli.train import answer


def run(
    bundle: str,
    *,
    data: str,
    cut: str | None,
    freeze: str | None,
    head: str,
    epochs: int | None,
    out: Path | None,
    device: str | None,
    seed: int | None,
    deterministic: bool,
    skip_damaged: bool,
    overrides: Iterable[str],
) -> Answer:
    """Transfer, and say where the results are."""
    found = transfer(
        bundle,
        data=data,
        cut=cut,
        freeze=freeze,
        head=head,
        epochs=epochs,
        out=out,
        device=device,
        seed=seed,
        deterministic=deterministic,
        skip_damaged=skip_damaged,
        overrides=overrides,
        command=shlex.join(["convworks", *sys.argv[1:]]),
    )
    return answer(found)
