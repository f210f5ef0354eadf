"""The command of a run, varied: what a verdict suggests, ready to paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Options without a value, and those that belong to one run alone.
FLAGS = ("--finish", "--deterministic", "--skip-damaged", "--json", "--debug")
ONCE = ("--out", "--resume", "--finish", "--json", "--debug")
#: What `lr-range` and `crossval` do not have.
NOT_SWEPT = ("--epochs", "--deterministic", "--skip-damaged")
NOT_FOLDED = ("--skip-damaged",)


@dataclass(frozen=True, kw_only=True)
class Again:
    """The words of a command that trained, without its output folder; `transferred` if it was `convworks transfer`."""

    words: tuple[tuple[str, ...], ...]
    transferred: bool

    @property
    def data(self) -> str:
        """The source as the command names it; empty if it names none."""
        return next((words[1] for words in self.words if words[0] == "--data"), "")

    def varied(self, *changes: str) -> str:
        """Return the command with further changes of its configuration."""
        verb = "transfer" if self.transferred else "train"
        return self._line(verb, [word for change in changes for word in ("--set", change)])

    def lr_range(self) -> str:
        """Return the range test of the same configuration."""
        return self._line("lr-range", without=NOT_SWEPT)

    def crossval(self, folds: int) -> str:
        """Return the cross-validation of the same configuration."""
        return self._line("crossval", ["--folds", str(folds)], without=NOT_FOLDED)

    def _line(self, verb: str, more: Sequence[str] = (), without: Sequence[str] = ()) -> str:
        kept = [word for words in self.words if words[0] not in without for word in words]
        return shlex.join(["convworks", verb, *kept, *more])


def again(command: str) -> Again | None:
    """Read the command of a run; None for one that neither trains nor transfers, such as that of a Python program."""
    try:
        program, verb, *rest = shlex.split(command)
    except ValueError:
        return None
    if program != "convworks" or verb not in ("train", "transfer"):
        return None
    words = tuple(group for group in _grouped(rest) if group[0] not in ONCE)
    return Again(words=words, transferred=verb == "transfer")


def _grouped(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield arguments alone, and options with their values."""
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if not word.startswith("--") or word in FLAGS:
            yield (word,)
        else:
            yield (option, value if equals else next(rest, ""))
