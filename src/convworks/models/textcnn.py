"""Sentence classification: Kim, Convolutional Neural Networks for Sentence Classification, 2014."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn

from convworks.layers.blank import blank
from convworks.layers.branches import Branches
from convworks.layers.draw import glorot_uniform
from convworks.layers.network import Network
from convworks.layers.word_vectors import WordVectors
from convworks.models.catalogue import Facts, Shape

#: The sets of word vectors by name, and whether they are trained.
VECTORS: Mapping[str, Mapping[str, bool]] = {
    "trained": {"trained": True},
    "static": {"static": False},
    "multichannel": {"static": False, "trained": True},
}


@dataclass(frozen=True, kw_only=True)
class TextCNN:
    """A row: filter widths in words (one branch each), filters per branch, and the word vectors."""

    widths: tuple[int, ...] = (3, 4, 5)
    maps: int = 100
    dimensions: int = 300
    vectors: str
    dropout: float = 0.5


ROWS = {
    "textcnn": TextCNN(vectors="trained"),
    "textcnn_rand": TextCNN(vectors="trained"),
    "textcnn_static": TextCNN(vectors="static"),
    "textcnn_nonstatic": TextCNN(vectors="trained"),
    "textcnn_multichannel": TextCNN(vectors="multichannel"),
}

_DESCRIPTIONS = {
    "textcnn": ("random word vectors, trained: CNN-rand under the name of the network", "23.9 %"),
    "textcnn_rand": ("random word vectors, trained (CNN-rand)", "23.9 %"),
    "textcnn_static": ("word vectors from elsewhere, not trained (CNN-static)", "19.0 %"),
    "textcnn_nonstatic": ("word vectors from elsewhere, trained further (CNN-non-static)", "18.5 %"),
    "textcnn_multichannel": ("word vectors from elsewhere, both trained and not (CNN-multichannel)", "18.9 %"),
}

FACTS = {
    name: Facts(
        year=2014,
        paper="Kim, Convolutional Neural Networks for Sentence Classification",
        summary=summary,
        # The vocabulary of the sentence polarity set plus padding; its longest sentence with 4 padding words.
        shape=Shape(classes=2, channels=18_766, size=(64,)),
        reads="text",
        published_error=f"{error} on sentence polarity, 10-fold",
        differs="filters of the multichannel network have weights of their own for each channel, as for colours"
        if name == "textcnn_multichannel"
        else "",
        training="Adadelta, batch 50, dropout 0.5, the weights of each class scaled down to norm 3 after a step; "
        "vectors of word2vec (300 dimensions, trained on Google News) but for CNN-rand.",
    )
    for name, (summary, error) in _DESCRIPTIONS.items()
}


def build(row: TextCNN, shape: Shape) -> Network:
    """Build a row for a vocabulary of `shape.channels` words, of which word 0 is padding.

    Word vectors start as U(-0.25, 0.25) (section 3.3: the variance of the pretrained ones); `stem.assign` replaces
    them; all channels start equal. Other weights, which the paper does not specify, are as Glorot and Bengio 2010.
    """
    sets = VECTORS[row.vectors]
    with blank():
        words = WordVectors(shape.channels, row.dimensions, sets)
        branches = {f"width{width}": _branch(row, width, len(sets) * row.dimensions) for width in row.widths}
        head = OrderedDict(
            features=nn.Flatten(),
            dropout=nn.Dropout(row.dropout),
            logits=nn.Linear(len(row.widths) * row.maps, shape.classes),
        )
        network = Network(stem=words, stages={"branches": Branches(branches)}, head=nn.Sequential(head))
    device = next(words.parameters()).device
    words.assign(torch.empty(shape.channels, row.dimensions, device=device).uniform_(-0.25, 0.25))
    glorot_uniform(network)
    return network


def example(shape: Shape, batch: int) -> Int[Tensor, "b n"]:
    """Return sentences of random words."""
    return torch.randint(1, shape.channels, (batch, *shape.size))


def _branch(row: TextCNN, width: int, in_channels: int) -> nn.Sequential:
    """Return filters over `width` words, and their maximum over the sentence."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv1d(in_channels, row.maps, width), relu=nn.ReLU(inplace=True), pool=nn.AdaptiveMaxPool1d(1)
        )
    )
