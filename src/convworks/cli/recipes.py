"""`convworks recipes`."""

from __future__ import annotations

import json

from convworks.cli.answer import Answer, table
from convworks.config import to_json
from convworks.data.sources.named import CATALOGUE
from convworks.recipes import RECIPES, describe, explain, recipe


def run(name: str | None) -> Answer:
    """List the recipes, or explain one: what it does, how it differs from its paper, its configuration."""
    if name is not None:
        configuration = to_json(recipe(name))
        explanation = explain(name)
        text = f"{explanation}\n\n{json.dumps(configuration, indent=2)}\nnext: {_next(name)}"
        return Answer(values={"name": name, "text": explanation, "configuration": configuration}, text=text)
    entries = [{"name": name, "summary": describe(name)} for name in RECIPES]
    text = table(["name", "what it does"], [[entry["name"], entry["summary"]] for entry in entries])
    return Answer(values={"recipes": entries}, text=f"{text}\nnext: convworks recipes digits/default")


def _next(name: str) -> str:
    """Return the command that trains by a recipe, or shows its network if the images cannot be downloaded."""
    config = recipe(name)
    entry = CATALOGUE.get(config.data.source)
    fetched = config.data.source in CATALOGUE and (entry is None or entry.address)
    return f"convworks train {name}" if fetched else f"convworks models {config.model.name}"
