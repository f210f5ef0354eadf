"""The model card of a bundle: Markdown in which names of classes and sources are escaped."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from convworks.config import build
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.inputs.kinds import input_of
from convworks.errors import counted
from convworks.tasks.registry import named
from convworks.tasks.task import Words

#: Characters that Markdown would interpret as markup, mathematics or a link.
_MARKUP = re.compile(r"[\\`*\[\]~$#]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE)


def card(description: dict[str, Any]) -> str:
    """Write the README.md of a bundle from its description."""
    words = named(description["task"]["name"]).words
    description = _plain(description)
    record, classes = description["record"], description["classes"]
    preprocessing = description["preprocessing"]
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
        "## Input",
        "",
        input_of(build(Preprocessing, preprocessing, where="preprocessing")).words,
        "",
        "## Output",
        "",
        *words.answers(classes, preprocessing["size"]),
        "",
        "## Performance",
        "",
        *_metrics(record, words),
        "",
        "## Training",
        "",
        *_making(record),
    ]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    """Return a value with every text in it escaped for Markdown, on one line."""
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
        metrics = record.get(split)
        if metrics:
            note = " (also used to select the epoch)" if split == "validation" and _chosen(record) else ""
            rows.append(f"- {split}: {words.result(metrics)} on {counted(metrics['n'], 'image')}{note}")
    return rows or ["- not measured"]


def _making(record: dict[str, Any]) -> list[str]:
    facts = [
        _import(record.get("imported")),
        _origin(record.get("transfer")),
        f"recipe {record['recipe']}" if "recipe" in record else "",
        f"seed {record['seed']}" if "seed" in record else "",
        f"{record['parameters']:,} parameters" if "parameters" in record else "",
        f"{record['macs']:,} multiply-adds an image" if "macs" in record else "",
        _epochs(record) if "epochs" in record else "",
    ]
    sentence = ", ".join(part for part in facts if part)
    return [f"{sentence[0].upper()}{sentence[1:]}." if sentence else "Not recorded."]


def _origin(transfer: dict[str, Any] | None) -> str:
    """Describe the origin of a transferred network."""
    if not transfer:
        return ""
    frozen = f", frozen up to {transfer['frozen']}" if transfer["frozen"] else ""
    return f"transferred from {transfer['from']}, cut at {transfer['cut']}{frozen}"


def _import(imported: dict[str, Any] | None) -> str:
    """Describe the file of imported weights."""
    if not imported:
        return ""
    library = f" of {imported['from']}" if imported["from"] else ""
    key = f", its {imported['key']}" if imported.get("key") else ""
    return f"weights of {imported['name']}{library} from {imported['file']}{key} (SHA-256 {imported['sha256']})"


def _chosen(record: dict[str, Any]) -> bool:
    """Return whether the epoch was chosen on validation, as it always was in runs whose records do not say."""
    return str(record.get("kept", "best")) == "best"


def _epochs(record: dict[str, Any]) -> str:
    chosen = f"the best on validation was {record['best_epoch']}" if _chosen(record) else "the last is kept"
    return f"{counted(record['epochs'], 'epoch')}, {chosen}"
