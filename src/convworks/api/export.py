"""`convworks.export(...)`: a bundle for another library."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from convworks.bundle.description import folder_of, is_exported, read_description
from convworks.bundle.pretrained import locate
from convworks.console import downloading
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.errors import InputError, brief
from convworks.outputs import Protected, as_path, check_file, check_replaced, numbered


@brief
def export(
    bundle: str | Path,
    *,
    format: str,
    check: str | Path | Source | None = None,
    int8: bool = False,
    calibrate: str | Path | Source | None = None,
    max_drop: float | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a bundle for another library: onnx, openvino or pt2, with preprocessing and activation in the graph.

    `bundle` may be the name of published weights (resnet20:cifar10). Before it is written, the export is run there on
    images of `check` (else of the bundle's record, else noise) and compared with PyTorch. `int8` quantises it on images
    of `calibrate`; it may lose `max_drop` points of its metric there (0.5); `warnings` say what was not measured.
    Returns {"file", "format", "model", "bytes", "checks", "samples", "notes", "warnings", "seconds", ...}. Raises
    RunError, and writes nothing, for an export that does not give the answers of the bundle.
    """
    started, path = time.perf_counter(), Path(bundle)
    if is_exported(path):
        raise InputError(path, "is an exported file", "give the bundle that it was exported from")
    path = locate(bundle, downloading())
    read_description(path)
    _check_options(int8, calibrate, max_drop)
    from convworks.deploy.export import Int8, find_format, prove, write
    from convworks.deploy.int8 import check_int8

    form = find_format(format)
    if int8:
        check_int8(format)
    sources = [
        each if isinstance(each, Source) else open_source(each, report=downloading())
        for each in (check, calibrate)
        if each is not None
    ]
    protected = Protected(folders=(folder_of(path),))
    for source in sources:
        protected += protect(source)
    default = Path(f"{path.resolve().name}{'-int8' if int8 else ''}{form.suffixes[0]}")
    file = as_path("--out", out) or (default if overwrite else numbered(default))
    check_file("--out", file, protected, suffixes=form.suffixes[:1], overwrite=overwrite)
    check_replaced("--out", [file.with_suffix(each) for each in form.suffixes], protected, overwrite=overwrite)
    from convworks.bundle.bundle import load_bundle

    loaded = load_bundle(path)
    quantisation = Int8(source=sources[-1], max_drop=max_drop) if int8 else None
    proven = prove(loaded, form, source=sources[0] if check is not None else None, int8=quantisation)
    write(proven, file)
    return {
        "file": str(file),
        "files": [str(file.with_suffix(suffix)) for suffix in form.suffixes],
        "format": form.name,
        "model": loaded.model.name,
        "precision": "int8" if int8 else "float32",
        "bytes": proven.bytes,
        "checks": [asdict(each) for each in proven.checks],
        "samples": proven.samples.words,
        "real_samples": proven.samples.real,
        **({"drop": asdict(proven.drop)} if proven.drop is not None else {}),
        "notes": list(proven.notes),
        "warnings": list(proven.warnings),
        "seconds": round(time.perf_counter() - started, 3),
    }


def _check_options(int8: bool, calibrate: object, max_drop: float | None) -> None:
    """Raise InputError for options of int8 that do not belong together."""
    if int8 and calibrate is None:
        reason = "needs samples, from which the ranges of all values are taken"
        raise InputError("--int8", reason, "add --calibrate SOURCE, such as the folder that it was trained on")
    if not int8 and (calibrate is not None or max_drop is not None):
        option = "--calibrate" if calibrate is not None else "--max-drop"
        raise InputError(option, "is for int8", "add --int8, or leave it out")
    if max_drop is not None and not max_drop >= 0:
        raise InputError("--max-drop", f"is {max_drop:g}, but must be at least 0", "give points, such as 0.5")
