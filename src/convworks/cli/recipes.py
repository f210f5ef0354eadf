"""`convworks recipes`."""

from __future__ import annotations

import json
import shlex

from convworks.api.request import RunRequest
from convworks.cli.answer import Answer, table
from convworks.config import to_json
from convworks.errors import InputError
from convworks.recipes import FOLDER, RECIPES, describe, explain, recipe


def run(name: str | None, *, data: str | None = None) -> Answer:
    """List the recipes, or explain one: what it does, how it differs from its paper, its configuration.

    With `data`, the configuration is the one for this source.
    """
    if name is not None:
        explanation, lines = explain(name), []
        if name == FOLDER and data is None:
            configuration = None
            lines = [f"next: convworks recipes {FOLDER} --data FOLDER shows the configuration for a folder"]
        else:
            config = recipe(name) if data is None else RunRequest(recipe=name, data=data).configure()[0]
            configuration = to_json(config)
            words = [*([name] if name != FOLDER else []), *(["--data", data] if data is not None else [])]
            lines = [json.dumps(configuration, indent=2), f"next: {shlex.join(['convworks', 'train', *words])}"]
        text = "\n".join([explanation, "", *lines])
        return Answer(values={"name": name, "text": explanation, "configuration": configuration}, text=text)
    if data is not None:
        raise InputError("--data", "is for one recipe", f"name it: convworks recipes {FOLDER} --data {data}")
    entries = [{"name": name, "summary": describe(name)} for name in (FOLDER, *RECIPES)]
    text = table(["name", "what it does"], [[entry["name"], entry["summary"]] for entry in entries])
    return Answer(values={"recipes": entries}, text=f"{text}\nnext: convworks train NAME")
