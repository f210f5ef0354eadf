"""`convworks import` and `convworks export`."""

from __future__ import annotations

import shlex
from pathlib import Path

from convworks.bundle.description import folder_of, read_description
from convworks.bundle.pretrained import fetch_weights, imagenet_classes, is_name, read_classes
from convworks.cli.answer import Answer
from convworks.cli.place import place_of
from convworks.console import downloading
from convworks.errors import InputError
from convworks.files import write_bytes
from convworks.models.pretrained import PRETRAINED, find_pretrained
from convworks.outputs import Protected, check_new_folder

SUFFIXES = (".safetensors",)


def run_import(weights: str, *, model: str | None, peer: str | None, classes: Path | None, out: Path | None) -> Answer:
    """Make a bundle from a file of weights, or from published weights by name."""
    names = read_classes(classes) if classes is not None else ()
    if is_name(weights) or weights in PRETRAINED:
        entry = find_pretrained(weights)
        if model or peer:
            raise InputError("--model", f"{weights} says which network it is", "leave out --model and --from")
        place = _free(out or Path(weights.replace(":", "-")))
        file = fetch_weights(entry, downloading())
        if not names and weights.endswith(":imagenet"):
            names = imagenet_classes(downloading())
    else:
        entry, file = None, Path(weights)
        if model is None:
            raise InputError("--model", "is missing", "name the network, `convworks models` lists them")
        place = _free(out or Path(f"{file.stem}-bundle"))
    from convworks.bundle.bundle import save_bundle
    from convworks.bundle.foreign import import_bundle

    name, source = (entry.name, entry.peer) if entry else (model or "", peer)
    bundle = import_bundle(file, name, peer=source, classes=names, published=entry)
    save_bundle(place, bundle)
    given = bundle.preprocessing
    values = {
        "bundle": str(place),
        "model": bundle.model.name,
        "from": source,
        "classes": len(bundle.classes),
        "input": [given.channels, *given.size],
        "parameters": sum(parameter.numel() for parameter in bundle.network.parameters()),
    }
    size = "x".join(map(str, (given.channels, *given.size)))
    text = (
        f"{bundle.model.name}: {values['parameters']:,} parameters, {values['classes']} classes, input {size}\n"
        f"bundle: {place}\nnext: convworks predict {shlex.quote(str(place))} IMAGE..."
    )
    return Answer(values=values, text=text)


def run_export(path: Path, *, style: str, out: Path | None, overwrite: bool = False) -> Answer:
    """Write the weights of a bundle under the names of another library."""
    read_description(path)
    default, read = Path(f"{path.resolve().name}-{style}.safetensors"), Protected(folders=(folder_of(path),))
    file = place_of("--out", out, default, read, suffixes=SUFFIXES, overwrite=overwrite)
    from convworks.bundle.bundle import load_bundle
    from convworks.bundle.foreign import export_weights

    bundle = load_bundle(path)
    content, name = export_weights(bundle, style)
    write_bytes(file, content)
    values = {"file": str(file), "model": name, "library": style, "bytes": len(content)}
    text = (
        f"{name} of {style}: {len(content) / 2**20:.1f} MiB\nfile: {file}\n"
        f"next: load_state_dict(safetensors.torch.load_file({str(file)!r}))"
    )
    return Answer(values=values, text=text)


def _free(place: Path) -> Path:
    """Return a folder that is not there yet, or empty."""
    check_new_folder("--out", place, Protected())
    return place
