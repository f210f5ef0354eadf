"""Bad servers: one line each, before anything listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from workplace import Place, Row, Rows, check_row

QUICK = ("--runtime", "torch", "--device", "cpu")


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def serve(*words: str) -> list[str]:
    return ["serve", *words, "--port", "0", *QUICK]


def strangers(place: Place) -> list[str]:
    other = place.bundle(lambda d: d.update(classes=["x", "y"]), name="other")
    return serve(f"one={place.bundle()}", f"one={other}")


SERVERS: Rows = {
    "no bundle": (lambda p: serve("gone"), "gone | does not exist"),
    "no exported file": (lambda p: serve("gone.onnx"), "gone.onnx | does not exist"),
    "a folder that is no bundle": (lambda p: serve(p.images("x")), "x | holds no bundle.json"),
    "different classes under one name": (
        strangers,
        "other | different classes from bundle, but both are named one | NAME=other",
    ),
    "impossible name": (lambda p: serve(f"a b={p.bundle()}"), "a b=bundle | 'a b' cannot be a name | letters"),
    "no such address": (lambda p: [*serve(p.bundle()), "--host", "no.such.host.invalid"], "--host | not an address"),
    "another machine's address": (lambda p: [*serve(p.bundle()), "--host", "192.0.2.1"], "--host 192.0.2.1 | cannot"),
    "deadline 0": (lambda p: [*serve(p.bundle()), "--deadline", "0"], "--deadline | above 0 and at most 20"),
    "deadline an hour": (lambda p: [*serve(p.bundle()), "--deadline", "3600"], "--deadline | 3600 s | at most 20"),
    "delay above the deadline": (
        lambda p: [*serve(p.bundle()), "--delay", "20000"],
        "--delay | 20000 ms | less than the deadline",
    ),
    "grace of a minute": (lambda p: [*serve(p.bundle()), "--grace", "60"], "--grace | 60 s | from 0 to 5"),
    "queue below a request": (
        lambda p: [*serve(p.bundle()), "--queue", "8"],
        "--queue | is 8, less than the 64 images of a request | --max-images",
    ),
    "no keys": (
        lambda p: [*serve(p.bundle()), "--api-key-file", p.write("keys", "\n")],
        "keys | holds no key | openssl rand",
    ),
    "short key": (
        lambda p: [*serve(p.bundle()), "--api-key-file", p.write("keys", "secret\n")],
        "keys | key 1 has fewer than 16 characters",
    ),
    "no file of keys": (lambda p: [*serve(p.bundle()), "--api-key-file", "gone"], "gone | No such file"),
    "unknown precision": (lambda p: [*serve(p.bundle()), "--precision", "half"], "--precision | 'half' | float32"),
}


@pytest.mark.parametrize("row", SERVERS.values(), ids=SERVERS.keys())
def test_bad_servers_are_told_in_one_line(row: Row, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(row, place, capsys)


def test_a_port_in_use_is_named(taken: int, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(
        (lambda p: ["serve", p.bundle(), "--port", str(taken), *QUICK], f"--port {taken} | is in use | 0 for any"),
        place,
        capsys,
    )


def test_the_extra_is_named_where_it_is_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("convworks.serve.server.find_spec", lambda name: None)
    row: Row = (lambda p: serve(p.bundle()), 'needs fastapi, which is not installed | pip install "convworks[serve]"')
    check_row(row, place, capsys)


def test_what_only_the_worker_notices_ends_the_server(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    from convworks.cli.main import run

    assert run(["serve", place.bundle(), "--port", "0", "--runtime", "tensorrt"]) == 2
    *before, last = capfd.readouterr().err.splitlines()
    assert not any('"ready"' in line or "listening" in line for line in before)
    assert last.startswith("convworks: --runtime: there is no runtime 'tensorrt'; choose from auto")
