"""What every request passes: keys, the metrics, a line of the log, and the end of connections while draining."""

from __future__ import annotations

import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from convworks.serve.batcher import Answer
from convworks.serve.bodies import Receive
from convworks.serve.log import log
from convworks.serve.problems import LEFT, ProblemError, as_response
from convworks.serve.service import Service

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

#: Answered without a key: what a supervisor asks, and pages without content of their own.
OPEN = {"/", "/docs", "/openapi.json", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"}
#: Asked every second by supervisors: of those without a key, only an answer of another status than before is logged.
HEALTH = {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"}
QUIET = "/metrics"
IDENTITY = re.compile(rb"[!-~]{1,64}")


class Gate:
    """An ASGI application around another."""

    def __init__(self, app: App, service: Service) -> None:
        self.app, self.service = app, service
        self._health = dict.fromkeys(HEALTH, int(HTTPStatus.OK))  # the last status of each

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        path, status, size = scope["path"], LEFT, 0
        headers = dict(scope["headers"])
        sent = headers.get(b"x-request-id", b"")
        identity = sent if IDENTITY.fullmatch(sent) else secrets.token_hex(8).encode()
        scope["state"] = {}
        within = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope  # uvicorn sends no body then

        async def answer(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                listed = [*message.get("headers", []), (b"x-request-id", identity)]
                if self.service.draining:
                    listed.append((b"connection", b"close"))
                message["headers"] = listed
            else:
                size += len(message.get("body", b""))
            if status != LEFT:
                await send(message)

        try:
            if path in OPEN or self._allowed(headers):
                await self.app(within, receive, answer)
            else:
                problem = ProblemError(
                    HTTPStatus.UNAUTHORIZED,
                    "Authorization",
                    "is missing, or has another key",
                    "send Authorization: Bearer KEY",
                    headers={"WWW-Authenticate": "Bearer"},
                )
                await as_response(path, problem)(scope, receive, answer)
        except Exception:  # a bug: the answer names none of its details, the log does
            log("error", id=identity.decode(), path=path, traceback=traceback.format_exc())
        finally:
            self._record(
                {**within, "method": scope["method"]}, identity.decode(), status, size, time.perf_counter() - began
            )

    def _allowed(self, headers: dict[bytes, bytes]) -> bool:
        authorization, key = (headers.get(name) for name in (b"authorization", b"x-api-key"))
        return self.service.allows(*(None if each is None else each.decode("latin-1") for each in (authorization, key)))

    def _record(self, scope: MutableMapping[str, Any], identity: str, status: int, size: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self.service.metrics.requests.labels(route, str(status)).inc()
        self.service.metrics.seconds.labels(route).observe(seconds)
        path = scope["path"]
        if path in HEALTH:
            before, self._health[path] = self._health[path], status
            if before == status:
                return
        elif path == QUIET and status < HTTPStatus.BAD_REQUEST:
            return
        facts: dict[str, Any] = {"id": identity, "method": scope["method"], "path": path, "status": status}
        facts |= {"ms": round(1000 * seconds, 2), "bytes": size}
        answer = scope["state"].get("answer")
        if isinstance(answer, Answer):
            facts |= {"model": answer.facts["name"], "version": answer.facts["version"], "batch": answer.batch}
            facts |= {"queue_ms": round(1000 * answer.waited, 2), "compute_ms": round(1000 * answer.computed, 2)}
        if scope.get("client"):
            facts["client"] = scope["client"][0]
        log("request", **facts)
