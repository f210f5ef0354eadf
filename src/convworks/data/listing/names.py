"""Many names in one block of memory."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

#: Names of files and members may hold any code point, lone surrogates included.
ENCODING, ERRORS = "utf-8", "surrogatepass"


@dataclass(frozen=True)
class Names:
    """Texts by index, in a third of the memory of a list: their bytes end to end, and where each one ends."""

    content: UInt8[np.ndarray, " bytes"]
    ends: Int64[np.ndarray, " n"]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Names:
        """Return the names that an iterator yields, which are never in memory as a list."""
        content, ends = bytearray(), array("q")
        for text in texts:
            content += text.encode(ENCODING, ERRORS)
            ends.append(len(content))
        return cls(np.frombuffer(content, np.uint8), np.frombuffer(ends, np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        start = self.ends[index - 1] if index else 0
        return self.content[start : self.ends[index]].tobytes().decode(ENCODING, ERRORS)

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))

    def digest(self) -> str:
        """Return the SHA-256 of all names in their order."""
        digest = hashlib.sha256(self.ends.tobytes())
        digest.update(self.content.tobytes())
        return digest.hexdigest()
