"""Options of the command line as arguments of Python functions, for messages that name them.

A message is written once, for the command line. The value of an option stands right behind it; a bare option is
followed by punctuation, `and`, `or`, or nothing. `in_python` writes both, and whole commands, for someone who calls
functions: `--head svm` as head='svm', `--skip-damaged` as skip_damaged=True, `convworks train --resume RUN` as
convworks.train(resume=RUN).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import partial

#: Options without a value, and what they set.
FLAGS: Mapping[str, str] = {
    "--deterministic": "deterministic=True",
    "--finish": "finish=True",
    "--int8": "int8=True",
    "--no-pruning": "pruning=False",
    "--overwrite": "overwrite=True",
    "--plain": "stratified=False",
    "--probabilities": "probabilities=True",
    "--skip-damaged": "skip_damaged=True",
}
#: Options that may be repeated; the argument is a list.
LISTS: Mapping[str, str] = {"--search": "search", "--set": "overrides", "--tap": "taps"}
NAMES = """data model epochs out resume device seed workers cut freeze head runs folds group_by trials storage study
    steps split pool precision max_pixels runtime threshold top format check calibrate max_drop protocol combine
    shard mask scale minutes samples stop iterations compare"""
#: Options with one value.
VALUES: Mapping[str, str] = {
    **{f"--{name.replace('_', '-')}": name for name in NAMES.split()},
    "--from": "lowest",
    "--to": "highest",
}
#: Commands that are functions of the same name.
VERBS = (
    "train",
    "transfer",
    "restarts",
    "crossval",
    "tune",
    "lr-range",
    "compare",
    "export",
    "features",
    "probe",
    "restore",
)

WORD = r"(?:'[^']*'|(?!--)[^\s`']*[^\s`',;:)])"
OPTION = re.compile(rf"(?<![\w-])(?P<option>--[a-z][a-z0-9-]*)(?: (?!(?:and|or)\b)(?P<value>{WORD}))?")
COMMAND = re.compile(rf"\bconvworks (?P<verb>[a-z][a-z-]*)(?P<words>(?: (?:--[a-z][a-z0-9-]*|{WORD}))*)")
EITHER = re.compile(rf"{COMMAND.pattern}|(?:{OPTION.pattern} ?)+")


def in_python(text: str, flags: frozenset[str] = frozenset()) -> str:
    """Write the options and commands in a text as arguments and calls; what Python does not have stays as it is.

    `flags` are arguments of the called function that are True or False, though others may give them a value.
    """
    return EITHER.sub(partial(_written, flags), text)


def place_in_python(where: str, flags: frozenset[str] = frozenset()) -> str:
    """Write what a message is about, such as `--out runs/ants`, as an argument; the rest of it is the value."""
    if not where.startswith("--"):
        return in_python(where, flags) if where.startswith("convworks ") else where
    option, _, rest = where.partition(" ")
    value, colon, more = rest.partition(": ")
    name = FLAGS.get(option, "").partition("=")[0] or LISTS.get(option) or VALUES.get(option)
    if name is None:
        return where
    written = _values(option, [value]) if value and option not in FLAGS and name not in flags else name
    return f"{written}{colon}{more}"


def _written(flags: frozenset[str], match: re.Match[str]) -> str:
    if match["verb"]:
        return _call(match["verb"], match["words"]) or match[0]
    end = " " if match[0].endswith(" ") else ""
    return " ".join(_arguments(list(OPTION.finditer(match[0])), flags)) + end


def _arguments(options: list[re.Match[str]], flags: frozenset[str] = frozenset()) -> list[str]:
    """Return options that follow each other as arguments; repeated ones are one list."""
    written: dict[str, list[str]] = {}
    words = []
    for match in options:
        option, value = match["option"], match["value"]
        if option in LISTS and value:
            if option not in written:
                words.append(option)
            written.setdefault(option, []).append(value)
        elif option in VALUES and value:
            words.append(_values(option, [value]))
        else:
            name = FLAGS.get(option) or LISTS.get(option) or VALUES.get(option) or option
            name += "=True" if name in flags else ""
            words.append(f"{name} {value}" if value else name)
    return [_values(word, written[word]) if word in written else word for word in words]


def _call(verb: str, text: str) -> str:
    """Return a command as a call, or nothing if there is no such function or argument."""
    options = list(OPTION.finditer(text))
    known = {*FLAGS, *LISTS, *VALUES}
    if verb not in VERBS or not known.issuperset(match["option"] for match in options):
        return ""
    before = text[: options[0].start()] if options else text
    given = [_value(word) for word in shlex.split(before)]
    return f"convworks.{verb.replace('-', '_')}({', '.join([*given, *_arguments(options)])})"


def _values(option: str, values: list[str]) -> str:
    words = [_value(value) for value in values]
    return f"{LISTS[option]}=[{', '.join(words)}]" if option in LISTS else f"{VALUES[option]}={words[0]}"


def _value(text: str) -> str:
    """Return a value as Python writes it; capitals stand for one that the reader knows: RUN."""
    text = text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text
    return text if re.fullmatch(r"[A-Z]+|[0-9]+(\.[0-9]+)?", text) else repr(text)
