from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from thorough import repeats

from convworks.cli.main import run
from convworks.data import location
from convworks.data.column import COLOURS, Arrays, Files
from convworks.data.inspect.duplicates import END, Duplicate, duplicate_lines, duplicates
from convworks.data.shards.pack import pack
from convworks.data.source import Source, Split
from convworks.data.sources.open import open_source

#: Contents that differ in size, in the beginning alone, and in the end alone.
CONTENTS = (b"", b"a", b"b", b"a" * (END + 1), b"b" + b"a" * END, b"a" * END + b"b")
SPLITS = ("train", "validation", "test")
IMAGES = st.lists(st.tuples(st.sampled_from(CONTENTS), st.integers(0, 1)), max_size=5)


def read(split: Split, at: int) -> bytes:
    if isinstance(split.inputs, Arrays):
        return bytes(split.inputs.values[at])
    return location.read_bytes(split.inputs.files[at])


def naive(source: Source) -> list[Duplicate]:
    """Compare every image with all of the earlier splits, then with those before it in its own."""
    result = []
    for number, (name, split) in enumerate(source.splits.items()):
        earlier = [
            (other, source.splits[other], i)
            for other in list(source.splits)[:number]
            for i in range(len(source.splits[other]))
        ]
        for at in range(len(split)):
            content = read(split, at)
            own = [(name, split, i) for i in range(at)]
            same = [(other, each, i) for other, each, i in earlier if read(each, i) == content]
            same = same or [(other, each, i) for other, each, i in own if read(each, i) == content]
            if same and content:
                other, each, i = same[0]
                relabelled = all((each.labels[i] != split.labels[at]).any() for _, each, i in same)
                result.append(
                    Duplicate(
                        split=name,
                        name=split.names[at],
                        first_split=other,
                        first_name=each.names[i],
                        relabelled=relabelled,
                    )
                )
    return result


@settings(max_examples=repeats(20, 60), deadline=None)
@given(st.tuples(IMAGES, IMAGES, IMAGES), st.booleans())
def test_the_same_as_comparing_all_with_all(
    tmp_path_factory: pytest.TempPathFactory, parts: tuple[list[tuple[bytes, int]], ...], several: bool
) -> None:
    root = tmp_path_factory.mktemp("images")
    splits = {}
    for split, part in zip(SPLITS, parts, strict=True):
        names = tuple(f"{split}/{at}.png" for at in range(len(part)))
        for name, (content, _) in zip(names, part, strict=True):
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(content)
        labels = np.array([label for _, label in part], dtype=np.int64)
        files = tuple(root / name for name in names)
        splits[split] = Split(
            names=names,
            inputs=Files(files),
            targets=Arrays(np.stack([labels == 0, labels == 1], 1) if several else labels),
        )
    source = Source(name="x", kind="folder", path=root, classes=("a", "b"), splits=splits)
    assert list(duplicates(source)) == naive(source)


def test_arrays() -> None:
    arrays = np.random.default_rng(0).integers(0, 2, (60, 2, 2, 1), dtype=np.uint8)
    splits = {
        name: Split(
            names=tuple(f"{name}/{i}" for i in range(20)),
            inputs=Arrays(arrays[at : at + 20], COLOURS),
            targets=Arrays(np.arange(20) % 2),
        )
        for name, at in (("train", 0), ("validation", 20), ("test", 40))
    }
    source = Source(name="x", kind="arrays", path=None, classes=("a", "b"), splits=splits)
    assert len(duplicates(source)) > 20
    assert list(duplicates(source)) == naive(source)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make 4 images per class and split; in test, each class duplicates one of train, and one of the other class."""
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in "ab":
            (tmp_path / "set" / split / label).mkdir(parents=True)
            for index in range(4):
                pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "set" / split / label / f"{index}.png")
    for label, other in (("a", "b"), ("b", "a")):
        for index, whose in enumerate((label, other)):
            content = (tmp_path / "set" / "train" / whose / f"{index}.png").read_bytes()
            (tmp_path / "set" / "test" / label / f"{index}.png").write_bytes(content)
    return tmp_path / "set"


def test_files_shards_and_tables(folder: Path, tmp_path: Path) -> None:
    source = open_source(folder)
    result = duplicates(source)
    assert [(each.name, each.first_name, each.relabelled) for each in result] == [
        ("test/a/0.png", "train/a/0.png", False),
        ("test/a/1.png", "train/b/1.png", True),
        ("test/b/0.png", "train/b/0.png", False),
        ("test/b/1.png", "train/a/1.png", True),
    ]
    pack(source, tmp_path / "packed", shard_size=2**14)
    (tmp_path / "packed" / "index.json").unlink()
    shards = open_source(tmp_path / "packed")
    assert len(duplicates(shards)) == 4
    assert list(duplicates(shards)) == naive(shards)


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs pyarrow")
def test_tables(folder: Path, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    for split in ("train", "test"):
        files = sorted((folder / split).rglob("*.png"))
        cells = {"image": [file.read_bytes() for file in files], "label": [file.parent.name for file in files]}
        (tmp_path / "tables").mkdir(exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table(cells), tmp_path / "tables" / f"{split}.parquet", row_group_size=3)
    source = open_source(tmp_path / "tables")
    assert sum(each.relabelled for each in duplicates(source)) == 2
    assert list(duplicates(source)) == naive(source)


def test_they_are_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert duplicate_lines(()) == []
    (line,) = duplicate_lines(duplicates(open_source(folder)))
    assert line == (
        "duplicates: images of test that are in train too: 4 (2 with another label): test/a/0.png = train/a/0.png, "
        "test/a/1.png = train/b/1.png, test/b/0.png = train/b/0.png, ..."
    )
    monkeypatch.chdir(tmp_path)
    assert run(["data", str(folder)]) == 0
    assert line in capsys.readouterr().out
    assert run(["data", str(folder), "--json"]) == 0
    assert capsys.readouterr().out.count('"relabelled": true') == 2


def test_copies_in_a_folder_without_splits_are_told(folder: Path) -> None:
    (one, *_), (other, *_) = (sorted((folder / "train" / label).iterdir()) for label in "ab")
    (folder / "train" / "a" / "again.png").write_bytes(one.read_bytes())
    (folder / "train" / "a" / "other.png").write_bytes(other.read_bytes())
    source = open_source(folder / "train")
    (line,) = duplicate_lines(duplicates(source))
    assert line == (
        f"duplicates: images that repeat one of {next(iter(source.splits))}: 2 (1 with another label): "
        "a/again.png = a/0.png, b/0.png = a/other.png"
    )
