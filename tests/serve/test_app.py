"""Answers over HTTP, with the networks in this process: they are those of a predictor, whatever the task."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving_app import App, ask
from small_bundles import NARROW, small_bundle

from convworks.bundle.bundle import save_bundle
from convworks.inference.load import load
from convworks.serve.settings import Limits

SIDE = 8
MASKS = {"name": "unet_padded", "side": SIDE, "task": "segmentation", "table": NARROW}
NETWORKS: dict[str, dict[str, Any]] = {
    "classification": {"name": "convnet_digits", "side": SIDE},
    "larger": {"name": "convnet_digits", "side": 2 * SIDE},
    "multi_label": {"name": "convnet_digits", "side": SIDE, "task": "multi_label"},
    "reconstruction": {"name": "autoencoder_conv", "side": 28, "task": "reconstruction"},
    "segmentation": {**MASKS, "fit": "letterbox"},
    "tiled": {**MASKS, "fit": "crop"},  # images then exceed the input
}


def picture(seed: int, size: tuple[int, int] = (20, 16), kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


PICTURES = [picture(0), picture(1, (9, 30)), picture(2, kind="JPEG"), picture(3, (8, 8))]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("served")
    for name, network in NETWORKS.items():
        save_bundle(root / name, small_bundle(**network))
    return {name: root / name for name in NETWORKS}


@pytest.fixture(scope="module")
def app(bundles: dict[str, Path]) -> App:
    """Serve a network of each task, and an ensemble."""
    models: dict[str, Sequence[Path]] = {task: [path] for task, path in bundles.items()}
    return App(
        models | {"both": [bundles["classification"], bundles["larger"]]},
        limits=Limits(max_bytes=100_000, max_images=8, max_pixels=10_000),
    )


def form(images: Sequence[bytes], *, boundary: str = "edge") -> tuple[bytes, dict[str, str]]:
    """Return the images as a form, with names."""
    parts = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="images"; filename="{at}.png"\r\n'
        f"Content-Type: image/png\r\n\r\n".encode()
        + content
        + b"\r\n"
        for at, content in enumerate(images)
    )
    body = parts + f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def in_json(images: Sequence[bytes]) -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"images": [base64.b64encode(content).decode() for content in images]}).encode()
    return body, {"Content-Type": "application/json"}


def expected(path: Path, images: Sequence[bytes], top: int = 5) -> list[dict[str, Any]]:
    """Return what the predictor says of the images together."""
    answers = load(path, device="cpu", precision="float32").predict(list(images), top=top)
    return [{key: value for key, value in answer.items() if key != "path"} for answer in answers]


@pytest.mark.parametrize("task", ["classification", "multi_label"])
@pytest.mark.parametrize("send", [form, in_json])
def test_answers_are_those_of_the_predictor_to_the_digit(
    task: str, send: Any, app: App, bundles: dict[str, Path]
) -> None:
    answered = app("POST", f"/v1/predict?model={task}&top=3", *send(PICTURES))
    assert answered.status == 200, answered.body
    assert answered.json["predictions"] == expected(bundles[task], PICTURES, 3)
    assert answered.json["model"] == task
    (alone,) = expected(bundles[task], PICTURES[2:3])
    raw = app("POST", f"/v1/predict?model={task}", PICTURES[2], {"Content-Type": "image/jpeg"})
    assert raw.json["predictions"] == [alone]
    assert raw.json["version"] == answered.json["version"]


def test_thresholds_are_those_of_the_predictor(app: App, bundles: dict[str, Path]) -> None:
    answered = app("POST", "/v1/predict?model=multi_label&threshold=0.1", PICTURES[0])
    predictor = load(bundles["multi_label"], device="cpu", precision="float32")
    (answer,) = predictor.predict(PICTURES[:1], threshold=0.1)
    assert answered.json["predictions"][0]["predicted"] == answer["predicted"]
    refused = app("POST", "/v1/predict?model=classification&threshold=0.1", PICTURES[0])
    assert (refused.status, refused.json["error"]["where"]) == (422, "threshold")


def test_a_network_that_makes_images_answers_with_png(app: App, bundles: dict[str, Path]) -> None:
    made = load(bundles["reconstruction"], device="cpu", precision="float32").reconstruct(PICTURES)
    answered = app("POST", "/v1/predict?model=reconstruction", *form(PICTURES))
    for answer, pixels in zip(answered.json["predictions"], made, strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["image"])))), pixels)
    raw = app("POST", "/v1/predict?model=reconstruction", PICTURES[0], {"Accept": "image/png"})
    assert raw.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(raw.body)).size == (28, 28)


@pytest.mark.parametrize("name", ["segmentation", "tiled"])
def test_a_network_that_segments_answers_with_masks_of_the_size_of_each_image(
    name: str, app: App, bundles: dict[str, Path]
) -> None:
    answered = app("POST", f"/v1/predict?model={name}&top=3", *form(PICTURES)).json["predictions"]
    right = expected(bundles[name], PICTURES, 3)
    for answer, each, size in zip(answered, right, [(16, 20), (30, 9), (16, 20), (8, 8)], strict=True):
        mask = Image.open(io.BytesIO(base64.b64decode(answer.pop("mask"))))
        assert (mask.mode, mask.size) == ("P", size)
        np.testing.assert_array_equal(np.asarray(mask), each.pop("mask"))
        assert answer == each
    raw = app("POST", f"/v1/predict?model={name}", PICTURES[0], {"Accept": "image/png"})
    assert raw.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(raw.body)).size == (16, 20)


def test_the_limit_of_pixels_is_no_part_of_the_version(app: App, bundles: dict[str, Path]) -> None:
    """It decides which images are refused; the fixture has another."""
    other = App({"classification": [bundles["classification"]]}, limits=Limits(max_pixels=5_000))
    answers = [each("POST", "/v1/predict?model=classification", PICTURES[0], {}) for each in (app, other)]
    assert answers[0].json["version"] == answers[1].json["version"]


def test_requests_that_come_together_are_computed_together_and_each_gets_its_own(
    app: App, bundles: dict[str, Path]
) -> None:
    async def work() -> list[Any]:
        asked = [
            ask(app.app, "POST", "/v1/predict?model=classification", each) for each in (*PICTURES, b"not an image")
        ]
        return list(await asyncio.gather(*asked))

    before = len(app.workers["classification"].batches)
    *good, bad = app.run(work)
    assert sum(app.workers["classification"].batches[before:]) == 5
    assert len(app.workers["classification"].batches) < before + 5
    for answered, each in zip(good, expected(bundles["classification"], PICTURES), strict=True):
        (prediction,) = answered.json["predictions"]
        assert prediction["labels"] == each["labels"]
        assert prediction["probabilities"] == pytest.approx(each["probabilities"], rel=1e-5)
    assert (bad.status, bad.json["error"]["where"]) == (422, "image")


WRONG: dict[str, tuple[Any, int, str]] = {
    "no image": (("", b"", {}), 400, "body | holds no image"),
    "no JSON": (("", b"{", {"Content-Type": "application/json"}), 400, "body | is not JSON"),
    "NaN": (("", b"[NaN]", {"Content-Type": "application/json"}), 400, "body | NaN is not a number"),
    "deep JSON": (("", b"[" * 50_000, {"Content-Type": "application/json"}), 400, "body | is "),
    "other JSON": (("", b'{"image": "x"}', {"Content-Type": "application/json"}), 400, '{"images": [...]}'),
    "no base64": (("", b'{"images": ["x"]}', {"Content-Type": "application/json"}), 400, "images[0] | base64"),
    "no boundary": (("", b"x", {"Content-Type": "multipart/form-data"}), 400, "Content-Type | boundary"),
    "no form": (("", b"x", {"Content-Type": "multipart/form-data; boundary=b"}), 400, "body | form"),
    "half a form": (("", form(PICTURES)[0][:-9], form([])[1]), 400, "body | ends within"),
    "another type": (("", b"x", {"Content-Type": "text/html"}), 415, "Content-Type | text/html | image/*"),
    "no such model": (("?model=clasification", b"x", {}), 404, "model | did you mean 'classification'"),
    "top 0": (("?model=both&top=0", b"x", {}), 422, "top | greater than or equal to 1"),
    "top abc": (("?model=both&top=abc", b"x", {}), 422, "top | must be a valid integer | send another top"),
    "threshold 2": (("?model=both&threshold=2", b"x", {}), 422, "threshold | less than or equal to 1"),
    "too many bytes": (("", b"x" * 100_001, {}), 413, "body | more than 100,000 bytes"),
    "declared too many bytes": (("", b"x", {"Content-Length": "100001"}), 413, "body | 100,001 bytes"),
    "too many images": (("", *in_json([b"x"] * 9)), 413, "images | are 9, more than 8"),
    "too many files": (("", *form([b"x"] * 9)), 413, "images | are 9, more than 8"),
    "too many pixels": (("", picture(0, (200, 200), "JPEG"), {}), 422, "image | 40,000 pixels"),
    "one bad of two": (("", *form([PICTURES[0], b"x"])), 422, "1.png | is not an image"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_in_one_line(name: str, app: App) -> None:
    (query, body, headers), status, words = WRONG[name]
    query = query or "?model=classification"
    answered = app("POST", f"/v1/predict{query}", body, headers)
    assert answered.status == status, answered.body
    assert set(answered.json) == {"error"}
    error = answered.json["error"]
    text = f"{error['where']}: {error['reason']}; {error['remedy']}"
    assert "\n" not in text
    assert [word for word in words.split(" | ") if word not in text] == [], text


def test_the_path_and_the_method_are_told_too(app: App) -> None:
    assert app("GET", "/v1/predict").json["error"]["reason"] == "method not allowed"
    assert app("GET", "/nothing").status == 404
    assert isinstance(app("GET", "/v2/nothing").json["error"], str)
    assert app("POST", "/v1/predict", PICTURES[0]).json["error"]["reason"].startswith("is needed: this server has")


def test_readiness_metrics_and_pages(app: App) -> None:
    assert app("GET", "/healthz").status == app("GET", "/readyz").status == 200
    app("POST", "/v1/predict?model=both", PICTURES[0])
    text = app("GET", "/metrics").body.decode()
    assert 'convworks_images_total{model="both"}' in text
    assert 'convworks_requests_total{route="/v1/predict",status="200"}' in text
    assert "convworks_ready 1.0" in text
    assert {"/v1/predict", "/v2/models/{name}/infer"} <= set(app("GET", "/openapi.json").json["paths"])
    for page in ("/", "/docs"):
        answered = app("GET", page)
        assert answered.body.startswith(b"<!DOCTYPE html>")
        assert "default-src 'none'" in answered.headers["content-security-policy"]
        assert b"http://" not in answered.body
        assert b"https://" not in answered.body
    for methods in app("GET", "/openapi.json").json["paths"].values():
        for operation in methods.values():
            descriptions = [response["description"] for response in operation["responses"].values()]
            assert not {"", "Successful Response", "Validation Error", "Not Found"} & set(descriptions)
    listed = app("GET", "/v1/models").json["models"]
    assert [each["name"] for each in listed] == [*NETWORKS, "both"]
    assert listed[0]["classes"] == list("abcde")


def test_a_key_is_asked_for(bundles: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "keys"
    file.write_text("first-key-of-two-123\nsecond-key-of-two-45\n")
    app = App({"x": [bundles["classification"]]}, api_key_file=file)
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic first-key-of-two-123"}, 401),
        ({"Authorization": "Bearer second-key-of-two-45"}, 200),
        ({"X-API-Key": "first-key-of-two-123"}, 200),
        ({"X-API-Key": "", "Authorization": "Bearer first-key-of-two-123"}, 200),
        ({"X-API-Key": "first-key-of-two-123\n"}, 401),
    ):
        assert app("POST", "/v1/predict", PICTURES[0], headers).status == status
        assert app("GET", "/v2/models/x", b"", headers).status == status
        assert app("GET", "/metrics", b"", headers).status == status
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/", "/docs"):
        assert app("GET", path).status == 200
    file.write_text("")  # nobody could enter: the keys stay, and the log says why
    app.run(app.service.reload)
    (kept,) = [line for line in capsys.readouterr().err.splitlines() if "keys-kept" in line]
    assert f"{file}: holds no key" in json.loads(kept)["reason"]
    assert app("GET", "/metrics", b"", {"X-API-Key": "first-key-of-two-123"}).status == 200


def test_what_is_late_or_left_is_dropped(bundles: dict[str, Path]) -> None:
    app = App({"x": [bundles["classification"]]}, limits=Limits(deadline=0.1, delay=0.0))
    worker, batcher = app.workers["x"], app.service.models["x"].batcher
    worker.hold = True

    async def late() -> list[Any]:
        return list(await asyncio.gather(*(ask(app.app, "POST", "/v1/predict", PICTURES[0]) for _ in range(3))))

    assert [answered.status for answered in app.run(late)] == [504] * 3
    assert (batcher.images, batcher.waiting) == (0, {})

    async def leaving() -> None:
        gone = asyncio.Event()
        tasks = [asyncio.create_task(ask(app.app, "POST", "/v1/predict", PICTURES[0], left=gone)) for _ in range(20)]
        await asyncio.sleep(0.02)
        assert batcher.images == 20
        gone.set()
        for answered in await asyncio.gather(*tasks):
            assert answered.status == 0
        assert (batcher.images, batcher.waiting) == (0, {})

    app.run(leaving)
    text = app("GET", "/metrics").body.decode()
    assert 'convworks_dropped_total{model="x",reason="deadline"} 3.0' in text
    assert 'convworks_dropped_total{model="x",reason="left"} 20.0' in text
    assert app.service.bodies.held == 0


def test_a_request_that_the_end_of_the_server_overtakes_is_told_so(bundles: dict[str, Path]) -> None:
    app = App({"x": [bundles["classification"]]}, limits=Limits(max_images=1, max_batch=1))
    app.workers["x"].hold = True

    async def work() -> Any:
        asking = asyncio.create_task(ask(app.app, "POST", "/v1/predict", PICTURES[0]))
        while not app.service.models["x"].batcher.sent:
            await asyncio.sleep(0)
        app.service.give_up()
        return await asking

    answered = app.run(work)
    assert (answered.status, answered.headers["retry-after"]) == (503, "3")
    error = answered.json["error"]
    assert f"{error['where']} {error['reason']}" == "server is stopping, and had no time left for this"


def test_a_full_server_says_when_to_come_again(bundles: dict[str, Path]) -> None:
    app = App({"x": [bundles["classification"]]}, limits=Limits(deadline=0.3, queue=3, max_images=2, max_batch=2))
    app.workers["x"].hold = True

    async def work() -> list[Any]:
        return list(await asyncio.gather(*(ask(app.app, "POST", "/v1/predict", PICTURES[0]) for _ in range(12))))

    answers = app.run(work)
    refused = [answered for answered in answers if answered.status == 503]
    assert len(refused) == 12 - 3 - 4  # three wait, two batches of two are with the worker
    assert all(answered.headers["retry-after"] == "1" for answered in refused)
    assert {answered.status for answered in answers} == {503, 504}
    app.service.models["x"].batcher.use(None)
    answered = app("POST", "/v1/predict", PICTURES[0])
    assert (answered.status, answered.headers["retry-after"]) == (503, "3")
    assert app("GET", "/readyz").status == app("GET", "/v2/health/ready").status == 503


def samples(predictor: Any) -> np.ndarray:
    return np.stack([predictor.input.read("x", content) for content in PICTURES])


def infer(app: App, values: dict[str, Any], after: bytes = b"", model: str = "classification") -> Any:
    text = json.dumps(values).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))} if after else {}
    return app("POST", f"/v2/models/{model}/infer", text + after, headers)


def test_v2_takes_samples_and_encoded_images_in_json_and_as_bytes(app: App, bundles: dict[str, Path]) -> None:
    predictor = load(bundles["classification"], device="cpu", precision="float32")
    pixels = samples(predictor)
    probabilities = np.array(
        [[a["probabilities"][a["labels"].index(c)] for c in "abcde"] for a in predictor.predict(PICTURES)]
    )
    facts = {"name": "samples", "datatype": "UINT8", "shape": list(pixels.shape)}
    nested = infer(app, {"id": "7", "inputs": [{**facts, "data": pixels.tolist()}]})
    assert nested.json["id"] == "7"
    assert nested.json["model_name"] == "classification"
    (output,) = nested.json["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("activated", "FP32", [4, 5])
    assert np.array_equal(np.reshape(output["data"], (4, 5)), probabilities)
    both = [{"name": "activated", "parameters": {"binary_data": True}}, {"name": "outputs"}]
    size = {"binary_data_size": pixels.size}
    binary = infer(app, {"inputs": [{**facts, "parameters": size}], "outputs": both}, pixels.tobytes())
    head = int(binary.headers["inference-header-content-length"])
    values = json.loads(binary.body[:head])
    assert np.array_equal(np.frombuffer(binary.body[head:], np.float32).reshape(4, 5), probabilities.astype(np.float32))
    assert [each["name"] for each in values["outputs"]] == ["activated", "outputs"]
    logits = np.reshape(values["outputs"][1]["data"], (4, 5))
    assert np.allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), probabilities, atol=1e-6)
    content = b"".join(struct.pack("<I", len(each)) + each for each in PICTURES)
    encoded = {"name": "images", "datatype": "BYTES", "shape": [4]}
    for request in (
        infer(app, {"inputs": [{**encoded, "parameters": {"binary_data_size": len(content)}}]}, content),
        infer(app, {"inputs": [{**encoded, "data": [base64.b64encode(each).decode() for each in PICTURES]}]}),
    ):
        assert request.json["outputs"] == nested.json["outputs"]


def test_v2_gives_masks_as_tensors(app: App, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    described = app("GET", "/v2/models/segmentation").json["outputs"]
    assert described == [{"name": "mask", "datatype": "UINT8", "shape": [-1, -1, -1]}]
    alike = [PICTURES[0], PICTURES[2]]
    right = np.stack([answer["mask"] for answer in expected(bundles["segmentation"], alike)])

    def of(images: Sequence[bytes], **request: Any) -> Any:
        data = [base64.b64encode(each).decode() for each in images]
        tensor = {"name": "images", "datatype": "BYTES", "shape": [len(images)], "data": data}
        return infer(app, {"inputs": [tensor], **request}, model="segmentation")

    (output,) = of(alike).json["outputs"]
    assert (output["datatype"], output["shape"]) == ("UINT8", [2, 20, 16])
    np.testing.assert_array_equal(np.reshape(output["data"], right.shape), right)
    decoded = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    facts = {"name": "samples", "datatype": "UINT8", "shape": list(decoded.shape), "data": decoded.tolist()}
    (output,) = infer(app, {"inputs": [facts]}, model="segmentation").json["outputs"]
    predictor = load(bundles["segmentation"], device="cpu", precision="float32")
    masks = [answer["mask"] for answer in predictor.predict(list(decoded))]
    np.testing.assert_array_equal(np.reshape(output["data"], decoded.shape[:3]), masks)
    refused = of(PICTURES)
    assert (refused.status, "send images of one size" in refused.json["error"]) == (400, True)
    monkeypatch.setattr("convworks.serve.tensors.MOST_VALUES", 100)
    assert "ask for bytes" in of(alike).json["error"]
    binary = of(alike, outputs=[{"name": "mask", "parameters": {"binary_data": True}}])
    head = int(binary.headers["inference-header-content-length"])
    np.testing.assert_array_equal(np.frombuffer(binary.body[head:], np.uint8).reshape(right.shape), right)


def test_v2_gives_images_and_what_the_network_computed(app: App, bundles: dict[str, Path]) -> None:
    data = [base64.b64encode(PICTURES[0]).decode()]
    request = {"inputs": [{"name": "images", "datatype": "BYTES", "shape": [1], "data": data}]}
    named = {**request, "outputs": [{"name": "image"}, {"name": "activated"}]}
    image, activated = (
        np.reshape(each["data"], each["shape"]) for each in infer(app, named, model="reconstruction").json["outputs"]
    )
    made = load(bundles["reconstruction"], device="cpu", precision="float32").reconstruct(PICTURES[:1])
    np.testing.assert_array_equal(image, made)
    np.testing.assert_array_equal(image, np.rint(255 * activated).clip(0, 255).transpose(0, 2, 3, 1))
    (first,) = infer(app, request, model="reconstruction").json["outputs"]
    assert first["name"] == "image"


def test_v2_takes_many_numbers_only_as_bytes(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convworks.serve.tensors.MOST_JSON", 500)
    facts = {"name": "samples", "datatype": "UINT8", "shape": [1, SIDE, SIDE, 3]}
    refused = infer(app, {"inputs": [{**facts, "data": [0] * 192}]})
    assert (refused.status, "send tensors as bytes" in refused.json["error"]) == (413, True)
    assert infer(app, {"inputs": [{**facts, "parameters": {"binary_data_size": 192}}]}, bytes(192)).status == 200


def test_v2_describes_server_and_models(app: App) -> None:
    assert app("GET", "/v2").json["extensions"] == ["binary_tensor_data"]
    described = app("GET", "/v2/models/classification").json
    assert described["inputs"][0] == {"name": "samples", "datatype": "UINT8", "shape": [-1, SIDE, SIDE, 3]}
    assert described["outputs"][0] == {"name": "activated", "datatype": "FP32", "shape": [-1, 5]}
    (version,) = described["versions"]
    assert app("GET", f"/v2/models/classification/versions/{version}").json == described
    assert app("GET", f"/v2/models/classification/versions/{version}/ready").status == 200
    assert app("GET", "/v2/models/classification/versions/1").status == 404
    assert app("GET", "/v2/models/nothing/ready").status == 404
    assert app("GET", "/v2/models/both").json["outputs"] == described["outputs"][:1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": []}, "must be one tensor"),
        ({"inputs": [{"name": "x", "datatype": "UINT8", "shape": [1]}]}, "'x' of 'UINT8' is not an input"),
        ({"shape": [1, 8, 8]}, "192 values, not 64"),
        ({"shape": [1, 8, 8, -3]}, "positive whole numbers"),
        ({"shape": [2, 96]}, "have the shape [2, 96], not [-1, 8, 8, 3]"),
        ({"shape": [3, 8, 8, 1]}, "have the shape [3, 8, 8, 1], not [-1, 8, 8, 3]"),
        ({"data": [0.5] * 192}, "whole numbers from 0 to 255"),
        ({"data": [256] * 192}, "whole numbers from 0 to 255"),
        ({"data": [[0], [1, 2]]}, "whole numbers from 0 to 255"),
        ({"data": {}}, "not a list"),
        ({"parameters": {"binary_data_size": 3}}, "but 0 bytes follow"),
        ({"parameters": []}, "parameters: is not an object"),
        ({"outputs": [{"name": "logits"}]}, "no output 'logits'; choose from activated, outputs"),
        ({"outputs": [{"name": "activated", "parameters": {"classification": 2}}]}, "is not supported"),
        ({"outputs": 3}, "must be a list"),
        ({"id": 3}, "id: is not a text"),
    ],
)
def test_v2_tells_what_is_wrong(change: dict[str, Any], words: str, app: App) -> None:
    values: dict[str, Any] = {
        "inputs": [{"name": "samples", "datatype": "UINT8", "shape": [1, 8, 8, 3], "data": [0] * 192}]
    }
    for name, value in change.items():
        target = values if name in ("inputs", "outputs", "id") else values["inputs"][0]
        target[name] = value
    answered = infer(app, values)
    assert answered.status == 400
    assert words in answered.json["error"]
