"""Word vectors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class WordVectors(nn.Module):
    """One or several sets of vectors for the words of a vocabulary; `sets` maps each name to whether it is trained.

    Word 0 is the padding of short sentences: its vectors are zero and stay zero.
    """

    def __init__(self, words: int, dimensions: int, sets: Mapping[str, bool]) -> None:
        super().__init__()
        for name, trained in sets.items():
            table = nn.Embedding(words, dimensions, padding_idx=0)
            table.weight.requires_grad_(trained)
            self.add_module(name, table)

    def forward(self, tokens: Int[Tensor, "b n"]) -> Float[Tensor, "b c n"]:
        """Look up every word; the vectors of all sets are concatenated as channels."""
        return torch.cat([table(tokens) for table in self.children()], dim=2).transpose(1, 2)

    def assign(self, vectors: Float[Tensor, "v d"]) -> None:
        """Assign these vectors, one per word, to every set; that of word 0 stays zero."""
        with torch.no_grad():
            for table in self.parameters():
                table.copy_(vectors)
                table[0].zero_()
