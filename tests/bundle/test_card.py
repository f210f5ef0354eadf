from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from convworks.bundle.card import card

#: Names that would be markup, and what else they may hold.
NAMES = st.lists(
    st.text(st.sampled_from("ab1 _*`[]()<>!#&|~$\\:/.-+=\"'@ü\u202e\x1b\n\t"), min_size=1, max_size=12),
    min_size=2,
    max_size=4,
)


def described(classes: list[str], source: str = "photos", recipe: str = "folder/default") -> dict[str, Any]:
    return {
        "format": 4,
        "task": {"name": "classification"},
        "model": {"name": "resnet20_x"},
        "preprocessing": {"size": [32, 32], "channels": 3, "fit": "crop", "mean": [0.5] * 3, "std": [0.5] * 3},
        "classes": classes,
        "record": {"source": source, "recipe": recipe, "seed": 1, "convworks": "0.1.0"},
    }


def plain(name: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())


@given(NAMES)
def test_names_are_text_and_nothing_else(names: list[str]) -> None:
    """Read the card by another program, which must find no markup in the line of the classes."""
    tokens = (
        MarkdownIt("commonmark").enable(["strikethrough", "table"]).parse(card(described(names, names[0], names[1])))
    )
    lines = [token for token in tokens if token.type == "inline"]
    paragraph = next(token for token in lines if token.content.startswith("A probability for each class"))
    first = [child for child in (paragraph.children or []) if child.type != "softbreak"]
    assert {child.type for child in first} <= {"text"}
    text = "".join(child.content for child in first)
    assert plain(text).startswith(plain(f"A probability for each class: {', '.join(map(plain, names))}."))
    assert plain("".join(child.content for child in lines[0].children or [])) == plain(f"resnet20_x: {names[0]}")
    assert not any(token.type.startswith("html") for line in lines for token in (line, *(line.children or [])))


@pytest.mark.parametrize("name", ["T-shirt/top", "Ankle boot", "crane (2)", "golden_retriever", "C3D", "größe"])
def test_usual_names_are_as_they_are(name: str) -> None:
    assert f"each class: {name}, b." in card(described([name, "b"]))


def test_addresses_are_no_links() -> None:
    text = card(described(["https://a.b/c", "www.a.b"]))
    assert "https://" not in text
    assert "www.a" not in text
