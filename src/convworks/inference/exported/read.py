"""The formats by name, and an exported file read back: what it is of, and whether it is as it was written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from convworks.bundle.bundle import Described, described
from convworks.bundle.description import is_exported, read_description
from convworks.config import build
from convworks.errors import InputError
from convworks.files import read_bytes
from convworks.hardware import precision_name
from convworks.inference.exported.format import Files, Format
from convworks.inference.exported.onnx import ONNX
from convworks.inference.exported.openvino import OPENVINO
from convworks.inference.exported.pt2 import PT2
from convworks.models.config import ModelConfig
from convworks.signed import CHECKSUM, digest

FORMATS = {form.name: form for form in (ONNX, OPENVINO, PT2)}
BY_SUFFIX = {form.suffixes[0]: form for form in FORMATS.values()}
VERSION = 1  # of the description
REMEDY = "export the bundle again with convworks export"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An exported file: its path, its content, what it says of its network, and in which precisions it was checked."""

    path: Path
    format: Format
    files: Files
    description: dict[str, Any]

    @property
    def described(self) -> Described:
        """What is needed to use the network; one of the user's own is known by its name alone."""
        text = self.description["model"]
        try:
            model = build(ModelConfig, text, where="model")
        except InputError:
            model = ModelConfig.model_construct(name=text["name"])
        return described(self.description, model, self.path)

    @property
    def checked(self) -> tuple[torch.dtype, ...]:
        """The precisions in which it gives the answers of the bundle, the most exact first."""
        return tuple(getattr(torch, name) for name in self.description["export"]["checks"])

    def choose(self, precision: str) -> torch.dtype:
        """Return the precision of a name; `auto` is the fastest that was checked, that this machine has, and that fits.

        Raises InputError for one that was not checked.
        """
        checked = self.checked
        if precision == "auto":
            supported = () if self.described.task.exact else self.format.precisions()
            return next((each for each in reversed(checked) if each in supported), checked[0])
        if precision not in map(precision_name, checked):
            names = ", ".join(map(precision_name, checked))
            raise InputError("--precision", f"{self.path} computes in {names}, not {precision}", f"choose {names}")
        return next(each for each in checked if precision_name(each) == precision)


def read_exported(path: Path) -> Exported:
    """Read an exported file.

    Raises InputError if it is missing or damaged, was changed, or was not written by `convworks export`.
    """
    form = BY_SUFFIX[path.suffix.lower()]
    if not path.exists():
        raise InputError(path, "does not exist", "check the path")
    files = {
        suffix: read_bytes(path.with_suffix(suffix) if suffix != form.suffixes[0] else path) for suffix in form.suffixes
    }
    try:
        values = json.loads(form.description(files))
        graph = form.digest(files)
    except (ValueError, RecursionError):
        raise InputError(path, "was not written by convworks export, or is damaged", REMEDY) from None
    if not isinstance(values, dict) or values.get(CHECKSUM) != digest(values):
        raise InputError(path, "was modified (checksum mismatch)", REMEDY)
    if values.get("format") != VERSION:
        reason = f"has format {values.get('format')!r}, this version reads {VERSION}"
        raise InputError(path, reason, "use the version of convworks that wrote it, or export the bundle again")
    if values["export"]["sha256"] != graph:
        raise InputError(path, "was modified (checksum mismatch)", REMEDY)
    return Exported(path=path, format=form, files=files, description=values)


def description_of(path: Path) -> dict[str, Any]:
    """Return what a bundle, the run that holds it, or an exported file says of its network."""
    return read_exported(path).description if is_exported(path) else read_description(path)[0]
