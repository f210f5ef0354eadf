"""What paths name: folders, patterns, tar shards, indexes, tables; each file once, in order, in little memory."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from serving import serving

from convworks.data.listing.find import find
from convworks.data.listing.names import Names
from convworks.data.location import read_bytes
from convworks.data.shards.pack import pack
from convworks.data.sources.open import open_source
from convworks.errors import InputError


def png(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(file, "PNG")
    return file.getvalue()


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a working directory with class folders, and the same images packed as shards with an index."""
    for kind in ("ants", "bees"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(5):
            (tmp_path / "photos" / kind / f"{number}.png").write_bytes(png(number + 10 * (kind == "bees")))
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    pack(open_source(tmp_path / "photos"), tmp_path / "shards", shard_size=4000)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(st.lists(st.text(st.characters(exclude_categories=()))))
def test_names_are_what_they_were(texts: list[str]) -> None:
    names = Names.of(iter(texts))
    assert list(names) == texts
    assert [names[index] for index in range(len(names))] == texts
    assert Names.of(texts).digest() == names.digest()
    assert Names.of([*texts, "x"]).digest() != names.digest()
    assert list(pickle.loads(pickle.dumps(names))) == texts  # noqa: S301 -- how it comes to other machines


def test_files_folders_and_patterns_each_once_and_in_order(root: Path) -> None:
    bees = [f"photos/bees/{number}.png" for number in range(5)]
    ants = [f"photos/ants/{number}.png" for number in range(5)]
    assert list(map(str, find(["photos"]))) == ants + bees
    listing = find([bees[3], "photos/bees/[2-4].png", "photos", ants[0]])
    assert list(map(str, listing)) == [bees[3], bees[2], bees[4], *ants, *bees[:2]]
    assert str(listing[len(listing) - 1]) == bees[1]


def test_what_is_listed_is_identified(root: Path) -> None:
    before = find(["photos"]).identity()
    assert find(["photos"]).identity() == before
    assert find(["./photos/"]).identity() == before
    assert find(["photos/ants", "photos/bees"]).identity() != before
    (root / "photos" / "ants" / "5.png").write_bytes(png(1))
    more = find(["photos"])
    assert more.identity() != before
    before = more.identity()
    os.utime(root / "photos" / "ants" / "5.png", ns=(0, 1))
    assert more.identity() != before


def test_shards_are_listed_without_labels_with_them_by_their_index_and_over_http(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sorted(png(number) for number in (*range(5), *range(10, 15)))
    by_index = find(["shards"])
    assert by_index[0].suffix == ".png"
    shards = sorted(map(str, (root / "shards").glob("*.tar")))
    assert len(shards) > 1
    numbers = ",".join(Path(shard).stem.rpartition("-")[2] for shard in shards)
    pattern = f"{shards[0].rpartition('-')[0]}-{{{numbers}}}.tar"
    for words in (["shards"], ["shards/index.json"], shards, ["shards/*.tar"], [pattern]):
        assert sorted(map(read_bytes, find(words))) == expected, words
    (root / "shards" / "index.json").rename(root / "index.json")
    assert sorted(map(read_bytes, find(["shards"]))) == expected
    (root / "index.json").rename(root / "shards" / "index.json")
    with serving(root, monkeypatch) as server:
        assert sorted(map(read_bytes, find([f"{server.address}/shards/"]))) == expected


def test_a_sample_of_a_tar_has_its_plain_images(tmp_path: Path) -> None:
    members = {"a/0.jpg": b"0", "a/0.cls": b"3", "a/0.mask.png": b"m", "1.left.jpg": b"1", "1.right.jpg": b"2"}
    path = tar(tmp_path / "x.tar", {**members, ".hidden.jpg": b"h", "__MACOSX/b.jpg": b"x", "readme.txt": b"t"})
    listing = find([str(path)])
    assert [str(file).partition("!")[2] for file in listing] == ["a/0.jpg", "1.left.jpg", "1.right.jpg"]
    assert list(map(read_bytes, listing)) == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["images/a.jpg", "images/b/labels/c.png"], ["masks/a.png", "masks/b/labels/c.png"]),
        (["train/images/a.png", "val/img/a.png"], ["train/masks/a.png", "val/labels/a.png"]),
        (["images/train/a.png", "images/test/b.png"], ["masks/train/a.png", "masks/test/b.png"]),
        (["a.jpg", "b.jpg"], ["a_mask.png", "b_mask.png"]),
        (["one_mask.png", "mask.png", "masks/a.png"], []),
    ],
)
def test_of_pairs_the_images_are_listed(
    tmp_path: Path, images: list[str], masks: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (*images, *masks):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(1))
    assert sorted(map(str, find([str(tmp_path)]))) == sorted(str(tmp_path / name) for name in images)
    assert (f"{len(masks)} .png in" in capsys.readouterr().err) == bool(masks)
    if masks:
        assert len(find([str(tmp_path / masks[0])])) == 1, "a mask that is named is meant"


def test_a_table_names_its_images(root: Path) -> None:
    (root / "list.csv").write_text("path,label\nphotos/bees/1.png,b\nphotos/ants/0.png,a\nphotos/ants/1.png,a\n")
    assert [Path(str(file)).name for file in find(["list.csv"])] == ["0.png", "1.png", "1.png"]


@pytest.mark.parametrize(
    ("members", "cut", "reason"),
    [
        ({"a.txt": b"x"}, 0, "contains no images"),
        ({"a.jpg": b"x" * 600, "b.jpg": b"y" * 600}, 1024, "truncated"),
    ],
)
def test_a_tar_that_is_of_no_use(tmp_path: Path, members: dict[str, bytes], cut: int, reason: str) -> None:
    path = tar(tmp_path / "x.tar", members)
    if cut:
        path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=reason):
        find([str(path)])


def test_nothing_is_written_into_what_is_listed(root: Path) -> None:
    protected = find(["photos"]).protected()
    assert {str(folder) for folder in protected.folders} == {"photos", "photos/ants", "photos/bees"}
    assert len([file for files in protected.files for file in files]) == 10
    assert [str(folder) for folder in find(["shards"]).protected().folders][:1] == ["shards"]
    assert find(["photos/ants/0.png"]).protected().folders == ()
