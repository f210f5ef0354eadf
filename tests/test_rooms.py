"""The tree of files: no circles of imports, no file or folder that has grown too large."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
LINES, FILES = 400, 25


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other in a circle (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = lowest[module] = len(index)
        stack.append(module)
        for other in sorted(imports[module]):
            if other not in index:
                visit(other)
            if other in stack:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == index[module]:
            at = stack.index(module)
            group, stack[at:] = stack[at:], []
            if len(group) > 1 or module in imports[module]:
                groups.append(sorted(group))

    for module in sorted(imports):
        if module not in index:
            visit(module)
    return groups


def test_a_circle_is_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}, "e": {"e"}}) == [["b", "c"], ["e"]]


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions count too."""
    graph = grimp.build_graph("convworks", cache_dir=None)
    assert circles({module: graph.find_modules_directly_imported_by(module) for module in graph.modules}) == []


def test_no_file_is_too_long_and_no_folder_too_full() -> None:
    files = sorted((ROOT / "src" / "convworks").rglob("*.py"))
    long = {str(file.relative_to(ROOT)): n for file in files if (n := len(file.read_text().splitlines())) > LINES}
    full = {str(folder.relative_to(ROOT)): n for folder, n in Counter(f.parent for f in files).items() if n > FILES}
    assert (long, full) == ({}, {})


def test_every_room_says_what_it_is() -> None:
    rooms = sorted((ROOT / "src" / "convworks").rglob("__init__.py"))
    assert [str(room) for room in rooms if not room.read_text().startswith('"""')] == []


def test_the_map_is_short_and_names_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    files = [str(file.relative_to(ROOT)) for file in (*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py"))]
    named = set(re.findall(r"[\w/]+\.py\b", text))
    assert len(named) > 40
    assert [name for name in sorted(named) if not any(f"/{file}".endswith(f"/{name}") for file in files)] == []


def questions(file: Path) -> list[int]:
    """Return the lines of a file that ask which task or outcome something is."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "isinstance"
        and any(isinstance(part, ast.Name) and KINDS.search(part.id) for part in ast.walk(node.args[1]))
    ]
    names = {node.id: node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr: node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.arg: node.lineno for node in ast.walk(tree) if isinstance(node, ast.arg | ast.keyword) and node.arg}
    lines += [line for name, line in names.items() if name in FORBIDDEN]
    compared = [part for node in ast.walk(tree) if isinstance(node, ast.Compare) for part in ast.walk(node)]
    lines += [part.lineno for part in compared if isinstance(part, ast.Constant) and part.value in NAMES]
    return sorted(lines)


KINDS = re.compile(
    r"Predictions$|^Reconstructions$|Outcome$|^Task$|^(CLASSIFICATION|MULTI_LABEL|RECONSTRUCTION|CODES)$"
)
FORBIDDEN = {"multi_label", "makes_images"}
NAMES = {"classification", "multi_label", "reconstruction"}


def test_a_question_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(
        "isinstance(x, int)\nif isinstance(x, Predictions | int):\n    pass\nsource.multi_label\nf(makes_images=1)\n"
        "x.name == 'classification'\n"
    )
    assert questions(file) == [2, 4, 5, 6]


def test_nothing_outside_tasks_asks_which_task_it_is() -> None:
    files = sorted((ROOT / "src" / "convworks").rglob("*.py"))
    # data/ asks how its labels are laid out.
    outside = [file for file in files if not {"tasks", "data"} & set(file.relative_to(ROOT).parts)]
    assert {str(file.relative_to(ROOT)): lines for file in outside if (lines := questions(file))} == {}
