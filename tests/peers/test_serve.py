"""`convworks serve` as other programs use it: Triton's client, and schemathesis, guided by the description."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_server import Live, live
from PIL import Image
from small_bundles import small_bundle

from convworks.bundle.bundle import save_bundle
from convworks.inference.load import load

pytestmark = pytest.mark.peers
SIDE, COUNT = 8, 3


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "letters"
    save_bundle(path, small_bundle("convnet_digits", SIDE))
    return path


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Live]:
    with live(bundle, "--runtime", "torch", "--device", "cpu", "--precision", "float32") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Live) -> Iterator[Any]:
    module = pytest.importorskip("tritonclient.http")
    with module.InferenceServerClient(server.address) as client:
        yield client


def pictures() -> list[bytes]:
    files = []
    for seed in range(COUNT):
        file = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 15, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file, "PNG")
        files.append(file.getvalue())
    return files


def test_triton_finds_server_and_model(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("letters")
    assert client.get_server_metadata()["name"] == "convworks"
    described = client.get_model_metadata("letters")
    assert client.get_model_metadata("letters", described["versions"][0]) == described
    assert [each["name"] for each in described["inputs"]] == ["samples", "images"]


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
def test_triton_gets_the_answers_of_the_predictor(binary_in: bool, binary_out: bool, client: Any, bundle: Path) -> None:
    import tritonclient.http as triton

    predictor = load(bundle, device="cpu", precision="float32")
    answers = predictor.predict(pictures())
    expected = [[answer["probabilities"][answer["labels"].index(name)] for name in "abcde"] for answer in answers]
    samples = np.stack([predictor.input.read("x", each) for each in pictures()])
    decoded = triton.InferInput("samples", samples.shape, "UINT8")
    decoded.set_data_from_numpy(samples, binary_data=binary_in)
    inputs = [decoded]
    if binary_in:
        encoded = triton.InferInput("images", [COUNT], "BYTES")
        encoded.set_data_from_numpy(np.array(pictures(), dtype=np.object_), binary_data=True)
        inputs.append(encoded)
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("activated", "outputs")]
    for each in inputs:
        result = client.infer("letters", [each], outputs=outputs, request_id="7")
        assert result.get_response()["id"] == "7"
        assert np.array_equal(result.as_numpy("activated"), np.array(expected, np.float32))
        assert result.as_numpy("outputs").shape == (COUNT, 5)


def test_triton_is_told_what_is_wrong(client: Any) -> None:
    import tritonclient.http as triton

    wrong = triton.InferInput("samples", [1, 4, 4, 3], "UINT8")
    wrong.set_data_from_numpy(np.zeros((1, 4, 4, 3), np.uint8))
    with pytest.raises(triton.InferenceServerException, match=r"have the shape \[1, 4, 4, 3\], not \[-1, 8, 8, 3\]"):
        client.infer("letters", [wrong])
    with pytest.raises(triton.InferenceServerException, match="there is no model 'letter'"):
        client.get_model_metadata("letter")


@pytest.mark.slow
def test_schemathesis_finds_no_answer_that_the_description_does_not_allow(server: Live, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    words = ["run", f"http://{server.address}/openapi.json", "--max-examples", "30", "--no-color"]
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    found = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *words, "--checks", checks],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    assert "Traceback" not in "".join(server.lines)
