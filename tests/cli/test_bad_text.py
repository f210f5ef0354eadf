"""Tables and lists that are no UTF-8, or name a file twice: one line that says so, and what to do."""

from __future__ import annotations

import pytest
from workplace import Place, Rows, check_row, evaluate, train

TABLE = "path,label\ndata/a/0.png,größe\ndata/b/0.png,b\n"


def table(place: Place, *rows: str, name: str = "x.csv") -> list[str]:
    """Train on a table with these rows, of images in class folders."""
    place.folder()
    return train(place.write(name, "\n".join(("path,label,split", *rows))))


def text(place: Place, encoding: str, text: str = TABLE) -> str:
    place.folder()
    return place.write("x.csv", text.encode(encoding))


def sliced(place: Place, encoding: str) -> list[str]:
    return [*evaluate(place.bundle(), "data"), "--slices", text(place, encoding), "--by", "label"]


def imported(place: Place, encoding: str) -> list[str]:
    return ["import", place.write("w.pt", ""), "--model", "lenet5", "--classes", text(place, encoding)]


def kernel(place: Place, encoding: str) -> list[str]:
    return ["filter", "data/a", "--kernel", text(place, encoding, "0 1 0 # größe")]


A, B = "data/a/0.png,a,train", "data/b/0.png,b,train"
UTF_16, LATIN, UNMARKED = "is UTF-16 text, not UTF-8", "is not UTF-8 text (byte ", "not text, or UTF-16, not UTF-8"
AS_UTF_8 = "save it as UTF-8"
ROWS: Rows = {
    "a file twice": (lambda p: table(p, A, B, A), "x.csv line 4 | names data/a/0.png again, after line 2 | keep one"),
    "a file twice, with a dot": (
        lambda p: table(p, A, B, "./data/a/0.png,b,test"),
        "x.csv line 4 | names ./data/a/0.png again, after line 2 as data/a/0.png | keep one",
    ),
    "a file twice, in full": (
        lambda p: table(p, f"{p.root}/data/a/0.png,b,test", A, B),
        "x.csv line 3 | names data/a/0.png again, after line 2 as /",
    ),
    "a file twice, with a backslash": (
        lambda p: table(p, A, B, "data\\a\\0.png,a,train"),
        "x.csv line 4 | names data/a/0.png again, after line 2",
    ),
    "a file twice, by a link": (
        lambda p: table(p, A, B, p.link("x.png", "data/a/0.png") + ",a,val"),
        "x.csv line 4 | names x.png again, after line 2 as data/a/0.png",
    ),
    "a file twice, by a linked folder": (
        lambda p: table(p, A, B, p.link("x", "data") + "/b/0.png,b,val"),
        "x.csv line 4 | names x/b/0.png again, after line 3 as data/b/0.png",
    ),
    "a table with semicolons in its labels": (
        lambda p: [p.folder()] and train(p.write("x.csv", "path;labels\ndata/a/0.png;a;b\n")),
        "x.csv line 2 | more fields than the header | quote fields",
    ),
    "a table of other names with semicolons": (
        lambda p: train(p.write("x.csv", "file;label\nx;a\n")),
        "x.csv | no column 'path' in its header (file, label)",
    ),
}


def encoded(code: str, words: str) -> Rows:
    """Return a row for each reader of text, of a text in an encoding."""
    said = f"x.csv | {words} | {AS_UTF_8}"
    return {
        f"{code} table": (lambda p: train(text(p, code)), said),
        f"{code} slices": (lambda p: sliced(p, code), said),
        f"{code} names": (lambda p: imported(p, code), said),
        f"{code} kernel": (lambda p: kernel(p, code), said),
        f"{code} predictions": (lambda p: ["compare", text(p, code), "x.csv"], said),
    }


for each in (("utf-16", UTF_16), ("utf-16-le", UNMARKED), ("utf-32", "is UTF-32 text"), ("latin-1", LATIN)):
    ROWS |= encoded(*each)
# File names need not be UTF-8, so the tables that name them may hold other bytes.
del ROWS["latin-1 slices"], ROWS["latin-1 predictions"]


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)
