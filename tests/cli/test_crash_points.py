"""Killed before any change to the disk, a verb leaves its result whole or not at all, and works again afterwards."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import crash
import pytest
from crash import Moments
from workplace import SMALL, Place, digits, environment, snapshot, trained

import convworks
from convworks.cli.main import run
from convworks.data.sources.open import open_source

TRAIN = ["--data", "../data", *SMALL, "--deterministic", "--set", "training.checkpoint_seconds=1e-9"]
RECORDS = ("run.json", "experiment.json")


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A command whose result lies in `out`, below the working directory, and how many of its moments are looked at.

    `sample` is their number by default. A `replacing` one works on what `before` made, which stays usable throughout.
    """

    words: list[str]
    sample: int = 2
    before: tuple[list[str], ...] = ()
    replacing: bool = False


VERBS = {
    "train": Verb(words=["train", *TRAIN, "--out", "out"], sample=4),
    "train for longer": Verb(
        words=["train", "--resume", "out", "--epochs", "2"],
        sample=4,
        before=(["train", *TRAIN, "--out", "out"],),
        replacing=True,
    ),
    "transfer": Verb(words=["transfer", "../bundle", "--data", "../data", "--epochs", "1", "--out", "out"]),
    "restarts": Verb(words=["restarts", *TRAIN, "--runs", "2", "--out", "out"], sample=1),
    "crossval": Verb(words=["crossval", *TRAIN, "--folds", "2", "--out", "out"], sample=1),
    "tune": Verb(words=["tune", *TRAIN, "--trials", "2", "--out", "out"], sample=1),
    "pack": Verb(words=["data", "../data", "--pack", "out"]),
    "features": Verb(words=["features", "../bundle", "--data", "../data", "--out", "out.npz"]),
    "predict": Verb(words=["predict", "../bundle", "../data", "--out", "out.csv", "--resume"]),
    "evaluate": Verb(words=["evaluate", "../bundle", "--data", "../data", "--out", "out"]),
    "compare": Verb(words=["compare", "../bundle", "../other", "--data", "../data", "--out", "out"]),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with data and two bundles, which commands read, beside the one that they work in."""
    root = tmp_path_factory.mktemp("crash")
    Place(root, digits(), root).folder()
    run_folder = trained(tmp_path_factory.getbasetemp())
    for name in ("bundle", "other"):
        shutil.copytree(run_folder / "bundle", root / name)
    return root


def weights(place: Path) -> dict[str, bytes]:
    """Return the weights of all finished runs below a folder; what says that it is finished must be whole."""
    found = {}
    for record in place.rglob("run.json"):
        if json.loads(record.read_text())["status"] == "finished":
            convworks.load(record.parent)
            file = record.parent / "bundle" / "weights.safetensors"
            found[str(file.relative_to(place))] = file.read_bytes()
    return found


def words_after(verb: Verb) -> list[str] | None:
    """Return the command that goes on from here: the same one, or --resume; None where all is done."""
    records = [json.loads(path.read_text()) for name in RECORDS if (path := Path("out", name)).exists()]
    if not records:
        return verb.words
    if verb.replacing:
        done = records[0]["status"] == "finished" and records[0]["configuration"]["training"]["epochs"] == 2
        return None if done else verb.words
    name = "train" if verb.words[0] == "transfer" else verb.words[0]
    return None if records[0]["status"] == "finished" else [name, "--resume", "out"]


def check_moment(verb: Verb, moment: str, after: dict[str, str], weights_after: dict[str, bytes]) -> None:
    """Check what a kill left in the working directory, and that going on from here comes to the same."""
    now = snapshot(Path())
    if verb.replacing:
        convworks.load("out")
    elif not weights_after:  # files, or a folder of files: whole or not there at all
        whole = {name: now[name] for name in after if name in now}
        assert whole in ({}, after), f"{moment}: half of the result"
        if whole:
            return
    assert verb.replacing or weights(Path()).items() <= weights_after.items()
    if (words := words_after(verb)) is not None:
        assert run(words) == 0, (moment, words)
    assert weights(Path()) == weights_after, moment
    assert set(snapshot(Path())) == set(after), f"{moment}: something stayed behind"


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", VERBS)
def test_killed_at_any_moment(
    name: str, every: bool, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb = VERBS[name]
    place = root / f"{name}-{every}"
    place.mkdir()
    monkeypatch.chdir(place)
    for words in verb.before:
        assert run(words) == 0
    with Moments(place, tmp_path).kept() as moments:
        assert run(verb.words) == 0
    after, weights_after = snapshot(Path()), weights(Path())
    chosen = moments.copies if every else random.Random(name).sample(moments.copies, verb.sample)
    for copy in chosen:
        moments.restore(copy)
        check_moment(verb, copy.name, after, weights_after)
    print(f"{name}: {len(chosen)} of {len(moments.copies)} moments")  # noqa: T201


KILLS = [("train", 1), ("pack", 1), *(pytest.param("train", number, marks=pytest.mark.slow) for number in range(2, 9))]


@pytest.mark.parametrize(("name", "number"), KILLS)
def test_a_killed_process(name: str, number: int, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the file with this number gets its name: the first of training is its record."""
    (tmp_path / "data").symlink_to(root / "data")
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    words = [sys.executable, crash.__file__, str(number), *VERBS[name].words]
    done = subprocess.run(words, env=environment(), capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [path.name for path in Path().rglob("*.partial")]
    assert left, "nothing was being written"
    again = words_after(VERBS[name])
    assert again is not None
    assert run(again) == 0
    assert not list(Path().rglob("*.partial"))
    if name == "pack":
        assert sum(map(len, open_source(Path("out")).splits.values())) == 12
    else:
        assert len(weights(Path())) == 1
