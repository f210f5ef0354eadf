"""Clients that send what they should not, a system without room, and the end: none costs others their answers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_server import Live, live
from small_bundles import small_bundle

from convworks.bundle.bundle import save_bundle

resource = pytest.importorskip("resource", reason="limits are those of Linux")
LONG = b"x" * 1000


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "letters"
    save_bundle(path, small_bundle("convnet_digits", 8))
    return path


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Live]:
    with live(bundle, "--runtime", "torch", "--device", "cpu", "--watch", "--grace", "0.3") as server:
        yield server


def said(server: Live, *parts: bytes) -> bytes:
    """Return all that the server says until it ends the connection, to parts that are sent until then."""
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while content := connection.recv(1 << 16):
                answer += content
    return answer


@pytest.mark.parametrize(
    "parts",
    [
        [b"GET /" + LONG * 70],
        [b"GET / HTTP/1.1\r\n", *[b"%d: %b\r\n" % (number, LONG) for number in range(70)]],
        [b"GET / HTTP/1.1\r\nX: ", *[LONG] * 90],
        [b"POST /v1/predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", *[b"X: %b\r\n" % LONG] * 90],
        [b"\r\n" * 50_000],
    ],
    ids=["address", "headers", "header", "trailers", "lines"],
)
def test_a_head_has_a_limited_size(parts: list[bytes], server: Live) -> None:
    answer = said(server, *parts)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"65,536 bytes" in answer


def test_a_large_body_is_no_head(server: Live) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nX: %b\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n" % (LONG * 60)
    assert said(server, head + b"x" * 300_000).startswith(b"HTTP/1.1 422 ")


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"x"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_body_is_never_the_next_request(upgrade: bytes, apart: bool, server: Live) -> None:
    within = b"GET /v1/models HTTP/1.1\r\n\r\n"
    first = b"POST /v1/predict HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: %b\r\nContent-Length: %d\r\n\r\n"
    parts = [first % (upgrade, len(within)), within, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"]
    answer = said(server, *(parts if apart else [b"".join(parts)]))
    assert answer.startswith(b"HTTP/1.1 422 ")  # no image
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b'"alive"' in answer
    assert b'"models"' not in answer
    refused = said(server, b"CONNECT letters:80 HTTP/1.1\r\n\r\n" + within)
    assert refused.startswith(b"HTTP/1.1 400 ")
    assert refused.count(b"HTTP/1.1 ") == 1


def test_readiness_may_be_asked_for_without_a_body(server: Live) -> None:
    for path in ("/healthz", "/readyz", "/v2/health/live"):
        assert server.ask("HEAD", path) == (200, b"")
    assert server.ask("HEAD", "/v1/predict")[0] == 405


def test_a_worker_starts_when_the_system_has_room_for_it_again(server: Live) -> None:
    pid, worker = server.process.pid, server.worker
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    lowest = min(set(range(1000)) - set(map(int, os.listdir(f"/proc/{pid}/fd"))))
    os.kill(worker, signal.SIGKILL)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, before[1]))
    assert "Too many open files" in server.wait_for("worker failed")["error"]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    server.wait_for("worker ready")
    assert server.worker != worker
    time.sleep(2.5)  # it is looked for replaced bundles every second
    assert not [line for line in server.lines if '"worker ready"' in line][2:]


def test_connections_made_before_the_end_are_answered(server: Live) -> None:
    """Clients connect again and again while the server stops: each is answered, or refused, but none is cut off."""
    host, port = server.address.split(":")
    cut: list[Exception] = []
    stopping = threading.Event()

    def connect() -> None:
        while not stopping.is_set():
            try:
                with socket.create_connection((host, int(port)), timeout=20) as connection:
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
                    assert connection.recv(1000).startswith(b"HTTP/1.1 200")
            except ConnectionRefusedError:
                return
            except Exception as error:
                cut.append(error)
                return

    threads = [threading.Thread(target=connect) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    answer = server.end()
    stopping.set()
    for thread in threads:
        thread.join(20)
    assert cut == []
    assert answer["requests"] > 100
