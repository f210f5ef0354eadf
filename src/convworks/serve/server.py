"""`convworks serve`: from the settings to the end of the last request."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

from convworks.errors import InputError
from convworks.serve.settings import Settings, check_bundles

#: What the extra installs, besides what others install too.
LIBRARIES = ("fastapi", "uvicorn", "httptools", "prometheus_client", "python_multipart")
INSTALL = 'pip install "convworks[serve]"'
#: Seconds from a signal to the end, and of an idle connection.
WITHIN, KEPT = 26.0, 75
#: Files that a server has open besides connections, and seconds in which an accepted connection becomes one.
FILES, SETTLED = 128, 0.05


def require() -> None:
    """Raise InputError if the extra `serve` is not installed, or this system cannot run workers."""
    if os.name == "nt":
        reason = "needs processes that inherit sockets, which Windows has not"
        raise InputError("convworks serve", reason, "run it under WSL, or in a container")
    for name in LIBRARIES:
        if find_spec(name) is None:
            raise InputError("convworks serve", f"needs {name}, which is not installed", INSTALL)
    if find_spec("torch") is None:
        remedy = "pip install torch; convworks predict runs exported files without it"
        raise InputError("convworks serve", "needs torch, which is not installed", remedy)


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; InputError if that is impossible."""
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"--host {host}", f"is not an address ({error})", "use 127.0.0.1, or 0.0.0.0 for all"
        ) from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"--port {port}", f"is in use on {host}", "choose another, or 0 for any") from None
        if error.errno == errno.EACCES:
            raise InputError(f"--port {port}", "needs more rights", "choose one above 1023") from None
        raise InputError(f"--host {host}", f"cannot be listened on ({error.strerror})", "use 127.0.0.1") from None
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """Return the URL of a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def with_files(settings: Settings) -> Settings:
    """Raise the limit of open files as far as the connections need; return the settings, with fewer if it is lower."""
    import resource

    from convworks.serve.log import log

    limits = settings.limits
    needed = 2 * limits.connections + FILES  # as many again are told that there are too many
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most == needed:
        return settings
    connections = max(1, (most - FILES) // 2)
    log("warning", text=f"only {connections} connections: the limit of open files is {most} (ulimit -Hn)")
    return replace(settings, limits=replace(limits, connections=connections))


def serve(settings: Settings) -> dict[str, Any]:
    """Serve until a signal, and return what was done.

    Raises InputError for settings that cannot be, and the error of a worker that cannot start.
    """
    require()
    for each in settings.models:
        check_bundles(each)
    from convworks.serve.log import libraries_logged
    from convworks.serve.service import read_keys

    read_keys(settings)
    settings = with_files(settings)
    began = time.monotonic()
    with bind(settings.host, settings.port) as listener, libraries_logged():
        address = address_of(listener)
        loop = None
        if find_spec("uvloop") is not None:
            import uvloop

            loop = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=loop) as runner:
            requests = runner.run(_serve(settings, listener, address))
    return {"address": address, "requests": requests, "seconds": round(time.monotonic() - began, 3)}


async def _serve(settings: Settings, listener: socket.socket, address: str) -> int:
    """Serve until a signal; return the number of requests."""
    from convworks.serve.log import log
    from convworks.serve.service import Service

    service = Service(settings)
    server = _server(service)
    log("loading", address=address, models=list(service.models))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    beginning = asyncio.create_task(service.begin())
    try:
        await asyncio.wait((running, beginning), return_when=asyncio.FIRST_COMPLETED)
        if not beginning.done():
            beginning.cancel()
        elif beginning.exception() is None:
            _say_ready(service, address)
        else:
            server.should_exit = True
        await running
        with contextlib.suppress(asyncio.CancelledError):
            await beginning
        if service.failure is not None:
            raise service.failure
    finally:
        await service.end()
    log("stopped", requests=server.server_state.total_requests)
    return int(server.server_state.total_requests)


def _say_ready(service: Any, address: str) -> None:
    from convworks.console import on_terminal, say
    from convworks.serve.log import log

    log("ready", address=address, models=list(service.models))
    gc.freeze()  # what has been imported need not be looked through again and again
    if service.keys is None and service.settings.host not in ("127.0.0.1", "::1", "localhost"):
        log("warning", text="anyone who reaches this address may use it: --api-key-file FILE asks for a key")
    if on_terminal():
        say(f"ready: {address} has a page to drop an image on, {address}/docs the description; Ctrl-C stops")


async def last_accepted(
    listeners: Sequence[socket.socket], servers: Sequence[asyncio.AbstractServer]
) -> list[socket.socket]:
    """Close servers; return the connections that the system had made for them, which would else be reset."""
    held = [listener.dup() for listener in listeners]  # connections wait at a listener until its last copy is closed
    for listener in listeners:
        asyncio.get_running_loop().remove_reader(listener)
    await asyncio.sleep(SETTLED)
    for server in servers:
        server.close()
    await asyncio.sleep(SETTLED)
    accepted = []
    for listener in held:
        with listener, contextlib.suppress(BlockingIOError):
            while True:
                accepted.append(listener.accept()[0])
    for connection in accepted:
        connection.setblocking(False)
    return accepted


def _calling(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> Callable[[int, Any], None]:
    """Return a handler of a signal that lets the loop call a function."""

    def handle(number: int, frame: Any) -> None:
        loop.call_soon_threadsafe(call)

    return handle


def _server(service: Any) -> Any:
    """Return uvicorn's server, which stops in the order that load balancers need."""
    import uvicorn

    from convworks.serve.app import build
    from convworks.serve.log import log
    from convworks.serve.protocol import Connection

    limits = service.settings.limits
    http = type("Connection", (Connection,), {"most": limits.connections, "refusal": staticmethod(service.refusal)})

    class Server(uvicorn.Server):
        """Says that it is not ready, waits, stops accepting, and answers what it has accepted."""

        drain: asyncio.Task[None] | None = None

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            loop = asyncio.get_running_loop()
            calls = {"SIGTERM": self.stop, "SIGINT": self.stop, "SIGHUP": service.begin_reload}
            signals = {getattr(signal, name): call for name, call in calls.items() if hasattr(signal, name)}
            before = {number: signal.signal(number, _calling(loop, call)) for number, call in signals.items()}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def stop(self) -> None:
            if self.drain is not None:
                self.force_exit = self.should_exit = True  # asked twice
                return
            log("draining", grace=limits.grace)
            service.draining = True
            self.drain = asyncio.create_task(self._drain())

        async def _drain(self) -> None:
            await asyncio.sleep(limits.grace)
            self.should_exit = True
            await asyncio.sleep(WITHIN - 3 - limits.grace)
            service.give_up()

        async def on_tick(self, counter: int) -> bool:
            return await super().on_tick(counter) or service.failure is not None

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            accepted = await last_accepted(sockets or [], self.servers)
            options = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
            for connection in accepted:
                await asyncio.get_running_loop().connect_accepted_socket(partial(http, **options), connection)
            await super().shutdown(sockets)

    config = uvicorn.Config(
        build(service),
        http=http,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEPT,
        timeout_graceful_shutdown=int(WITHIN - limits.grace),
        backlog=2048,
    )
    return Server(config)
