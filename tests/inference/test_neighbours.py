"""Nearest images in feature space against scikit-learn's, and which images they are looked for among."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

import convworks
from convworks.data.sources.open import open_source
from convworks.errors import InputError
from convworks.inference import neighbours
from convworks.inference import surroundings as neighbourhood
from convworks.inference.feature_table import feature_table
from convworks.inference.neighbours import find_neighbours
from convworks.inference.predictor import Predictor
from convworks.inference.surroundings import choose_references, surroundings


@pytest.fixture(scope="module")
def predictor(any_run: Path) -> Predictor:
    return convworks.load(any_run, device="cpu")


@pytest.mark.parametrize(("queries", "references", "blocks"), [(7, 90, (3, 16)), (1, 5, (512, 8192)), (40, 33, (9, 5))])
def test_they_are_scikit_learns(
    queries: int, references: int, blocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "QUERIES", blocks[0])
    monkeypatch.setattr(neighbours, "REFERENCES", blocks[1])
    generator = np.random.default_rng(queries)
    asked = generator.normal(size=(queries, 12)).astype(np.float32)
    known = generator.normal(size=(references, 12)).astype(np.float32)
    found = find_neighbours(asked, known, 5)
    distances, places = NearestNeighbors(n_neighbors=5, metric="cosine").fit(known).kneighbors(asked)
    np.testing.assert_array_equal(found.indices, places)
    np.testing.assert_allclose(found.similarities, 1 - distances, atol=1e-5)


def test_an_image_is_not_its_own_neighbour() -> None:
    known = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    asked = np.array([4, 0, 29])
    found = find_neighbours(known[asked], known, 3, without=asked)
    _, places = NearestNeighbors(n_neighbors=4, metric="cosine").fit(known).kneighbors(known[asked])
    np.testing.assert_array_equal(found.indices, places[:, 1:])
    assert find_neighbours(known[:2], known[:2], 5, without=np.array([0, 1])).indices.tolist() == [[1], [0]]
    assert find_neighbours(known[:1], known[:1], 5, without=np.array([0])).indices.shape == (1, 0)


def test_fewer_references_and_vectors_of_nothing() -> None:
    known = np.eye(3, dtype=np.float32)
    found = find_neighbours(np.array([[0, 2, 1], [0, 0, 0]], np.float32), known, 5)
    assert found.indices[0].tolist() == [1, 2, 0]
    assert found.similarities[1].tolist() == [0, 0, 0]


def vectors(predictor: Predictor, split: str) -> np.ndarray:
    """Return what `convworks features` does: there batch normalisation is not folded into convolutions."""
    (found,) = feature_table(predictor, open_source("digits"), (), split=split).taps.values()
    return found


def oracle(asked: np.ndarray, known: np.ndarray, count: int) -> np.ndarray:
    distances, _ = NearestNeighbors(n_neighbors=count, metric="cosine").fit(known).kneighbors(asked)
    return np.asarray(1 - distances)


def test_they_come_from_train(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbourhood, "FEWEST", 2_000)
    source, samples = open_source("digits"), np.array([3, 50, 7])
    found = surroundings([predictor], source, "test", samples)
    train = source.splits["train"]
    assert (found.split, found.whole, found.part.names) == ("train", len(train), train.names)
    expected = oracle(vectors(predictor, "test")[samples], vectors(predictor, "train"), 5)
    np.testing.assert_allclose(found.neighbours.similarities, expected, atol=1e-4)
    labels = [source.classes[label] for label in train.labels[found.neighbours.indices[1]].tolist()]
    assert found.neighbour_classes(1) == labels
    assert found.agreeing([labels[0]] * 2)[1] == labels.count(labels[0]) / 5


@pytest.mark.parametrize("split", ["train", "test"])
def test_without_train_they_come_from_the_rest(
    predictor: Predictor, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbourhood, "FEWEST", 2_000)
    source, samples = open_source("digits"), np.array([9, 4])
    alone = replace(source, splits={split: source.splits[split]})
    found = surroundings([predictor], alone, split, samples)
    assert found.split == split
    assert not (found.neighbours.indices == samples[:, None]).any()
    known = vectors(predictor, split)
    np.testing.assert_allclose(found.neighbours.similarities, oracle(known[samples], known, 6)[:, 1:], atol=1e-4)


def test_of_several_networks_the_similarity_is_the_mean(predictor: Predictor) -> None:
    source, samples = open_source("digits"), np.array([9, 4])
    one, two = (surroundings([predictor] * count, source, "test", samples).neighbours for count in (1, 2))
    np.testing.assert_allclose(one.similarities, two.similarities, atol=1e-5)


def test_references_are_a_share_of_what_was_evaluated() -> None:
    assert choose_references(50, 10_000).tolist() == list(range(50))
    assert len(choose_references(50_000, 10_000)) == 2_500
    assert len(choose_references(50_000, 100)) == 1_000
    assert len(choose_references(1_200_000, 1_000_000)) == 10_000
    found = choose_references(50_000, 10_000)
    assert (np.diff(found) > 0).all()
    assert found.max() < 50_000
    assert (found == choose_references(50_000, 10_000)).all()


def test_a_drawn_image_is_not_its_own_neighbour_either(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbourhood, "FEWEST", 40)
    monkeypatch.setattr(neighbourhood, "MOST", 40)
    source, samples = open_source("digits"), np.arange(200)
    found = surroundings([predictor], source, "train", samples)
    assert (len(found.part), found.whole) == (40, len(source.splits["train"]))
    names = np.array(source.splits["train"].names)
    drawn = np.array(found.part.names)
    assert np.isin(names[samples], drawn).any()
    assert not (drawn[found.neighbours.indices] == names[samples][:, None]).any()


def test_a_single_image_has_no_neighbours(predictor: Predictor) -> None:
    source = open_source("digits")
    alone = replace(source, splits={"test": source.splits["test"].select(np.array([0]))})
    with pytest.raises(InputError, match="no other image in test"):
        surroundings([predictor], alone, "test", np.array([0]))
