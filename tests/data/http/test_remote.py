from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from serving import Server, serving

from convworks.data.http import remote
from convworks.data.http.remote import read_all, read_range
from convworks.errors import RunError

CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    (tmp_path / "file.tar").write_bytes(CONTENT)
    with serving(tmp_path, monkeypatch) as new_server:
        yield new_server


def part(server: Server, offset: int, size: int) -> bytes:
    return read_range(f"{server.address}/file.tar", offset, size, length=len(CONTENT))


@pytest.mark.parametrize(
    "behaviour", ["well", "short", "stalled", "dropped", "500", "503", "429", "elsewhere", "moved"]
)
def test_troubles_that_pass(server: Server, behaviour: str) -> None:
    server.behaviour = [behaviour, behaviour]
    assert part(server, 1000, 5000) == CONTENT[1000:6000]
    server.behaviour = [behaviour]
    assert read_all(f"{server.address}/file.tar", limit=len(CONTENT)) == CONTENT


LASTING = {
    "short": "ended|IncompleteRead",
    "stalled": "timed out",
    "dropped": "Remote end closed|closed connection",
    "404": "HTTP 404 Not Found",
    "500": "HTTP 500",
    "whole": "does not support range requests",
    "elsewhere": "another range",
    "moved": "more than 5 redirects",
}


@pytest.mark.parametrize("behaviour", LASTING)
def test_troubles_that_last(server: Server, behaviour: str) -> None:
    server.always = behaviour
    with pytest.raises(RunError, match=LASTING[behaviour]) as caught:
        part(server, 1000, 5000)
    assert str(caught.value).startswith(f"{server.address}/file.tar: cannot be read (")
    assert "\n" not in str(caught.value)
    passing = behaviour in ("short", "stalled", "500", "elsewhere")
    if passing:
        assert len(server.asked) == remote.ATTEMPTS
    if behaviour in ("404", "whole"):
        assert len(server.asked) == 1, "asking again would not help"
    server.always = "well"
    assert part(server, 1000, 5000) == CONTENT[1000:6000], "what was left of a bad answer is not taken for the next"


def test_one_connection_serves_many_requests(server: Server) -> None:
    for offset in (200_000, 5, 100_000, 70):
        assert part(server, offset, 10) == CONTENT[offset : offset + 10]
    assert (len(server.asked), server.connections) == (4, 1)


def test_a_forked_process_uses_no_connection_of_its_parent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    part(server, 5, 10)
    monkeypatch.setattr("os.getpid", lambda: -1)
    part(server, 200_000, 10)
    assert (len(server.asked), server.connections) == (2, 2)


@pytest.mark.parametrize("name", ["a b.tar", "größe.tar", "%41.tar"])
def test_any_name_in_an_address(server: Server, name: str) -> None:
    (server.root / unquote(name)).write_bytes(CONTENT)
    assert read_all(f"{server.address}/{name}", limit=len(CONTENT)) == CONTENT


def test_reading_onward_fetches_ahead(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "AHEAD", 50_000)
    for offset in range(0, len(CONTENT), 3000):
        assert part(server, offset, 2500) == CONTENT[offset : offset + 2500]
    assert len(server.asked) < 10
    assert server.asked[0][1] == "bytes=0-2499", "a single read fetches no more than it needs"


def test_edges(server: Server) -> None:
    assert part(server, len(CONTENT) - 3, 3) == CONTENT[-3:]
    assert part(server, 17, 0) == b""
    with pytest.raises(RunError, match="has 300,000 bytes, but 300,001 in its index"):
        read_range(f"{server.address}/file.tar", 0, 10, length=300_001)


def test_threads_do_not_disturb_each_other(server: Server) -> None:
    wrong: list[int] = []

    def read(seed: int) -> None:
        for offset in np.random.default_rng(seed).integers(0, len(CONTENT) - 500, 50).tolist():
            if part(server, offset, 500) != CONTENT[offset : offset + 500]:
                wrong.append(offset)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert server.connections <= 4


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/x", "http://no-such-host.invalid/x", "http://[/x", "http:///x", "http://a b/x"]
)
def test_no_server(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(remote, "PAUSE", 0.0)
    with pytest.raises(RunError, match=r"cannot be read \(.+\); check address") as caught:
        read_all(address, limit=1000)
    assert caught.value.exit_status == 1


def test_a_proxy_is_asked_for_the_whole_address(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.address)
    with pytest.raises(RunError, match="404"):
        read_all("http://far.invalid/file.tar?x=1", limit=1000)
    assert server.asked[0][0] == "http://far.invalid/file.tar?x=1"
