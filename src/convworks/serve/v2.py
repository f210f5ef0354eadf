"""The Open Inference Protocol, version 2, with its extension for binary tensors."""

from __future__ import annotations

import time
from http import HTTPStatus
from importlib.metadata import version as version_of
from typing import Any

from fastapi import APIRouter, Path, Request, Response

from convworks.serve.bodies import check_count, wrong
from convworks.serve.model import Model
from convworks.serve.problems import ProblemError, as_json
from convworks.serve.service import Service
from convworks.serve.tensors import ACTIVATED, ENCODED, HEADER_LENGTH, SAMPLES, parse, tensors

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


def router(service: Service) -> APIRouter:
    """Return the routes below /v2."""
    problems: dict[int | str, dict[str, Any]] = {
        status: {"description": HTTPStatus(status).phrase, "content": {"application/json": {"schema": ERROR}}}
        for status in (400, 401, 404, 408, 413, 422, 503, 504)
    }
    routes = APIRouter(prefix="/v2", responses=problems)

    names = Path(description="The name of a model.", json_schema_extra={"enum": list(service.models)})

    @routes.get("", summary="The server")
    async def server() -> Response:
        return as_json({"name": "convworks", "version": version_of("convworks"), "extensions": ["binary_tensor_data"]})

    @routes.get("/health/live", summary="Whether the server runs", response_class=Response)
    async def live() -> Response:
        return Response()

    @routes.get("/health/ready", summary="Whether all models are ready", response_class=Response)
    async def ready() -> Response:
        return _readiness(service.ready)

    @routes.get("/models/{name}", summary="A model")
    @routes.get("/models/{name}/versions/{version}", summary="A version of a model")
    async def metadata(name: str = names, version: str | None = None) -> Response:
        model = service.model(name)
        facts = _facts(service, model, version)
        return as_json(
            {
                "name": name,
                "versions": [facts["version"]],
                "platform": f"convworks_{facts['runtime']}",
                "inputs": [
                    {"name": SAMPLES, "datatype": "UINT8", "shape": facts["samples"]},
                    {"name": ENCODED, "datatype": "BYTES", "shape": [-1]},
                ],
                "outputs": [
                    {"name": output, "datatype": "FP32", "shape": shape} for output, shape in facts["outputs"].items()
                ],
            }
        )

    @routes.get("/models/{name}/ready", summary="Whether a model is ready", response_class=Response)
    @routes.get(
        "/models/{name}/versions/{version}/ready",
        summary="Whether a version of a model is ready",
        response_class=Response,
    )
    async def model_ready(name: str = names, version: str | None = None) -> Response:
        model = service.model(name)
        if model.facts is not None:
            _facts(service, model, version)
        return _readiness(model.facts is not None)

    @routes.post("/models/{name}/infer", summary="Infer", openapi_extra=INFER)
    @routes.post("/models/{name}/versions/{version}/infer", summary="Infer by a version", openapi_extra=INFER)
    async def infer(request: Request, name: str = names, version: str | None = None) -> Response:
        arrived = time.monotonic()
        model = service.model(name)
        facts = _facts(service, model, version)
        service.check_room(model)
        with service.bodies.holding() as held:
            body = await held.read(request.receive, request.headers.get("content-length"))
            inference = parse(body, request.headers.get(HEADER_LENGTH))
            del body
            check_count(inference.count, service.settings.limits.max_images)
            names = list(inference.outputs) or [ACTIVATED]
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

    return routes


def _facts(service: Service, model: Model, version: str | None) -> dict[str, Any]:
    facts = service.facts(model)
    if version is not None and version != facts["version"]:
        reason = f"{model.name} has no version {version!r}"
        raise ProblemError(HTTPStatus.NOT_FOUND, "version", reason, f"choose {facts['version']}")
    return facts


def _readiness(ready: bool) -> Response:
    return Response(status_code=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)
