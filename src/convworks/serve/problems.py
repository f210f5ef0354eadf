"""What is answered instead of an answer: a status, and one line that names field, reason and remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Response

from convworks.errors import visible

#: What each status means.
MEANINGS = {
    400: "The request is malformed.",
    401: "The key is missing or wrong.",
    404: "There is no such model, or no such version.",
    408: "The body came too slowly.",
    413: "The request is too large.",
    415: "The body has another type.",
    422: "An image cannot be read, or a parameter has another type, or there is no such parameter.",
    431: "The address and the headers are too long.",
    503: "Too much to do, or not ready: try again after as many seconds as Retry-After says.",
    504: "Not answered within the deadline.",
}
#: Characters of each text of a problem, which may repeat what a client sent.
LONGEST = 500
#: The status in logs and metrics of a request whose client left before its answer; it is never sent.
LEFT = 499


class ProblemError(Exception):
    """A request that gets no answer."""

    def __init__(
        self, status: int, where: str, reason: str, remedy: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.status, self.headers = status, dict(headers or {})
        self.facts = {"where": _short(where), "reason": _short(reason), "remedy": _short(remedy)}


def _short(text: str) -> str:
    """Return a text as one line, without its middle if it is long."""
    half = LONGEST // 2
    return visible(text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}")


def busy(where: str, reason: str, seconds: int) -> ProblemError:
    """Return that a request was not accepted, and when to try again."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE, where, reason, "try again later", headers={"Retry-After": str(seconds)}
    )


def too_large(where: str, reason: str) -> ProblemError:
    """Return that a request is too large; its connection is closed, as the rest of it will not be read."""
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, where, reason, "send less at a time", headers={"Connection": "close"}
    )


def left() -> ProblemError:
    """Return that the client has left."""
    return ProblemError(LEFT, "client", "left before its answer")


def as_response(path: str, problem: ProblemError) -> Response:
    """Return a problem as JSON: {"error": {where, reason, remedy}}, or a text, as the V2 protocol says it."""
    return as_json({"error": _facts(path, problem)}, problem.status, problem.headers)


def as_bytes(path: str, problem: ProblemError) -> bytes:
    """Return the same as it goes over the wire, for where there is no time for more."""
    body = json.dumps({"error": _facts(path, problem)}).encode()
    headers = {**problem.headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {problem.status:d} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _facts(path: str, problem: ProblemError) -> dict[str, str] | str:
    facts = problem.facts
    if not path.startswith("/v2"):
        return facts
    end = f"; {facts['remedy']}" if facts["remedy"] else ""
    return f"{facts['where']}: {facts['reason']}{end}"


def as_json(values: Any, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Return values as JSON."""
    content = json.dumps(values, allow_nan=False, separators=(",", ":")).encode()
    return Response(content, status, dict(headers or {}), media_type="application/json")


def described(schema: dict[str, Any], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of problems: what each status means, and the schema of its body."""
    content = {"application/json": {"schema": schema}}
    return {status: {"description": MEANINGS[status], "content": content} for status in statuses}


def answered(schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Return the description of an answer: the schema of its body."""
    return {200: {"content": {"application/json": {"schema": schema}}}}
