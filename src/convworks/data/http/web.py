"""One GET over HTTP: connections that stay open, redirects within bounds, answers that neither swell nor trickle."""

from __future__ import annotations

import atexit
import http.client
import os
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from convworks.data.http.paced import Answer, ExcessError
from convworks.data.http.redirect import objection
from convworks.data.http.retry import RefusedError

TIMEOUT = 30.0  # seconds of silence
REDIRECTS = 5
MOVED = (301, 302, 303, 307, 308)
PIECE = 1 << 18  # bytes that are read at once
NOTE = 1 << 16  # bytes of a redirect's body that are worth reading to keep the connection


@contextmanager
def get(
    address: str, headers: Mapping[str, str], *, limit: int, timeout: float | None = None
) -> Iterator[http.client.HTTPResponse]:
    """Ask once, wherever the server sends us; the answer may have any status, and a body of at most `limit` bytes.

    RefusedError where no answer comes: the server is silent for `timeout` seconds, or trickles (paced.py), or
    sends us where `objection` forbids it.
    """
    for _ in range(REDIRECTS + 1):
        with _answered(address, headers, limit, timeout or TIMEOUT) as answer:
            if answer.status not in MOVED:
                yield answer
                return
            with _refusals():
                answer.read(NOTE)
                target = urljoin(address, answer.headers.get("Location", ""))
                reached_directly = not _proxy(urlsplit(target)).hostname
            if reason := objection(address, target, numeric=not reached_directly):
                raise RefusedError(f"it was moved to {target}, {reason}", passing=False)
            address = target
    raise RefusedError(f"it was moved more than {REDIRECTS} times", passing=False)


def pieces(answer: http.client.HTTPResponse, limit: int) -> Iterator[bytes]:
    """Yield the body of an answer as it comes; RefusedError where it ends early or has more than `limit` bytes."""
    expected = answer.length  # None where the server does not say it
    if expected is not None and expected > limit:
        raise ExcessError(limit)
    done = 0
    while True:
        with _refusals():
            piece = answer.read1(PIECE)  # what is there, so that a silence loses nothing of what came before it
        if not piece:
            break
        done += len(piece)
        if done > limit:
            raise ExcessError(limit)
        yield piece
    if expected is not None and done < expected:
        raise RefusedError(f"it ended after {done} of {expected} bytes", passing=True)
    answer.read()  # nothing is left, and now the connection can be used again


def close() -> None:
    """Close the connections that wait for the next request; a later one opens others."""
    with _lock:
        kept = [connection for group in _idle.values() for connection in group]
        _idle.clear()
    for connection in kept:
        connection.close()


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what can go wrong between us and a server into RefusedError."""
    try:
        yield
    except (http.client.InvalidURL, ValueError) as error:
        raise RefusedError(str(error), passing=False) from None
    except (http.client.HTTPException, OSError) as error:
        raise RefusedError(str(error) or type(error).__name__, passing=True) from None


@contextmanager
def _answered(
    address: str, headers: Mapping[str, str], limit: int, timeout: float
) -> Iterator[http.client.HTTPResponse]:
    """Ask over an open connection that nobody uses, or a new one; it is kept where its answer is read to the end."""
    with _refusals():
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{address!r} is no http(s) address")
        proxy = _proxy(parts)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": "convworks", **headers}
        if proxy.hostname and parts.scheme == "http":
            target = f"http://{parts.netloc}{target}"
            headers |= _credentials(proxy)
    # A forked child must not talk over its parent's connections.
    server = (os.getpid(), parts.scheme, parts.netloc, proxy.netloc)
    with _lock:
        connection = _idle[server].pop() if _idle.get(server) else None
    kept, answer = connection is not None, None
    try:
        with _refusals():
            if connection is None:
                connection = _connect(parts, proxy, timeout)
            elif connection.sock is not None:
                connection.sock.settimeout(timeout)
            connection.response_class = partial(Answer, limit=limit, timeout=timeout)  # type: ignore[assignment]
            try:
                connection.request("GET", target, headers=headers)
                answer = connection.getresponse()
            except (http.client.HTTPException, OSError) as error:
                connection.close()
                if not kept or isinstance(error, TimeoutError):
                    raise
                connection.request("GET", target, headers=headers)  # the server had closed it: it opens again
                answer = connection.getresponse()
        yield answer
    finally:
        if connection is not None:
            if answer is not None and answer.isclosed() and connection.sock is not None:
                with _lock:
                    _idle.setdefault(server, []).append(connection)
            else:  # what is left of an answer that nobody reads must not be taken for the next one
                if answer is not None:
                    answer.close()
                connection.close()


def _proxy(parts: SplitResult) -> SplitResult:
    """Return the address of the proxy that the environment names for a host, or an empty one."""
    proxies = {} if urllib.request.proxy_bypass(parts.hostname or "") else urllib.request.getproxies()
    return urlsplit(proxies.get(parts.scheme, ""))


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _connect(parts: SplitResult, proxy: SplitResult, timeout: float) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    host, port = (proxy.hostname, proxy.port) if proxy.hostname else (parts.hostname, parts.port)
    connection = kind(str(host), port, timeout=timeout)
    if proxy.hostname and parts.scheme == "https":
        connection.set_tunnel(str(parts.hostname), parts.port, _credentials(proxy))
    return connection


_lock = threading.Lock()
_idle: dict[tuple[int, str, str, str], list[http.client.HTTPConnection]] = {}
atexit.register(close)
