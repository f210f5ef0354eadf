"""`convworks recipes`."""

from __future__ import annotations

import json

from convworks.cli.answer import Answer, table
from convworks.config import to_json
from convworks.recipes import RECIPES, describe, recipe


def run(name: str | None) -> Answer:
    """List the recipes, or one recipe's configuration."""
    if name is not None:
        configuration = to_json(recipe(name))
        text = f"{json.dumps(configuration, indent=2)}\nnext: convworks train {name}"
        return Answer(values={"name": name, "configuration": configuration}, text=text)
    entries = [{"name": name, "summary": describe(name)} for name in RECIPES]
    text = table(["name", "what it does"], [[entry["name"], entry["summary"]] for entry in entries])
    return Answer(values={"recipes": entries}, text=f"{text}\nnext: convworks train NAME")
