"""The application of `convworks serve` in this process: without sockets, its networks computed in place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convworks.serve.app import build
from convworks.serve.batcher import WorkerEndedError
from convworks.serve.compute import Served, decoding, item_of, load_served, respond
from convworks.serve.service import Service
from convworks.serve.settings import Limits, Named, Settings
from convworks.serve.state import state_of
from convworks.serve.wire import Message

POOL = ThreadPoolExecutor(1)


class InPlace:
    """A worker that computes in this process as soon as the event loop turns; `hold` keeps its answers back."""

    def __init__(self, served: Served) -> None:
        self.served, self.facts = served, {**served.facts, "seconds": 0.001}
        self.hold = False
        self.held: list[Callable[[], None]] = []
        self.computing = 0
        self.batches: list[int] = []

    def compute(self, items: Sequence[dict[str, Any]], pieces: Sequence[bytes]) -> asyncio.Future[Message]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Message] = loop.create_future()
        self.computing += 1

        def work() -> None:
            self.computing -= 1
            decoded, at = [], 0
            start = decoding(self.served, POOL)
            for facts in json.loads(json.dumps(list(items))):
                item = item_of(facts)
                decoded.append((item, start(item, pieces[at : at + item.pieces])))
                at += item.pieces
            self.batches.append(sum(item.count for item, _ in decoded))
            replies = respond(self.served, decoded)
            rows = [{**reply.header, "count": len(reply.pieces)} for reply in replies]
            header = {"seconds": 0.001, "replies": json.loads(json.dumps(rows))}
            future.set_result((header, [piece for reply in replies for piece in reply.pieces]))

        if self.hold:
            self.held.append(work)
        else:
            loop.call_soon(work)
        return future


@dataclass
class Answered:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    app: Any,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    left: asyncio.Event | None = None,
) -> Answered:
    """Send a request to an application; `left` is set when the client leaves."""
    path, _, query = path.partition("?")
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    gone = left or asyncio.Event()

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    answered = Answered()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.status = message["status"]
            answered.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            answered.body += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return answered


class App:
    """An application with its service and its workers, for use within one event loop."""

    def __init__(
        self,
        models: dict[str, Sequence[Path]],
        *,
        limits: Limits | None = None,
        runtime: str = "torch",
        **settings: Any,
    ) -> None:
        named = tuple(Named(name=name, paths=tuple(paths)) for name, paths in models.items())
        self.service = Service(Settings(models=named, limits=limits or Limits(), **settings))
        self.app = build(self.service)
        self.workers = {}
        for each in named:
            served = load_served(
                each.name,
                each.paths,
                runtime=runtime,
                device="cpu",
                precision="float32",
                max_pixels=self.service.settings.limits.max_pixels,
                max_batch=self.service.settings.limits.max_batch,
            )
            self.workers[each.name] = InPlace(served)
            model = self.service.models[each.name]
            model.loaded = state_of(each)
            model.batcher.use(self.workers[each.name])

    def __call__(self, *words: Any, **options: Any) -> Answered:
        """Send a request alone."""
        answered: Answered = self.run(lambda: ask(self.app, *words, **options))
        return answered

    def run(self, work: Callable[[], Any]) -> Any:
        return asyncio.run(work())


__all__ = ["Answered", "App", "InPlace", "WorkerEndedError", "ask"]
