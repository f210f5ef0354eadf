"""The page of errors: what it shows, of which images, and what it says where something cannot be shown."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convworks.bundle.bundle import Bundle
from convworks.data.column import COLOURS, Arrays
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.identity import images_digest
from convworks.data.source import Source, Split, number_names
from convworks.data.sources.open import open_source
from convworks.inference.predictor import Predictor
from convworks.layers.network import Network
from convworks.metrics.label_errors import label_errors
from convworks.models.catalogue import Shape, create
from convworks.models.config import ModelConfig
from convworks.report import errors_report
from convworks.report.errors_report import ErrorFiles, write_errors
from convworks.report.report import ReportContent, write_report
from convworks.tasks.classification import CLASSIFICATION
from convworks.tasks.multi_label import MULTI_LABEL
from convworks.tasks.outcomes import classification
from convworks.tasks.outcomes.classification import Predictions
from convworks.tasks.outcomes.multi_label import LabelSetPredictions

VOID = {"meta", "img", "input"}
CLASSES = ("cat", "dog <b>", "Käfer", "ant")


class Checker(HTMLParser):
    """Collects what a page loads and says, and insists that every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        assert tag not in ("script", "link", "iframe")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def predictor(*, several: bool = False, size: int = 12, network: Any = None) -> Predictor:
    torch.manual_seed(0)
    built = network or create("convnet_digits", Shape(classes=len(CLASSES), channels=3, size=(size, size)))
    bundle = Bundle(
        network=built.eval(),
        model=ModelConfig(name="convnet_digits"),
        preprocessing=Preprocessing(size=(size, size), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.25,) * 3),
        classes=CLASSES,
        record={},
        task=MULTI_LABEL if several else CLASSIFICATION,
    )
    return Predictor(bundle=bundle, network=bundle.network, precision=torch.float32)


def source(*, several: bool = False, train: int = 40, test: int = 90, size: int = 12) -> Source:
    generator = np.random.default_rng(0)

    def split(name: str, n: int) -> Split:
        labels: Any = generator.random((n, 4)) < 0.4 if several else generator.integers(0, 4, n)
        pixels = generator.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
        return Split(names=number_names(name, n), inputs=Arrays(pixels, COLOURS), targets=Arrays(labels))

    splits = {"train": split("train", train)} if train else {}
    return Source(name="made", kind="array", path=None, classes=CLASSES, splits={**splits, "test": split("test", test)})


def answers(data_source: Source, *, split: str = "test", sharp: float = 1.0) -> Any:
    generator, labels = np.random.default_rng(1), data_source.splits[split].labels
    n = len(labels)
    if labels.ndim == 2:
        actual = generator.random((n, 4))
    else:
        powers = np.exp(generator.normal(size=(n, 4)) + sharp * np.eye(4)[labels])
        actual = powers / powers.sum(1, keepdims=True)
    kind: Any = LabelSetPredictions if labels.ndim == 2 else Predictions
    return kind(
        split=split,
        names=data_source.splits[split].names,
        classes=CLASSES,
        labels=labels,
        probabilities=actual.astype(np.float32),
    )


def written(folder: Path, *args: Any, **more: Any) -> tuple[ErrorFiles, str, str]:
    """Write the page, check what holds for every one, return the files, its HTML and its words."""
    files = write_errors(folder, *args, title="a & b", **more)
    html = files.page.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert all(load.startswith(("data:image/", "#")) or load == "report.html" for load in checker.loads)
    assert not re.search(r"https?://|@import|url\(", html)
    assert all(f'id="{load[1:]}"' in html for load in checker.loads if load.startswith("#"))
    assert sorted(file.name for file in folder.iterdir()) == sorted(files.names)
    return files, html, " ".join(checker.words)


@pytest.fixture(autouse=True)
def any_network_accuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let weak networks name candidates too: those of these tests answer at random."""
    monkeypatch.setattr(classification, "label_errors", partial(label_errors, required=0.0))


def test_a_weak_network_accuses_no_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classification, "label_errors", label_errors)
    data_source = source()
    files, html, words = written(tmp_path, [predictor()], data_source, answers(data_source))
    assert files.candidates == 0
    assert (tmp_path / "label_errors.csv").read_text().count("\n") == 1
    assert "no image is called mislabelled: of its confident predictions" in files.summary()
    assert "The network is not good enough to call labels wrong" in words
    assert "From 90% on" in words
    assert html.count("<article") > 20  # all mistakes are shown, as mistakes


def test_it_shows_candidates_then_the_rest_each_with_neighbours(tmp_path: Path) -> None:
    data_source = source()
    outcome = answers(data_source)
    assert isinstance(outcome, Predictions)
    files, html, words = written(tmp_path, [predictor()], data_source, outcome)
    wrong = int((~outcome.correct).sum())
    candidates = label_errors(outcome.labels, outcome.probabilities, required=0.0).samples.tolist()
    assert files.candidates == len(candidates) > 3
    shown = re.findall(r'class="file" title="([^"]*)"', html)
    rest = [i for i in outcome.worst(1000) if i not in candidates]
    assert shown == [outcome.names[i] for i in (*candidates[:36], *rest[: 60 - len(candidates[:36])])]
    assert html.count("<article") == len(shown) == min(60, wrong)
    assert html.count("<li class=") == 5 * len(shown)
    assert f"{wrong} of 90" in words
    assert "all 40 train images" in words
    assert "dog <b>" in words
    first = re.search(r"<article.*?</article>", html, re.S)
    assert first is not None
    assert f'class="error c{outcome.labels[candidates[0]]} c{outcome.predicted[candidates[0]]}"' in first[0]
    with (tmp_path / "label_errors.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [outcome.names[i] for i in candidates]
    agreeing = first[0].count('<li class="as-predicted"')
    assert float(rows[0]["neighbours"]) == agreeing / 5
    assert f"{agreeing} of 5 neighbours as predicted" in words


def test_the_filter_has_a_rule_for_each_class(tmp_path: Path) -> None:
    data_source = source()
    _, html, _ = written(tmp_path / "four", [predictor()], data_source, answers(data_source))
    for label in range(4):
        assert f"main:has(#f{label}:checked) .error:not(.c{label}){{display:none}}" in html
        count = len(re.findall(rf'<article class="error(?: c\d)*? c{label}\b', html))
        assert re.search(rf'for="f{label}">[^<]* <small>{count}</small>', html)
    two = data_source.splits["test"].with_labels(data_source.splits["test"].labels % 2)
    outcome = answers(replace(data_source, splits={**data_source.splits, "test": two}))
    probabilities = outcome.probabilities.copy()
    probabilities[:, 2:] = 0
    _, html, _ = written(tmp_path / "two", [predictor()], data_source, replace(outcome, probabilities=probabilities))
    assert "<input" not in html


def test_no_more_than_some_are_shown_and_all_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors_report, "SHOWN", 7)
    monkeypatch.setattr(errors_report, "SUSPECTS", 3)
    monkeypatch.setattr(errors_report, "LOOKED_UP", 4)
    data_source = source()
    files, html, words = written(tmp_path, [predictor()], data_source, answers(data_source))
    assert html.count("<article") == 7
    assert f"3 of {files.candidates}." in words
    with (tmp_path / "label_errors.csv").open(newline="") as file:
        agreements = [row["neighbours"] for row in csv.DictReader(file)]
    assert len(agreements) == files.candidates
    assert [bool(agreement) for agreement in agreements] == [True] * 4 + [False] * (len(agreements) - 4)


def test_no_mistakes(tmp_path: Path) -> None:
    data_source = source()
    files, html, words = written(tmp_path, [predictor()], data_source, answers(data_source, sharp=60))
    assert files.candidates == 0
    assert "<article" not in html
    assert "Every sample is right." in words
    assert (tmp_path / "label_errors.csv").read_text() == "path,label,predicted,probability,margin,neighbours\n"


def test_any_number_of_labels(tmp_path: Path) -> None:
    data_source = source(several=True)
    files, html, words = written(tmp_path, [predictor(several=True)], data_source, answers(data_source))
    assert files.label_errors is None
    assert files.candidates is None
    assert files.as_json() == {"page": str(files.page)}
    assert "Perhaps mislabelled" not in words
    assert "only reported for single-label images" in words
    assert html.count("<li class=") == 5 * html.count("<article") > 0
    assert "nothing" in words


def test_without_train_neighbours_come_from_the_rest(tmp_path: Path) -> None:
    data_source = source(train=0)
    _, html, words = written(tmp_path, [predictor(), predictor()], data_source, answers(data_source))
    assert "all 90 test images but itself" in words
    assert "the mean over 2 networks" in words
    for article in re.findall(r"<article.*?</article>", html, re.S):
        name = re.search(r'class="file" title="([^"]*)"', article)
        assert name is not None
        assert f"{name[1]}, cosine" not in article


def test_a_network_that_learnt_the_labels_is_warned_of(tmp_path: Path) -> None:
    data_source, network = source(), predictor()
    _, _, words = written(tmp_path / "new", [network], data_source, answers(data_source, split="train"))
    assert "was trained on these images" not in words
    network.bundle.record["images"] = {"train": images_digest(data_source, ["train"])}
    _, _, words = written(tmp_path / "learnt", [network], data_source, answers(data_source, split="train"))
    assert "was trained on these images" in words


def test_large_images_are_shown_small(tmp_path: Path) -> None:
    data_source = source(size=300, test=30, train=12)
    files, html, _ = written(tmp_path, [predictor(size=300)], data_source, answers(data_source))
    assert "data:image/jpeg" in html
    assert 'class="pixels"' not in html
    assert files.page.stat().st_size < 4_000_000


def test_where_neighbours_cannot_be_had_the_page_says_why(tmp_path: Path) -> None:
    data_source = source()
    blind = Network(
        stem=torch.nn.Conv2d(3, 4, 1),
        stages={},
        head=torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()),
    )
    files, html, words = written(tmp_path, [predictor(network=blind)], data_source, answers(data_source))
    assert "No neighbours are shown: model.cut the logits do not come from a layer of the head" in words
    assert "<article" in html
    assert "<li class=" not in html
    assert (tmp_path / "label_errors.csv").read_text().count(",\n") == files.candidates


def test_training_images_are_not_fetched_for_it(tmp_path: Path) -> None:
    data_source = source()
    _, html, words = written(
        tmp_path, [predictor()], replace(data_source, address="made.example/x.tar"), answers(data_source)
    )
    assert "No neighbours are shown: made.example/x.tar is remote" in words
    assert "<article" in html


def test_a_damaged_training_image_costs_the_neighbours_alone(tmp_path: Path) -> None:
    data_source = open_source(folder_of(tmp_path / "data", source()))
    (tmp_path / "data" / "train" / "cat").joinpath("broken.png").write_bytes(b"no image")
    data_source = open_source(tmp_path / "data")
    _, html, words = written(tmp_path / "out", [predictor()], data_source, answers(data_source))
    assert "No neighbours are shown" in words
    assert "broken.png" in words
    assert "<article" in html


def folder_of(place: Path, data_source: Source) -> Path:
    """Write a source of arrays as class folders."""
    from PIL import Image

    for name, split in data_source.splits.items():
        assert isinstance(split.inputs, Arrays)
        for number, (pixels, label) in enumerate(zip(split.inputs.values, split.labels.tolist(), strict=True)):
            folder = place / name / ("cat", "dog", "Käfer", "ant")[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return place


def test_the_report_links_to_it(tmp_path: Path) -> None:
    data_source = source()
    outcome = answers(data_source)
    content = ReportContent(title="t", predictions=outcome, beside=("errors.html", "label_errors.csv"))
    html = write_report(tmp_path, content).read_text()
    assert html.count('href="errors.html"') == 2
    assert "label_errors.csv" in html
    assert "errors.html" not in write_report(tmp_path, replace(content, beside=())).read_text()
