"""`convworks import` and `convworks export`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convworks.bundle.description import folder_of, read_description
from convworks.bundle.pretrained import (
    check_not_published,
    fetch_weights,
    imagenet_classes,
    is_name,
    locate,
    read_classes,
)
from convworks.cli.answer import Answer
from convworks.cli.output_path import output_path
from convworks.console import downloading
from convworks.data.sources.named import CATALOGUE
from convworks.errors import InputError
from convworks.files import write_bytes
from convworks.models.published.pretrained import PRETRAINED, find_pretrained
from convworks.outputs import Protected, check_new_folder
from convworks.report.next_step import evaluate_command

SUFFIXES = (".safetensors",)


def run_import(
    weights: str,
    *,
    model: str | None,
    peer: str | None,
    key: str | None,
    classes: Path | None,
    mean: str | None,
    std: str | None,
    out: Path | None,
) -> Answer:
    """Make a bundle from a file of weights, or from published weights by name."""
    names = read_classes(classes) if classes is not None else ()
    normalisation = {"mean": _numbers("--mean", mean), "std": _numbers("--std", std)}
    if is_name(weights) or weights in PRETRAINED:
        entry = find_pretrained(weights)
        if model or peer:
            raise InputError("--model", f"{weights} already names the network", "leave out --model and --from")
        folder = _free(out or Path(weights.replace(":", "-")))
        file = fetch_weights(entry, downloading())
        model, peer = entry.name, entry.peer
        if not names and weights.endswith(":imagenet"):
            names = imagenet_classes(downloading())
    else:
        file = Path(weights)
        if model is None:
            check_not_published(weights, "a file of weights")
            raise InputError("--model", "is missing", "name the network, `convworks models` lists them")
        folder = _free(out or Path(f"{file.stem}-bundle"))
    from convworks.bundle.bundle import save_bundle
    from convworks.bundle.foreign import import_bundle

    bundle = import_bundle(file, model, peer=peer, key=key, classes=names, **normalisation)
    save_bundle(folder, bundle)
    preprocessing, record = bundle.preprocessing, bundle.record["imported"]
    values = {
        "bundle": str(folder),
        "model": bundle.model.name,
        "from": record["from"],
        "key": record["key"],
        "others": record["others"],
        "prefix": record["prefix"],
        "left_out": record["left_out"],
        "classes": len(bundle.classes),
        "input": [preprocessing.channels, *preprocessing.size],
        "mean": list(preprocessing.mean),
        "std": list(preprocessing.std),
        "parameters": sum(parameter.numel() for parameter in bundle.network.parameters()),
    }
    size = "x".join(map(str, values["input"]))
    text = [
        f"{bundle.model.name}: {values['parameters']:,} parameters, {values['classes']} classes, input {size}",
        *_taken(record, recognised=peer is None),
        _normalisation(preprocessing.mean, preprocessing.std),
        f"bundle: {folder}",
        f"next: {_use(folder, weights, bundle.model.name)}",
    ]
    return Answer(values=values, text="\n".join(text))


def run_export(path: Path, *, style: str, out: Path | None, overwrite: bool = False) -> Answer:
    """Write the weights of a bundle under the names of another library."""
    path = locate(path, downloading())
    read_description(path)
    default, read = Path(f"{path.resolve().name}-{style}.safetensors"), Protected(folders=(folder_of(path),))
    file = output_path("--out", out, default, read, suffixes=SUFFIXES, overwrite=overwrite)
    from convworks.bundle.bundle import load_bundle
    from convworks.bundle.export import export_weights

    bundle = load_bundle(path)
    exported = export_weights(bundle, style)
    write_bytes(file, exported.content)
    mean, std = bundle.preprocessing.mean, bundle.preprocessing.std
    size = len(exported.content)
    values = {
        "file": str(file),
        "model": exported.name,
        "library": style,
        "bytes": size,
        "left_out": list(exported.left_out),
        "mean": list(mean),
        "std": list(std),
    }
    text = [f"{exported.name} of {style}: {size / 2**20:.1f} MiB", _normalisation(mean, std)]
    if exported.left_out:
        text.append(f"left out: {_auxiliary(exported.left_out)}; build {exported.name} with aux_logits=False")
    text += [f"file: {file}", f"next: load_state_dict(safetensors.torch.load_file({str(file)!r}))"]
    return Answer(values=values, text="\n".join(text))


def _use(folder: Path, weights: str, model: str) -> str:
    """Return the command that evaluates published weights on a named set, or shows the network."""
    source = weights.partition(":")[2]
    return evaluate_command([folder], source) if source in CATALOGUE else shlex.join(["convworks", "models", model])


def _taken(record: dict[str, Any], *, recognised: bool) -> list[str]:
    """Say which weights of a file were imported, and how its format was recognised, unless an option named it."""
    lines = []
    if recognised and record["from"]:
        alike = f"; {' and '.join(record['alike'])} has the same" if record["alike"] else ""
        lines.append(f"from: {record['from']}, recognised by its tensor names{alike}")
    if record["others"]:
        more = " or ".join(f"--key {other}" for other in record["others"])
        lines.append(f"weights: {record['key']}; the file also has {more}")
    elif record["key"]:
        lines.append(f"weights: {record['key']}")
    if record["prefix"]:
        lines.append(f"removed name prefix: {record['prefix']}")
    if record["left_out"]:
        lines.append(f"left out: {_auxiliary(record['left_out'])}")
    return lines


def _auxiliary(names: Sequence[str]) -> str:
    return f"{', '.join(names)} (auxiliary, for training only)"


def _normalisation(mean: Sequence[float], std: Sequence[float]) -> str:
    """Describe how pixels in 0..1 are normalised."""
    first, second = (", ".join(f"{value:.6g}" for value in values) for values in (mean, std))
    return f"normalisation: mean {first}, standard deviation {second}"


def _numbers(option: str, text: str | None) -> tuple[float, ...]:
    """Return the numbers of an option, separated by commas."""
    try:
        return tuple(float(number) for number in text.split(",")) if text is not None else ()
    except ValueError:
        raise InputError(option, f"is {text!r}", "give numbers such as 0.485,0.456,0.406, or one for all") from None


def _free(folder: Path) -> Path:
    """Return a folder that is new or empty."""
    check_new_folder("--out", folder, Protected())
    return folder
