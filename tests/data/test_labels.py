"""Label sets: from every kind of source, through pack and back, stratified iteratively."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from thorough import repeats

from convworks.data.column import COLOURS, Arrays
from convworks.data.config import Fold
from convworks.data.inspect.survey import imbalance, survey
from convworks.data.labels import finder, renumber
from convworks.data.shards.pack import pack
from convworks.data.source import Source, Split, with_validation
from convworks.data.sources.open import open_source
from convworks.data.split.folds import assign, with_fold
from convworks.data.split.stratify import assign_parts, choose_stratified, sample_keys
from convworks.errors import InputError
from convworks.signed import sealed

SHOWN = {"a.png": ("cat", "dog"), "b.png": (), "c.png": ("dog",), "d.png": ("cat", "cow", "dog")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in SHOWN:
        Image.new("L", (4, 4)).save(tmp_path / name)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "set.csv"
    path.write_text(text)
    return path


def shown(source: Source) -> dict[str, tuple[str, ...]]:
    (split,) = source.splits.values()
    labels = split.labels
    rows = [tuple(name for name, answer in zip(source.classes, row, strict=True) if answer) for row in labels]
    return dict(zip(split.names, rows, strict=True))


NAMED = "path,labels\n" + "".join(f"{name},{'; '.join(names)}\n" for name, names in SHOWN.items())
CLASSES = ("cat", "cow", "dog")
COLUMNS = "Path,cat,cow,dog,SPLIT\n" + "".join(
    f"{name},{','.join(str(int(each in names)) for each in CLASSES)},train\n" for name, names in SHOWN.items()
)


@pytest.mark.parametrize(
    "text", [NAMED, COLUMNS, COLUMNS.replace(",1", ",1.0"), COLUMNS.replace(",1", ",True").replace(",0", ",False")]
)
def test_a_table(folder: Path, text: str) -> None:
    source = open_source(write(folder, text))
    assert (source.multi_label, source.classes, shown(source)) == (True, CLASSES, SHOWN)
    assert not open_source(write(folder, "path,label\na.png,x\nb.png,y\n")).multi_label


def test_classes_keep_their_letters_and_order_in_columns_of_their_own(folder: Path) -> None:
    assert open_source(write(folder, "path,Dog,Cat\na.png,1,0\n")).classes == ("Dog", "Cat")


BAD = {
    "another value": ("path,cat,dog\na.png,1,0\nb.png,2,0\n", "set.csv line 3: has '2' in column 'cat', neither 0"),
    "an empty cell": ("path,cat,dog\na.png,1,\n", "set.csv line 2: has '' in column 'dog', neither 0 nor 1"),
    "a column of something else": ("path,cat,dog,patient\na.png,1,0,p1\n", "has 'p1' in column 'patient'"),
    "one column": ("path,cat\na.png,1\n", "has no column 'label' in its header (path, cat)"),
    "both": ("path,label,labels\na.png,x,x\n", "has both label and labels in its header"),
    "a row cut short": ("path,labels\na.png,x\nb.png\n", "set.csv line 3: has fewer fields than the header"),
    "no class": ("path,labels\na.png,\nb.png,;\n", "names no class in its column labels"),
    "a separator in a name": ("path,cat;dog,cow\na.png,1,0\n", "has a class 'cat;dog', but ; stands between"),
    "a class for one image": ("path,labels\na.png,x;y\nb.png,x\nc.png,\n", "class 'y' has only 1 image in train"),
    "one class": ("path,labels\na.png,x\nb.png,x\nc.png,\n", "has 1 class in train ('x')"),
    "a class that train lacks": (
        "path,labels,split\na.png,x;y,train\nb.png,y;x,train\nc.png,z,test\n",
        "test has class 'z', which is not in train",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables(folder: Path, name: str) -> None:
    text, reason = BAD[name]
    with pytest.raises(InputError) as caught:
        with_validation(open_source(write(folder, text)), fraction=0.5, seed=0, limit=None)
    assert reason in str(caught.value)
    assert caught.value.remedy


def test_a_pack_and_back(folder: Path, tmp_path: Path) -> None:
    source = open_source(write(folder, NAMED))
    packed = pack(source, tmp_path / "packed")
    again = open_source(packed.folder)
    assert (again.classes, shown(again)) == (source.classes, shown(source))
    packed.index.unlink()
    read = open_source(packed.folder)
    assert (read.classes, list(shown(read).values())) == (source.classes, list(shown(source).values()))


def tar(path: Path, labels: dict[str, object]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as file, io.BytesIO() as png:
        Image.new("L", (4, 4)).save(png, "PNG")
        for key, label in labels.items():
            for name, content in ((f"{key}.png", png.getvalue()), (f"{key}.json", json.dumps(label).encode())):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))
    return path


def test_shards_of_others(tmp_path: Path) -> None:
    source = open_source(tar(tmp_path / "x.tar", {"1": {"labels": ["cat", "dog"]}, "2": {"label": []}, "3": [7]}))
    assert shown(source) == {"x/1.png": ("cat", "dog"), "x/2.png": (), "x/3.png": ("7",)}
    assert shown(open_source(tmp_path / "x.tar")) == shown(source)  # as the cache remembers it
    with pytest.raises(InputError, match=r"y\.tar!2\.png: has a list of classes, .*1\.png a single one"):
        open_source(tar(tmp_path / "y.tar", {"1": {"label": "cat"}, "2": {"labels": ["cat"]}}))
    with pytest.raises(InputError, match="names none of"):
        open_source(tar(tmp_path / "z.tar", {"1": {"labels": [0.5]}}))


def test_an_index_that_is_damaged(folder: Path, tmp_path: Path) -> None:
    index = pack(open_source(write(folder, NAMED)), tmp_path / "packed").index
    values = json.loads(index.read_text())
    del values["sha256"]
    for labels, reason in (([[9], [], [2], [0]], "outside its 3 classes"), ([[0], 1, [], []], "no column labels")):
        values["shardlist"][0]["samples"]["labels"] = labels
        index.write_bytes(sealed(values))
        with pytest.raises(InputError, match=reason):
            open_source(index)


def parquet(path: Path, columns: dict[str, Any], features: dict[str, Any] | None = None) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    table = pyarrow.table({"image": [b"x"] * len(next(iter(columns.values()))), **columns})
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    write_table(table, path)
    return path


NUMBERS = [[0, 2], [], [2], [0, 1, 2]]
LISTED: dict[str, Callable[[Path], Path]] = {
    "names": lambda p: parquet(p, {"label": [list(names) for names in SHOWN.values()]}),
    "text": lambda p: parquet(p, {"labels": [";".join(names) for names in SHOWN.values()]}),
    "columns": lambda p: parquet(p, {name: [int(name in names) for names in SHOWN.values()] for name in CLASSES}),
    "answers": lambda p: parquet(p, {name: [name in names for names in SHOWN.values()] for name in CLASSES}),
    "classes of a sequence": lambda p: parquet(
        p, {"objects": NUMBERS}, {"objects": {"_type": "Sequence", "feature": {"names": list(CLASSES)}}}
    ),
    "classes of a list": lambda p: parquet(p, {"objects": NUMBERS}, {"objects": [{"names": list(CLASSES)}]}),
}


@pytest.mark.parametrize("name", LISTED)
def test_parquet(tmp_path: Path, name: str) -> None:
    source = open_source(LISTED[name](tmp_path / "x.parquet"))
    assert (source.multi_label, source.classes) == (True, CLASSES)
    assert list(shown(source).values()) == list(SHOWN.values())


BAD_ROWS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "neither": (lambda p: parquet(p, {"cat": [0, 1], "dog": [1, 2]}), "x.parquet!row 1: has 2 in column 'dog'"),
    "unknown": (
        lambda p: parquet(p, {"label": [[0], [5]]}, {"label": [{"names": ["cat", "dog"]}]}),
        "x.parquet!row 1: has the label '5', which is not a class",
    ),
    "null": (lambda p: parquet(p, {"label": [["x"], None]}), "x.parquet!row 1: has no label"),
    "none at all": (lambda p: parquet(p, {"labels": [";", " "]}), "names no class in its labels"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_rows(tmp_path: Path, name: str) -> None:
    make, reason = BAD_ROWS[name]
    make(tmp_path / "x.parquet")
    with pytest.raises(InputError) as caught:
        open_source(tmp_path / "x.parquet")
    assert reason in str(caught.value)
    assert caught.value.remedy


def drawn(n: int, k: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.random((n, k)) < generator.uniform(0.02, 0.6, k)


def naive(labels: np.ndarray, parts: int, names: list[str], seed: int) -> list[int]:
    """Divide literally by algorithm 1 of Sechidis et al."""
    keys, n, k = sample_keys(names, seed), *labels.shape
    place: dict[int, int] = {}
    size = [n / parts] * parts
    wanted = [[labels[:, label].sum() / parts for label in range(k)] for _ in range(parts)]
    while len(place) < n:
        rest = [index for index in sorted(range(n), key=lambda index: keys[index]) if index not in place]
        left = {label: [i for i in rest if labels[i, label]] for label in range(k)}
        left = {label: found for label, found in left.items() if found}
        label = min(left, key=lambda label: len(left[label])) if left else None
        for index in left[label] if label is not None else rest:
            best = list(range(parts))
            if label is not None:
                best = [part for part in best if wanted[part][label] == max(each[label] for each in wanted)]
            best = [part for part in best if size[part] == max(size[other] for other in best)]
            part = best[int(keys[index]) % len(best)]
            place[index] = part
            size[part] -= 1
            for each in np.flatnonzero(labels[index]):
                wanted[part][each] -= 1
    return [place[index] for index in range(n)]


@given(st.integers(1, 40), st.integers(1, 6), st.integers(2, 5), st.integers(0, 1000))
@settings(max_examples=repeats(20, 25))
def test_parts_are_those_of_the_paper(n: int, k: int, parts: int, seed: int) -> None:
    labels, names = drawn(n, k, seed), [f"{index}" for index in range(n)]
    assert assign_parts(labels, names, parts, seed).tolist() == naive(labels, parts, names, seed)


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.5])
def test_every_class_has_its_share(fraction: float) -> None:
    labels, names = drawn(2000, 12, 3), [f"{index:04d}" for index in range(2000)]
    chosen = choose_stratified(labels, names, 12, fraction=fraction, limit=None, seed=1)
    assert abs(chosen.sum() - fraction * 2000) <= 5
    assert (abs(labels[chosen].sum(0) - fraction * labels.sum(0)) <= 0.12 * fraction * labels.sum(0) + 2).all()
    shuffle = np.random.default_rng(0).permutation(2000)
    again = choose_stratified(labels[shuffle], [names[i] for i in shuffle], 12, fraction=fraction, limit=None, seed=1)
    np.testing.assert_array_equal(again, chosen[shuffle])  # whatever the order of the samples
    other = choose_stratified(labels, names, 12, fraction=fraction, limit=None, seed=2)
    assert (other != chosen).any()
    few = choose_stratified(labels, names, 12, fraction=fraction, limit=40, seed=1)
    assert few.sum() == 40
    assert (labels[few].sum(0) > 0).all()


def make_source(labels: np.ndarray) -> Source:
    names = tuple(f"{index:04d}" for index in range(len(labels)))
    split = Split(
        names=names, inputs=Arrays(np.zeros((len(labels), 2, 2, 1), np.uint8), COLOURS), targets=Arrays(labels)
    )
    classes = tuple(f"c{index}" for index in range(labels.shape[1]))
    return Source(name="made", kind="arrays", path=None, classes=classes, splits={"train": split})


def test_rare_classes_are_on_both_sides() -> None:
    labels = np.zeros((200, 3), bool)
    labels[:2, 0] = labels[2:5, 1] = labels[5:100, 2] = True
    for seed in range(5):
        divided = with_validation(make_source(labels), fraction=0.05, seed=seed, limit=None)
        assert all(divided.splits[split].labels.any(0).all() for split in ("train", "validation"))


def test_folds() -> None:
    source = make_source(drawn(300, 5, 0))
    folds = assign(source, Fold(number=1, of=4), 0)
    labels = source.splits["train"].labels
    assert np.bincount(folds).min() >= 73
    for fold in range(4):
        assert (abs(labels[folds == fold].sum(0) - labels.sum(0) / 4) <= 2).all()
    divided = with_fold(source, Fold(number=2, of=4), 0)
    assert len(divided.splits["validation"]) == (folds == 1).sum()
    assert set(assign(source, Fold(number=1, of=4, stratified=False), 0)) == {0, 1, 2, 3}
    labels[:, 0] = np.arange(300) < 3
    with pytest.raises(InputError, match="4 are more than the images of class 'c0'"):
        assign(source, Fold(number=1, of=4), 0)


def test_folds_by_groups(folder: Path) -> None:
    text = "path,labels,who\n" + "".join(f"{name},x;y,{index % 2}\n" for index, name in enumerate(SHOWN))
    source = open_source(write(folder, text))
    with pytest.raises(InputError, match="--group-by: multi-label images"):
        assign(source, Fold(number=1, of=2, group_by="who"), 0)
    folds = assign(source, Fold(number=1, of=2, group_by="who", stratified=False), 0)
    assert folds[0] == folds[2] != folds[1] == folds[3]


@given(st.data())
def test_classes_that_become_one(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=6))  # the new number of each class
    names = [sorted(set(names)).index(name) for name in names]
    kind = data.draw(st.booleans())
    count = data.draw(st.integers(1, 8))
    if kind:
        labels = np.array(data.draw(st.lists(st.integers(-1, len(names) - 1), min_size=count, max_size=count)))
        assert renumber(labels, names).tolist() == [-1 if label < 0 else names[label] for label in labels]
        return
    cells = st.lists(st.lists(st.booleans(), min_size=len(names), max_size=len(names)), min_size=count, max_size=count)
    rows = data.draw(cells)
    expected = [{names[old] for old, answer in enumerate(row) if answer} for row in rows]
    assert [set(np.flatnonzero(row).tolist()) for row in renumber(np.array(rows), names)] == expected


def test_classes_of_a_table_are_one_where_their_letters_are(folder: Path) -> None:
    files = list(SHOWN)
    forms = [normalize("NFC", "é"), normalize("NFD", "é"), "a", "z"]
    text = "path,label\n" + "".join(f"{name},{form}\n" for name, form in zip(files, forms, strict=True))
    source = open_source(write(folder, text))
    assert (source.classes, source.splits["all"].labels.tolist()) == (("a", "z", forms[0]), [2, 2, 0, 1])
    place = finder([forms[1], "a"])
    assert [place(name) for name in (*forms, "b")] == [0, 0, 1, None, None]


def test_a_survey_counts(folder: Path) -> None:
    found = survey(open_source(write(folder, NAMED)))
    assert found.counts == {"all": {"cat": 2, "cow": 1, "dog": 3}}
    assert (found.unlabelled, found.labels_per_image) == ({"all": 1}, {"all": 1.5})
    assert imbalance(found) is None


def test_imbalance_is_named() -> None:
    labels = np.zeros((100, 2), bool)
    labels[:4, 0] = labels[:, 1] = True
    rare = imbalance(survey(make_source(labels)))
    assert rare is not None
    assert (rare.rarest, rare.count, rare.largest, rare.beside, rare.ratio) == ("c0", 4, None, 96, 24)
    single = Split(
        names=("x",) * 12,
        inputs=Arrays(np.zeros((12, 2, 2, 1), np.uint8), COLOURS),
        targets=Arrays(np.array([0] * 9 + [1] * 3)),
    )
    rare = imbalance(survey(Source(name="s", kind="k", path=None, classes=("a", "b"), splits={"train": single})))
    assert rare is not None
    assert (rare.rarest, rare.largest, rare.ratio) == ("b", "a", 3)
