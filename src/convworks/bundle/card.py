"""The model card of a bundle: Markdown, in which names of classes and sources are no more than text."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from convworks.tasks.registry import named
from convworks.tasks.task import Words

#: What Markdown would take for markup, for mathematics, or for the beginning of a link.
_MARKUP = re.compile(r"[\\`*\[\]~$#]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE)


def card(description: dict[str, Any]) -> str:
    """Write the README.md of a bundle from its description."""
    words = named(description["task"]["name"]).words
    description = _plain(description)
    record, classes = description["record"], description["classes"]
    preprocessing = description["preprocessing"]
    height, width = preprocessing["size"]
    result = record.get("test", record.get("validation") or {})
    lines = [
        f"# {description['model']['name']}: {record.get('source', record.get('imported', {}).get('file', 'images'))}",
        "",
        f"{words.what(classes, result)}, {'imported' if 'imported' in record else 'trained'} with convworks"
        f"{' ' + record['convworks'] if 'convworks' in record else ''}.",
        "",
        "## Use",
        "",
        f"    convworks predict THIS_FOLDER IMAGE...{words.options}",
        "",
        "or in Python:",
        "",
        "    import convworks",
        f'    convworks.load("THIS_FOLDER").{words.method}(["image.jpg"])',
        "",
        "## What it expects",
        "",
        f"Images of any size with {preprocessing['channels']} channel(s); they are brought to {height}x{width} pixels "
        f"({preprocessing['fit']}) and normalised with mean {preprocessing['mean']} and standard deviation "
        f"{preprocessing['std']}.",
        "",
        "## What it answers",
        "",
        *words.answers(classes, preprocessing["size"]),
        "",
        "## How good it is",
        "",
        *_metrics(record, words),
        "",
        "## How it was made",
        "",
        *_making(record),
    ]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    """Return a value with every text in it as Markdown that shows the text, on one line."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if not isinstance(value, str):
        return value
    line = "".join(letter if letter.isprintable() else " " for letter in value)
    return escape(_MARKUP.sub(r"\\\g<0>", " ".join(line.split())), quote=False)


def _metrics(record: dict[str, Any], words: Words) -> list[str]:
    rows = []
    for split in ("validation", "test"):
        found = record.get(split)
        if found:
            used = " (also used to choose the epoch)" if split == "validation" and _chosen(record) else ""
            rows.append(f"- {split}: {words.result(found)} on {found['n']:,} images{used}")
    return rows or ["- not measured"]


def _making(record: dict[str, Any]) -> list[str]:
    known = [
        _import(record.get("imported")),
        _origin(record.get("transfer")),
        f"recipe {record['recipe']}" if "recipe" in record else "",
        f"seed {record['seed']}" if "seed" in record else "",
        f"{record['parameters']:,} parameters" if "parameters" in record else "",
        f"{record['macs']:,} multiply-adds an image" if "macs" in record else "",
        _epochs(record) if "epochs" in record else "",
    ]
    told = ", ".join(part for part in known if part)
    return [f"{told[0].upper()}{told[1:]}." if told else "Not recorded."]


def _origin(found: dict[str, Any] | None) -> str:
    """Say what a transferred network was cut from."""
    if not found:
        return ""
    frozen = f", frozen up to {found['frozen']}" if found["frozen"] else ""
    return f"transferred from {found['from']}, cut at {found['cut']}{frozen}"


def _import(found: dict[str, Any] | None) -> str:
    """Say what file the weights are from."""
    if not found:
        return ""
    library = f" of {found['from']}" if found["from"] else ""
    key = f", its {found['key']}" if found.get("key") else ""
    return f"weights of {found['name']}{library} from {found['file']}{key} (SHA-256 {found['sha256']})"


def _chosen(record: dict[str, Any]) -> bool:
    """Tell whether validation chose the epoch; older records do not say, and in their runs it did."""
    return str(record.get("kept", "best")) == "best"


def _epochs(record: dict[str, Any]) -> str:
    chosen = f"the best on validation was {record['best_epoch']}" if _chosen(record) else "the last is kept"
    return f"{record['epochs']} epochs, {chosen}"
