"""A shard of a job: one of N runs of consecutive batches, which together are the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from convworks.errors import InputError

MOST = 1_000_000


@dataclass(frozen=True)
class Shard:
    """Shard `number` of `of`, from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def part(self, batches: int) -> range:
        """Return its part of so many batches: consecutive ones, as many as those of any other shard, or one more."""
        return range((self.number - 1) * batches // self.of, self.number * batches // self.of)


WHOLE = Shard(1, 1)


def parse_shard(text: str | None) -> Shard:
    """Return the shard that K/N names; all of a job for None. Raises InputError for anything else."""
    if text is None:
        return WHOLE
    match = re.fullmatch(r"(\d{1,7})/(\d{1,7})", text.strip(), re.ASCII)
    number, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= of <= MOST:
        raise InputError("--shard", f"is {text!r}", "give K/N with K from 1 to N, such as 3/16")
    return Shard(number, of)
