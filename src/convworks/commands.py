"""Commands as they are printed: whatever the names in them are, a shell reads what was meant."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from convworks.errors import visible


def repeated(words: Sequence[object], options: Mapping[str, object]) -> str:
    """Write a command with those of its options that are not None, a list's once for each value.

    A path that begins with a dash is no option.
    """
    named = [f"./{word}" if word.startswith("-") else word for word in map(str, words)]
    given = [(name, value if isinstance(value, list) else [value]) for name, value in options.items()]
    set_options = [
        str(word) for name, values in given for value in values if value is not None for word in (name, value)
    ]
    return " ".join(map(_quoted, ["convworks", *named, *set_options]))


def _quoted(word: str) -> str:
    r"""Quote a word for a shell, on one line: a line break becomes $'\n'."""
    if visible(word) == word:
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{visible(escaped)}'"
