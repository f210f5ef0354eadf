from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convworks.data.column import Files, files_of
from convworks.data.decode.decode import decode
from convworks.data.location import byte_size, read_bytes
from convworks.data.shards.pack import pack
from convworks.data.sources import row as rows
from convworks.data.sources.open import open_source
from convworks.errors import InputError

pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")


def picture(shade: int) -> bytes:
    with io.BytesIO() as file:
        Image.new("L", (12, 10), shade).save(file, "PNG")
        return file.getvalue()


def table(
    labels: Sequence[Any], *, start: int = 0, struct: bool = True, names: list[str] | None = None, **more: Any
) -> Any:
    """Make a table of images whose shades count from `start`, as Hugging Face writes it (struct) or plainly."""
    cells = [picture(number) for number in range(start, start + len(labels))]
    images = [{"bytes": cell, "path": None} for cell in cells] if struct else cells
    contents = pyarrow.table({"image": images, "label": list(labels), **more})
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        contents = contents.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    return contents


def write(path: Path, contents: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(contents, path, **options)
    return path


def save(folder: Path, tables: Sequence[Any]) -> Path:
    """Save tables as `Dataset.save_to_disk` does."""
    folder.mkdir(parents=True)
    files = []
    for number, contents in enumerate(tables):
        name = f"data-{number:05d}-of-{len(tables):05d}.arrow"
        with pyarrow.ipc.new_stream(str(folder / name), contents.schema) as stream:
            stream.write_table(contents)
        files.append({"filename": name})
    (folder / "state.json").write_text(json.dumps({"_data_files": files, "_split": "train"}))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def shades(root: Path, split: str | None = None) -> list[tuple[int, str]]:
    source = open_source(root)
    split_rows = source.splits[split or next(iter(source.splits))]
    assert isinstance(split_rows.inputs, Files)
    values = [int(decode(file, channels=1)[0, 0, 0]) for file in split_rows.inputs.files]
    return [(value, source.classes[label]) for value, label in zip(values, split_rows.labels, strict=True)]


@pytest.mark.parametrize("struct", [True, False])
def test_a_file_of_hugging_face(tmp_path: Path, struct: bool) -> None:
    path = write(
        tmp_path / "set.parquet", table([1, 0, 1, 1, 0], struct=struct, names=["cat", "dog"]), row_group_size=2
    )
    source = open_source(path)
    assert (source.kind, source.name, source.classes) == ("parquet", "set", ("cat", "dog"))
    assert shades(path) == [(0, "dog"), (1, "cat"), (2, "dog"), (3, "dog"), (4, "cat")]
    train = source.splits["all"]
    assert train.names == tuple(f"set.parquet/row {number}" for number in range(5))
    assert isinstance(train.inputs, Files)
    assert str(train.inputs.files[3]) == f"{path}!row 3"
    assert 0 < sum(map(byte_size, train.inputs.files)) < 2 * path.stat().st_size


LABELS: dict[str, tuple[list[Any], tuple[str, ...]]] = {
    "text": (["b", "a", "b"], ("a", "b")),
    "numbers": ([10, 2, 10], ("2", "10")),
    "dictionary": (pyarrow.array(["b", "a", "b"]).dictionary_encode().to_pylist(), ("a", "b")),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels(tmp_path: Path, name: str) -> None:
    labels, classes = LABELS[name]
    assert open_source(write(tmp_path / "x.parquet", table(labels))).classes == classes


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001.parquet"),
        ("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000.parquet"),
        ("train/0000.parquet", "train/0001.parquet", "test/0000.parquet"),
    ],
)
def test_folders(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for number, name in enumerate(names):
        write(tmp_path / name, table([0, 1], start=2 * number, names=["cat", "dog"]))
    assert shades(tmp_path) == [(0, "cat"), (1, "dog"), (2, "cat"), (3, "dog")]
    assert shades(tmp_path, "test") == [(4, "cat"), (5, "dog")]


def test_other_columns_and_a_split_without_labels(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", table(["a", "b"], caption=["x", "y"], thumbnail=[b"", b""]))
    write(tmp_path / "test-0.parquet", table([None, None]).cast(pyarrow.schema([*table(["a"]).schema])))
    source = open_source(tmp_path)
    assert list(source.splits) == ["train"]
    assert set(source.left_out.values()) == {"without a label"}
    assert len(source.left_out) == 2


def test_columns_divide_the_rows_as_in_csv(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"split": ["train", "val", "test"], "fold": [1, 2, 1], "camera": ["x", "x", "y"]}
    path = write(tmp_path / "set.parquet", table(["a", "b", "a"], **parts))
    assert [shades(path, split) for split in ("train", "validation", "test")] == [[(0, "a")], [(1, "b")], [(2, "a")]]
    assert open_source(path).unused_columns == ("camera", "fold")
    flags: dict[str, Any] = {"cat": [1, 0, 1], "dog": [True, True, False], "Is_Test": [False, False, True]}
    source = open_source(write(tmp_path / "flags.parquet", table([0, 1, 0], **flags).drop(["label"])))
    assert source.classes == ("cat", "dog")
    assert {name: len(split) for name, split in source.splits.items()} == {"train": 2, "test": 1}
    for number in (0, 1):  # the names of files come first
        write(tmp_path / "named" / f"train-{number}.parquet", table(["a", "b"], split=["test", "x"]))
    assert {name: len(split) for name, split in open_source(tmp_path / "named").splits.items()} == {"train": 4}
    assert open_source(tmp_path / "named").unused_columns == ("split",)


def test_saved_to_disk(tmp_path: Path) -> None:
    parts = [table([0, 1], names=["cat", "dog"]), table([1], start=2, names=["cat", "dog"])]
    assert shades(save(tmp_path / "one", parts)) == [(0, "cat"), (1, "dog"), (2, "dog")]
    save(tmp_path / "both" / "train", parts)
    save(tmp_path / "both" / "test", parts[1:])
    (tmp_path / "both" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    source = open_source(tmp_path / "both")
    assert (source.kind, list(source.splits)) == ("arrow", ["train", "test"])
    assert shades(tmp_path / "both", "test") == [(2, "dog")]


def test_row_groups_are_kept_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.parquet", table(["a", "b"] * 40), row_group_size=10)
    files = files_of(open_source(path).splits["all"].inputs)
    assert files is not None
    read: list[int] = []
    whole = pyarrow.parquet.ParquetFile.read_row_group

    def counted(self: Any, group: int, **options: Any) -> Any:
        read.append(group)
        return whole(self, group, **options)

    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "read_row_group", counted)
    wanted = [picture(number) for number in range(80)]
    results: dict[int, bytes] = {}

    def read_some(numbers: range) -> None:
        for number in numbers:
            results[number] = read_bytes(files[number])

    threads = [threading.Thread(target=read_some, args=(range(first, 80, 4),)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[number] for number in range(80)] == wanted
    assert sorted(read) == list(range(8)), "each row group once"
    monkeypatch.setattr(rows, "CACHE_SIZE", 1)
    source = open_source(write(tmp_path / "y.parquet", table(["a", "b"] * 40), row_group_size=10))
    other = files_of(source.splits["all"].inputs)
    read.clear()
    for number in (0, 1, 79, 78, 0):
        assert read_bytes(other[number]) == wanted[number]
    assert read == [0, 7, 0], "only the last is kept"


def test_a_table_that_was_written_anew(tmp_path: Path) -> None:
    for shade in (3, 4):
        path = write(tmp_path / "x.parquet", table(["a"], start=shade))
        os.utime(path, (shade, shade))
        assert shades(path) == [(shade, "a")]


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no Parquet": (lambda p: p.write_bytes(b"PAR1 and something else"), "x.parquet: cannot be read ("),
    "truncated": (
        lambda p: p.write_bytes(write(p, table(["a", "b"])).read_bytes()[:-20]),
        "x.parquet: cannot be read (",
    ),
    "no images": (lambda p: write(p, pyarrow.table({"label": [1]})), "has no column of images: label (int64)"),
    "no labels": (lambda p: write(p, pyarrow.table({"image": [b""]})), "has no column of labels: image (binary)"),
    "several images": (
        lambda p: write(p, pyarrow.table({"left": [b""], "right": [b""], "label": [1]})),
        "has several columns that could be images: left (binary), right (binary)",
    ),
    "unknown split": (lambda p: write(p, table(["a", "b"], split=["train", None])), "row 1: has the split '', which"),
    "several labels": (
        lambda p: write(p, pyarrow.table({"image": [b""], "x": ["1"], "y": [1]})),
        "has several columns that could be labels: image (binary), x (string), y (int64); name",
    ),
    "no rows": (lambda p: write(p, table(["a"]).slice(0, 0)), "x.parquet: has no rows"),
    "a row without label": (lambda p: write(p, table(["a", None])), "x.parquet!row 1: has no label"),
    "a negative label": (lambda p: write(p, table([0, -1], names=["a", "b"])), "x.parquet!row 1: has no label"),
    "a label of no class": (
        lambda p: write(p, table([0, 2], names=["a", "b"])),
        "row 1: has the label '2', which is no",
    ),
    "no labels at all": (lambda p: write(p, table([-1, -1])), "x.parquet: has a label in none of its rows"),
    "no label for it": (lambda p: write(p, table([-1, -1], names=["a"])), "has a label in none of its rows"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tables(tmp_path: Path, name: str) -> None:
    make, reason = WRONG[name]
    make(tmp_path / "x.parquet")
    with pytest.raises(InputError) as caught:
        open_source(tmp_path / "x.parquet")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_folders(tmp_path: Path) -> None:
    write(tmp_path / "a" / "train-0.parquet", table([0], names=["cat"]))
    write(tmp_path / "a" / "test-0.parquet", table([0], names=["dog"]))
    with pytest.raises(InputError, match="has different classes from"):
        open_source(tmp_path / "a")
    write(tmp_path / "parts" / "0.parquet", table(["a"], split=["train"]))
    write(tmp_path / "parts" / "1.parquet", table(["b"]))
    with pytest.raises(InputError, match=r"1.parquet: has no column 'split', but .*0.parquet has"):
        open_source(tmp_path / "parts")
    saved = save(tmp_path / "b", [table([0])])
    (saved / "state.json").write_text("{}")
    with pytest.raises(InputError, match=r"state.json: names no files"):
        open_source(saved)
    (saved / "state.json").write_text("{")
    with pytest.raises(InputError, match=r"state.json: is not JSON"):
        open_source(saved)
    (saved / "dataset_dict.json").write_text('{"splits": ["train", "extra"]}')
    with pytest.raises(InputError, match="names the split 'extra'"):
        open_source(saved)


def test_an_image_that_is_not_in_the_table(tmp_path: Path) -> None:
    images = [{"bytes": None, "path": "/far/away.png"}, {"bytes": picture(1), "path": None}, None]
    write(tmp_path / "x.parquet", pyarrow.table({"image": images, "label": ["a", "b", "b"]}))
    files = files_of(open_source(tmp_path / "x.parquet").splits["all"].inputs)
    assert files is not None
    with pytest.raises(
        InputError, match=r"x.parquet!row 0: holds no image, only the path '/far/away.png' \(cannot be read"
    ):
        decode(files[0], channels=1)
    with pytest.raises(InputError, match=r"x.parquet!row 2: holds no bytes of an image;"):
        decode(files[2], channels=1)
    assert decode(files[1], channels=1)[0, 0, 0] == 1


def test_images_that_are_only_named(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture(1))
    images = [{"bytes": None, "path": path} for path in ("1.png", str(tmp_path / "1.png"))]
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    contents = pyarrow.table({"image": pyarrow.array(images, kind), "label": ["a", "b"]})
    path = write(tmp_path / "x.parquet", contents)
    assert shades(path) == [(1, "a"), (1, "b")]


def test_a_table_that_is_damaged_later(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", table(["a", "b"]))
    files = files_of(open_source(path).splits["all"].inputs)
    assert files is not None
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match=r"x.parquet!row 0: cannot be read \("):
        read_bytes(files[0])


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x.parquet", table(["a", "b"]))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"x.parquet: needs pyarrow, .*; pip install 'convworks\[parquet\]'"):
        open_source(tmp_path / "x.parquet")


def test_a_table_can_be_packed(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", table([1, 0, 1], names=["cat", "dog"]))
    pack(open_source(path), tmp_path / "packed")
    assert shades(tmp_path / "packed") == shades(path)
    files = files_of(open_source(tmp_path / "packed").splits["all"].inputs)
    assert files is not None
    assert [file.suffix for file in files] == [".png"] * 3, "called after what is in them"
