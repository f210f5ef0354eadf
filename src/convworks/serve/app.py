"""The routes of the server."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse

from convworks.serve import v1, v2
from convworks.serve.gate import App, Gate
from convworks.serve.problems import LEFT, ProblemError, as_json, as_response
from convworks.serve.service import Service

#: Pages come from this server alone, and talk to it alone.
POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def build(service: Service) -> App:
    """Return the application of a service."""
    app = FastAPI(
        title="convworks",
        version=version("convworks"),
        description="Predictions of convolutional networks.",
        docs_url=None,  # FastAPI's own pages load programs from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(v1.router(service))
    app.include_router(v2.router(service))
    page, docs = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.html", "docs.html"))

    @app.get("/healthz", tags=["health"], summary="Whether the server runs", response_description="It runs.")
    async def healthz() -> Response:
        return as_json({"status": "alive"})

    @app.get(
        "/readyz",
        tags=["health"],
        summary="Whether all models are ready",
        response_description="All are; if not, the status is 503, and `why` says what those that are not wait for.",
    )
    async def readyz() -> Response:
        models = {name: model.facts is not None for name, model in service.models.items()}
        why = {name: model.lacks for name, model in service.models.items() if not models[name]}
        status = HTTPStatus.OK if service.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return as_json({"ready": service.ready, "draining": service.draining, "models": models, "why": why}, status)

    @app.get(
        "/metrics",
        tags=["health"],
        summary="Metrics for Prometheus",
        response_class=PlainTextResponse,
        response_description="Requests, images, batches, waiting times and workers, as text.",
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return HTMLResponse(page, headers=POLICY)

    @app.get("/docs", include_in_schema=False)
    async def description() -> Response:
        return HTMLResponse(docs, headers=POLICY)

    @app.exception_handler(ProblemError)
    async def problem(request: Request, error: ProblemError) -> Response:
        return _Unsent() if error.status == LEFT else as_response(request.url.path, error)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        problem = ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "server", "failed", "see its log")
        return as_response(request.url.path, problem)  # the gate logs what happened

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        where = f"{request.method} {request.url.path}"
        reason = HTTPStatus(error.status_code).phrase.lower()
        return as_response(
            request.url.path,
            ProblemError(error.status_code, where, reason, "see /docs", headers=error.headers),
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first: dict[str, Any] = error.errors()[0]
        where, reason = str(first["loc"][-1]), str(first["msg"]).partition(", unable to parse")[0]
        reason = reason.replace("Input should be", "must be", 1)
        remedy = f"send another {where}, or leave it out: see /docs"
        return as_response(request.url.path, ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, where, reason, remedy))

    return Gate(app, service)


class _Unsent(Response):
    """The answer to a client that has left."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send nothing."""
