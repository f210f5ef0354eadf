from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from convworks.data.sources.left_out import group, line, lines, reasons

NAMES = st.from_regex(r"([ab]/){0,3}[xy]{1,3}(\.txt|\.CSV|\.png|)", fullmatch=True)


@given(st.sets(NAMES, max_size=30))
def test_every_file_is_counted_once_with_its_ending_folder_and_reason(names: set[str]) -> None:
    left_out = reasons(names)
    groups = group(left_out)
    assert sum(each.count for each in groups) == len(names)
    expected = Counter(
        (name.rpartition(".")[2].lower() if "." in name else "", name.rpartition("/")[0], left_out[name])
        for name in names
    )
    counts = {(e.ending.removeprefix("."), e.folder.removeprefix("./").rstrip("/"), e.reason): e.count for e in groups}
    assert counts == expected


def test_lines() -> None:
    left_out = {f"{folder}/{number}.txt": "not images" for folder in "abcde" for number in range(2)}
    left_out |= {"x.csv": "not images", "a/.git/": "hidden", "README": "not images", "a/1.png": "odd"}
    assert lines(left_out) == [
        "10 .txt in a/, b/, c/ and 2 more folders (not images)",
        "1 file without ending in ./ (not images)",
        "1 .csv in ./ (not images)",
        "1 .png in a/ (odd)",
        "1 folder in a/ (hidden)",
    ]
    assert line("set", left_out) == (
        "left out of set: 10 .txt in a/, b/, c/ and 2 more folders (not images); 1 file without ending in ./ "
        "(not images); 1 .csv in ./ (not images); 2 more kinds (convworks data lists them)"
    )
