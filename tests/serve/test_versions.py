"""A request that names a version is answered by that version, or not at all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from serving_app import App, InPlace, ask
from small_bundles import small_bundle

from convworks.bundle.bundle import save_bundle
from convworks.serve.compute import load_served

SIDE = 8


def test_a_version_that_is_replaced_while_a_request_waits_does_not_answer_for_it(tmp_path: Path) -> None:
    for name, classes in (("old", "abcde"), ("new", "vwxyz")):
        save_bundle(tmp_path / name, small_bundle("convnet_digits", SIDE, classes=classes))
    app = App({"x": [tmp_path / "old"]})
    old = app.workers["x"]
    new = InPlace(
        load_served(
            "x",
            [tmp_path / "new"],
            runtime="torch",
            device="cpu",
            precision="float32",
            max_pixels=None,
            max_batch=None,
        )
    )
    pixels = bytes(SIDE * SIDE * 3)
    facts = {"binary_data_size": len(pixels)}
    tensor = {"name": "samples", "datatype": "UINT8", "shape": [1, SIDE, SIDE, 3], "parameters": facts}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    model = app.service.models["x"]

    async def replaced(path: str) -> tuple[int, dict[str, str]]:
        model.batcher.use(old)
        old.computing = 2  # so that the request waits
        asked = asyncio.create_task(ask(app.app, "POST", path, head + pixels, headers))
        await asyncio.sleep(0.1)
        model.batcher.use(new)
        answered = await asked
        return answered.status, answered.json

    version, other = old.facts["version"], new.facts["version"]
    status, values = app.run(lambda: replaced(f"/v2/models/x/versions/{version}/infer"))
    assert (status, values["error"]) == (404, f"version: x has no version '{version}'; choose {other}")
    status, values = app.run(lambda: replaced("/v2/models/x/infer"))
    assert (status, values["model_version"]) == (200, other)
