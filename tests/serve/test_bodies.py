"""Mutated requests: no status of 500 and above but 503 and 504, no traceback, and nothing is kept of them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
import struct
import sys
import zlib
from typing import Any

import pytest
from PIL import Image
from serving_app import App, ask
from small_bundles import small_bundle
from thorough import repeats

from convworks.bundle.bundle import save_bundle
from convworks.serve.bodies import Bodies
from convworks.serve.problems import ProblemError
from convworks.serve.settings import Limits
from convworks.serve.tensors import parse

SIDE = 8
COUNT = repeats(300, 20_000)
LONG = "x" * 20_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    path = tmp_path_factory.mktemp("served") / "x"
    save_bundle(path, small_bundle("convnet_digits", SIDE))
    return App({"x": [path]}, limits=Limits(max_bytes=60_000, max_images=6, max_pixels=40_000))


def encoded(kind: str, size: tuple[int, int] = (12, 9), mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert(mode).save(file, kind, **options)
    return file.getvalue()


def bomb() -> bytes:
    """Return a small PNG file of many pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


IMAGES = [
    encoded("PNG"),
    encoded("JPEG"),
    encoded("GIF", mode="P"),
    encoded("BMP"),
    encoded("TIFF"),
    encoded("WEBP"),
    encoded("PNG", (200, 200)),
    encoded("PNG", (250, 250)),
    encoded("PNG", mode="LA"),
    bomb(),
]
PIXELS = bytes(SIDE * SIDE * 3)
VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    3,
    2**63,
    1e308,
    "",
    "x",
    [],
    [[]],
    {},
    [1, "x"],
    "\x00",
    "\ud800",
    "activated",
    "UINT8",
]


def body_of(draw: random.Random) -> tuple[str, bytes, dict[str, str]]:
    """Return a path, a body and headers that are right."""
    images = draw.choices(IMAGES, k=draw.randint(1, 3))
    match draw.randrange(5):
        case 0:
            return (
                "/v1/predict",
                images[0],
                {"Content-Type": draw.choice(["image/png", "", "application/octet-stream"])},
            )
        case 1:
            parts = b"".join(
                b'--b\r\nContent-Disposition: form-data; name="images"; filename="x"\r\n\r\n' + each + b"\r\n"
                for each in images
            )
            return "/v1/predict", parts + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}
        case 2:
            values: Any = {"images": [base64.b64encode(each).decode() for each in images]}
            return "/v1/predict", json.dumps(values).encode(), {"Content-Type": "application/json"}
        case 3:
            tensor = {"name": "samples", "datatype": "UINT8", "shape": [1, SIDE, SIDE, 3], "data": list(PIXELS)}
            values = {"id": "1", "inputs": [tensor], "outputs": [{"name": "activated"}]}
            return "/v2/models/x/infer", json.dumps(changed(draw, values)).encode(), {}
        case _:
            content = b"".join(struct.pack("<I", len(each)) + each for each in images)
            facts = {"binary_data_size": len(content)}
            values = {"inputs": [{"name": "images", "datatype": "BYTES", "shape": [len(images)], "parameters": facts}]}
            head = json.dumps(changed(draw, values) if draw.random() < 0.5 else values).encode()
            return "/v2/models/x/infer", head + content, {"Inference-Header-Content-Length": str(len(head))}


def changed(draw: random.Random, value: Any) -> Any:
    """Return JSON values, one of them perhaps another."""
    if draw.random() < 0.15:
        return draw.choice(VALUES)
    if isinstance(value, dict):
        return {name: changed(draw, each) for name, each in value.items() if draw.random() > 0.03}
    if isinstance(value, list) and len(value) < 9:
        return [changed(draw, each) for each in value]
    return value


def mutated(draw: random.Random, body: bytes) -> bytes:
    """Return a body that is cut, flipped, filled or repeated somewhere."""
    at = draw.randrange(len(body) + 1)
    match draw.randrange(6):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + draw.randbytes(draw.randint(1, 20)) + body[at:]
        case 2:
            return body[:at] + body[at + draw.randint(1, 50) :]
        case 3:
            flipped = bytearray(body)
            for _ in range(draw.randint(1, 8)):
                if flipped:
                    flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
            return bytes(flipped)
        case 4:
            return body + body
        case _:
            return body


def test_mutated_bodies(app: App) -> None:
    draw = random.Random(0)
    statuses: dict[int, int] = {}

    async def work() -> None:
        for number in range(COUNT):
            path, body, headers = body_of(draw)
            body = mutated(draw, body)
            if draw.random() < 0.1:
                headers["Content-Length"] = draw.choice(["x", "-1", str(2**70), str(len(body))])
            if draw.random() < 0.1 and headers:
                name = draw.choice(list(headers))
                headers[name] = draw.choice(["", "x", "99999999", "multipart/form-data; boundary=" + "b" * 300, "é"])
            if draw.random() < 0.1:
                path += draw.choice(["?top=x", "?top=0", "?threshold=nan", "?model=%00", "?threshold=0.3"])
            answered = await ask(app.app, "POST", path, body, headers)
            statuses[answered.status] = statuses.get(answered.status, 0) + 1
            where = (number, path, headers, body[:200], answered.body)
            assert answered.status < 500, where
            assert b"Traceback" not in answered.body, where
            if answered.status >= 400:
                assert set(answered.json) == {"error"}, where

    app.run(work)
    assert {200, 400, 422} <= set(statuses)
    assert app.service.bodies.held == 0
    assert app.service.models["x"].batcher.waiting == {}


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convworks.serve.bodies.PATIENCE", 0.05)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def work() -> None:
        bodies = Bodies(1000)
        with bodies.holding() as held, pytest.raises(ProblemError) as refused:
            await held.read(receive, None)
        assert (refused.value.status, bodies.held) == (408, 0)

    asyncio.run(work())


def test_bodies_together_hold_a_limited_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convworks.serve.bodies.HELD", 0)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 1000, "more_body": False}

    async def work() -> None:
        bodies = Bodies(1000)
        with bodies.holding() as first, bodies.holding() as second:
            await first.read(receive, "1000")
            bodies.held += 3000  # of others, who hold four bodies together
            with pytest.raises(ProblemError) as refused:
                await second.read(receive, None)
            assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")

    asyncio.run(work())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/predict", b'{"images": [' + b"[]," * 10**6 + b"1]}"),
        ("/v1/predict", b"{" + b",".join(b'"%d":1' % number for number in range(10**5)) + b"}"),
        ("/v2/models/x/infer", b'{"inputs": [{"name": "samples", "data": [' + b"[]," * 10**6 + b"1]}]}"),
    ],
)
def test_what_takes_long_to_read_is_refused_before_it_is_read(
    path: str, body: bytes, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.service.bodies, "max_bytes", 2**25)
    answered = app("POST", path, body, {"Content-Type": "application/json"})
    assert answered.status == 413
    assert "in JSON" in str(answered.json)


@pytest.mark.parametrize(
    "data",
    [
        [["x" * 1000], [1]],
        [[1], [1, 2]],
        [[1], 2],
        [1.5],
        [True],
        [256],
        [-1],
        [2**70],
        [{}],
        [[]],
        [],
        [None],
        [[[], []]],
    ],
)
def test_pixels_are_lists_of_numbers_of_one_length(data: Any) -> None:
    with pytest.raises(ProblemError, match="are not whole numbers from 0 to 255"):
        parse(request_of(data=data, shape=[1, 1]), None, 8)


def test_nested_pixels_are_read_in_their_order() -> None:
    data = [[[1, 2], [3, 4]], [[5, 6], [7, 255]]]
    assert parse(request_of(data=data, shape=[2, 2, 2]), None, 8).pieces == [bytes([1, 2, 3, 4, 5, 6, 7, 255])]


def request_of(**tensor: Any) -> bytes:
    tensor = {"name": "samples", "datatype": "UINT8", "shape": [1, 1], "data": [1], **tensor}
    return json.dumps({"inputs": [tensor]}).encode()


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "x", "", "1e3", "²"])
@pytest.mark.parametrize("header", ["Inference-Header-Content-Length", "Content-Length"])
def test_a_length_that_is_none_is_no_bug(header: str, number: str, app: App) -> None:
    answered = app("POST", "/v2/models/x/infer", b"{}", {header: number})
    assert answered.status == 400


@pytest.mark.parametrize(
    "tensor",
    [
        {"name": LONG},
        {"datatype": [LONG]},
        {"parameters": {"binary_data_size": LONG}},
        {"shape": [10**4000]},
        {"name": json.loads("[" * 300 + "]" * 300)},
    ],
)
def test_what_a_client_sent_is_repeated_in_short(tensor: dict[str, Any], app: App) -> None:
    answered = app("POST", "/v2/models/x/infer", request_of(**tensor))
    assert answered.status == 400
    assert len(answered.body) < 2000
    assert len(app("POST", f"/v1/predict?model={LONG}", b"x").body) < 2000


@pytest.mark.parametrize(("shape", "status"), [(1, 400), (6, 400), (7, 413), (2**30, 413)])
def test_images_beyond_those_of_the_shape_are_not_read(
    shape: int, status: int, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes the server's only thread: a body of zeros would hold millions, all of them empty."""
    content = bytes(2**22)
    facts = {"binary_data_size": len(content)}
    tensor = {"name": "images", "datatype": "BYTES", "shape": [shape], "parameters": facts}
    head = json.dumps({"inputs": [tensor]}).encode()
    monkeypatch.setattr(app.service.bodies, "max_bytes", 2**25)
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    async def work() -> Any:
        sys.setprofile(count)
        try:
            return await ask(
                app.app,
                "POST",
                "/v2/models/x/infer",
                head + content,
                {"Inference-Header-Content-Length": f"{len(head)}"},
            )
        finally:
            sys.setprofile(None)

    answered = app.run(work)
    assert (answered.status, calls < 100_000) == (status, True), (answered.body, calls)
    assert ("are more than" in answered.json["error"]) == (status == 400)


def test_images_and_their_shape_agree(app: App) -> None:
    one = struct.pack("<I", 1) + b"x"
    for content, words in ((one, "are 1, not 2"), (3 * one, "are more than 2"), (one + one[:4], "within an element")):
        facts = {"binary_data_size": len(content)}
        tensor = {"name": "images", "datatype": "BYTES", "shape": [2], "parameters": facts}
        head = json.dumps({"inputs": [tensor]}).encode()
        answered = app(
            "POST", "/v2/models/x/infer", head + content, {"Inference-Header-Content-Length": str(len(head))}
        )
        assert (answered.status, words in answered.json["error"]) == (400, True), answered.body
    tensor = {"name": "images", "datatype": "BYTES", "shape": [2], "data": ["!"]}
    answered = app("POST", "/v2/models/x/infer", json.dumps({"inputs": [tensor]}).encode())
    assert "are 1, not 2" in answered.json["error"]
