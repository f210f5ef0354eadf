"""The command after a prediction."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convworks.api.work import description_of
from convworks.bundle.description import RUN_RECORD
from convworks.commands import repeated
from convworks.models import NAMES

FEW = 8  # paths that fit into a recommended command


def following(bundles: Sequence[Path], paths: Sequence[str], options: dict[str, Any], file: str | None) -> str:
    """Return the next command: to write these answers into `file`, to evaluate a run, or to show the network."""
    from convworks.report.next_step import errors_folder, nearby

    bundle, *others = bundles
    if file is not None and len(paths) <= FEW:
        return repeated(["predict", bundle, *paths], {"--ensemble": others, **options, "--out": file})
    run = bundle.parent if bundle.name == "bundle" else bundle
    if (run / RUN_RECORD).is_file():
        from convworks.training.folder import read_values

        data = read_values(run)["configuration"]["data"]["source"]
        evaluated = {name: value for name, value in options.items() if name != "--top"}
        return repeated(["evaluate", *bundles], {"--data": nearby(data), **evaluated, "--out": errors_folder(bundle)})
    name = description_of(bundle)["model"]["name"]
    return shlex.join(["convworks", "models", *([name] if name in NAMES else [])])


def new_file(stem: str, suffix: str) -> str:
    """Return the name of a file that does not exist."""
    number = 1
    while Path(name := f"{stem}{'' if number == 1 else f'-{number}'}{suffix}").exists():
        number += 1
    return name
