"""The two kinds of expected failures, and the format of their one-line messages."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from convworks.arguments import in_python, place_in_python

P = ParamSpec("P")
R = TypeVar("R")


class ConvworksError(Exception):
    """An expected failure: `where` names the file or field, `reason` the rule and the value, `remedy` a fix."""

    exit_status = 1
    where: str
    reason: str
    remedy: str

    def __init__(self, where: object, reason: str, remedy: str = "") -> None:
        super().__init__()
        self._say(str(where), reason, remedy)

    def _say(self, where: str, reason: str, remedy: str) -> None:
        self.where, self.reason, self.remedy = where, reason, remedy
        message = " ".join(f"{reason}{'; ' + remedy if remedy else ''}".split())
        self.args = (f"{visible(where)}: {visible(message)}",)

    def __reduce__(self) -> tuple[Callable[..., ConvworksError], tuple[type[ConvworksError], str, str, str]]:
        """Return how it is pickled, as a process of a pool sends it: `args` are not those of its constructor."""
        return _again, (type(self), self.where, self.reason, self.remedy)

    def write_for_python(self, flags: frozenset[str] = frozenset()) -> None:
        """Write the options in the message as the arguments of a function, some of which are `flags` (arguments.py)."""
        self._say(place_in_python(self.where, flags), in_python(self.reason, flags), in_python(self.remedy, flags))

    def _render_traceback_(self) -> list[str]:
        """Return what IPython and Jupyter show instead of a traceback: the message."""
        return [f"{type(self).__name__}: {self}"]


def _again(kind: type[ConvworksError], where: str, reason: str, remedy: str) -> ConvworksError:
    error = kind.__new__(kind)
    error._say(where, reason, remedy)
    return error


class InputError(ConvworksError):
    """The input was wrong (exit status 2)."""

    exit_status = 2


class RunError(ConvworksError):
    """The work failed although its input was right (exit status 1)."""


@contextmanager
def naming(option: str, *arguments: str) -> Iterator[None]:
    """Let input errors about some arguments of a function name the option that their value came from."""
    try:
        yield
    except InputError as error:
        if error.where in arguments:
            error._say(option, error.reason, error.remedy)
        raise


_typed: ContextVar[bool] = ContextVar("typed", default=False)


@contextmanager
def on_the_command_line() -> Iterator[None]:
    """Let errors name options as they are typed: a command calls the public functions, too."""
    token = _typed.set(True)
    try:
        yield
    finally:
        _typed.reset(token)


def worded(text: str) -> str:
    """Return a line for the user, such as a note: its options as they are typed, or as arguments in a call."""
    return text if _typed.get() else in_python(text)


def brief(verb: Callable[P, R]) -> Callable[P, R]:
    """Let a public function raise errors in the words of Python.

    They name arguments instead of options. Input errors come without the frames inside convworks, as the input is at
    fault. An unknown argument is reported with the nearest name.
    """
    parameters = inspect.signature(verb).parameters.values()
    names = [each.name for each in parameters]
    flags = frozenset(each.name for each in parameters if isinstance(each.default, bool))

    @functools.wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True  # for pytest
        unknown = next((name for name in kwargs if name not in names), None)
        if unknown is not None:
            raise TypeError(f"{verb.__name__}() has no argument {unknown!r}{nearest(unknown, names)}")
        try:
            return verb(*args, **kwargs)
        except ConvworksError as error:
            if not _typed.get():
                error.write_for_python(flags)
            if isinstance(error, InputError):
                raise error.with_traceback(None) from None
            raise

    return call


def visible(text: str) -> str:
    r"""Return a text as one line, with control characters and the like as escapes such as \x1b.

    This includes line breaks, overrides of the writing direction, and bytes of file names that are not UTF-8.
    """
    return HIDDEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    byte = ord(match[0]) - 0xDC00  # Python's surrogate of a byte that is not UTF-8
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else ascii(match[0])[1:-1]


def counted(count: int, word: str, words: str = "") -> str:
    """Return a number of things in words: `1 image`, `1,200 images`; `words` is the plural of a word without s."""
    return f"{count:,} {word if count == 1 else words or f'{word}s'}"


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ` (did you mean 'x' or 'y'?)` for the names closest to a mistyped one, or nothing.

    Case, hyphens and underscores count as nothing: ResNet-50 is resnet50.
    """
    by_letters: dict[str, str] = {}
    for choice in names:
        by_letters.setdefault(_letters(choice), choice)
    letters = _letters(name)
    close = [letters] if letters in by_letters else difflib.get_close_matches(letters, by_letters, n=2, cutoff=0.65)
    return f" (did you mean {' or '.join(repr(by_letters[each]) for each in close)}?)" if close else ""


def _letters(name: str) -> str:
    return re.sub("[-_ ]", "", name.casefold())


#: Control characters, line separators, overrides of the writing direction, and surrogates.
HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
