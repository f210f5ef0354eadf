"""The commands of docs/sources.md run as they stand, in order."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from serving import serving

from convworks.cli.main import run
from convworks.data.shards.pack import pack
from convworks.data.sources.open import open_source

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"
COMMANDS = re.findall(r"^    \$ convworks (.+)$", PAGE.read_text(), re.MULTILINE)
HOST = "https://example.org"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make what the page speaks of; each command finds what those before it have made."""
    root = tmp_path_factory.mktemp("page")
    draw = np.random.default_rng(0)
    rows = ["path,label"]
    for number, kind in enumerate(("ants", "bees")):
        (root / "photos" / kind).mkdir(parents=True)
        for index in range(30):
            pixels = draw.integers(0, 128, (16, 16, 3), dtype=np.uint8) + np.uint8(100 * number)
            Image.fromarray(pixels).save(root / "photos" / kind / f"{index}.png")
            rows.append(f"photos/{kind}/{index}.png,{kind}")
    (root / "photos.csv").write_text("\n".join(rows))
    shown = [f"{row},{index % 2},{index % 3 // 2}" for index, row in enumerate(row.split(",")[0] for row in rows[1:])]
    (root / "scenes.csv").write_text("\n".join(["path,cat,dog", *shown]))
    pack(open_source(root / "photos"), root / "others", shard_size=70_000)
    (root / "others" / "index.json").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield root


def tables(root: Path) -> None:
    """Write what needs pyarrow."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    files = sorted((root / "photos").rglob("*.png"))
    images = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    table = pyarrow.table({"image": images, "label": [file.parent.name for file in files]})
    parquet.write_table(table, root / "table.parquet")
    (root / "saved").mkdir(exist_ok=True)
    (root / "saved" / "state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')
    with pyarrow.ipc.new_stream(str(root / "saved" / "data-00000-of-00001.arrow"), table.schema) as stream:
        stream.write_table(table)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page(
    command: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(COMMANDS) >= 12
    if re.search(r"\b(table\.parquet|saved)\b", command):
        tables(place)
    if "--pack" not in command and re.search(r"\bpacked\b", command) and not (place / "packed").exists():
        pack(open_source(place / "photos"), place / "packed")  # where this command is run alone
    with serving(place, monkeypatch) as server:
        assert run(shlex.split(command.replace(HOST, server.address))) == 0, capsys.readouterr().err
    assert "damaged: 0" in (out := capsys.readouterr().out) or "next:" in out
