"""Commands as they are printed: whatever the names in them are, a shell reads what was meant."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from convworks.errors import HIDDEN, visible


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
    return f"$'{HIDDEN.sub(_bytes, escaped)}'"


def _bytes(match: re.Match[str]) -> str:
    """Write a character that cannot be seen: as its bytes, which a shell reads in any locale."""
    character = match[0]
    if character.isascii():
        return ascii(character)[1:-1]
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))
