from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from convworks.data.column import Files, files_of
from convworks.data.source import with_validation
from convworks.data.sources.open import open_source
from convworks.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "c.png", "sub/d, e.png", "sub/f.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / name)
    return tmp_path


def table(folder: Path, text: str | bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_reads_rows(folder: Path) -> None:
    source = open_source(table(folder, 'path,label\nb.png,no\na.png,yes\n"sub/d, e.png",no\n'))
    assert (source.kind, source.name, source.classes) == ("csv", "labels", ("no", "yes"))
    train = source.splits["all"]
    assert train.names == ("a.png", "b.png", "sub/d, e.png")
    assert train.labels.tolist() == [1, 0, 0]
    assert isinstance(train.inputs, Files)
    assert train.inputs.files[0] == folder / "a.png"


def test_reads_splits_and_absolute_paths(folder: Path) -> None:
    text = "label,Split,path,size\nx,train,a.png,1\ny,TRAIN,b.png,2\n"
    source = open_source(table(folder, f'{text}x,val,{folder}/c.png,3\ny,validation,"sub/../sub/d, e.png",4\n'))
    assert list(source.splits) == ["train", "validation"]
    files = files_of(source.splits["validation"].inputs)
    assert files is not None
    assert folder / "c.png" in files


#: Cells of a.png, b.png and c.png in columns that divide, and the splits that these make.
DIVIDING = {
    "is_valid": ("is_valid", ["0", "1", "0"], {"train": "ac", "validation": "b"}),
    "validation": ("Validation", ["False", "True", "0.0"], {"train": "ac", "validation": "b"}),
    "test": ("is_test", ["0", "0", "1"], {"train": "ab", "test": "c"}),
    "both": ("val,test", ["0,0", "1,0", "0,1"], {"train": "a", "validation": "b", "test": "c"}),
    "is_train": ("is_train,is_test", ["1,0", "1,0", "0,1"], {"train": "ab", "test": "c"}),
    "subset": ("subset", ["Training", "dev", "test"], {"train": "a", "validation": "b", "test": "c"}),
    "partition": ("partition", ["train", "val", "train"], {"train": "ac", "validation": "b"}),
    "fold of splits": ("fold", ["train", "valid", "train"], {"train": "ac", "validation": "b"}),
    "fold of numbers": ("fold", ["1", "2", "1"], {"all": "abc"}),
}


@pytest.mark.parametrize("name", DIVIDING)
@pytest.mark.parametrize("labels", ["label", "classes"])
def test_columns_that_divide(folder: Path, name: str, labels: str) -> None:
    header, cells, splits = DIVIDING[name]
    label, values = ("label,camera", "x,front") if labels == "label" else ("cat,dog", "1,0")
    rows = [f"{letter}.png,{values},{cell}" for letter, cell in zip("abc", cells, strict=True)]
    source = open_source(table(folder, "\n".join([f"path,{label},{header}", *rows])))
    assert {split: "".join(n[0] for n in part.names) for split, part in source.splits.items()} == splits
    assert source.classes == (("x",) if labels == "label" else ("cat", "dog"))
    assert source.unused_columns == (("camera",) if labels == "label" else ())
    assert source.fold_column == ("fold" if name == "fold of numbers" else None)


@pytest.mark.parametrize("text", ["\ufeffpath,label\r\na.png,x\r\nb.png,y\r\n", "path, label\na.png, x\nb.png, y"])
def test_reads_what_spreadsheets_write(folder: Path, text: str) -> None:
    assert open_source(table(folder, text)).classes == ("x", "y")


BAD: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "labels.csv: has no column 'path' in its header (empty)"),
    "no header": ("a.png,x\nb.png,y\n", "has no column 'path' in its header (a.png, x)"),
    "missing column": ("path,lable\na.png,x\n", "has no column 'label' in its header (path, lable) (did you mean"),
    "semicolons": ("file;label\na.png;x\n", "has no column 'path' in its header (file, label)"),
    "semicolons in fields": ("path;labels\na.png;x;y\n", "labels.csv line 2: has more fields than the header"),
    "no rows": ("path,label\n", "has a header but no rows"),
    "missing file": ("path,label\na.png,x\nno.png,y\n", "names 1 of 2 files that do not exist: no.png"),
    "empty label": ("path,label\na.png,x\nb.png,\n", "labels.csv line 3: has no label"),
    "blank label": ("path,label\na.png,x\nb.png,  \n", "labels.csv line 3: has no label"),
    "short row": ("path,label\na.png,x\nb.png\n", "labels.csv line 3: has no label"),
    "empty path": ("path,label\n,x\n", "labels.csv line 2: has no path"),
    "empty split": ("path,label,split\na.png,x,\n", "labels.csv line 2: has no split"),
    "unknown split": (
        "path,label,split\na.png,x,holdout\n",
        "labels.csv line 2: has the split 'holdout', which is none of",
    ),
    "twice": ("path,label\na.png,x\nb.png,y\na.png,y\n", "labels.csv line 4: names a.png again, after line 2"),
    "twice, with a dot": ("path,label\na.png,x\n./a.png,y\n", "line 3: names ./a.png again, after line 2 as a.png"),
    "twice, by a folder": ("path,label\na.png,x\nsub/../a.png,x\n", "line 3: names sub/../a.png again, after line 2"),
    "twice, with backslashes": ("path,label\nsub/f.png,x\nsub\\f.png,x\n", "line 3: names sub/f.png again, after"),
    "one class": ("path,label\na.png,x\nb.png,x\n", "has 1 class in train ('x')"),
    "class not in train": ("path,label,split\na.png,x,train\nb.png,y,train\nc.png,z,test\n", "test has class 'z'"),
    "not UTF-8": (b"path,label\na.png,\xff\xfe\n", "is not UTF-8 text (byte 17 is 0xff)"),
    "UTF-16": ("path,label\na.png,x\n".encode("utf-16"), "is UTF-16 text"),
    "quotes": ('path,label\n"a.png,x\n', "is not a CSV file"),
    "too many fields": ("path,label\na.png,x,y,z\n", "labels.csv line 2: has more fields than the header"),
    "splits twice": ("path,label,split,is_valid\na.png,x,train,0\n", "names splits in several columns, split and is_v"),
    "no flag": ("path,label,is_valid\na.png,x,maybe\n", "line 2: has 'maybe' in column 'is_valid', neither 0 nor 1"),
    "two flags": ("path,label,val,test\na.png,x,1,1\n", "line 2: is in validation and in test at once"),
    "no split": ("path,label,is_train\na.png,x,1\nb.png,y,0\n", "line 3: has 0 in is_train, so it is in no split"),
    "train and test": ("path,label,is_train,test\na.png,x,1,1\n", "line 2: is in train and in test at once"),
    "splits and folds": ("path,label,fold\na.png,x,1\nb.png,y,test\n", "line 3: has 'test' in column 'fold', but lin"),
    "an index": ("path,cat,dog,\na.png,1,0,0\nb.png,0,1,1\n", "has a column without a name in its header"),
    "column twice": ("path,label,label\na.png,x,y\n", "names a column twice"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables(folder: Path, name: str) -> None:
    text, reason = BAD[name]
    with pytest.raises(InputError) as caught:
        with_validation(open_source(table(folder, text)), fraction=0.5, seed=0, limit=None)
    assert reason in str(caught.value)
    assert caught.value.remedy


def test_a_file_that_comes_twice_is_known_by_what_it_is(folder: Path) -> None:
    (folder / "link.png").symlink_to("a.png")
    (folder / "hard.png").hardlink_to(folder / "a.png")
    (folder / "linked").symlink_to("sub")
    for first, second in (
        ("a.png", str(folder / "a.png")),
        ("link.png", "a.png"),
        ("a.png", "hard.png"),
        ("sub/f.png", "linked/f.png"),
    ):
        with pytest.raises(InputError, match=f"line 3: names {second} again, after line 2 as {first}"):
            open_source(table(folder, f"path,label,split\n{first},x,train\n{second},y,test\n"))
    (folder / "nowhere.png").symlink_to("gone")
    assert len(open_source(table(folder, "path,label\na.png,x\nnowhere.png,y\n")).splits["all"]) == 2


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_semicolons_and_tabs_part_cells_too(folder: Path, delimiter: str, ending: str) -> None:
    lines = (
        ("Path", "label", "split"),
        ("b.png", "no", "train"),
        ('"sub/d, e.png"', "y;t", "test"),
        ("a.png", "y", "val"),
    )
    text = "\r\n".join(delimiter.join(f'"{cell}"' if ";" in cell else cell for cell in cells) for cells in lines)
    path = table(folder, text).rename(folder / f"x.{ending}")
    source = open_source(path)
    assert source.classes == ("no", "y", "y;t")
    assert source.splits["test"].names == ("sub/d, e.png",)


def test_backslashes_in_paths_are_slashes_unless_there_is_such_a_file(folder: Path) -> None:
    Image.new("L", (4, 4)).save(folder / "sub\\g.png")
    train = open_source(table(folder, "path,label\nsub\\f.png,x\n.\\a.png,y\nsub\\g.png,y\n")).splits["all"]
    assert train.names == ("./a.png", "sub/f.png", "sub\\g.png")
    assert files_of(train.inputs) == (folder / "a.png", folder / "sub/f.png", folder / "sub\\g.png")


def test_many_missing_files_are_counted(folder: Path) -> None:
    rows = "".join(f"{index}.png,x\n" for index in range(9))
    with pytest.raises(InputError, match=r"names 9 of 9 files .*: 0.png, 1.png, 2.png, 3.png, 4.png and 4 more"):
        open_source(table(folder, f"path,label\n{rows}"))
