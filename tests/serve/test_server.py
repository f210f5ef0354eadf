"""A server in a process of its own: its promises to those who run it."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_server import Live, alive, live
from PIL import Image
from small_bundles import needs, small_bundle

from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run
from convworks.deploy.export import find_format, prove
from convworks.deploy.export import write as write_export
from convworks.inference.load import load

SIDE = 8


def picture(seed: int, side: int = 20) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write(path: Path, *, shift: float = 0.0) -> None:
    """Write a bundle, or another in its place: `shift` changes its answers."""
    bundle = small_bundle("convnet_digits", SIDE)
    if shift:
        bias = list(bundle.network.parameters())[-1].data
        bias[0] += shift
    save_bundle(path, bundle)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "letters"
    write(path)
    return path


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Live]:
    options = ("--runtime", "torch", "--device", "cpu", "--watch", "--grace", "0.5", "--deadline", "8")
    with live(bundle, *options) as server:
        yield server


class Load:
    """Threads that ask again and again, each over connections of its own, until they are stopped."""

    def __init__(self, server: Live, count: int = 4) -> None:
        self.server, self.stopping = server, threading.Event()
        self.answers: list[tuple[int, Any]] = []
        self.failed: list[Exception] = []
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(count)]

    def _ask(self, number: int) -> None:
        image = picture(number)
        while not self.stopping.is_set():
            try:
                status, values = self.server.predict(image)
            except ConnectionRefusedError:  # the server accepts no more
                return
            except Exception as error:
                self.failed.append(error)
                return
            self.answers.append((status, (number, values)))

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self.threads)


def test_answers_are_those_of_predict_to_the_digit(
    server: Live, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(3):
        (tmp_path / "image.png").write_bytes(picture(seed))
        words = ["predict", str(bundle), str(tmp_path / "image.png"), "--device", "cpu", "--runtime", "torch", "--json"]
        assert run(words) == 0
        (told,) = json.loads(capsys.readouterr().out)["predictions"]
        status, values = server.predict(picture(seed))
        assert status == 200
        assert values["predictions"] == [{name: value for name, value in told.items() if name != "path"}]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_requests_of_the_documentation_are_answered(server: Live, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "production.md").read_text()
    commands = [line for line in page.splitlines() if line.startswith("    curl ")]
    assert len(commands) == 3
    for name in ("image.jpg", "first.jpg", "second.jpg"):
        (tmp_path / name).write_bytes(picture(1))
    for command in commands:
        for shown, real in {
            "127.0.0.1:8000": server.address,
            "model=ants": "model=letters",
            "BASE64": base64.b64encode(picture(0)).decode(),
        }.items():
            command = command.replace(shown, real)
        answer = subprocess.run(["sh", "-c", command], capture_output=True, cwd=tmp_path, check=True).stdout
        assert len(json.loads(answer)["predictions"]) == max(1, command.count("images=@"))


def test_the_log_is_json_and_holds_no_image(server: Live) -> None:
    server.ask("POST", "/v1/predict?top=1", b"SECRET" * 100, {"X-Request-Id": "mine"})
    told = server.wait_for("request")
    while told["id"] != "mine":
        told = server.wait_for("request")
    assert {"time", "id", "method", "path", "status", "ms"} <= set(told)
    assert (told["path"], told["status"]) == ("/v1/predict", 422)
    assert all(line.startswith("{") for line in server.lines)
    assert "SECRET" not in "".join(server.lines)


def crowded() -> float:
    """Return how many times as long as alone things take, by the other work of this machine."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def test_a_worker_that_is_killed_is_replaced(server: Live) -> None:
    before = server.worker
    with Load(server) as clients:
        time.sleep(0.3)
        os.kill(before, signal.SIGKILL)
        killed = time.monotonic()
        while server.ready():
            assert time.monotonic() - killed < 1 * crowded()
            time.sleep(0.01)
        while not server.ready():
            assert time.monotonic() - killed < 10 * crowded()
            time.sleep(0.05)
        time.sleep(0.3)
    assert clients.failed == []
    statuses = {status for status, _ in clients.answers}
    assert {200, 503} <= statuses <= {200, 503, 504}  # a crowded machine misses deadlines
    assert server.predict(picture(0))[0] == 200
    assert server.wait_for("worker died")["status"] == -9
    server.wait_for("worker ready")
    assert server.worker != before


def test_a_replaced_bundle_is_loaded_without_a_gap(server: Live, bundle: Path) -> None:
    _, old = server.predict(picture(0))
    with Load(server, 2) as clients:
        write(bundle, shift=3.0)
        server.wait_for("worker ready")
        time.sleep(0.3 * crowded())
    assert clients.failed == []
    assert {status for status, _ in clients.answers} == {200}
    answers = {(number, values["version"]): set() for _, (number, values) in clients.answers}  # type: ignore[var-annotated]
    for _, (number, values) in clients.answers:
        answers[number, values["version"]].add(json.dumps(values["predictions"]))
    versions = {version for _, version in answers}
    assert len(versions) == 2
    assert old["version"] in versions
    assert all(len({json.loads(text)[0]["labels"][0] for text in texts}) == 1 for texts in answers.values())
    _, new = server.predict(picture(0))
    assert new["predictions"] != old["predictions"]


def test_a_bundle_that_cannot_be_loaded_leaves_the_old_one(server: Live, bundle: Path) -> None:
    _, before = server.predict(picture(0))
    (bundle / "bundle.json").rename(bundle / "kept.json")
    (bundle / "bundle.json").write_text("{")
    server.process.send_signal(signal.SIGHUP)
    assert "bundle.json" in server.wait_for("reload failed")["error"]
    assert server.predict(picture(0))[1] == before
    (bundle / "kept.json").rename(bundle / "bundle.json")


def test_connections_that_say_nothing_or_nonsense_hurt_nobody(server: Live) -> None:
    host, port = server.address.split(":")
    for text in (
        b"",
        b"\x16\x03\x01\x02",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1000)
            assert b"Traceback" not in answer
            assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 2", b"HTTP/1.1 505"))
    assert server.ready()
    assert "Invalid HTTP request" in server.wait_for("library")["text"]


def test_everything_accepted_is_answered_after_sigterm(server: Live) -> None:
    workers = server.worker
    check_end(server)
    assert not alive(workers)


def check_end(server: Live) -> None:
    """Stop a server under load: readiness is false first, every request is answered, and the process ends."""
    not_ready: list[float] = []

    def watch() -> None:
        while not not_ready:
            if not server.ready():
                not_ready.append(time.monotonic())
                clients.stopping.set()  # as a load balancer does
            time.sleep(0.01)

    with Load(server) as clients:
        time.sleep(0.3)
        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        answer = server.ended()
        ended = time.monotonic()
        watcher.join(5)
    assert clients.failed == []
    assert {status for status, _ in clients.answers} == {200}
    assert began <= not_ready[0] < ended < began + 30
    assert answer["requests"] >= len(clients.answers)


@pytest.mark.slow
@needs("onnx")
def test_an_exported_file_is_served(tmp_path: Path) -> None:
    write_export(prove(small_bundle("convnet_digits", SIDE), find_format("onnx")), tmp_path / "letters.onnx")
    with live(tmp_path / "letters.onnx") as server:
        expected = load(tmp_path / "letters.onnx").predict(picture(0))
        _, values = server.predict(picture(0))
        assert (values["model"], values["predictions"][0]["labels"]) == ("letters", expected["labels"])
        assert values["predictions"][0]["probabilities"] == expected["probabilities"]
        server.end()


@pytest.mark.slow
def test_refused_requests_keep_their_connection(tmp_path: Path) -> None:
    write(tmp_path / "letters")
    options = ("--runtime", "torch", "--device", "cpu", "--queue", 1, "--max-images", 1, "--max-batch", 1)
    with live(tmp_path / "letters", *options) as server:
        statuses: dict[str, set[int]] = {"/v1/predict": set(), "/v2/models/letters/infer": set()}
        with Load(server, 8) as clients:
            connection = http.client.HTTPConnection(server.address, timeout=30)
            connection.connect()
            first = connection.sock
            for number in range(400):
                path = list(statuses)[number % 2]
                connection.request("POST", path, picture(0) * (1 + number % 5))
                response = connection.getresponse()
                values = json.loads(response.read())
                statuses[path].add(response.status)
                if response.status == 503:
                    assert response.headers["Retry-After"] == "1"
                    assert isinstance(values["error"], str if "v2" in path else dict)
                assert connection.sock is first
            connection.close()
        assert clients.failed == []
        assert {status for status, _ in clients.answers} <= {200, 503}
        assert statuses["/v1/predict"] <= {200, 422, 503}
        assert statuses["/v2/models/letters/infer"] <= {400, 503}
        assert 503 in statuses["/v1/predict"]
        assert 'convworks_requests_total{route="refused",status="503"}' in server.ask("GET", "/metrics")[1].decode()
        server.end()


@pytest.mark.slow
def test_connections_too_many_are_told_to_come_again(tmp_path: Path) -> None:
    write(tmp_path / "letters")
    with live(tmp_path / "letters", "--runtime", "torch", "--device", "cpu", "--connections", 3) as server:
        host, port = server.address.split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(3)]
        time.sleep(0.3)
        status, values = server.predict(picture(0))
        assert (status, values["error"]["reason"]) == (503, "has too many connections")
        for connection in idle:
            connection.close()
        time.sleep(0.3)
        assert server.predict(picture(0))[0] == 200
        server.end()


@pytest.mark.slow
def test_no_worker_outlives_a_server_that_is_killed(tmp_path: Path) -> None:
    write(tmp_path / "letters")
    with live(tmp_path / "letters", "--runtime", "torch", "--device", "cpu") as server:
        server.process.kill()
        server.process.wait()
        end = time.monotonic() + 5
        while alive(server.worker):
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.slow
def test_sigterm_twenty_times(tmp_path: Path) -> None:
    write(tmp_path / "letters")
    for number in range(20):
        with live(
            tmp_path / "letters", "--runtime", "torch", "--device", "cpu", "--grace", 0.1 + 0.05 * number
        ) as server:
            check_end(server)


@pytest.mark.slow
def test_a_thousand_clients_that_leave(tmp_path: Path) -> None:
    """Some leave in the body, some before the answer: nothing is kept of them."""
    write(tmp_path / "letters")
    with live(tmp_path / "letters", "--runtime", "torch", "--device", "cpu") as server:
        host, port = server.address.split(":")
        image = picture(0, 200)
        head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(image)}\r\n\r\n".encode()
        memory = []
        for number in range(1000):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(head + image[: len(image) if number % 2 else len(image) // 2])
            if number in (199, 999):
                time.sleep(1)
                memory.append(resident(server.process.pid) + resident(server.worker))
        assert server.predict(image)[0] == 200
        text = server.ask("GET", "/metrics")[1].decode()
        assert 'convworks_queue_images{model="letters"} 0.0' in text
        assert 'status="499"' in text
        assert memory[1] < memory[0] * 1.05 + 2**20
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 40
        server.end()


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_reloads_under_load(tmp_path: Path) -> None:
    """No request fails, and no answer mixes two networks."""
    write(tmp_path / "letters")
    with live(tmp_path / "letters", "--runtime", "torch", "--device", "cpu", "--precision", "float32") as server:
        with Load(server, 3) as clients:
            for number in range(10):
                write(tmp_path / "letters", shift=float(number % 4))
                server.process.send_signal(signal.SIGHUP)
                server.wait_for("worker ready")
        assert clients.failed == []
        assert {status for status, _ in clients.answers} == {200}
        answers: dict[tuple[int, str], list[float]] = {}
        for _, (number, values) in clients.answers:
            (prediction,) = values["predictions"]
            probability = prediction["probabilities"][prediction["labels"].index("a")]
            answers.setdefault((number, values["version"]), []).append(probability)
        assert len({version for _, version in answers}) == 4
        assert all(np.ptp(each) < 1e-5 for each in answers.values())
        server.end()


@pytest.mark.slow
def test_slow_senders_and_wrong_lengths_hold_nothing(tmp_path: Path) -> None:
    """Heads and bodies that do not come end after 15 s; meanwhile others are answered, within bounded memory."""
    write(tmp_path / "letters")
    options = ("--runtime", "torch", "--device", "cpu", "--connections", 400, "--max-bytes", 1_000_000)
    with live(tmp_path / "letters", *options) as server:
        host, port = server.address.split(":")
        image = picture(0)
        beginnings = [
            b"POST /v1/pre",
            b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf",
            b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        ]
        before = resident(server.process.pid)
        senders = [socket.create_connection((host, int(port)), timeout=30) for _ in range(390)]
        began = time.monotonic()
        for number, sender in enumerate(senders):
            sender.sendall(beginnings[number % 3])
        for _ in range(20):
            assert server.predict(image)[0] == 200
        draw = np.random.default_rng(0)
        for _ in range(300):
            length = int(draw.integers(0, 2 * len(image)))
            head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(head + image)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(10_000)
            assert not answer.startswith(b"HTTP/1.1 5")
            assert b"Traceback" not in answer
        answers = [sender.recv(10_000) for sender in senders]  # until the server ends them
        assert 10 < time.monotonic() - began < 30
        assert {answer.split(b"\r\n")[0] for answer in answers} == {b"", b"HTTP/1.1 408 Request Timeout"}
        for sender in senders:
            sender.close()
        assert resident(server.process.pid) < before + 30 * 2**20
        server.end()
