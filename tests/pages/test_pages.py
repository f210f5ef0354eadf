"""Every kind of page: well formed, and a name is never more than text."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jinja2 import UndefinedError
from markupsafe import Markup

import convworks
from convworks.bundle.bundle import Bundle
from convworks.charts.drawing import Drawing, Text
from convworks.charts.reconstructions import Pictures
from convworks.data.column import COLOURS, Arrays
from convworks.data.config import DataConfig, Gaussian
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.source import Source, Split
from convworks.experiments.page import Content, write_page
from convworks.experiments.record import Experiment
from convworks.inference.predictor import Predictor
from convworks.metrics.slices import slices
from convworks.models.catalogue import Shape, create
from convworks.models.config import ModelConfig
from convworks.pages import blocks, tables
from convworks.pages.render import render
from convworks.recipes.digits import default
from convworks.report.comparison import from_outcome, pair
from convworks.report.comparison_page import write_pair
from convworks.report.errors_report import write_errors
from convworks.report.report import ReportContent, write_report
from convworks.tasks.outcomes.classification import Predictions
from convworks.tasks.outcomes.multi_label import LabelSetPredictions
from convworks.tasks.outcomes.reconstruction import Reconstructions

HOSTILE = "<img src=x onerror=1>"
CLASSES = (HOSTILE, f'it\'s "{HOSTILE}" & so', "{{ 7 * 7 }}{% raw %}")
N = 60
VOID = {"meta", "img", "input"}


class Checker(HTMLParser):
    """Insists that every element is closed where it should be, and that none comes from a name."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        assert tag not in ("script", "link", "iframe")
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        assert not any(name.startswith("on") for name in names), attrs
        assert tag != "img" or dict(attrs)["src"] != "x"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def names() -> tuple[str, ...]:
    return tuple(f"test/{HOSTILE}/{i}.png" for i in range(N))


def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, N)


def one_class(seed: int = 1) -> Predictions:
    odds = np.exp(np.random.default_rng(seed).normal(size=(N, 3)) + np.eye(3)[labels()])
    probabilities = (odds / odds.sum(1, keepdims=True)).astype(np.float32)
    return Predictions(split="test", names=names(), classes=CLASSES, labels=labels(), probabilities=probabilities)


def several_classes() -> LabelSetPredictions:
    generator = np.random.default_rng(2)
    return LabelSetPredictions(
        split="test",
        names=names(),
        classes=CLASSES,
        labels=generator.random((N, 3)) < 0.4,
        probabilities=generator.random((N, 3)).astype(np.float32),
    )


def images() -> Reconstructions:
    pixels = np.random.default_rng(3).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    pictures = Pictures(samples=(0, 1, 2, 3), images=pixels, read=pixels, outputs=pixels)
    errors = np.linspace(0.1, 0.2, N)
    return Reconstructions(
        split="test",
        names=names(),
        errors=errors,
        read_errors=errors,
        corruption=Gaussian(deviation=0.1),
        examples=pictures,
        worst=pictures,
    )


def picture(_: object) -> np.ndarray:
    return np.zeros((8, 8, 3), np.uint8)


def report(folder: Path, predictions: Any) -> Path:
    right = np.arange(N) % 2 == 0
    content = ReportContent(
        title=HOSTILE,
        predictions=predictions,
        image=None if isinstance(predictions, Reconstructions) else picture,
        chosen=f"the {HOSTILE}",
        note=HOSTILE,
        slices=slices(HOSTILE, [HOSTILE if i % 3 else None for i in range(N)], right),
        history=[{"epoch": 1, "train_loss": 1.0}],
        facts=[(HOSTILE, f"{HOSTILE}\n{HOSTILE}")],
        seconds=[(HOSTILE, 1.5)],
        configuration={"recipe": HOSTILE, HOSTILE: {"source": [HOSTILE]}},
        environment={HOSTILE: HOSTILE},
        command=f"convworks train '{HOSTILE}'",
        next_command=HOSTILE,
        beside=("errors.html", HOSTILE),
    )
    return write_report(folder, content)


def errors(folder: Path) -> Path:
    pixels = np.random.default_rng(4).integers(0, 256, (N, 12, 12, 3), dtype=np.uint8)
    splits = {
        name: Split(names=names(), inputs=Arrays(pixels, COLOURS), targets=Arrays(labels()))
        for name in ("train", "test")
    }
    source = Source(name=HOSTILE, kind="array", path=None, classes=CLASSES, splits=splits)
    torch.manual_seed(0)
    network = create("convnet_digits", Shape(classes=3, channels=3, size=(12, 12))).eval()
    preprocessing = Preprocessing(size=(12, 12), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.25,) * 3)
    model = ModelConfig(name="convnet_digits")
    bundle = Bundle(network=network, model=model, preprocessing=preprocessing, classes=CLASSES, record={})
    predictor = Predictor(bundle=bundle, network=network, precision=torch.float32)
    return write_errors(folder, [predictor], source, one_class(), title=HOSTILE).page


def comparison(folder: Path) -> Path:
    networks = pair(from_outcome(HOSTILE, one_class()), from_outcome(f"2 {HOSTILE}", one_class(seed=5)))
    return write_pair(folder, networks, title=HOSTILE, image=picture, command=HOSTILE)


def experiment(folder: Path, predictions: Any) -> Path:
    (folder / HOSTILE).mkdir(parents=True)
    (folder / HOSTILE / "report.html").touch()
    config = default().model_copy(update={"recipe": HOSTILE, "data": DataConfig(source=HOSTILE)})
    content = Content(
        title=f"2 restarts of {HOSTILE}",
        value=0.5,
        words=[HOSTILE, Markup("Mean of <b>{}</b>").format(HOSTILE)],
        tiles=[(HOSTILE, HOSTILE)],
        figures=[
            ("runs", "Runs", HOSTILE, Drawing(width=9, height=9, label=HOSTILE, shapes=(Text(x=1, y=1, text=HOSTILE),)))
        ],
        header=(HOSTILE, HOSTILE),
        rows=[(HOSTILE, HOSTILE), ("none", HOSTILE)],
        experiment=Experiment(
            kind="restarts", options={"search": HOSTILE}, config=config, train=HOSTILE, command=HOSTILE
        ),
        commands=[("More", HOSTILE)],
        predictions=predictions,
        predictions_note=HOSTILE,
        beside=HOSTILE,
    )
    return write_page(folder, content)


PAGES: dict[str, Callable[[Path], Path]] = {
    "report of one class": lambda folder: report(folder, one_class()),
    "report of several classes": lambda folder: report(folder, several_classes()),
    "report of images": lambda folder: report(folder, images()),
    "errors": errors,
    "comparison": comparison,
    "experiment": lambda folder: experiment(folder, one_class()),
    "experiment of several classes": lambda folder: experiment(folder, several_classes()),
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_is_well_formed_and_no_name_is_a_tag(tmp_path: Path, kind: str) -> None:
    html = PAGES[kind](tmp_path / "out").read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert not checker.open
    assert html.startswith("<!doctype html>\n")
    assert html.endswith("</html>\n")
    assert "<img src=x" not in html
    assert "&amp;lt;" not in html  # nothing is escaped twice
    assert "&lt;section" not in html  # nor what is HTML already
    assert HOSTILE in " ".join(checker.words)


def test_nothing_but_constants_is_markup() -> None:
    """An f-string in Markup() would not be escaped; what charts/svg.py draws and what a template gives are."""
    package = Path(str(convworks.__file__)).parent
    written = {
        (str(file.relative_to(package)), ast.unparse(call.args[0]))
        for file in package.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Markup" and call.args
        if not isinstance(call.args[0], ast.Constant)
    }
    assert {file: {text for other, text in written if other == file} for file, _ in written} == {
        "pages/render.py": {"_environment().get_template(template).render(values)"},
        "pages/blocks.py": {"to_svg(drawing)", "Path(__file__).with_name(name).read_text(encoding='utf-8')"},
    }


def test_what_a_template_names_must_be_given() -> None:
    with pytest.raises(UndefinedError, match="'svg' is undefined"):
        render("wide.html")


def test_parts_of_nothing_are_empty() -> None:
    nothing = tables.values_table({})
    assert [blocks.tiles([]), blocks.times([]), blocks.folded("Show", nothing), nothing] == [Markup()] * 4


def test_a_section_without_a_body_is_left_out(tmp_path: Path) -> None:
    sections = [
        blocks.Section(anchor="empty", title="Empty", note="said", body=Markup()),
        blocks.Section(anchor="shown", title="Shown", body=blocks.paragraphs(["<words>"])),
    ]
    html = blocks.write_page(tmp_path / "page.html", title="t", headline=Markup(), sections=sections).read_text()
    assert "mpty" not in html
    assert '<a href="#shown">Shown</a>' in html
    assert "<p>&lt;words&gt;</p>" in html
    assert "Other files" not in html


def test_templates_are_loaded_when_a_page_is_written() -> None:
    code = "import sys, convworks.report.report, convworks.experiments.page; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
