"""`convworks models`: the catalogue, one network in tables, its picture, and wrong inputs."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from convworks.cli.main import run
from convworks.models import NAMES
from convworks.models.analysis import count
from convworks.models.catalogue import facts


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def text(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(arguments: str, status: int = 0) -> str:
        capsys.readouterr()
        assert run(["models", *arguments.split()]) == status
        out, err = capsys.readouterr()
        return out if status == 0 else err

    return call


@pytest.fixture
def network(text: Any) -> Any:
    def call(arguments: str) -> dict[str, Any]:
        (found,) = json.loads(text(f"{arguments} --json"))["models"]
        assert isinstance(found, dict)
        return found

    return call


def test_the_catalogue_is_complete_and_readable(text: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count, "create", None)  # to build them all takes seconds
    lines = text("--out catalogue.csv").splitlines()
    with Path("catalogue.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert tuple(rows) == NAMES
    for name, row in rows.items():
        known = facts(name)
        assert (row["year"], row["paper"], row["differs"]) == (str(known.year), known.paper, known.differs)
        assert row["input"] == "x".join(map(str, (known.shape.channels, *known.shape.size)))
    assert {name for name, row in rows.items() if row["total_parameters"] != row["parameters"]} == {
        *("lenet5", "textcnn_static", "textcnn_multichannel", "airbench94")
    }
    assert (rows["lenet5"]["parameters"], rows["resnet20"]["macs"]) == ("60000", "40551040")
    assert max(map(len, lines)) <= 110
    assert "LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998" in lines
    (line,) = [line for line in lines if line.startswith("  resnet20 ")]
    assert line.split()[1:] == ["269,722", "40.6", "M", "3x32x32", "8.75", "%", "on", "CIFAR-10"]
    assert any("differs: as most libraries build it" in line for line in lines)


def test_one_network_in_tables(text: Any, network: Any) -> None:
    found = network("lenet5 --batch 4")
    assert {"name", "parameters", "macs", "input", "layers", "year", "paper", "differs"} <= found.keys()
    layer = found["layers"][0]
    assert layer == {
        "name": "stem.c1",
        "kind": "Conv2d",
        "output": [6, 28, 28],
        "kernel": [5, 5],
        "stride": [1, 1],
        "parameters": 156,
        "macs": 117_600,
        "activations": 4704,
        "receptive_field": [5, 5],
        "receptive_stride": [1, 1],
    }
    assert (found["parameters"], found["total_parameters"]) == (60_000, 60_840)
    assert found["activations"] == sum(row["activations"] for row in found["layers"])
    assert found["batch"] == 4
    needed = found["memory"]
    assert needed["training"] == sum(needed[part] for part in ("weights", "gradients", "momentum", "kept"))
    assert needed["gradients"] == 4 * 60_000
    shown = text("lenet5")
    assert "c3.0           PartialConv2d  16x10x10  5x5                  1,516  150,000        1,600  14/2" in shown
    assert "total                                                       60,000  326,520       16,178" in shown
    assert "with fixed                                                  60,840" in shown, "and 84 x 10 fixed codes"
    assert "memory for a batch of 32, in 32-bit numbers" in shown
    assert "not counted: gradients of activations" in shown
    assert shown.splitlines()[-1] == "next: convworks models lenet5 --out lenet5.svg"


def test_repeated_blocks_are_one_row_with_their_sums(text: Any, network: Any) -> None:
    shown = text("resnet20")
    row = next(line for line in shown.splitlines() if line.startswith("stage1.block2 to block3"))
    assert row.split()[3:8] == ["as", "block1", "x", "2", "16x32x32"]
    columns = [line.split() for line in shown.splitlines() if line.startswith(("stem", "stage", "head"))]
    assert sum(int(cells[-4].replace(",", "")) for cells in columns if "head" not in cells[0]) + 650 == 269_722
    assert len(network("resnet20")["layers"]) > len(columns)


def test_the_table_of_the_paper_stands_beside_ours(text: Any, network: Any) -> None:
    shown = text("googlenet")
    assert "inception4c   parameters  463K          497.5K (weights alone, K = 1024)    differs by +7.5%" in shown
    assert "inception3b   MACs        304M          304.3M                              same" in shown
    assert "497.5 K from the widths" in shown
    assert "auxiliary, in training only" in shown
    found = network("googlenet")
    assert found["auxiliary_parameters"] == sum(row["parameters"] for row in found["auxiliary"]) == 6_379_728
    assert not [row for row in found["layers"] if row["name"].startswith("auxiliary")]
    assert {"tap", "what", "printed", "ours", "agrees", "how", "note", "difference"} == found["printed"][0].keys()


def test_another_input_and_other_classes(network: Any) -> None:
    found = network("resnet20 --input 1x40x24 --classes 3 --batch 7")
    assert found["input"] == [1, 40, 24]
    assert found["layers"][0]["output"] == [16, 40, 24]
    assert found["layers"][-1]["output"] == [3]
    assert found["printed"] == []  # papers print one size
    assert network("autoencoder_conv --input 3x32x32")["classes"] == 3  # it gives back what it reads


def test_files_of_every_kind(text: Any) -> None:
    for suffix in ("svg", "png", "csv", "json"):
        assert f"written to net.{suffix}" in text(f"convnet_fast --out net.{suffix}")
    assert ElementTree.parse("net.svg").getroot().tag.endswith("svg")
    with Image.open("net.png") as image:
        assert min(image.size) > 400
    with Path("net.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["kind"] == "Conv2d"
    assert sum(int(row["parameters"]) for row in rows) == 29_434
    assert json.loads(Path("net.json").read_text())["models"][0]["name"] == "convnet_fast"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("resnet21", "resnet21.*resnet20"),
        ("lenet5 --input 32", "--input 32: is not of the form 3x224x224"),
        ("lenet5 --input 32x32", "has 2 numbers, lenet5 takes 3.*published 1x32x32"),
        ("lenet5 --input onexthree", "is not of the form 3x224x224"),
        ("lenet5 --input 1x-3x32", "is not of the form 3x224x224"),
        ("lenet5 --input 0x32x32", "has a side outside 1 to 65536"),
        ("lenet5 --input 1x32x99999999", "has a side outside 1 to 65536"),
        ("lenet5 --input 1x20x20", "--input 1x20x20: .*20x20.*too small for lenet5; it needs at least 32x32"),
        ("googlenet --input 3x30x300", "--input 3x30x300: .*too small for googlenet; it needs at least 31x31"),
        ("unet --input 1x500x500", "500x500 pixels do not fit.*508x508"),
        ("textcnn --input 100x2", "too small for textcnn; it needs at least 5"),
        ("c3d --input 3x16x112", "has 3 numbers, c3d takes 4"),
        ("lenet5 --classes 0", "--classes"),
        ("lenet5 --batch 0", "--batch"),
        ("lenet5 --batch many", "--batch"),
        ("lenet5 --out net.gif", "does not end in .csv or .json or .svg or .png"),
        ("lenet5 --out no/such/folder.svg", "its folder does not exist"),
        ("--out all.svg", "does not end in .csv or .json"),
        ("--input 3x32x32", "--input 3x32x32: is for one network; convworks models NAME --input 3x32x32"),
        ("--batch 3", "--batch 3: is for one network"),
    ],
)
def test_wrong_input_is_told_in_one_line(text: Any, arguments: str, says: str) -> None:
    err = text(arguments, status=2)
    assert len(err.splitlines()) == 1
    assert err.startswith("convworks: ")
    assert re.search(says, err), err
