"""The command of a run, varied: what a verdict suggests, ready to paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from convworks.config import Config, full_name
from convworks.data.config import DIVIDING

#: Options without a value, and those that belong to one run alone.
FLAGS = ("--finish", "--deterministic", "--skip-damaged", "--json", "--debug")
ONCE = ("--out", "--resume", "--finish", "--json", "--debug")
EPOCHS = "training.epochs"
#: The fields that have an option of their own.
NAMED = {"model.name": "--model", EPOCHS: "--epochs", "device": "--device", "seed": "--seed"}
#: What says which images are trained on: options, and fields.
SOURCE = ("--data", "--skip-damaged")
CHOOSE_IMAGES = {f"data.{name}" for name in (*DIVIDING, "ignore", "max_pixels")}
#: What `lr-range` does not have.
NOT_SWEPT = ("--epochs", "--deterministic")


@dataclass(frozen=True, kw_only=True)
class Again:
    """The words of a command that trained, without its output folder; `transferred` if it was `convworks transfer`.

    `config` resolves the short names of fields.
    """

    words: tuple[tuple[str, ...], ...]
    transferred: bool
    config: Config

    def source(self, default: str) -> list[str]:
        """Return the words that say which images are trained on, as every command that trains takes them.

        `default` is the source where the command names none.
        """
        kept = [words for words in self.words if words[0] in SOURCE or self._field(words) in CHOOSE_IMAGES]
        named = any(words[0] == "--data" for words in kept)
        return [*([] if named else ["--data", default]), *(word for words in kept for word in words)]

    def varied(self, *changes: str) -> str:
        """Return the command with changes of its configuration, which replace what it says of the same fields."""
        verb = "transfer" if self.transferred else "train"
        changed = {change.partition("=")[0] for change in changes}
        kept = [words for words in self.words if self._field(words) not in changed]
        return shlex.join(["convworks", verb, *(word for words in kept for word in words), *options(changes)])

    @property
    def sets_epochs(self) -> bool:
        """Whether the command sets a number of epochs instead of the recipe's."""
        return any(self._field(words) == EPOCHS for words in self.words)

    def as_planned(self) -> str:
        """Return the command with the recipe's number of epochs."""
        return replace(self, words=tuple(words for words in self.words if self._field(words) != EPOCHS)).varied()

    def lr_range(self) -> str:
        """Return the range test of the same configuration."""
        return self._line("lr-range", without=NOT_SWEPT)

    def crossval(self, folds: int) -> str:
        """Return the cross-validation of the same configuration."""
        return self._line("crossval", ["--folds", str(folds)])

    def _field(self, words: tuple[str, ...]) -> str:
        """Return the dotted name of the field that an option sets; empty for other words."""
        if words[0] == "--set":
            return full_name(self.config, words[1].partition("=")[0].strip())
        return next((field for field, option in NAMED.items() if option == words[0]), "")

    def _line(self, verb: str, more: Sequence[str] = (), without: Sequence[str] = ()) -> str:
        kept = [word for words in self.words if words[0] not in without for word in words]
        return shlex.join(["convworks", verb, *kept, *more])


def options(changes: Iterable[str]) -> list[str]:
    """Return assignments as words of a command: --epochs 4 where a field has an option of its own, else --set."""
    words = []
    for change in changes:
        field, _, value = change.partition("=")
        words += [NAMED[field], value] if field in NAMED else ["--set", change]
    return words


def again(command: str, config: Config) -> Again | None:
    """Read the command of a run; None for one that neither trains nor transfers, such as that of a Python program."""
    try:
        program, verb, *rest = shlex.split(command)
    except ValueError:
        return None
    if program != "convworks" or verb not in ("train", "transfer"):
        return None
    words = tuple(group for group in _grouped(rest) if group[0] not in ONCE)
    return Again(words=words, transferred=verb == "transfer", config=config)


def varied(command: str, config: Config, changes: Sequence[str]) -> str:
    """Return the command that trained a configuration, with changes."""
    words = again(command, config)
    if words is None:
        raise ValueError(f"{command!r} does not train")
    return words.varied(*changes)


def _grouped(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield arguments alone, and options with their values."""
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if not word.startswith("--") or word in FLAGS:
            yield (word,)
        else:
            yield (option, value if equals else next(rest, ""))
