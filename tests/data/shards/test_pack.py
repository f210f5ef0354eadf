from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from serving import serving

from convworks.data.batches import Part, batches
from convworks.data.column import COLOURS, Arrays, Files, Spatial
from convworks.data.config import AugmentConfig
from convworks.data.decode.load import load_images
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.decode.shape import image_shape, read_headers
from convworks.data.location import byte_size, read_bytes
from convworks.data.samples import Samples
from convworks.data.shards.pack import pack
from convworks.data.source import Source, Split, with_validation
from convworks.data.sources.open import open_source
from convworks.errors import InputError
from convworks.training.run_data import fingerprint

PREPROCESSING = Preprocessing(size=(24, 24), channels=3, fit="crop", mean=(0.5,) * 3, std=(0.2,) * 3)
AUGMENT = AugmentConfig(shift=2, border="reflect", flip=True, crop=0.5, mixup=0.2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make class folders of odd files: JPEG, PNG, a name with dots, a non-ASCII name, a .npy array."""
    rng = np.random.default_rng(0)
    root = tmp_path / "set"
    for part, count in (("train", 13), ("val", 4)):
        for kind in ("ants", "büs"):
            (root / part / kind).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 256, (20 + index, 30, 3), dtype=np.uint8)
                name = ("a.b.JPG", "Größe.png", "x.jpeg", "y.png")[index % 4]
                Image.fromarray(pixels).save(root / part / kind / f"{index}{name}")
            np.save(root / part / kind / "z.npy", rng.integers(0, 256, (22, 22, 3), dtype=np.uint8))
    return root


def order_and_pixels(source: Source, part: Part, *, resume: int = 0) -> str:
    """Hash the augmented images and labels of two epochs, in the order of training."""
    divided = with_validation(source, fraction=0.2, seed=3, limit=None)
    train = divided.splits["train"]
    samples = Samples(images=load_images(train, PREPROCESSING), targets=torch.from_numpy(train.labels))
    digest = hashlib.sha256()
    for epoch in range(2):
        start = resume if epoch == 0 else 0
        for batch in batches(samples, AUGMENT, batch_size=5, seed=7, epoch=epoch, start=start, part=part):
            digest.update(batch.images.contiguous().numpy().tobytes())
            digest.update(batch.targets.numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("part", [Part(), *(Part(n, 2) for n in range(2)), *(Part(n, 4) for n in range(4))], ids=str)
@pytest.mark.parametrize("resume", [0, 3])
def test_training_sees_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: Part, resume: int
) -> None:
    source = open_source(folder)
    wanted = order_and_pixels(source, part, resume=resume)
    pack(source, tmp_path / "packed", shard_size=30_000)
    assert order_and_pixels(open_source(tmp_path / "packed"), part, resume=resume) == wanted
    with serving(tmp_path / "packed", monkeypatch) as server:
        assert order_and_pixels(open_source(f"{server.address}/index.json"), part, resume=resume) == wanted


def test_all_that_a_source_is(folder: Path, tmp_path: Path) -> None:
    source = open_source(folder)
    packed = pack(source, tmp_path / "packed", shard_size=30_000)
    unpacked = open_source(tmp_path / "packed")
    assert (unpacked.kind, unpacked.classes, list(unpacked.splits)) == (
        "shards",
        ("ants", "büs"),
        ["train", "validation"],
    )
    assert packed.shards == len(list((tmp_path / "packed").glob("*.tar"))) > 3
    assert packed.images == 38
    for name, split in source.splits.items():
        other = unpacked.splits[name]
        assert (other.names, other.labels.tolist()) == (split.names, split.labels.tolist())
        assert isinstance(split.inputs, Files)
        assert isinstance(other.inputs, Files)
        assert list(map(read_bytes, other.inputs.files)) == list(map(read_bytes, split.inputs.files)), "byte for byte"
        assert list(map(byte_size, other.inputs.files)) == list(map(byte_size, split.inputs.files))
        assert image_shape(read_headers(other), largest=64) == image_shape(read_headers(split), largest=64)
    assert fingerprint(unpacked, {}) == fingerprint(source, {}), "a run may go on with the other"


def test_the_shards_are_those_of_webdataset(folder: Path, tmp_path: Path) -> None:
    source = open_source(folder)
    pack(source, tmp_path / "packed", shard_size=30_000)
    index = json.loads((tmp_path / "packed" / "index.json").read_text())
    assert (index["__kind__"], index["wids_version"]) == ("wids-shard-index-v1", 1)
    count = 0
    for entry in index["shardlist"]:
        path = tmp_path / "packed" / entry["url"]
        assert entry["md5sum"] == hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        assert entry["filesize"] == path.stat().st_size
        assert path.stat().st_size <= 30_000
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            assert len(members) == 2 * entry["nsamples"]
            for row, (image, label) in enumerate(zip(members[::2], members[1::2], strict=True)):
                content = tar.extractfile(image)
                number = tar.extractfile(label)
                assert content is not None
                assert number is not None
                columns = {name: values[row] for name, values in entry["samples"].items()}
                assert (image.name, image.offset_data, image.size) == (
                    columns["members"],
                    columns["offsets"],
                    columns["sizes"],
                )
                assert image.name.partition(".")[0] + ".cls" == label.name
                assert int(number.read()) == columns["labels"]
                assert zlib.crc32(content.read()) == columns["crc32"]
                assert (image.mtime, image.uid, image.uname) == (0, 0, "")
                count += 1
    assert count == 38


def test_the_same_source_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    def content(root: Path) -> dict[str, bytes]:
        pack(open_source(folder), root, shard_size=30_000)
        return {path.name: path.read_bytes() for path in root.iterdir()}

    first = content(tmp_path / "one")
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    (tmp_path / "two").mkdir()
    assert content(tmp_path / "two") == first


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays_lose_nothing(tmp_path: Path, channels: int) -> None:
    arrays = np.random.default_rng(0).integers(0, 256, (6, 9, 7, channels), dtype=np.uint8)
    split = Split(
        names=tuple(f"train/{n}" for n in range(6)),
        inputs=Arrays(arrays, COLOURS),
        targets=Arrays(np.array([0, 1] * 3)),
    )
    source = Source(name="x", kind="idx", path=None, classes=("a", "b"), splits={"train": split})
    pack(source, tmp_path / "packed")
    unpacked = open_source(tmp_path / "packed").splits["train"]
    wanted = Preprocessing(size=(9, 7), channels=channels, fit="crop", mean=(0.0,) * channels, std=(1.0,) * channels)
    assert torch.equal(load_images(unpacked, wanted), torch.from_numpy(arrays).permute(0, 3, 1, 2))


def test_files_without_an_ending_are_called_after_their_content(tmp_path: Path) -> None:
    for number, kind in enumerate(("PNG", "JPEG")):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"file{number}", kind)
    (tmp_path / "file2").write_bytes(b"no image")
    (tmp_path / "set.csv").write_text("path,label\nfile0,a\nfile1,b\nfile2,b\n")
    pack(open_source(tmp_path / "set.csv"), tmp_path / "packed")
    with tarfile.open(tmp_path / "packed" / "all-000000.tar") as tar:
        endings = [name.partition(".")[2] for name in tar.getnames()]
    assert endings == ["png", "cls", "jpeg", "cls", "img", "cls"]
    (tmp_path / "packed" / "index.json").unlink()
    assert len(open_source(tmp_path / "packed").splits["all"]) == 3


REFUSED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "not empty": (lambda p: shutil.copytree(p / "set", p / "out"), "out", "folder is not empty"),
    "a file": (lambda p: (p / "out").write_text(""), "out", "is a file"),
    "a link": (lambda p: (p / "out").symlink_to("x"), "out", "is a link"),
    "inside": (lambda p: None, "set/packed", "is inside"),
    "nowhere": (lambda p: None, "no/where", "its folder does not exist"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_the_place(folder: Path, tmp_path: Path, name: str) -> None:
    prepare, target, reason = REFUSED[name]
    prepare(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=reason):
        pack(open_source(folder), tmp_path / target)
    assert sorted(tmp_path.rglob("*")) == before


def test_refuses_images_without_labels(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without labels"):
        pack(open_source(folder / "train" / "ants"), tmp_path / "packed")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_nothing_half_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    calls = 0

    def fail(_: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise error

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises((KeyboardInterrupt, OSError)):
        pack(open_source(folder), tmp_path / "packed", shard_size=30_000)
    assert calls == 3
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_shards_do_not_go_where_a_tables_images_are(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(images / f"{number}.png")
    table = tmp_path / "table.csv"
    table.write_text("path,label\n" + "".join(f"images/{number}.png,{number % 2}\n" for number in range(4)))
    with pytest.raises(InputError, match="is inside"):
        pack(open_source(table), images / "packed")
    assert len(list(images.iterdir())) == 4


def test_masks_are_packed_beside_their_images(folder: Path, tmp_path: Path) -> None:
    spatial = Spatial(nearest=True, fill=255)
    for path in folder.rglob("*z.npy"):
        path.unlink()
    for path in (path for path in folder.rglob("*") if path.is_file()):
        Image.effect_noise((7, 9), 50).save(path)
    plain = open_source(folder)
    splits = {}
    for name, split in plain.splits.items():
        numbers = np.random.default_rng(0).integers(0, 3, (len(split), 9, 7, 1), dtype=np.uint8)
        splits[name] = replace(split, targets=Arrays(numbers, spatial))
    source = replace(plain, splits=splits)
    packed = pack(source, tmp_path / "packed", shard_size=30_000)
    unpacked = open_source(tmp_path / "packed")
    wanted = Preprocessing(size=(9, 7), channels=1, fit="crop", mean=(0,), std=(1,))
    for name, split in source.splits.items():
        other = unpacked.splits[name]
        assert isinstance(other.targets, Files)
        assert (other.names, other.targets.spatial, other.inputs.contents()) == (
            split.names,
            spatial,
            split.inputs.contents(),
        )
        assert isinstance(split.targets, Arrays)
        masks = load_images(other.targets_as_inputs(), wanted)
        assert torch.equal(masks, torch.from_numpy(split.targets.values).permute(0, 3, 1, 2))
    again = pack(unpacked, tmp_path / "again", shard_size=30_000)
    for tar in packed.folder.glob("*.tar"):
        assert tar.read_bytes() == (again.folder / tar.name).read_bytes(), "byte for byte"


WRONG_VALUES: list[list[list[int]]] = [
    *([[0], value] for value in ([300], [-1], [10**30], [1, 2], [1, 2, 3, 4], [0], [1, 2, 3])),
    [[0], [1], [2]],
    [[0]],
]


@pytest.mark.parametrize(
    "targets",
    [
        {"nearest": True, "fill": 256},
        {"nearest": "mask"},
        ["nearest"],
        *({"nearest": True, "fill": 255, "coding": {"values": values}} for values in WRONG_VALUES),
        {"nearest": True, "fill": 255, "coding": {"values": [[0], [1]], "ignored": [[-255]]}},
        {"nearest": True, "fill": 0, "coding": {"values": [[0], [1]]}},
    ],
    ids=str,
)
def test_wrong_facts_about_targets(folder: Path, tmp_path: Path, targets: object) -> None:
    pack(open_source(folder), tmp_path / "packed")
    index = json.loads((tmp_path / "packed" / "index.json").read_text())
    del index["format"], index["sha256"]
    (tmp_path / "packed" / "index.json").write_text(json.dumps({**index, "targets": targets}))
    with pytest.raises(InputError, match=r"targets"):
        open_source(tmp_path / "packed")
