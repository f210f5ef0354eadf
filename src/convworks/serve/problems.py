"""What is answered instead of an answer: a status, and one line that names field, reason and remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Response

from convworks.errors import visible

#: The status in logs and metrics of a request whose client left before its answer; it is never sent.
LEFT = 499


class ProblemError(Exception):
    """A request that gets no answer."""

    def __init__(
        self, status: int, where: str, reason: str, remedy: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.status, self.headers = status, dict(headers or {})
        self.facts = {"where": visible(where), "reason": visible(reason), "remedy": visible(remedy)}


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
    facts: Any = problem.facts
    if path.startswith("/v2"):
        end = f"; {facts['remedy']}" if facts["remedy"] else ""
        facts = f"{facts['where']}: {facts['reason']}{end}"
    return as_json({"error": facts}, problem.status, problem.headers)


def as_json(values: Any, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Return values as JSON."""
    content = json.dumps(values, allow_nan=False, separators=(",", ":")).encode()
    return Response(content, status, dict(headers or {}), media_type="application/json")
