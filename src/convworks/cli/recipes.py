"""`convworks recipes`."""

from __future__ import annotations

import json
import shlex

from convworks.api.request import RunRequest
from convworks.cli.answer import Answer, table
from convworks.config import to_json
from convworks.data.sources.named import CATALOGUE
from convworks.errors import InputError
from convworks.recipes import FOLDER, OF_DATA, RECIPES, describe, explain, recipe
from convworks.training.config import RunConfig


def run(name: str | None, *, data: str | None = None) -> Answer:
    """List the recipes, or explain one: what it does, how it differs from its paper, its configuration.

    With `data`, the configuration is the one for this source.
    """
    if name is not None:
        explanation, lines = explain(name), []
        if name in OF_DATA and data is None:
            configuration = None
            lines = [f"next: convworks recipes {FOLDER} --data digits"]
        else:
            config = recipe(name) if data is None else RunRequest(recipe=name, data=data).configure()[0]
            configuration = to_json(config)
            lines = [json.dumps(configuration, indent=2), f"next: {_next(name, data, config)}"]
        text = "\n".join([explanation, "", *lines])
        return Answer(values={"name": name, "text": explanation, "configuration": configuration}, text=text)
    if data is not None:
        raise InputError("--data", "is for one recipe", f"name it: convworks recipes {FOLDER} --data {data}")
    entries = [{"name": name, "summary": describe(name)} for name in (*OF_DATA, *RECIPES)]
    text = table(["name", "what it does"], [[entry["name"], entry["summary"]] for entry in entries])
    return Answer(values={"recipes": entries}, text=f"{text}\nnext: convworks recipes digits/default")


def _next(name: str, data: str | None, config: RunConfig) -> str:
    """Return the command that trains by a recipe, or shows its network if the images cannot be downloaded."""
    source = config.data.source
    entry = CATALOGUE.get(source)
    if data is None and (source not in CATALOGUE or (entry is not None and not entry.address)):
        return f"convworks models {config.model.name}"
    words = [*([name] if name not in OF_DATA else []), *(["--data", data] if data is not None else [])]
    return shlex.join(["convworks", "train", *words])
