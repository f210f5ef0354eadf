from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from convworks.pages.verdict import Finding
from convworks.report.report import KeptEpoch, ReportContent, write_report
from convworks.tasks.outcomes.classification import Predictions

FILES = ["confusion.png", "errors.png", "predictions.csv", "report.html"]
VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Collects what a page loads, and insists that every element is closed where it should be."""

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

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def example(k: int, n: int, *, sharp: float = 2.0, names: tuple[str, ...] = ()) -> Predictions:
    rng = np.random.default_rng(k)
    labels = rng.integers(0, k, n)
    scores = rng.normal(size=(n, k))
    scores[np.arange(n), labels] += sharp
    odds = np.exp(scores)
    return Predictions(
        split="test",
        names=tuple(f"test/{i:05d}" for i in range(n)),
        classes=names or tuple(f"class {i}" for i in range(k)),
        labels=labels,
        probabilities=(odds / odds.sum(1, keepdims=True)).astype(np.float32),
    )


def noise(i: int) -> np.ndarray:
    return np.random.default_rng(i).integers(0, 256, (12, 9, 3), dtype=np.uint8)


def written(folder: Path, content: ReportContent) -> tuple[str, str]:
    """Write a report, check what holds for every report, return its HTML and its words."""
    path = write_report(folder, content)
    assert path == folder / "report.html"
    html = path.read_text(encoding="utf-8")
    ranked = ["ranking.png"] if 'id="ranking"' in html else []
    trained = ["curves.png"] if content.history else []
    assert sorted(file.name for file in folder.iterdir()) == sorted([*FILES, *ranked, *trained])
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert all(load.startswith(("data:image/", "#")) for load in checker.loads)
    assert not re.search(r"https?://|@import|url\(", html)
    anchors = [load[1:] for load in checker.loads if load.startswith("#")]
    assert all(f'id="{anchor}"' in html for anchor in anchors)
    return html, " ".join(checker.words)


def test_a_full_report_tells_everything(tmp_path: Path) -> None:
    outcome = example(10, 400)
    content = ReportContent(
        title="digits <fast> & small",
        predictions=outcome,
        image=noise,
        chosen="the checkpoint",
        note="Written by a test.",
        history=[{"epoch": 1, "train_loss": 1.0}, {"epoch": 2, "train_loss": 0.5}],
        facts=[("Parameters", "61,706")],
        seconds=[("data", 0.5), ("training", 61.0)],
        configuration={"model": {"name": "lenet5", "input": (1, 28, 28)}, "seed": 3, "empty": []},
        environment={"torch": "2.13.0"},
        command="convworks train digits && echo '<done>'",
        next_command="convworks predict runs/x/bundle photo.png",
    )
    html, words = written(tmp_path / "run", content)
    right = (outcome.correct).mean()
    for text in (
        f"{100 * right:.2f}",
        "95 % interval",
        "selected without the test split",
        "Written by a test.",
        "61,706",
        "model.input",
        "1, 28, 28",
        "torch",
        "total 1 min 2 s",
        "convworks train digits && echo '<done>'",
        "digits <fast> & small",
        "Most confused pairs",
    ):
        assert text in words
    assert html.count("<figure>") == min(36, int((~outcome.correct).sum()))
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_a_split_that_chose_the_checkpoint_is_named(tmp_path: Path) -> None:
    outcome = replace(example(3, 30), split="validation")
    _, words = written(tmp_path, ReportContent(title="t", predictions=outcome, chosen="the checkpoint"))
    assert "The validation split also selected the checkpoint, so this result is optimistic" in words
    _, words = written(tmp_path, ReportContent(title="t", predictions=outcome))
    assert "chose" not in words


@pytest.mark.parametrize("k", [1, 2, 21, 60, 1000])
def test_any_number_of_classes(tmp_path: Path, k: int) -> None:
    outcome = example(k, 200)
    html, words = written(tmp_path, ReportContent(title="t", predictions=outcome, image=noise))
    assert (f"Show all {k:,} classes" in words) == (k > 50)
    assert (f"with {k} classes, the top five always include the true one" in words) == (k <= 5)
    assert "Top-5 accuracy" in words
    assert ('id="ranking"' in html) == (k > 1)
    assert (f"mean of {len(set(outcome.labels.tolist())):,}" in words) == (k > 10)
    assert html.count('<td class="bar"') == k


def test_every_figure_stands_with_its_interval(tmp_path: Path) -> None:
    outcome = example(7, 300)
    _, words = written(tmp_path, ReportContent(title="t", predictions=outcome))
    ends = outcome.summary()["intervals"]
    assert set(ends) == {"top5", "balanced_accuracy", "macro_f1", "auc", "average_precision", "nll", "ece"}
    for name, (low, high) in ends.items():
        text = f"{low:.4f} to {high:.4f}" if name == "nll" else f"{100 * low:.2f} to {100 * high:.2f}"
        assert text in words, name


def test_where_all_samples_are_of_one_class_there_is_nothing_to_rank(tmp_path: Path) -> None:
    outcome = example(3, 40)
    alone = replace(outcome, labels=np.zeros(40, np.int64))
    html, words = written(tmp_path, ReportContent(title="t", predictions=alone))
    assert "ROC area (AUC) is not defined: all samples are of one class" in words
    assert 'id="ranking"' not in html


def test_classes_without_samples_are_left_out_of_the_curves_and_counted(tmp_path: Path) -> None:
    outcome = example(6, 90)
    html, words = written(tmp_path, ReportContent(title="t", predictions=replace(outcome, labels=outcome.labels % 4)))
    assert "Omitted: 2 of 6 classes" in words
    drawn = html.split('id="ranking"')[1].split("</section>")[0]
    assert drawn.count("<polyline") == 4 * 3 + 12 + 1  # curves and key, the grid, what guessing reaches


def test_a_good_network_shows_the_corner_of_its_curves(tmp_path: Path) -> None:
    _, words = written(tmp_path / "good", ReportContent(title="t", predictions=example(4, 3000, sharp=4)))
    assert "True positives, the corner" in words
    _, words = written(tmp_path / "fair", ReportContent(title="t", predictions=example(4, 300)))
    assert "the corner" not in words


def test_no_mistakes_are_said_to_be_none(tmp_path: Path) -> None:
    _, words = written(tmp_path, ReportContent(title="t", predictions=example(3, 30, sharp=60), image=noise))
    assert "No mistakes: every image of the test split is right." in words
    assert "No two classes were confused." in words
    assert "none is wrong" in words


def test_without_images_the_mistakes_are_counted(tmp_path: Path) -> None:
    outcome = example(3, 300)
    _, words = written(tmp_path, ReportContent(title="t", predictions=outcome))
    assert f"The mistakes ({(~outcome.correct).sum():,}) are in predictions.csv" in words


def test_awkward_names_are_escaped(tmp_path: Path) -> None:
    names = ("<script>alert(1)</script>", "a \"b\" & 'c'", "猫 $title ${x}", "кошка")
    html, words = written(tmp_path, ReportContent(title="$title", predictions=example(4, 99, names=names), image=noise))
    assert "<script>" not in html
    assert all(name in words for name in names)


def test_nothing_imports_torch_or_matplotlib() -> None:
    import subprocess
    import sys

    code = "import sys, convworks.report.report; print({'torch', 'matplotlib', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_mistake_is_enlarged_without_a_script_and_by_the_keyboard(tmp_path: Path) -> None:
    outcome = example(3, 60)
    html, _ = written(tmp_path, ReportContent(title="t", predictions=outcome, image=noise))
    targets = re.findall(r'<button class="enlarge" popovertarget="([^"]+)"', html)
    assert len(targets) == len(set(targets)) == min(36, int((~outcome.correct).sum()))
    assert all(f'<span popover id="{target}">' in html for target in targets)


def test_two_classes_are_not_told_twice(tmp_path: Path) -> None:
    _, words = written(tmp_path / "two", ReportContent(title="t", predictions=example(2, 60)))
    assert "Most confused pairs" not in words
    _, words = written(tmp_path / "three", ReportContent(title="t", predictions=example(3, 60)))
    assert "Most confused pairs" in words


def test_the_verdict_comes_first_with_its_commands_or_says_that_nothing_stands_out(tmp_path: Path) -> None:
    outcome = example(2, 60)
    finding = Finding("overfitting", "Overfitting", "It knows <them>.", "Mix images.", "convworks train --set 'a=<b>'")
    content = ReportContent(title="t", predictions=outcome, measured="Accuracy: 99 %.", verdict=[finding])
    html, words = written(tmp_path / "one", content)
    assert html.index('id="verdict"') < html.index('id="confusion"')
    for text in ("Accuracy: 99 %.", "It knows <them>.", "To try next: mix images.", "convworks train --set 'a=<b>'"):
        assert text in words
    _, words = written(tmp_path / "none", replace(content, verdict=[]))
    assert "Nothing stands out" in words
    _, words = written(tmp_path / "unasked", replace(content, verdict=None))
    assert "Verdict" not in words


def test_the_epoch_that_was_kept_is_marked_and_why_it_is_not_the_best_is_said(tmp_path: Path) -> None:
    history = [{"epoch": epoch, "validation_top1": 0.9 - 0.1 * epoch} for epoch in (1, 2, 3)]
    best = ReportContent(title="t", predictions=example(3, 90), history=history)
    last = replace(best, kept=KeptEpoch(epoch=3, reason="The last epoch is kept."))
    marks = []
    for name, content, note in (("best", best, "the best epoch."), ("last", last, "epoch 3, which was kept. The last")):
        html, words = written(tmp_path / name, content)
        assert f"The dot marks {note}" in words
        marks.append(re.findall(r'<circle[^>]* cx="([0-9.]+)"', html.split('id="curves"')[1].split("</section>")[0]))
    assert [len(each) for each in marks] == [1, 1]
    assert float(marks[0][0]) < float(marks[1][0])


def test_a_command_that_gives_another_network_says_so(tmp_path: Path) -> None:
    content = ReportContent(title="t", predictions=example(2, 60), command="convworks train")
    _, words = written(tmp_path / "same", content)
    assert "Reproduce" in words
    _, words = written(tmp_path / "other", replace(content, command_note="The command trains longer."))
    assert "The command trains longer." in words
    assert "Train again" in words
    assert "Reproduce" not in words


def test_charts_are_narrow_enough_for_a_telephone(tmp_path: Path) -> None:
    history = [
        {"epoch": epoch, "train_loss": 1 / epoch, "train_top1": 0.5, "learning_rate": 0.1} for epoch in (1, 2, 3)
    ]
    html, _ = written(tmp_path, ReportContent(title="t", predictions=example(3, 90), history=history))
    for section in ("curves", "ranking"):
        drawn = html.split(f'id="{section}"')[1].split("</section>")[0]
        widths = [float(width) for width in re.findall(r'viewBox="0 0 ([0-9.]+)', drawn)]
        assert len(widths) == 3
        assert max(widths) < 360
