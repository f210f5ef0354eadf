"""The formats by name, and an exported file read back: what it is of, and whether it is as it was written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convworks.config import build
from convworks.data.decode.preprocess import Preprocessing
from convworks.errors import InputError
from convworks.files import read_bytes
from convworks.inference.exported.format import ACTIVATED, OUTPUTS, Compute, Files, Format
from convworks.inference.exported.onnx import ONNX
from convworks.inference.exported.openvino import OPENVINO
from convworks.inference.exported.pt2 import PT2
from convworks.signed import CHECKSUM, digest
from convworks.tasks.answering import Answering
from convworks.tasks.by_name import answering

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
    def preprocessing(self) -> Preprocessing:
        """How an image becomes what the network reads."""
        return build(Preprocessing, self.description["preprocessing"], where=f"{self.path} preprocessing")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return tuple(self.description["classes"])

    @property
    def answering(self) -> Answering:
        """How its task answers."""
        task = self.description["task"]
        colours = task.get("colours")
        own = None if colours is None else tuple([(red, green, blue) for red, green, blue in colours])
        return answering(task["name"], str(self.path)).painted(own)

    @property
    def checked(self) -> tuple[str, ...]:
        """The precisions in which it gives the answers of the bundle, the most exact first."""
        return tuple(self.description["export"]["checks"])

    def choose(self, precision: str) -> str:
        """Return the precision of a name; `auto` is the fastest that was checked, that this machine has, and that fits.

        Raises InputError for one that was not checked.
        """
        checked = self.checked
        if precision == "auto":
            supported = () if self.answering.exact else self.format.precisions()
            return next((each for each in reversed(checked) if each in supported), checked[0])
        if precision not in checked:
            names = ", ".join(checked)
            raise InputError("--precision", f"{self.path} computes in {names}, not {precision}", f"choose {names}")
        return precision

    def start(self, precision: str) -> Compute:
        """Return what computes outputs and activated outputs; InputError if its library cannot open it."""
        try:
            return self.format.start(self.files, precision, (OUTPUTS, ACTIVATED))
        except InputError:
            raise
        except Exception as error:  # each library has errors of its own
            line = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(self.path, f"cannot be opened by {self.format.library} ({line})", REMEDY) from error


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
        text = form.description(files)
        values = json.loads(text)
        graph = form.digest(files)
    except Exception:  # what libraries raise about a damaged file is of any kind
        raise InputError(path, "was not written by convworks export, or is damaged", REMEDY) from None
    if not isinstance(values, dict) or json.dumps(values) != text or values.get(CHECKSUM) != digest(values):
        raise InputError(path, "was modified (checksum mismatch)", REMEDY)
    if values.get("format") != VERSION:
        reason = f"has format {values.get('format')!r}, this version reads {VERSION}"
        raise InputError(path, reason, "use the version of convworks that wrote it, or export the bundle again")
    if values["export"]["sha256"] != graph:
        raise InputError(path, "was modified (checksum mismatch)", REMEDY)
    return Exported(path=path, format=form, files=files, description=values)
