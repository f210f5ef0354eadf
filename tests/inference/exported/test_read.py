"""An exported file says what it is of, and is refused if any bit of it was changed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_bundles import LIBRARIES, needs, small_bundle

import convworks
from convworks.bundle.description import EXPORTED, is_exported
from convworks.deploy.export import Proven, find_format, prove, write
from convworks.errors import InputError
from convworks.inference.exported.read import BY_SUFFIX, REMEDY, read_exported

REFUSED = r"was modified|damaged|not written by"
PLACES = (0.1, 0.5, 0.97)


@pytest.fixture(scope="module", params=[pytest.param(name, marks=needs(name)) for name in LIBRARIES])
def proven(request: pytest.FixtureRequest) -> Proven:
    return prove(small_bundle("convnet_digits", 8), find_format(request.param))


@pytest.fixture
def file(proven: Proven, tmp_path: Path) -> Path:
    path = tmp_path / f"network{proven.format.suffixes[0]}"
    write(proven, path)
    return path


def test_suffixes_that_are_known_before_torch_is_imported_are_those_of_the_formats(tmp_path: Path) -> None:
    assert set(EXPORTED) == set(BY_SUFFIX)
    (tmp_path / "run.onnx").mkdir()
    assert not is_exported(tmp_path / "run.onnx")


def test_it_says_how_it_was_made_and_checked(file: Path) -> None:
    export = read_exported(file).description["export"]
    assert (export["input"]["type"], export["input"]["shape"]) == ("uint8", ["batch", 8, 8, 3])
    assert export["checks"]["float32"]["agreement"] == 1
    assert "noise" in export["checked_on"]
    assert "torch" in export["libraries"]


def test_every_change_is_noticed(file: Path, proven: Proven) -> None:
    for suffix, content in proven.files.items():
        path = file.with_suffix(suffix)
        for at in [int(place * len(content)) for place in PLACES]:
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            with pytest.raises(InputError, match=REFUSED):
                convworks.load(file)
        ends = [content[:-100], content[:-1], content + b"\n", content + b"x", content + content, b""]
        for changed in [*ends, content.replace(b", ", b",\t", 1) if b", " in content else b"\n" + content]:
            path.write_bytes(changed)
            with pytest.raises(InputError, match=REFUSED):
                convworks.load(file)
        path.write_bytes(content)
    convworks.load(file)


def test_the_directory_of_an_archive_is_part_of_it(tmp_path: Path) -> None:
    proven = prove(small_bundle("convnet_digits", 8), find_format("pt2"))
    content, file = proven.files[".pt2"], tmp_path / "network.pt2"
    start = content.index(b"PK\1\2")
    for at in range(start, len(content), (len(content) - start) // 40):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0x80]) + content[at + 1 :])
        with pytest.raises(InputError, match=REFUSED):
            read_exported(file)


def test_what_its_library_cannot_open_is_refused(file: Path) -> None:
    exported = read_exported(file)
    broken = replace(exported, files=dict.fromkeys(exported.files, b"x"))
    with pytest.raises(InputError, match=rf"network.* cannot be opened by .*; {REMEDY}"):
        broken.start("float32")


def test_what_needs_the_network_is_refused(file: Path) -> None:
    predictor = convworks.load(file)
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="only its answers are known"):
        predictor.features([image])
    with pytest.raises(InputError, match=r"--protocol: dense needs the network"):
        predictor.check_protocol("dense")
    with pytest.raises(InputError, match=re.escape("device='cuda'") + ".*computed on the CPU"):
        convworks.load(file, device="cuda")
