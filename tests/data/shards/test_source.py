from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving import serving

from convworks.data.column import files_of
from convworks.data.decode.decode import decode
from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.location import read_bytes
from convworks.data.shards.byte_range import ByteRange
from convworks.data.shards.names import expand
from convworks.data.shards.pack import pack
from convworks.data.sources.open import located, open_source
from convworks.errors import InputError, RunError
from convworks.signed import sealed

Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Isolate the test from the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "convworks" / "shards"


def picture(shade: int, kind: str = "PNG") -> bytes:
    with io.BytesIO() as file:
        Image.new("L", (12, 10), shade).save(file, kind)
        return file.getvalue()


def samples(*labels: str, start: int = 0, ending: str = "cls") -> Files:
    """Return the files of samples with these labels; the shade of each image is its index."""
    files: Files = {}
    for number, label in enumerate(labels, start):
        files[f"{number:05d}.png"] = picture(number)
        files[f"{number:05d}.{ending}"] = label.encode()
    return files


def shard(path: Path, files: Files | list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in files.items() if isinstance(files, dict) else files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def shades(root: str | Path, split: str | None = None) -> list[tuple[int, str]]:
    """Return the shade and class of each sample."""
    source = open_source(root)
    result = source.splits[split or next(iter(source.splits))]
    values = [int(decode(file, channels=1)[0, 0, 0]) for file in files_of(result.inputs)]
    return [(value, source.classes[label]) for value, label in zip(values, result.labels, strict=True)]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_splits_by_name(tmp_path: Path, form: int) -> None:
    shard(tmp_path / "train-000000.tar", samples("1", "0"), form)
    shard(tmp_path / "train-000001.tar", samples("2", "10", start=2), form)
    shard(tmp_path / "val-000000.tar", samples("10", start=4), form)
    source = open_source(tmp_path)
    assert (source.kind, source.classes, source.name) == ("shards", ("0", "1", "2", "10"), tmp_path.name)
    assert shades(tmp_path) == [(0, "1"), (1, "0"), (2, "2"), (3, "10")]
    assert shades(tmp_path, "validation") == [(4, "10")]
    assert source.splits["train"].names[0] == "train-000000/00000.png"
    assert str(files_of(source.splits["train"].inputs)[0]) == f"{tmp_path}/train-000000.tar!00000.png"


@pytest.mark.parametrize("names", [("train/a.tar", "test/b.tar"), ("set-train-0.tar", "set-test-0.tar")])
def test_splits_by_folder_and_in_names(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        shard(tmp_path / name, samples("x", "y"))
    assert list(open_source(tmp_path).splits) == ["train", "test"]


def test_shards_of_no_split_are_all(tmp_path: Path) -> None:
    shard(tmp_path / "00000.tar", samples("x", "y"))
    shard(tmp_path / "trainings.tar", samples("x"))
    assert list(open_source(tmp_path).splits) == ["all"]


def test_a_pattern_and_a_single_shard(tmp_path: Path) -> None:
    for number in range(3):
        shard(tmp_path / f"train-{number:06d}.tar", samples("a", "b", start=2 * number))
    assert [shade for shade, _ in shades(str(tmp_path / "train-{000000..000001}.tar"))] == [0, 1, 2, 3]
    assert [shade for shade, _ in shades(tmp_path / "train-000002.tar")] == [4, 5]
    with pytest.raises(InputError, match=r"train-000003.tar: cannot be read \(No such file"):
        open_source(str(tmp_path / "train-{000000..000003}.tar"))


def test_braces() -> None:
    assert expand("a{08..10}b{x,y}") == ["a08bx", "a08by", "a09bx", "a09by", "a10bx", "a10by"]
    assert expand("plain") == ["plain"]
    for wrong in ("a{3..1}", "{0..99999999}", "{0..999}{0..999}{0..999}"):
        with pytest.raises(InputError):
            expand(wrong)


LABELS: dict[str, tuple[Files, str]] = {
    "number": ({"a.cls": b"3\n"}, "3"),
    "text": ({"a.txt": "Bär\n".encode()}, "Bär"),
    "json number": ({"a.json": b'{"label": 7, "url": "x"}'}, "7"),
    "json text": ({"a.json": b'{"class": "cat"}'}, "cat"),
    "json alone": ({"a.json": b'"dog"'}, "dog"),
    "cls before json before txt": ({"a.txt": b"a caption", "a.json": b'{"label": 1}', "a.cls": b"2"}, "2"),
    "capitals": ({"a.CLS": b"2"}, "2"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels(tmp_path: Path, name: str) -> None:
    files, label = LABELS[name]
    shard(tmp_path / "x.tar", {"a.PNG": picture(9), **files, "b.png": picture(8), "b.cls": b"z"})
    assert (9, label) in shades(tmp_path)


def test_files_of_one_sample_need_not_follow_each_other(tmp_path: Path) -> None:
    files = samples("a", "b", "c")
    shard(
        tmp_path / "x.tar", [*[f for f in files.items() if "cls" in f[0]], *[f for f in files.items() if "png" in f[0]]]
    )
    assert [label for _, label in shades(tmp_path)] == ["a", "b", "c"]


def test_folders_and_further_files(tmp_path: Path) -> None:
    long = "folder/" * 30
    files = {
        f"{long}1.png": picture(1),
        f"{long}1.cls": b"0",
        f"{long}1.seg.png": picture(99),
        "2.left.png": picture(2),
        "2.cls": b"1",
        "._2.png": b"of macOS",
        "readme.md": b"text",
    }
    shard(tmp_path / "x.tar", files)
    assert shades(tmp_path) == [(1, "0"), (2, "1")]


def test_the_pass_is_remembered(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shard(tmp_path / "train-0.tar", samples("a", "b"))
    first = shades(tmp_path)
    assert len(list(cache.iterdir())) == 1
    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "open", None)
        assert shades(tmp_path) == first, "without opening the tar"
    shard(path, samples("a", "c"))
    os.utime(path, (5, 5))
    assert shades(tmp_path)[1] == (1, "c"), "another time is another shard"
    for file in cache.iterdir():
        file.write_text('{"version": 1')
    assert shades(tmp_path)[1] == (1, "c"), "a damaged memory is no memory"


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard(tmp_path / "set" / "train-0.tar", samples("a", "b"))
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(shades(tmp_path / "set")) == 2


GOOD = samples("a", "b")
FIRST = "00000.png"


def cut(path: Path, length: int) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[:length])
    return path


def damage(path: Path, at: int) -> Path:
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    return path


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated in a member": (lambda p: cut(shard(p, GOOD), 2800), "x.tar: is truncated or damaged after 2,800 bytes"),
    "truncated in a header": (lambda p: cut(shard(p, GOOD), 1200), "x.tar: is truncated or damaged after 1,024 bytes"),
    "truncated between members": (lambda p: cut(shard(p, GOOD), 2048), "x.tar: is truncated or damaged after 2,048"),
    "damaged header": (lambda p: damage(shard(p, GOOD), 2050), "x.tar: is truncated or damaged after 2,048 bytes"),
    "empty": (lambda p: p.write_bytes(b""), "x.tar: is not an uncompressed tar, or is damaged (empty file)"),
    "compressed": (lambda p: p.write_bytes(b"\x1f\x8b" + bytes(2000)), "is not an uncompressed tar"),
    "duplicate": (lambda p: shard(p, [*GOOD.items(), (FIRST, b"x")]), f"x.tar!{FIRST}: is in the shard twice"),
    "duplicate in capitals": (
        lambda p: shard(p, {**GOOD, "00000.PNG": b"x"}),
        "x.tar!00000.PNG: is in the shard twice",
    ),
    "two images": (lambda p: shard(p, {**GOOD, "00000.jpg": b"x"}), "is a second image of one sample"),
    "no label": (
        lambda p: shard(p, {**GOOD, "x.png": picture(1)}),
        "x.tar!x.png: has no label: no .cls, .json or .txt",
    ),
    "only others": (lambda p: shard(p, {"x.png": b"x", "x.npz": b""}), "no .cls, .json or .txt beside it, only .npz"),
    "empty label": (lambda p: shard(p, samples("")), "x.tar!00000.cls: is empty, so its image has no label"),
    "damaged label": (lambda p: shard(p, {"a.png": b"", "a.cls": b"\xff"}), "x.tar!a.cls: is not a label ("),
    "damaged json": (lambda p: shard(p, samples("{", ending="json")), "x.tar!00000.json: is not a label ("),
    "json of others": (
        lambda p: shard(p, samples('{"caption": "x"}', ending="json")),
        "names none of label, cls, class",
    ),
    "huge label": (lambda p: shard(p, samples("x" * 70_000)), "has 70,000 bytes, which is not a label"),
    "no images": (lambda p: shard(p, {"a.cls": b"1"}), "x.tar: contains no images (1 other files)"),
    "one of no split": (
        lambda p: [shard(p, GOOD), shard(p.with_name("train-0.tar"), GOOD)],
        "x.tar: is in no split, but train-0.tar is in train",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_shards(tmp_path: Path, name: str) -> None:
    make, reason = WRONG[name]
    make(tmp_path / "x.tar")
    with pytest.raises(InputError) as caught:
        open_source(tmp_path)
    assert reason in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_shard_that_shrinks_while_in_use(tmp_path: Path) -> None:
    path = shard(tmp_path / "train-0.tar", GOOD)
    files = files_of(open_source(tmp_path).splits["train"].inputs)
    assert files is not None
    cut(path, 520)
    with pytest.raises(InputError, match=r"train-0.tar!00000.png: is truncated \(8 of \d+ bytes\)"):
        read_bytes(files[0])
    path.unlink()
    with pytest.raises(InputError, match=r"train-0.tar!00000.png: cannot be read \(No such file"):
        read_bytes(files[0])


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Pack two classes of shades 0 to 5 into three shards."""
    for number in range(6):
        folder = tmp_path / "source" / "train" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(picture(number))
    assert pack(open_source(tmp_path / "source"), tmp_path / "packed", shard_size=10_240).shards == 2
    return tmp_path / "packed"


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    index = json.loads((folder / "index.json").read_text())
    change(index)
    del index["sha256"]
    (folder / "index.json").write_bytes(sealed(index))


def first_shard(index: dict[str, Any]) -> dict[str, Any]:
    """Return the first shard of an index."""
    result: dict[str, Any] = index["shardlist"][0]
    return result


INDEXES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda p: cut(p / "index.json", 300), "index.json: is damaged JSON"),
    "no shards": (lambda p: edit(p, lambda i: i.update(shardlist=[])), "index.json: lists no shards"),
    "shard is missing": (lambda p: (p / "train-000001.tar").unlink(), "names train-000001.tar, which does not exist"),
    "entry is missing": (
        lambda p: edit(p, lambda i: i["shardlist"].pop()),
        "train-000001.tar: is not in",
    ),
    "shard is longer": (
        lambda p: (p / "train-000001.tar").write_bytes(bytes(12_288)),
        "train-000001.tar: has 12,288 bytes, but 10,240 in",
    ),
    "shard comes twice": (
        lambda p: edit(p, lambda i: i["shardlist"].append(first_shard(i))),
        "lists the shard train-000000",
    ),
    "without url": (lambda p: edit(p, lambda i: first_shard(i).pop("url")), "lists a shard without url"),
    "no split": (
        lambda p: edit(p, lambda i: first_shard(i).pop("split")),
        "does not give the length or the split of train-000000.tar",
    ),
    "odd split": (
        lambda p: edit(p, lambda i: first_shard(i).update(split="x")),
        "damaged facts about train-000000.tar",
    ),
    "count": (
        lambda p: edit(p, lambda i: first_shard(i).update(nsamples=9)),
        "offsets for the 9 samples of train-000000",
    ),
    "column": (lambda p: edit(p, lambda i: first_shard(i)["samples"].pop("sizes")), "has no column sizes of int"),
    "kind of column": (
        lambda p: edit(p, lambda i: first_shard(i)["samples"]["labels"].__setitem__(0, "a")),
        "no column labels",
    ),
    "outside": (
        lambda p: edit(p, lambda i: first_shard(i)["samples"]["sizes"].__setitem__(0, 10**6)),
        "outside the 10,240",
    ),
    "negative": (
        lambda p: edit(p, lambda i: first_shard(i)["samples"]["offsets"].__setitem__(0, -1)),
        "samples outside",
    ),
    "label": (
        lambda p: edit(p, lambda i: first_shard(i)["samples"]["labels"].__setitem__(0, 2)),
        "outside its 2 classes",
    ),
    "name twice": (
        lambda p: edit(
            p, lambda i: first_shard(i)["samples"]["names"].__setitem__(1, first_shard(i)["samples"]["names"][0])
        ),
        "has the sample train/a/0.png twice, in train-000000.tar",
    ),
    "classes": (lambda p: edit(p, lambda i: i.update(classes=["a", "a"])), "damaged class list"),
    "some samples": (
        lambda p: edit(p, lambda i: first_shard(i).pop("samples")),
        "describes the content of some shards only",
    ),
}


@pytest.mark.parametrize("name", INDEXES)
def test_wrong_indexes(packed: Path, name: str) -> None:
    make, reason = INDEXES[name]
    make(packed)
    with pytest.raises(InputError) as caught:
        open_source(packed)
    assert reason in str(caught.value)


def test_an_image_that_is_not_what_was_packed(packed: Path) -> None:
    source = open_source(packed)
    file = files_of(source.splits["train"].inputs)[0]
    assert isinstance(file, ByteRange)
    damage(packed / "train-000000.tar", file.offset + 20)
    with pytest.raises(
        InputError, match=r"train-000000.tar!000000000.png: is not what was packed: its checksum differs"
    ):
        read_bytes(file)
    preprocessing = Preprocessing(size=(8, 8), channels=1, fit="crop", mean=(0.5,), std=(0.5,))
    with pytest.raises(InputError, match=r"train-000000.tar!000000000.png"):
        load_images(source.splits["train"], preprocessing)


def test_without_its_index_a_packed_set_is_read_all_the_same(packed: Path) -> None:
    wanted = [(shade, {"a": "0", "b": "1"}[label]) for shade, label in shades(packed)]
    (packed / "index.json").unlink()
    assert shades(packed) == wanted


def test_an_index_of_widsindex(packed: Path) -> None:
    wanted = [shade for shade, _ in shades(packed)]
    edit(packed, lambda i: [entry.pop("samples") and entry.pop("split") for entry in i["shardlist"]])
    assert [shade for shade, _ in shades(packed)] == wanted
    edit(packed, lambda i: first_shard(i).update(nsamples=77))
    with pytest.raises(InputError, match=r"train-000000.tar: has \d samples, but 77 in its index"):
        open_source(packed)


def test_over_http(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = shades(packed)
    with serving(packed.parent, monkeypatch) as server:
        for path_part in ("/packed/index.json", "/packed", "/packed/", "/packed/index.json?token=1"):
            source = open_source(server.address + path_part)
            assert (source.name, source.path, source.kind) == ("packed", None, "shards")
            assert source.where.startswith(server.address)
            assert shades(server.address + path_part) == wanted
        assert located(source.where) == source.where
        edit(
            packed, lambda i: [entry.update(url=f"{server.address}/packed/{entry['url']}") for entry in i["shardlist"]]
        )
        (packed / "index.json").rename(packed.parent / "elsewhere.json")
        assert shades(packed.parent / "elsewhere.json") == wanted, "an index here, its shards there"


REMOTE: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "no index": (lambda p: (p / "index.json").unlink(), RunError, "index.json: cannot be read (HTTP 404 Not Found)"),
    "wids": (
        lambda p: edit(p, lambda i: [entry.pop("samples") for entry in i["shardlist"]]),
        InputError,
        "make one with `convworks data SOURCE --pack DIR`",
    ),
    "local shard": (
        lambda p: edit(p, lambda i: first_shard(i).update(url="file:///etc/passwd")),
        InputError,
        "names file:///etc/passwd, which is not an http(s) address",
    ),
    "link-local shard": (
        lambda p: edit(p, lambda i: first_shard(i).update(url="http://169.254.169.254/latest/user-data")),
        InputError,
        "names http://169.254.169.254/latest/user-data, which is a link-local address",
    ),
    "missing shard": (
        lambda p: (p / "train-000000.tar").unlink(),
        RunError,
        "packed/train-000000.tar: cannot be read (HTTP 404 Not Found)",
    ),
    "longer shard": (
        lambda p: (p / "train-000000.tar").write_bytes(bytes(99_999)),
        RunError,
        "has 99,999 bytes, but 10,240 in its index",
    ),
}


@pytest.mark.parametrize("name", REMOTE)
def test_wrong_over_http(packed: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    make, kind, reason = REMOTE[name]
    make(packed)
    with serving(packed.parent, monkeypatch) as server, pytest.raises(kind) as caught:
        shades(f"{server.address}/packed/")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shard_without_its_index_over_http(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(packed, monkeypatch) as server:
        with pytest.raises(
            InputError, match=r"give the address of its index \(.*/index.json\); make one with `convworks"
        ):
            open_source(f"{server.address}/train-000000.tar")
        assert server.asked == []


@pytest.mark.parametrize("how", ["short", "stalled"])
def test_a_source_that_stops_in_mid_file(packed: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    preprocessing = Preprocessing(size=(8, 8), channels=1, fit="crop", mean=(0.5,), std=(0.5,))
    wanted = load_images(open_source(packed).splits["train"], preprocessing)
    with serving(packed, monkeypatch) as server:
        train = open_source(server.address).splits["train"]
        server.behaviour = [how] * 3
        assert np.array_equal(load_images(train, preprocessing), wanted), "asked again, nothing is lost"
        server.always = how
        with pytest.raises(RunError, match=r"train-00000\d.tar: cannot be read \(.*\); check address and connection"):
            load_images(train, preprocessing)


def test_what_is_no_set_of_shards(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(picture(1))
    shard(tmp_path / "backup.tar", GOOD)
    assert open_source(tmp_path).kind == "folder"


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE])
def test_an_image_that_is_a_link_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = shard(tmp_path / "train-0.tar", samples("0", "1"))
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("again.png")
        link.type, link.linkname = kind, tar.getnames()[0]
        tar.addfile(link)
    with pytest.raises(InputError, match=r"again\.png: is a link to"):
        open_source(path)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="is not an address"):
        open_source("http://[::1/x")


def test_an_index_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"shardlist": ' + "[" * 100_000)
    with pytest.raises(InputError, match="damaged JSON"):
        open_source(tmp_path / "index.json")
