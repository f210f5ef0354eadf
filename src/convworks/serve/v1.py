"""The server's own protocol: images in, the answers of `convworks predict` out."""

from __future__ import annotations

import base64
import time
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from convworks.serve.batcher import Answer
from convworks.serve.bodies import check_count, images_of
from convworks.serve.problems import MEANINGS, answered, as_json, described
from convworks.serve.query import CHECKED
from convworks.serve.service import Service

FILE = {"type": "string", "format": "binary", "description": "The file of one image, of any format that is read."}
BODY = {
    "requestBody": {
        "required": True,
        "description": "One image as it is; several as files of a form; or one or several in base64 in JSON.",
        "content": {
            "image/*": {"schema": FILE},
            "application/octet-stream": {"schema": FILE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "description": "The files of images, each in a field named `images`; their order is that of the "
                    "answers.",
                    "required": ["images"],
                    "properties": {
                        "images": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "The files of images, each in base64; their order is that of the answers.",
                    "required": ["images"],
                    "additionalProperties": False,
                    "properties": {
                        "images": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "byte"}}
                    },
                }
            },
        },
    }
}
MODELS = {
    "type": "object",
    "required": ["models"],
    "properties": {
        "models": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "ready"],
                "properties": {
                    "ready": {"type": "boolean"},
                    "classes": {"type": "array", "items": {"type": "string"}},
                    **{
                        name: {"type": "string"}
                        for name in ("name", "version", "model", "task", "runtime", "precision", "why")
                    },
                },
            },
        }
    },
}
PREDICTIONS = {
    "type": "object",
    "required": ["model", "version", "predictions"],
    "properties": {
        "model": {"type": "string"},
        "version": {"type": "string", "description": "A checksum of the networks that answered."},
        "predictions": {
            "type": "array",
            "description": "One for each image. Which fields there are depends on the task.",
            "items": {
                "type": "object",
                "properties": {
                    "labels": {"type": "array", "items": {"type": "string"}},
                    "probabilities": {"type": "array", "items": {"type": "number"}},
                    "predicted": {"type": "array", "items": {"type": "string"}},
                    "image": {"type": "string", "format": "byte", "description": "A PNG file in base64."},
                    "mask": {
                        "type": "string",
                        "format": "byte",
                        "description": "A palette PNG in base64, of the size of the image: pixels are the numbers of "
                        "their classes, as /v1/models lists them.",
                    },
                    "areas": {
                        "type": "array",
                        "items": {"type": "number"},
                        "description": "The fraction of the pixels that each of the labels has.",
                    },
                },
            },
        },
    },
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["where", "reason", "remedy"],
            "properties": {name: {"type": "string"} for name in ("where", "reason", "remedy")},
        }
    },
}


def router(service: Service) -> APIRouter:
    """Return the routes below /v1."""
    routes = APIRouter(prefix="/v1", dependencies=CHECKED)
    limits = service.settings.limits

    @routes.get(
        "/models",
        summary="List the models",
        response_description="The models with their tasks, classes, runtimes and precisions.",
        responses={**answered(MODELS), **described(ERROR, 401, 422)},
    )
    async def models() -> Response:
        return as_json({"models": [_described(service, name) for name in service.models]})

    @routes.post(
        "/predict",
        summary="Predict images",
        response_description="The answers of `convworks predict`; of one image, with `Accept: image/png`, "
        "the PNG file of the mask or image that is the answer.",
        openapi_extra=BODY,
        responses={**answered(PREDICTIONS), **described(ERROR, *MEANINGS)},
    )
    async def predict(
        request: Request,
        model: Annotated[str | None, Query(description="Its name; needed if there is more than one.")] = None,
        top: Annotated[
            int | None,
            Query(
                ge=1,
                le=1_000_000,
                description="How many classes to list; by default 5, and of a mask all that it shows.",
            ),
        ] = None,
        threshold: Annotated[
            float | None, Query(ge=0, le=1, description="Multi-label: predict classes of at least this probability.")
        ] = None,
    ) -> Response:
        arrived = time.monotonic()
        chosen = service.model(model)
        service.facts(chosen)
        service.check_room(chosen)
        with service.bodies.holding() as held:
            body = await held.read(request.receive, request.headers.get("content-length"))
            images = images_of(request.headers.get("content-type", ""), body, limits.max_images)
            del body
            check_count(len(images), limits.max_images)
            item = {"names": [name for name, _ in images], "top": top, "threshold": threshold}
            pieces = [content for _, content in images]
            del images
            count = len(pieces)
            answer = await service.answer(chosen, request.receive, arrived, item, pieces, count)
        request.scope["state"]["answer"] = answer
        if count == 1 and len(answer.pieces) == 1 and "image/png" in request.headers.get("accept", ""):
            return Response(answer.pieces[0], HTTPStatus.OK, media_type="image/png")
        facts = {"model": chosen.name, "version": answer.facts["version"]}
        return as_json({**facts, "predictions": _rows(answer)})

    return routes


def _rows(answer: Answer) -> list[dict[str, Any]]:
    """Return the answers with their pictures in base64."""
    rows: list[dict[str, Any]] = answer.header["answers"]
    if answer.pieces:
        for row in rows:
            for key, value in row.items():
                if isinstance(value, dict):
                    row[key] = base64.b64encode(answer.pieces[value["piece"]]).decode()
    return rows


def _described(service: Service, name: str) -> dict[str, Any]:
    model = service.models[name]
    if model.facts is None:
        return {"name": name, "ready": False, "why": model.lacks}
    shown = ("version", "model", "task", "classes", "runtime", "precision")
    return {"name": name, "ready": True, **{key: model.facts[key] for key in shown}}
