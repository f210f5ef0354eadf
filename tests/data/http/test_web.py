"""Responses of malicious or faulty servers, written byte by byte."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from convworks.data.http import paced, remote, web
from convworks.data.http.download import fetch
from convworks.data.http.redirect import objection
from convworks.data.http.remote import read_all, read_range
from convworks.errors import RunError

LIMIT = 100_000
PART = 1000  # bytes that a range asks for
# Each answer ends its connection and says so; else a second request may meet a connection that is just being closed.
CLOSE = b"Connection: close\r\n"
OK, PARTIAL = b"HTTP/1.1 200 OK\r\n" + CLOSE, b"HTTP/1.1 206 Partial Content\r\n" + CLOSE
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + bytes(1 << 16) + b"\r\n"

Bytes = Iterator[bytes]


class Server:
    """Answers every request with the same stream of bytes, and counts what it could send."""

    def __init__(self, answer: Callable[[], Bytes]) -> None:
        self.answer, self.sent, self.requests, self.request = answer, 0, 0, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}/file"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    self.request = connection.recv(1 << 16)
                    self.requests += 1
                    for piece in self.answer():
                        connection.sendall(piece)
                        self.sent += len(piece)
                except OSError:  # it had enough
                    pass


@contextmanager
def serving(answer: Callable[[], Bytes], patch: pytest.MonkeyPatch) -> Iterator[Server]:
    patch.setenv("no_proxy", "127.0.0.1")
    patch.setattr(web, "TIMEOUT", 0.2)
    patch.setattr(remote, "PAUSE", 0.0)
    patch.setattr(remote, "ATTEMPTS", 1)
    server = Server(answer)
    try:
        yield server
    finally:
        web.close()
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        server.thread.join()


def slowly(content: bytes, pause: float = 0.02, size: int = 1) -> Bytes:
    for start in range(0, len(content), size):
        yield content[start : start + size]
        time.sleep(pause)


def endless(*start: bytes, again: bytes) -> Callable[[], Bytes]:
    return lambda: itertools.chain(start, itertools.repeat(again))


def trickle(*start: bytes, content: bytes = bytes(400)) -> Callable[[], Bytes]:
    return lambda: itertools.chain(start, slowly(content))


MOVED = b"HTTP/1.1 302 Found\r\nLocation: /file\r\n" + CLOSE
RANGE = PARTIAL + b"Content-Range: bytes 0-999/100000\r\n"
LONG = f"more than {LIMIT:,} bytes"
SLOW = "less than 4,096 bytes a second"

EVERYWHERE = {
    "endless headers": (endless(OK, again=b"X-Header: " + b"x" * 60_000 + b"\r\n"), "more than [0-9,]+ bytes|headers"),
    "endless informational answers": (endless(again=b"HTTP/1.1 100 Continue\r\n\r\n"), "more than [0-9,]+ bytes"),
    "headers trickle": (trickle(OK, content=b"X-Header: 1\r\n" * 40), SLOW),
    "the status trickles": (trickle(content=b"HTTP/1.1 200 " + b"x" * 400), SLOW),
    "a redirect's body has no end": (endless(MOVED, b"\r\n", again=bytes(1 << 16)), "more than 5 redirects"),
    "a redirect's chunks have no end": (endless(MOVED, CHUNKED, again=CHUNK), "more than 5 redirects"),
    "a redirect's body trickles": (trickle(MOVED, b"\r\n"), SLOW),
    "a refusal's body has no end": (endless(b"HTTP/1.1 404 No\r\n\r\n", again=bytes(1 << 16)), "HTTP 404 No"),
    "moved to a file": (
        lambda: iter([MOVED.replace(b"/file", b"file:///etc/passwd"), b"\r\n"]),
        "not an http.s. address",
    ),
    "moved to ftp": (lambda: iter([MOVED.replace(b"/file", b"ftp://127.0.0.1/"), b"\r\n"]), "not an http.s. address"),
    "moved to a cloud's credentials": (
        lambda: iter([MOVED.replace(b"/file", b"http://169.254.169.254/latest"), b"\r\n"]),
        r"redirects to http://169.254.169.254/latest, which is a link-local address",
    ),
    "moved by an address that is read in two ways": (
        lambda: iter([MOVED.replace(b"/file", rb"http://169.254.169.254\@203.0.113.7/"), b"\r\n"]),
        "which is a link-local address",
    ),
    "no HTTP": (lambda: iter([b"SSH-2.0-OpenSSH_9.6\r\n"]), "SSH"),
}
WHOLE = {
    "chunks without end": (endless(OK, CHUNKED, again=CHUNK), LONG),
    "a body without end": (endless(OK, b"\r\n", again=bytes(1 << 16)), LONG),
    "an absurd length": (endless(OK, b"Content-Length: 1000000000000000\r\n\r\n", again=bytes(1 << 16)), LONG),
    "one byte too many": (lambda: iter([OK, b"\r\n", bytes(LIMIT + 1)]), LONG),
    "tiny chunks without end": (endless(OK, CHUNKED, again=b"1\r\nx\r\n" * 5000), LONG),
    "trailers without end": (endless(OK, CHUNKED, b"0\r\n", again=b"x: y\r\n" * 5000), LONG),
    "a body that trickles": (trickle(OK, b"\r\n"), SLOW),
    "chunks that trickle": (trickle(OK, CHUNKED, content=b"1\r\nx\r\n" * 60), SLOW),
    "a good start, then a trickle": (trickle(OK, b"\r\n", bytes(90_000)), SLOW),
}
PARTS = {
    "more than the range": (endless(RANGE, b"\r\n", again=bytes(1 << 16)), "more than 1,000 bytes"),
    "a longer length": (endless(RANGE, b"Content-Length: 10000000000\r\n\r\n", again=bytes(1 << 16)), "1,000 bytes"),
    "chunks without end": (endless(RANGE, CHUNKED, again=CHUNK), "more than 1,000 bytes"),
    "a part that trickles": (trickle(RANGE, b"Content-Length: 1000\r\n\r\n"), SLOW),
    "an absurd range": (
        lambda: iter([PARTIAL, b"Content-Range: bytes 0-" + b"9" * 5000 + b"/" + b"9" * 5000 + b"\r\n\r\n"]),
        "another range",
    ),
}


@pytest.mark.parametrize("name", [*EVERYWHERE, *WHOLE])
def test_whole_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    answer, reason = {**EVERYWHERE, **WHOLE}[name]
    with serving(answer, monkeypatch) as server:
        with pytest.raises(RunError, match=reason) as caught:
            read_all(server.address, limit=LIMIT)
        assert "\n" not in str(caught.value)
        if name in WHOLE:
            with pytest.raises(RunError, match=reason):
                fetch(server.address, tmp_path / "file", checksum=None, limit=LIMIT, timeout=0.2, attempts=1)
    assert server.sent < 100e6, "nobody read on for long"  # socket buffers are filled although nothing is read
    assert not (tmp_path / "file").exists()
    left = tmp_path / "file.partial"
    assert not left.exists() or left.stat().st_size <= LIMIT


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_files(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    answer, reason = PARTS[name]
    with serving(answer, monkeypatch) as server, pytest.raises(RunError, match=reason):
        read_range(server.address, 0, PART, length=LIMIT)
    assert server.sent < 100e6


def test_no_image_has_gigabytes() -> None:
    with pytest.raises(RunError, match="lists a file of 1,073,741,825 bytes, too large for an image"):
        read_range("http://127.0.0.1:9/file", 0, remote.LARGEST + 1, length=1 << 40)


def test_a_slow_server_that_keeps_on_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = np.random.default_rng(0).bytes(12_000)
    monkeypatch.setattr(paced, "SLOWEST", 1024)  # so that a busy machine's pauses do not matter
    with serving(lambda: itertools.chain([OK, b"\r\n"], slowly(content, size=200)), monkeypatch) as server:
        begin = time.monotonic()
        assert read_all(server.address, limit=LIMIT) == content
        assert time.monotonic() - begin > 2 * paced.PATIENCE * web.TIMEOUT
        fetch(server.address, tmp_path / "file", checksum=None, limit=LIMIT, timeout=0.2)
    assert (tmp_path / "file").read_bytes() == content


def test_what_exceeds_its_limit_is_not_kept_to_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file.partial").write_bytes(bytes(500))
    answer = PARTIAL + b"Content-Range: bytes 500-1499/1500\r\n\r\n"
    with serving(lambda: iter([answer, bytes(1000)]), monkeypatch) as server, pytest.raises(RunError, match="more"):
        fetch(server.address, tmp_path / "file", checksum=None, limit=1499)
    assert [path.name for path in tmp_path.iterdir()] == ["file.lock"]


def test_answers_with_flipped_bytes_are_refused_or_right(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"4\r\nabcd\r\n3\r\nefg\r\n0\r\nx: y\r\n\r\n"
    good = OK + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + body
    rng = np.random.default_rng(0)
    damaged = bytearray(good)
    lines: list[str] = []
    with serving(lambda: iter([bytes(damaged)]), monkeypatch) as server:
        for _ in range(150):
            damaged[:] = good
            for at in rng.integers(0, len(good), 2):
                damaged[at] = rng.integers(256)
            try:
                read_all(server.address, limit=LIMIT)
            except RunError as error:
                lines.append(str(error))
    assert not any("\n" in line for line in lines)
    assert 30 < len(lines) < 150


PROXIES = [
    ("http://{}", []),
    ("{}", []),
    ("http://us%C3%A9r:p%40ss@{}", [b"proxy-authorization: Basic dXPDqXI6cEBzcw=="]),
    ("name@{}", [b"proxy-authorization: Basic bmFtZTo="]),
]


@pytest.mark.parametrize(("proxy", "credentials"), PROXIES)
def test_the_proxy_of_the_environment_is_asked(
    proxy: str, credentials: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda: iter([OK, b"Content-Length: 4\r\n\r\nabcd"]), monkeypatch) as server:
        monkeypatch.setenv("http_proxy", proxy.format(server.address.removeprefix("http://").removesuffix("/file")))
        assert read_all("http://far.invalid/file", limit=4) == b"abcd"
        assert server.request.startswith(b"GET http://far.invalid/file HTTP/1.1\r\n")
        assert [line for line in server.request.split(b"\r\n") if line.startswith(b"proxy-")] == credentials


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [("http://127.0.0.1:9", r"\(proxy: .*refused"), ("socks5://127.0.0.1:9", "unsupported scheme socks5")],
)
def test_a_proxy_that_does_not_answer(proxy: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setattr(remote, "ATTEMPTS", 1)
    with pytest.raises(RunError, match=reason):
        read_all("http://far.invalid/file", limit=4)


PUBLIC = "http://203.0.113.7/x"
MOVES = [
    (PUBLIC, "http://203.0.113.8/y", ""),
    (PUBLIC, "https://203.0.113.7/y", ""),
    (PUBLIC, "http://203.0.113.7:8080/y", ""),
    (PUBLIC, "http://10.0.0.1/", ""),
    ("https://203.0.113.7/x", "http://203.0.113.7/x", "not encrypted"),
    (PUBLIC, "ftp://203.0.113.7/x", "not an http(s) address"),
    (PUBLIC, "FILE:///etc/passwd", "not an http(s) address"),
    (PUBLIC, "data:text/plain,x", "not an http(s) address"),
    (PUBLIC, "http:///x", "not an http(s) address"),
    (PUBLIC, "http://[/x", "not an address"),
    (PUBLIC, "http://169.254.169.254/latest/meta-data", "link-local"),
    (PUBLIC, "HTTP://user@169.254.169.254:80/", "link-local"),
    (PUBLIC, "http://2852039166/", "link-local"),
    (PUBLIC, "http://0xa9.0xfe.0xa9.0xfe/", "link-local"),
    (PUBLIC, "http://[fe80::1]/", "link-local"),
    (PUBLIC, "http://[::ffff:169.254.169.254]/", "link-local"),
    ("http://127.0.0.1/x", "http://169.254.169.254/", "link-local"),
    ("http://169.254.1.1/x", "http://169.254.1.1:8000/", ""),
    (PUBLIC, "http://127.0.0.1/", "this machine"),
    (PUBLIC, "http://0/", "this machine"),
    (PUBLIC, "http://[::1]:6379/", "this machine"),
    ("http://127.0.0.1:1/x", "http://127.0.0.1:2/", ""),
    ("http://127.0.0.1:1/x", "http://[::1]:2/", ""),
]


@pytest.mark.parametrize(("origin", "target", "reason"), MOVES)
@pytest.mark.parametrize("numeric", [False, True])
def test_where_a_server_may_send_us(origin: str, target: str, reason: str, numeric: bool) -> None:
    answer = objection(origin, target, numeric=numeric)
    assert (reason in answer) if reason else (answer == "")


def test_names_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(0, 0, 0, "", ("203.0.113.9", 0)), (0, 0, 0, "", ("fe80::1%eth0", 0, 0, 2))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    assert objection(PUBLIC, "http://innocent.example.org/") == "which is a link-local address"


def test_an_error_of_the_reader_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(error: BaseException) -> None:
        with web.get(server.address, {}, limit=4) as answer:
            assert b"".join(web.pieces(answer, 4)) == b"abcd"
            raise error

    with serving(lambda: iter([OK, b"Content-Length: 4\r\n\r\nabcd"]), monkeypatch) as server:
        for error in (OSError("disk is full"), ValueError("other"), KeyboardInterrupt("now")):
            with pytest.raises(type(error), match=str(error)):
                read(error)
