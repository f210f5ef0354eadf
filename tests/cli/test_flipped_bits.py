"""One flipped bit in what convworks wrote: it is noticed, or it changes nothing. No other result is ever given."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from workplace import SMALL, Place, digits

import convworks
from convworks.data.cache import cached
from convworks.data.cache import store as cache
from convworks.data.decode.damaged import leave_out
from convworks.data.decode.images import take
from convworks.data.decode.load import load_split
from convworks.data.decode.preprocess import Preprocessing
from convworks.data.shards.pack import pack
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.errors import ConvworksError
from convworks.signed import write_signed
from convworks.training.events import Events
from convworks.training.listing import read_run
from convworks.training.progress import Progress
from convworks.training.setup import Setup

OPTIONS: dict[str, Any] = {"model": SMALL[1], "device": "cpu", "deterministic": True}
#: What depends on the clock, or on where a copy lies.
PASSING = ("seconds", "images_per_second", "experiment", "run", "bundle", "report", "predictions", "bundles", "when")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A folder, what is asked of it, and in which of its files bits are flipped."""

    folder: Path
    ask: Callable[[Path], Any]
    files: str = "**/*"
    share: int = 6  # of 60 places


class Stop(Events):
    """Stops a run after its second epoch."""

    def epoch_ended(self, setup: Setup, progress: Progress) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt


def lasting(values: Any) -> Any:
    """Return plain values without what is another each time."""
    if isinstance(values, dict):
        return {name: lasting(value) for name, value in values.items() if name not in PASSING}
    return [lasting(value) for value in values] if isinstance(values, list) else values


def weights(place: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(place.glob("**/bundle/weights.safetensors"))]


def resume(run: Path) -> Any:
    return lasting(convworks.train(resume=run)), weights(run)


def listed(run: Path) -> Any:
    found = read_run(run)
    return found.status, found.validation, found.test, found.configuration, lasting(list(map(dict, found.history)))


def answer(bundle: Path) -> Any:
    images = [digits()[digit][index] for digit in range(2) for index in range(3)]
    return [lasting(row) for row in convworks.load(bundle).predict([Image.fromarray(image) for image in images])]


def restarted(place: Path) -> Any:
    return lasting(convworks.restarts(resume=place))


def tuned(place: Path) -> Any:
    return lasting(convworks.tune(resume=place))


def contents(source: Source) -> Any:
    """Return all that training takes from a source."""
    want = Preprocessing(size=(8, 8), channels=1, fit="crop", mean=(0.0,), std=(1.0,))
    found = {}
    for name, split in source.splits.items():
        pixels = load_split(split, want).images
        found[name] = (split.names, split.labels.tolist(), take(pixels, slice(None)).numpy().tobytes())
    return source.classes, found


def packed(folder: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cache.LIMIT, "0")
        return contents(open_source(folder))


def from_cache(data: Path, size: int) -> Callable[[Path], Any]:
    """Return what loads the images of a source with the given folder as the user's cache."""

    def ask(place: Path) -> Any:
        want = Preprocessing(size=(size, size), channels=1, fit="crop", mean=(0.0,), std=(1.0,))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(place))
            patch.setenv(cache.LIMIT, "1GB")
            patch.setattr(cached, "MOST_FILES", 0)
            usable = leave_out(open_source(data), 0.5)
            (split,) = usable.source.splits.values()
            loaded = load_split(split, want)
            return split.names, take(loaded.images, slice(None)).numpy().tobytes(), loaded.mean_std()

    return ask


def stopped(place: Path, record: str) -> None:
    """Let the record of a finished experiment say that it was stopped: what its members say is put together again."""
    values = json.loads((place / record).read_text())
    write_signed(place / record, {**values, "status": "stopped"})


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    root = tmp_path_factory.mktemp("flips")
    place = Place(root, digits(), root)
    data = root / place.folder()
    small = {**OPTIONS, "data": data}
    with pytest.raises(ConvworksError, match="saved"):
        convworks.train(out=root / "stopped", epochs=3, events=[Stop()], **small)
    convworks.train(out=root / "finished", epochs=2, **small)
    convworks.restarts(out=root / "restarts", runs=2, epochs=1, **small)
    stopped(root / "restarts", "experiment.json")
    convworks.tune(out=root / "tune", trials=2, epochs=1, **small)
    stopped(root / "tune", "experiment.json")
    pack(open_source(data), root / "packed")
    shutil.copytree(root / "packed", root / "tars")
    (root / "tars" / "index.json").unlink()
    place.folder({"a/bad.png": "text"}, name="damaged")
    caches = {"small": from_cache(root / "damaged", 8), "large": from_cache(root / "damaged", 160)}
    caches["tars"] = from_cache(root / "tars", 8)
    for name, ask in caches.items():
        ask(root / f"cache of {name}")
    found = {
        "a stopped run": Target(folder=root / "stopped", ask=resume, files="**/[!b]*.*", share=10),
        "a run in a list": Target(folder=root / "finished", ask=listed, files="*.json*"),
        "a bundle": Target(folder=root / "finished" / "bundle", ask=answer, share=10),
        "restarts": Target(folder=root / "restarts", ask=restarted, files="**/*.[js]*", share=8),
        "a search": Target(folder=root / "tune", ask=tuned, files="**/*.[jsd]*", share=4),
        "shards": Target(folder=root / "packed", ask=packed, share=10),
        **{
            f"a cache of {name}": Target(folder=root / f"cache of {name}", ask=ask, share=4)
            for name, ask in caches.items()
        },
    }
    return found


def flip(folder: Path, files: str, chance: random.Random) -> str:
    """Change one bit of one of the files; say which."""
    file = chance.choice(sorted(path for path in folder.glob(files) if path.is_file() and path.stat().st_size))
    content = bytearray(file.read_bytes())
    bit = chance.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    return f"{file.relative_to(folder)}, bit {bit}"


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_a_flipped_bit_is_noticed_or_changes_nothing(count: int, targets: dict[str, Target], tmp_path: Path) -> None:
    chance = random.Random(count)
    noticed: dict[str, int] = {}
    for name, target in targets.items():
        copy = tmp_path / "copy"

        def ask(change: bool, target: Target = target, copy: Path = copy, name: str = name) -> tuple[Any, str]:
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(target.folder, copy)
            where = f"{name}: {flip(copy, target.files, chance)}" if change else ""
            try:
                return target.ask(copy), where
            except ConvworksError as error:
                return error, where
            except Exception as error:
                error.add_note(where)
                raise

        expected, _ = ask(change=False)
        assert not isinstance(expected, ConvworksError)
        noticed[name] = 0
        for _ in range(target.share * count // 60):
            found, where = ask(change=True)
            noticed[name] += isinstance(found, ConvworksError)
            assert isinstance(found, ConvworksError) or found == expected, where
    print(f"{count} flipped bits, noticed: {noticed}")  # noqa: T201
    assert sum(noticed.values()) > count / 4
