"""bundle.json: what a bundle says of itself, checked before anything heavy is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from convworks.errors import InputError

#: Of a bundle whose images show one class each; any number; of one that makes images: no tasks of format 1.
FORMAT, SEVERAL, IMAGES = 1, 2, 3
FIELDS = {"model": dict, "preprocessing": dict, "classes": list, "record": dict, "weights_sha256": str}
REMEDY = "copy the bundle again from where it was made"


def read_description(path: Path) -> tuple[dict[str, Any], Path]:
    """Return the checked content of bundle.json and the path of the weights beside it; it does not read the weights."""
    folder = path / "bundle" if (path / "bundle" / "bundle.json").is_file() else path
    file = folder / "bundle.json"
    if not path.exists():
        raise InputError(path, "does not exist", "give the folder of a bundle or of a finished run")
    if not file.is_file():
        raise InputError(path, "holds no bundle.json", "give the folder of a bundle or of a finished run")
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(file, f"cannot be read ({error})", REMEDY) from None
    if not isinstance(description, dict) or "format" not in description:
        raise InputError(file, "is not the description of a bundle", "give the folder of a bundle")
    if description["format"] not in (FORMAT, SEVERAL, IMAGES):
        raise InputError(
            file,
            f"has format {description['format']!r}, this version reads {FORMAT}, {SEVERAL} and {IMAGES}",
            "use the version of convworks that wrote it, or train again",
        )
    if description.get("sha256") != digest(description):
        raise InputError(file, "was changed after it was written (its checksum does not match)", REMEDY)
    for name, kind in FIELDS.items():
        if not isinstance(description.get(name), kind):
            raise InputError(file, f"has no {name}, or one of the wrong kind", REMEDY)
    fewest = 0 if description["format"] == IMAGES else 2
    if len(description["classes"]) < fewest or not all(isinstance(name, str) for name in description["classes"]):
        raise InputError(file, "does not name two classes or more", REMEDY)
    return description, folder / "weights.safetensors"


def digest(description: dict[str, Any]) -> str:
    """Return the checksum of a description without its own checksum."""
    content = {key: value for key, value in description.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
