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
    query_vectors = generator.normal(size=(queries, 12)).astype(np.float32)
    reference_vectors = generator.normal(size=(references, 12)).astype(np.float32)
    result = find_neighbours(query_vectors, reference_vectors, 5)
    distances, indices = (
        NearestNeighbors(n_neighbors=5, metric="cosine").fit(reference_vectors).kneighbors(query_vectors)
    )
    np.testing.assert_array_equal(result.indices, indices)
    np.testing.assert_allclose(result.similarities, 1 - distances, atol=1e-5)


def test_an_image_is_not_its_own_neighbour() -> None:
    vectors_of_images = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    samples = np.array([4, 0, 29])
    neighbours = find_neighbours(vectors_of_images[samples], vectors_of_images, 3, without=samples)
    _, indices = (
        NearestNeighbors(n_neighbors=4, metric="cosine").fit(vectors_of_images).kneighbors(vectors_of_images[samples])
    )
    np.testing.assert_array_equal(neighbours.indices, indices[:, 1:])
    assert find_neighbours(
        vectors_of_images[:2], vectors_of_images[:2], 5, without=np.array([0, 1])
    ).indices.tolist() == [[1], [0]]
    assert find_neighbours(vectors_of_images[:1], vectors_of_images[:1], 5, without=np.array([0])).indices.shape == (
        1,
        0,
    )


def test_fewer_references_and_vectors_of_nothing() -> None:
    references = np.eye(3, dtype=np.float32)
    neighbours = find_neighbours(np.array([[0, 2, 1], [0, 0, 0]], np.float32), references, 5)
    assert neighbours.indices[0].tolist() == [1, 2, 0]
    assert neighbours.similarities[1].tolist() == [0, 0, 0]


def vectors(predictor: Predictor, split: str) -> np.ndarray:
    """Return what `convworks features` does: there batch normalisation is not folded into convolutions."""
    (table,) = feature_table(predictor, open_source("digits"), (), split=split).taps.values()
    return table


def oracle(queries: np.ndarray, references: np.ndarray, count: int) -> np.ndarray:
    distances, _ = NearestNeighbors(n_neighbors=count, metric="cosine").fit(references).kneighbors(queries)
    return np.asarray(1 - distances)


def test_they_come_from_train(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbourhood, "FEWEST", 2_000)
    source, samples = open_source("digits"), np.array([3, 50, 7])
    result = surroundings([predictor], source, "test", samples)
    train = source.splits["train"]
    assert (result.split, result.whole, result.part.names) == ("train", len(train), train.names)
    expected = oracle(vectors(predictor, "test")[samples], vectors(predictor, "train"), 5)
    np.testing.assert_allclose(result.neighbours.similarities, expected, atol=1e-4)
    labels = [source.classes[label] for label in train.labels[result.neighbours.indices[1]].tolist()]
    assert result.neighbour_classes(1) == labels
    assert result.agreeing([labels[0]] * 2)[1] == labels.count(labels[0]) / 5


@pytest.mark.parametrize("split", ["train", "test"])
def test_without_train_they_come_from_the_rest(
    predictor: Predictor, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbourhood, "FEWEST", 2_000)
    source, samples = open_source("digits"), np.array([9, 4])
    alone = replace(source, splits={split: source.splits[split]})
    result = surroundings([predictor], alone, split, samples)
    assert result.split == split
    assert not (result.neighbours.indices == samples[:, None]).any()
    references = vectors(predictor, split)
    np.testing.assert_allclose(
        result.neighbours.similarities, oracle(references[samples], references, 6)[:, 1:], atol=1e-4
    )


def test_of_several_networks_the_similarity_is_the_mean(predictor: Predictor) -> None:
    source, samples = open_source("digits"), np.array([9, 4])
    of_one, of_two = (surroundings([predictor] * count, source, "test", samples).neighbours for count in (1, 2))
    np.testing.assert_allclose(of_one.similarities, of_two.similarities, atol=1e-5)


def test_references_are_a_share_of_what_was_evaluated() -> None:
    assert choose_references(50, 10_000).tolist() == list(range(50))
    assert len(choose_references(50_000, 10_000)) == 2_500
    assert len(choose_references(50_000, 100)) == 1_000
    assert len(choose_references(1_200_000, 1_000_000)) == 10_000
    indices = choose_references(50_000, 10_000)
    assert (np.diff(indices) > 0).all()
    assert indices.max() < 50_000
    assert (indices == choose_references(50_000, 10_000)).all()


def test_a_drawn_image_is_not_its_own_neighbour_either(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbourhood, "FEWEST", 40)
    monkeypatch.setattr(neighbourhood, "MOST", 40)
    source, samples = open_source("digits"), np.arange(200)
    result = surroundings([predictor], source, "train", samples)
    assert (len(result.part), result.whole) == (40, len(source.splits["train"]))
    names = np.array(source.splits["train"].names)
    reference_names = np.array(result.part.names)
    assert np.isin(names[samples], reference_names).any()
    assert not (reference_names[result.neighbours.indices] == names[samples][:, None]).any()


def test_a_single_image_has_no_neighbours(predictor: Predictor) -> None:
    source = open_source("digits")
    alone = replace(source, splits={"test": source.splits["test"].select(np.array([0]))})
    with pytest.raises(InputError, match="no other image in test"):
        surroundings([predictor], alone, "test", np.array([0]))
