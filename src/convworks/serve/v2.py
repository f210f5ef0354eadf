"""The Open Inference Protocol, version 2, with its extension for binary tensors."""

from __future__ import annotations

import time
from http import HTTPStatus
from importlib.metadata import version as version_of
from typing import Any

from fastapi import APIRouter, Path, Request, Response

from convworks.serve.bodies import check_count, wrong
from convworks.serve.model import Model
from convworks.serve.problems import ProblemError, answered, as_json, described
from convworks.serve.service import Service
from convworks.serve.tensors import DATATYPES, ENCODED, HEADER_LENGTH, SAMPLES, parse, tensors

ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "data": {"type": "array", "items": {}},
        "parameters": {"type": "object"},
    },
}
INFER = {
    "requestBody": {
        "required": True,
        "description": "JSON; or JSON, whose length Inference-Header-Content-Length gives, and the bytes of the input.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "parameters": {"type": "object"},
                        "inputs": {"type": "array", "minItems": 1, "maxItems": 1, "items": TENSOR},
                        "outputs": {"type": "array", "items": {"type": "object"}},
                    },
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
INPUTS = (
    "One input: `samples` (UINT8: decoded images, fitted to the size that the model lists) or `images` (BYTES: encoded "
    "files; base64 in JSON). Outputs are those that the model lists; if the request names none, the first. A mask has "
    "the size of its image: then the images of a request have one size."
)
SERVER = {
    "type": "object",
    "required": ["name", "version", "extensions"],
    "properties": {
        "name": {"type": "string"},
        "version": {"type": "string"},
        "extensions": {"type": "array", "items": {"type": "string"}},
    },
}
MODEL = {
    "type": "object",
    "required": ["name", "versions", "platform", "inputs", "outputs"],
    "properties": {
        "name": {"type": "string"},
        "versions": {"type": "array", "items": {"type": "string"}},
        "platform": {"type": "string"},
        "inputs": {"type": "array", "items": TENSOR},
        "outputs": {"type": "array", "items": TENSOR},
    },
}
INFERRED = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {"type": "array", "items": TENSOR},
    },
}


def router(service: Service) -> APIRouter:
    """Return the routes below /v2."""
    routes = APIRouter(prefix="/v2")
    name = Path(description="The name of a model.", json_schema_extra={"enum": list(service.models)})
    version = Path(description="The version of a model: a checksum of all that its answers depend on.")
    health: dict[str, Any] = {
        "response_class": Response,
        "response_description": "Yes; if not, the status is 503.",
        "responses": described(ERROR, 401, 404, 422, 503),
    }
    of_model: dict[str, Any] = {
        "response_description": "Its versions, inputs and outputs, with types and shapes; -1 is any length.",
        "responses": {**answered(MODEL), **described(ERROR, 401, 404, 422, 503)},
    }
    inferring: dict[str, Any] = {
        "description": INPUTS,
        "openapi_extra": INFER,
        "response_description": "The outputs, in JSON; or, where the request asks for bytes, JSON and bytes after it.",
        "responses": {**answered(INFERRED), **described(ERROR, 400, 401, 404, 408, 413, 422, 503, 504)},
    }

    @routes.get(
        "",
        summary="The server",
        response_description="Its name, version and extensions of the protocol.",
        responses={**answered(SERVER), **described(ERROR, 401)},
    )
    async def server() -> Response:
        return as_json({"name": "convworks", "version": version_of("convworks"), "extensions": ["binary_tensor_data"]})

    @routes.get("/health/live", summary="Whether the server runs", **health)
    async def live() -> Response:
        return Response()

    @routes.get("/health/ready", summary="Whether all models are ready", **health)
    async def ready() -> Response:
        return _readiness(service.ready)

    @routes.get("/models/{name}", summary="A model", **of_model)
    async def model(name: str = name) -> Response:
        return _described(service, name)

    @routes.get("/models/{name}/versions/{version}", summary="A version of a model", **of_model)
    async def model_of(name: str = name, version: str = version) -> Response:
        return _described(service, name, version)

    @routes.get("/models/{name}/ready", summary="Whether a model is ready", **health)
    async def model_ready(name: str = name) -> Response:
        return _model_ready(service, name)

    @routes.get("/models/{name}/versions/{version}/ready", summary="Whether a version of a model is ready", **health)
    async def model_of_ready(name: str = name, version: str = version) -> Response:
        return _model_ready(service, name, version)

    @routes.post("/models/{name}/infer", summary="Infer", **inferring)
    async def infer(request: Request, name: str = name) -> Response:
        return await _inferred(service, request, name)

    @routes.post("/models/{name}/versions/{version}/infer", summary="Infer by a version", **inferring)
    async def infer_by(request: Request, name: str = name, version: str = version) -> Response:
        return await _inferred(service, request, name, version)

    return routes


def _described(service: Service, name: str, version: str | None = None) -> Response:
    facts = _facts(service, service.model(name), version)
    return as_json(
        {
            "name": name,
            "versions": [facts["version"]],
            "platform": f"convworks_{facts['runtime']}",
            "inputs": [
                *([{"name": SAMPLES, "datatype": "UINT8", "shape": facts["samples"]}] if facts["samples"] else []),
                {"name": ENCODED, "datatype": "BYTES", "shape": [-1]},
            ],
            "outputs": [
                {"name": output, "datatype": DATATYPES[each["type"]], "shape": each["shape"]}
                for output, each in facts["outputs"].items()
            ],
        }
    )


def _model_ready(service: Service, name: str, version: str | None = None) -> Response:
    model = service.model(name)
    if model.facts is not None:
        _facts(service, model, version)
    return _readiness(model.facts is not None)


async def _inferred(service: Service, request: Request, name: str, version: str | None = None) -> Response:
    arrived = time.monotonic()
    model = service.model(name)
    facts = _facts(service, model, version)
    service.check_room(model)
    with service.bodies.holding() as held:
        body = await held.read(request.receive, request.headers.get("content-length"))
        inference = parse(body, request.headers.get(HEADER_LENGTH))
        del body
        check_count(inference.count, service.settings.limits.max_images)
        names = list(inference.outputs) or list(facts["outputs"])[:1]
        if unknown := [each for each in names if each not in facts["outputs"]]:
            reason = f"there is no output {unknown[0]!r}"
            raise wrong("outputs", reason, f"choose from {', '.join(facts['outputs'])}")
        item = {**inference.item, "outputs": names}
        answer = await service.answer(model, request.receive, arrived, item, inference.pieces, inference.count)
    request.scope["state"]["answer"] = answer
    head = {"model_name": name, "model_version": answer.facts["version"]}
    if inference.id is not None:
        head["id"] = inference.id
    return tensors(head, answer, inference.outputs, binary=inference.binary)


def _facts(service: Service, model: Model, version: str | None) -> dict[str, Any]:
    facts = service.facts(model)
    if version is not None and version != facts["version"]:
        reason = f"{model.name} has no version {version!r}"
        raise ProblemError(HTTPStatus.NOT_FOUND, "version", reason, f"choose {facts['version']}")
    return facts


def _readiness(ready: bool) -> Response:
    return Response(status_code=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)
