"""Published weights by name: fetched once from where they say, checked, kept as a bundle."""

from __future__ import annotations

import functools
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import convworks
from convworks.bundle import pretrained
from convworks.bundle.pretrained import locate
from convworks.cli.main import run
from convworks.data.home import cache_folder
from convworks.errors import InputError, RunError
from convworks.models.catalogue import create
from convworks.models.published.peers import find_peer, translation
from convworks.models.published.pretrained import IMAGENET_CLASSES, PRETRAINED, find_pretrained


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without talking."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the folder of a server on this machine that stands for all addresses; the cache is empty."""
    folder = tmp_path / "served"
    (folder / "weights").mkdir(parents=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("CONVWORKS_MIRROR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CONVWORKS_DATA", raising=False)
    yield folder / "weights"
    server.shutdown()
    server.server_close()
    thread.join()


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, *, checksum: str | None = None) -> None:
    """Put a ResNet-20 on the server under its published name, and its checksum into the table."""
    torch.manual_seed(0)
    entry, row = find_peer("cifar", "resnet20")
    state = create("resnet20").state_dict()
    path = folder / "resnet20-12fca82f.th"
    torch.save({name: state[key] for key, name in translation(state, entry.table(row)).items()}, path)
    digest = checksum or hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    entry_published = replace(find_pretrained("resnet20:cifar10"), checksum=digest)
    monkeypatch.setitem(PRETRAINED, "resnet20:cifar10", entry_published)


def test_a_name_is_fetched_once_and_works_like_a_bundle(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(mirror, monkeypatch)
    predictor = convworks.load("resnet20:cifar10")
    assert predictor.classes[3] == "cat"
    (mirror / "resnet20-12fca82f.th").unlink()
    exported = convworks.export("resnet20:cifar10", format="pt2", out=tmp_path / "named.pt2")
    assert Path(exported["file"]).is_file()
    again = convworks.load("resnet20:cifar10")
    images = torch.ones(1, 3, 32, 32)
    assert torch.equal(again.trained(images), predictor.trained(images))


def test_import_by_name(mirror: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    publish(mirror, monkeypatch)
    assert run(["import", "resnet20:cifar10", "--out", str(tmp_path / "bundle")]) == 0
    assert (tmp_path / "bundle" / "bundle.json").is_file()
    assert run(["import", "resnet20:cifar10", "--out", str(tmp_path / "bundle")]) == 2


def test_a_network_without_its_set_leads_to_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["import", "resnet50"], ["transfer", "resnet50", "--data", "digits"]):
        assert run(command) == 2
        assert "resnet50: does not exist (did you mean 'resnet50:imagenet'?); give" in capsys.readouterr().err


def test_weights_with_auxiliary_classifiers(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The official files of GoogLeNet and Inception v3 hold them, and read pixels from -1 to 1."""
    name = "googlenet:imagenet"
    entry, row = find_peer("torchvision", "googlenet")
    state = create(row).state_dict()
    path = mirror / find_pretrained(name).file
    torch.save({peer_name: state[key] for key, peer_name in translation(state, entry.table(row)).items()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    monkeypatch.setitem(PRETRAINED, name, replace(find_pretrained(name), checksum=digest))
    classes = mirror / IMAGENET_CLASSES.rpartition("/")[2]
    classes.write_text("".join(f"class {n}\n" for n in range(1000)), encoding="utf-8")
    predictor = convworks.load(name)
    assert predictor.bundle.preprocessing.mean == (0.5, 0.5, 0.5)
    assert predictor.classes[999] == "class 999"


def test_a_damaged_file_is_not_used(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(mirror, monkeypatch, checksum="00000000")
    with pytest.raises(
        RunError, match=r"resnet20-12fca82f.th: arrived damaged twice \(checksum .* instead of 00000000\)"
    ):
        locate("resnet20:cifar10")
    assert not list((cache_folder() / "weights").glob("*.th"))


def test_without_a_connection_a_name_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host that cannot be resolved is not asked again, and nothing heavy is imported before."""
    monkeypatch.setenv("CONVWORKS_MIRROR", "http://nowhere.invalid")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("convworks.data.http.retry.time.sleep", lambda _: pytest.fail("asks again"))
    with pytest.raises(
        RunError, match=r"\(no connection, or no such host\); put the file at .* bundles of your own work"
    ):
        locate("vgg16:imagenet")


def test_offline_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONVWORKS_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("convworks.data.http.retry.time.sleep", lambda _: None)
    with pytest.raises(
        RunError, match=r"cannot be downloaded \(.*refused.*\); put the file at .*vgg16-397923af.pth, or at"
    ):
        locate("vgg16:imagenet")


def test_unknown_names_have_neighbours() -> None:
    with pytest.raises(
        InputError, match=r"weights: there are none named 'resnet50:imagnet' .did you mean 'resnet50:image"
    ):
        locate("resnet50:imagnet")


def test_paths_with_colons_are_paths(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    assert locate(folder) == folder
    assert locate(f"{tmp_path}/c:d") == Path(f"{tmp_path}/c:d")


def test_class_names_are_fetched_and_repeated_ones_numbered(mirror: Path) -> None:
    names = ["crane", "fish", "crane", *(f"class {n}" for n in range(997))]
    (mirror / IMAGENET_CLASSES.rpartition("/")[2]).write_text("\n".join(names) + "\n", encoding="utf-8")
    classes = pretrained.imagenet_classes()
    assert classes[:3] == ("crane", "fish", "crane (2)")
    assert len(classes) == 1000


@pytest.mark.parametrize("name", PRETRAINED)
def test_every_entry_names_a_network_of_its_publisher_and_a_checksum(name: str) -> None:
    entry = PRETRAINED[name]
    assert find_peer(entry.peer, entry.name)[1]
    assert re.fullmatch(r"[0-9a-f]{8}", entry.checksum)
    assert entry.checksum in entry.file
    assert entry.address.startswith("https://")
    assert name.partition(":")[0] == entry.name


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_names_of_classes_with_or_without_a_byte_order_mark(tmp_path: Path, mark: bytes, ends: bytes) -> None:
    (tmp_path / "c.txt").write_bytes(mark + ends.join((b"kite", b" crane ", b"", b"gr\xc3\xb6\xc3\x9fe")) + ends)
    assert pretrained.read_classes(tmp_path / "c.txt") == ("kite", "crane", "größe")
