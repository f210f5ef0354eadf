"""Slices of a split: shares, intervals and tests against other definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from convworks.errors import InputError
from convworks.metrics.classification import wilson_interval
from convworks.metrics.slices import difference_interval, holm, match, read_column, slices
from convworks.pages.slices import slices_table


def test_every_value_is_compared_with_the_rest() -> None:
    generator = np.random.default_rng(0)
    values = [str(value) if value != "none" else None for value in generator.choice(["a", "b", "c", "none"], 300)]
    correct = generator.random(300) < [0.9 if value == "a" else 0.6 for value in values]
    result = slices("site", values, correct)
    assert result.column == "site"
    assert [row.n for row in result.rows] == sorted((row.n for row in result.rows), reverse=True)
    assert result.unlisted == values.count(None)
    for row in result.rows:
        in_slice = np.array([value == row.value for value in values])
        rest = np.array([value not in (row.value, None) for value in values])
        assert (row.n, row.correct) == (in_slice.sum(), correct[in_slice].sum())
        assert row.accuracy == pytest.approx(correct[in_slice].mean())
        assert row.interval == wilson_interval(row.correct, row.n)
        assert row.difference == pytest.approx(correct[in_slice].mean() - correct[rest].mean())
        counts = [[int((correct[part] == right).sum()) for right in (True, False)] for part in (in_slice, rest)]
        assert row.p is not None
        assert row.adjusted is not None
        assert row.p == pytest.approx(stats.fisher_exact(counts).pvalue)
        assert row.p <= row.adjusted <= 1
    assert result.plain()["rows"][0]["interval"] == list(result.rows[0].interval)


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # Newcombe 1998 (interval estimation for the difference between independent proportions), table II, method 10.
    for first, second, low, high in (
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ):
        assert difference_interval(first, second) == pytest.approx((low, high), abs=5e-5)


def test_holm_multiplies_by_the_tests_that_are_left() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}


def test_one_value_has_no_rest() -> None:
    (row,) = slices("site", ["a", "a"], np.array([True, False])).rows
    assert (row.difference, row.p, row.adjusted) == (None, None, None)


def test_the_table_of_the_page_escapes_and_counts_what_is_not_named() -> None:
    result = slices("<site>", ["<b>", "x", None], np.array([True, False, True]))
    html = slices_table(result)
    assert "&lt;b&gt;" in html
    assert "&lt;site&gt;" in html
    assert "1 image is not in the table." in html


def test_columns_are_read_and_matched(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("path,site,age\ntest/a.png, north ,3\ntest/b.png,,4\ntrain/c.png,south,5\n")
    values = read_column(path, "site")
    assert values == {"test/a.png": "north", "test/b.png": "(empty)", "train/c.png": "south"}
    names = ["test/a.png", "test/b.png", "test/d.png"]
    assert match(path, values, names, {"train/c.png"}) == ["north", "(empty)", None]
    with pytest.raises(InputError, match=r"names 1 of 3 images that are not in the split, the first 'train/c.png'"):
        match(path, values, names, ())


def test_columns_are_matched_however_a_table_spells_the_names(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("\ufeffpath;site\r\n.\\test\\a.png;north\r\n./test//b.png;'=1\r\ntest/c\\d.png;east\r\n".encode())
    names = ["test/a.png", "test/b.png", "test/c\\d.png", "test/c/d.png"]
    assert match(path, read_column(path, "site"), names, ()) == ["north", "=1", "east", None]
    path.write_text("path\tsite\ntest/a.png\tnorth\n./test/a.png\tsouth\n")
    with pytest.raises(InputError, match=r"names test/a.png twice, as north and south"):
        match(path, read_column(path, "site"), names, ())
