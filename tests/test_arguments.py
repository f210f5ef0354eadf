"""Options in messages, as Python writes them: a rule for all, tables that know every argument, texts that follow it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import convworks
from convworks.arguments import FLAGS, LISTS, VALUES, VERBS, in_python, place_in_python
from convworks.cli.verbs import app
from convworks.inference.predictor import Predictor

SOURCE = Path(convworks.__file__).parent


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("take --head linear, which is trained by steps", "take head='linear', which is trained by steps"),
        ("add --skip-damaged", "add skip_damaged=True"),
        ("add --overwrite to replace it", "add overwrite=True to replace it"),
        ("name it: --resume RUN", "name it: resume=RUN"),
        ("write --steps 100", "write steps=100"),
        ("give it more: --epochs +10", "give it more: epochs='+10'"),
        ("leave out --freeze, --epochs and training.thaw", "leave out freeze, epochs and training.thaw"),
        ("--set data.size=32,32 reads all", "overrides=['data.size=32,32'] reads all"),
        ("try --set a=1 --set b.c=x, or not", "try overrides=['a=1', 'b.c=x'], or not"),
        (
            "resume it: convworks train --resume 'my run' --finish",
            "resume it: convworks.train(resume='my run', finish=True)",
        ),
        ("end it (`convworks tune digits/fast`)", "end it (`convworks.tune('digits/fast')`)"),
        ("`convworks models` lists them, --json too", "`convworks models` lists them, --json too"),
        ("convworks evaluate RUN --data photos", "convworks evaluate RUN --data photos"),
        ("pack with --dereference", "pack with --dereference"),
        ("a file called photo--out 3", "a file called photo--out 3"),
    ],
)
def test_what_python_writes(text: str, python: str) -> None:
    assert in_python(text) == python
    assert in_python(python) == python, "writing it twice changes nothing"


def test_what_is_a_flag_of_one_function_and_has_a_value_in_another() -> None:
    assert in_python("again with --resume", frozenset({"resume"})) == "again with resume=True"
    assert place_in_python("--resume x.csv", frozenset({"resume"})) == "resume"


@pytest.mark.parametrize(
    ("where", "python"),
    [
        ("--out my runs/an-ant", "out='my runs/an-ant'"),
        ("--out", "out"),
        ("--int8", "int8"),
        ("--search lr=1..2: training.lr", "search=['lr=1..2']: training.lr"),
        ("--set lr=x", "overrides=['lr=x']"),
        ("--json", "--json"),
        ("convworks lr-range", "convworks.lr_range()"),
        ("photos --out/1.jpg", "photos --out/1.jpg"),
    ],
)
def test_what_a_message_is_about(where: str, python: str) -> None:
    assert place_in_python(where) == python


def test_the_tables_know_every_option_that_python_has_and_no_other() -> None:
    """By the commands and the functions of the same name."""
    functions = {verb: getattr(convworks, verb.replace("-", "_")) for verb in VERBS}
    functions |= {"evaluate": Predictor.evaluate, "predict": convworks.predict_to}
    arguments = {name for function in [*functions.values(), convworks.load] for name in parameters(function)}
    tables = {**FLAGS, **LISTS, **VALUES}
    assert {written.partition("=")[0] for written in tables.values()} <= arguments
    for verb, function in functions.items():
        for option in options(verb):
            if option.lstrip("-").replace("-", "_") in parameters(function):
                assert option in tables, f"{verb} {option}"


def test_values_of_options_stand_right_behind_them() -> None:
    """No message has other words there, which would be taken for a value."""
    behind = re.compile(rf"(?<![\w-])({'|'.join([*VALUES, *LISTS])}) (?!and\b|or\b)([a-z]+)\b(?![-_.=/])")
    values = {"auto", "cam", "cpu", "cuda", "history", "keep", "linear", "masks", "openvino", "patches", "ray"}
    values |= {"reconstructed", "trajectory", "unet", "X"}
    bad = [
        f"{path.relative_to(SOURCE)}: {match[0]}"
        for path in SOURCE.rglob("*.py")
        if path.parts[len(SOURCE.parts)] != "cli"
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
        for match in behind.finditer(re.sub(r"convworks [a-z-]+.*", "", text))
        if match[2] not in values
    ]
    assert bad == []


def parameters(function: object) -> set[str]:
    return set(inspect.signature(function).parameters)  # type: ignore[arg-type]


def options(verb: str) -> list[str]:
    """Return the long options of a command; of those with a negation, the one that is not the default."""
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    return [
        name
        for each in command.params
        if each.param_type_name == "option"
        for name in (each.secondary_opts if each.secondary_opts and each.default else each.opts)
        if name.startswith("--")
    ]


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module, each f-string as one, but not its docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    skipped = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (skipped | parts):
            yield node.value
