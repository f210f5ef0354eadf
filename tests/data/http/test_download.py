from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from convworks.data.http import web
from convworks.data.http.download import fetch, md5
from convworks.errors import RunError

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


class Server:
    """A local server whose responses misbehave in the order given, and are correct after that."""

    def __init__(self) -> None:
        self.behaviour: list[str] = []
        self.asked: list[str] = []
        self.ranges = True
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_port}/file"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        how = self.behaviour.pop(0) if self.behaviour else "well"
        if how.isdigit():
            request.send_error(int(how))
            return
        match = re.fullmatch(r"bytes=(\d+)-", wanted)
        start = int(match[1]) if match and self.ranges else 0
        if start >= len(CONTENT):
            request.send_error(416)
            return
        body = CONTENT[start:]
        shown = start + 5 if how == "elsewhere" else start
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {shown}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if how != "unmeasured":
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if how == "corrupt":
            body = b"\xff" + body[1:]
        if how in ("short", "stalled"):
            body = body[: len(body) // 2]
        request.wfile.write(body)
        request.wfile.flush()
        if how == "stalled":
            time.sleep(1.5)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    new_server = Server()
    thread = threading.Thread(target=new_server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield new_server
    web.close()
    new_server.http.shutdown()
    new_server.http.server_close()
    thread.join()


def get(server: Server, path: Path, **options: Any) -> None:
    fetch(server.address, path, **{"checksum": MD5, "limit": len(CONTENT), "pause": 0.01, "timeout": 5.0, **options})


def left(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if not file.name.endswith(".lock"))


def test_whole(server: Server, tmp_path: Path) -> None:
    progress: list[tuple[str, int, int]] = []
    path = tmp_path / "new" / "folder" / "file"
    get(server, path, report=lambda name, done, total: progress.append((name, done, total)))
    assert path.read_bytes() == CONTENT
    assert left(path.parent) == ["file"]
    assert progress[-1] == ("file", len(CONTENT), len(CONTENT))
    assert len(progress) > 1


@pytest.mark.parametrize("behaviour", ["short", "503", "429", "elsewhere", "unmeasured"])
def test_passing_troubles(server: Server, tmp_path: Path, behaviour: str) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT[:1000])
    server.behaviour = [behaviour]
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_resumed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT[:700_000])
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == ["bytes=700000-"]


def test_short_answers_are_resumed(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["short", "short"]
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert server.asked == ["", f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_always_short(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["short"] * 5
    with pytest.raises(
        RunError, match=r"/file: cannot be downloaded \(it ended after \d+ of \d+ bytes\); put the file"
    ):
        get(server, tmp_path / "file")
    assert left(tmp_path) == ["file.partial"], "kept to be resumed"
    assert len(server.asked) == 3


def test_server_that_ignores_ranges(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "file.partial").write_bytes(b"something else entirely")
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_partial_file_that_is_too_long(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT + b"more")
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_whole_partial_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT)
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_damaged_partial_file_is_fetched_afresh(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(b"x" * 1000)
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", ""]


def test_corrupt_once(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["corrupt"]
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == ["", ""]


def test_corrupt_twice(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["corrupt"] * 5
    with pytest.raises(RunError, match=rf"arrived damaged twice \(checksum [0-9a-f]+ instead of {MD5}\)"):
        get(server, tmp_path / "file")
    assert left(tmp_path) == []
    assert len(server.asked) == 2


def test_missing_on_the_server(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["404"]
    with pytest.raises(RunError) as caught:
        get(server, tmp_path / "file")
    assert str(caught.value).startswith(f"{server.address}: cannot be downloaded (HTTP 404 Not Found); put the file at")
    assert str(tmp_path / "file") in caught.value.remedy
    assert len(server.asked) == 1, "asking again would not help"
    assert left(tmp_path) == []


def test_stalled(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["stalled"]
    get(server, tmp_path / "file", timeout=0.3)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == ["", f"bytes={len(CONTENT) // 2}-"]


def test_stalled_for_good(server: Server, tmp_path: Path) -> None:
    server.behaviour = ["stalled"] * 3
    with pytest.raises(RunError, match=r"cannot be downloaded \(.*timed out"):
        get(server, tmp_path / "file", timeout=0.1, attempts=2)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/file", "http://no-such-host.invalid/file", "nonsense", "http://[/file"]
)
def test_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("no_proxy", "*")
    match = r"cannot be downloaded \(.+\); put the file at .*file, or at .CONVWORKS_DATA/.*, or set CONVWORKS_MIRROR"
    with pytest.raises(RunError, match=match) as caught:
        fetch(address, tmp_path / "file", checksum=None, limit=1000, pause=0.0, timeout=2.0)
    assert caught.value.exit_status == 1
    assert "\n" not in str(caught.value)


def test_two_at_once(server: Server, tmp_path: Path) -> None:
    threads = [threading.Thread(target=get, args=(server, tmp_path / "file")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == [""], "the others waited and found it there"


def test_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written \(.*\); check the path .* or set XDG_CACHE_HOME"):
        get(server, tmp_path / "file" / "below" / "file")
    assert server.asked == []


def test_full_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)"):
        get(server, tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_md5(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    assert md5(tmp_path / "x") == MD5
    assert md5(tmp_path / "y") == ""
