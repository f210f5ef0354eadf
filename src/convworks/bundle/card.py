"""The model card of a bundle."""

from __future__ import annotations

from typing import Any

from convworks.bundle.description import SEVERAL

_SHOWN_CLASSES = 100


def card(description: dict[str, Any]) -> str:
    """Write the README.md of a bundle from its description."""
    record = description["record"]
    preprocessing = description["preprocessing"]
    classes = description["classes"]
    height, width = preprocessing["size"]
    shown = ", ".join(classes[:_SHOWN_CLASSES]) + (" ..." if len(classes) > _SHOWN_CLASSES else "")
    lines = [
        f"# {description['model']['name']}: {record.get('source', 'images')}",
        "",
        f"An image classifier for {len(classes)} classes, trained with convworks {record.get('convworks', '')}.",
        "",
        "## Use",
        "",
        "    convworks predict THIS_FOLDER IMAGE...",
        "",
        "or in Python:",
        "",
        "    import convworks",
        '    convworks.load("THIS_FOLDER").predict(["image.jpg"])',
        "",
        "## What it expects",
        "",
        f"Images of any size with {preprocessing['channels']} channel(s); they are brought to {height}x{width} pixels "
        f"({preprocessing['fit']}) and normalised with mean {preprocessing['mean']} and standard deviation "
        f"{preprocessing['std']}.",
        "",
        "## What it answers",
        "",
        f"A probability for each of: {shown}.",
        "Each by itself: an image may show several of them, or none; from 0.5 on a class counts as shown."
        if description["format"] == SEVERAL
        else "It knows no other classes: whatever it is shown, it answers with one of these.",
        "",
        "## How good it is",
        "",
        *_metrics(record),
        "",
        "## How it was made",
        "",
        *_making(record),
    ]
    return "\n".join(lines) + "\n"


def _metrics(record: dict[str, Any]) -> list[str]:
    rows = []
    for split in ("validation", "test"):
        found = record.get(split)
        if found:
            used = " (also used to choose the epoch)" if split == "validation" else ""
            rows.append(f"- {split}: {_figures(found)} on {found['n']:,} images{used}")
    return rows or ["- not measured"]


def _figures(found: dict[str, Any]) -> str:
    if "map" in found:
        return f"mAP {found['map']:.2%}, micro F1 {found['micro_f1']:.2%}, macro F1 {found['macro_f1']:.2%}"
    low, high = found["interval"]
    return f"accuracy {found['top1']:.2%} (95 % interval {low:.2%} to {high:.2%})"


def _making(record: dict[str, Any]) -> list[str]:
    known = [
        _origin(record.get("transfer")),
        f"recipe {record['recipe']}" if "recipe" in record else "",
        f"seed {record['seed']}" if "seed" in record else "",
        f"{record['parameters']:,} parameters" if "parameters" in record else "",
        f"{record['macs']:,} multiply-adds an image" if "macs" in record else "",
        f"{record['epochs']} epochs, the best on validation was {record['best_epoch']}" if "epochs" in record else "",
    ]
    told = ", ".join(part for part in known if part)
    return [f"{told[0].upper()}{told[1:]}." if told else "Not recorded."]


def _origin(found: dict[str, Any] | None) -> str:
    """Say what a transferred network was cut from."""
    if not found:
        return ""
    frozen = f", frozen up to {found['frozen']}" if found["frozen"] else ""
    return f"transferred from {found['from']}, cut at {found['cut']}{frozen}"
