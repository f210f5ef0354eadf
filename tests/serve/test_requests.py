"""What a client asks for and is told: parameters, classes, health, and the description of the API."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving_app import App, ask
from small_bundles import NARROW, small_bundle

from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run
from convworks.errors import InputError
from convworks.inference.load import load
from convworks.serve.settings import named

CLASSES = "abcdefghijklmnopqrstuvwxyz"


def picture(size: tuple[int, int] = (64, 64)) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    """Serve a network that classifies and one that segments, each with more classes than are listed by default."""
    root = tmp_path_factory.mktemp("served")
    save_bundle(root / "names", small_bundle("convnet_digits", 8, classes=CLASSES))
    masks = small_bundle("unet_padded", 8, classes=CLASSES, task="segmentation", table=NARROW, fit="letterbox")
    save_bundle(root / "masks", masks)
    return App({"names": [root / "names"], "masks": [root / "masks"]})


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("POST", "/v1/predict?model=names&tpo=1", "no parameter 'tpo' (did you mean 'top'?) choose from model, top"),
        ("POST", "/v1/predict?model=names&Top=1", "no parameter 'Top' (did you mean 'top'?)"),
        ("POST", "/v1/predict?model=names&top=1&x=", "no parameter 'x' choose from model, top, threshold"),
        ("GET", "/v1/models?name=names", "no parameter 'name' leave it out"),
        ("POST", "/v2/models/names/infer?top=1", "no parameter 'top' leave it out"),
        ("GET", "/v2/models/names?top=1", "no parameter 'top' leave it out"),
    ],
)
def test_an_unknown_parameter_is_refused(method: str, path: str, words: str, app: App) -> None:
    answered = app(method, path, picture())
    assert answered.status == 422, answered.body
    error = answered.json["error"]
    text = error.replace(";", "") if isinstance(error, str) else f"{error['reason']} {error['remedy']}"
    assert words in text


def test_health_checks_may_have_any(app: App) -> None:
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
        assert app("GET", f"{path}?t=1").status == 200


def test_all_classes_of_a_mask_are_named_unless_fewer_are_asked_for(app: App) -> None:
    (answer,) = app("POST", "/v1/predict?model=masks", picture()).json["predictions"]
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["mask"]))))
    counts = np.bincount(mask.ravel(), minlength=len(CLASSES))
    assert np.count_nonzero(counts) > 5
    assert dict(zip(answer["labels"], answer["areas"], strict=True)) == {
        name: count / mask.size for name, count in zip(CLASSES, counts.tolist(), strict=True) if count
    }
    (fewer,) = app("POST", "/v1/predict?model=masks&top=2", picture()).json["predictions"]
    assert fewer["labels"] == answer["labels"][:2]
    (several,) = app("POST", "/v1/predict?model=names", picture()).json["predictions"]
    assert len(several["labels"]) == 5


@pytest.mark.parametrize(("name", "key"), [("names", "probabilities"), ("masks", "areas")])
@pytest.mark.parametrize("top", [None, 2])
def test_the_server_python_and_the_command_line_list_the_same_classes(
    name: str, key: str, top: int | None, app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, bundle = tmp_path / "image.png", app.service.settings.models[0 if name == "names" else 1].paths[0]
    path.write_bytes(picture())
    query, option = ("", []) if top is None else (f"&top={top}", ["--top", str(top)])
    (served,) = app("POST", f"/v1/predict?model={name}{query}", picture()).json["predictions"]
    python = load(bundle, device="cpu", precision="float32").predict(path, top=top)
    assert run(["predict", str(bundle), str(path), "--device", "cpu", "--precision", "float32", *option, "--json"]) == 0
    (printed,) = json.loads(capsys.readouterr().out)["predictions"]
    assert served["labels"] == python["labels"] == printed["labels"]
    assert served[key] == pytest.approx(python[key])
    assert served[key] == pytest.approx(printed[key])
    expected = top or (5 if name == "names" else len(np.unique(python["mask"])))
    assert len(served["labels"]) == expected


def test_health_checks_are_logged_when_their_answer_changes(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    model = app.service.models["names"]

    async def work() -> None:
        for worker in (app.workers["names"], None, app.workers["names"]):
            model.batcher.use(worker)
            for path in ("/readyz", "/v2/health/ready", "/healthz"):
                for _ in range(20):
                    await ask(app.app, "GET", path)

    asyncio.run(work())
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["path"], line["status"]) for line in lines if line["event"] == "request"] == [
        ("/readyz", 503),
        ("/v2/health/ready", 503),
        ("/readyz", 200),
        ("/v2/health/ready", 200),
    ]


def test_the_description_says_what_bodies_hold(app: App) -> None:
    api = app("GET", "/openapi.json").json
    texts: list[str] = []
    for path, methods in api["paths"].items():
        for operation in methods.values():
            body = operation.get("requestBody")
            if body is None:
                continue
            assert body["description"], path
            for kind, media in body["content"].items():
                assert media["schema"].get("description"), (path, kind)
                texts.append(media["schema"]["description"])
                if kind in ("application/json", "multipart/form-data"):
                    assert set(media["schema"]["required"]) <= set(media["schema"]["properties"])
    form = api["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert "`images`" in form["description"]
    assert "picture" not in json.dumps(api)


def test_a_network_is_named_once_under_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ants", "bees"):
        save_bundle(tmp_path / name / "bundle", small_bundle("convnet_digits", 8))
    (tmp_path / "link").symlink_to(tmp_path / "ants")
    monkeypatch.chdir(tmp_path)
    assert [(each.name, len(each.paths)) for each in named(["ants", "bees"])] == [("ants", 1), ("bees", 1)]
    assert len(named(["x=ants", "x=bees"])[0].paths) == 2
    assert len(named(["x=ants", "y=ants"])) == 2
    twice: list[Any] = [
        ["ants", "bees", "ants"],
        ["x=ants", "x=ants/bundle"],
        ["x=ants", "x=link"],
        ["ants", "ants/"],
        ["x=resnet50:imagenet", "x=resnet50:imagenet"],
    ]
    for words in twice:
        with pytest.raises(InputError, match="is named twice under") as refused:
            named(words)
        assert refused.value.where == words[-1]
