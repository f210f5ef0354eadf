"""GET requests through urllib3: bounded redirects, response sizes and waiting times."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.client import HTTPException, InvalidURL
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, make_headers
from urllib3.exceptions import HTTPError, ProxyError
from urllib3.util import parse_url

from convworks.data.http.paced import Pool, SecurePool, bound
from convworks.data.http.redirect import objection
from convworks.data.http.retry import ExcessError, RefusedError, UnresolvedError

TIMEOUT = 30.0  # seconds of silence
REDIRECTS = 5
PIECE = 1 << 18  # bytes read at once
NOTE = 1 << 16  # bytes of a redirect's body read to keep the connection alive
KEPT = 64  # idle connections kept per server
#: urllib3 neither retries nor follows redirects: retry.py resumes broken responses, and redirects are checked first.
AS_IT_COMES: dict[str, Any] = dict.fromkeys(
    ("retries", "redirect", "preload_content", "decode_content", "enforce_content_length"), False
)


@contextmanager
def get(
    address: str, headers: Mapping[str, str], *, limit: int, timeout: float | None = None
) -> Iterator[BaseHTTPResponse]:
    """Send one request, following redirects; the response may have any status, and a body of at most `limit` bytes.

    Raises RefusedError without a response: if the server is silent for `timeout` seconds, or too slow (paced.py), or
    redirects where `objection` forbids it.
    """
    for _ in range(REDIRECTS + 1):
        with _refusals():
            address = _canonical(address)
            if not re.match("https?://[^/?#]", address):
                raise ValueError(f"{address!r} is not an http(s) address")
            response = _manager(_proxy(address), os.getpid()).urlopen(
                "GET",
                address,
                headers={"User-Agent": "convworks", **headers},
                timeout=timeout or TIMEOUT,
                **AS_IT_COMES,
            )
        try:
            bound(response, limit)
            location = response.get_redirect_location()
            if not location:
                yield response
                return
            with _refusals():
                response.read(NOTE)
                target = _canonical(urljoin(address, location))
                reason = objection(address, target, numeric=bool(_proxy(target)))
        finally:
            response.close()  # if it was read to the end, its connection is back in the pool and stays open
        if reason:
            raise RefusedError(f"it redirects to {target}, {reason}", passing=False)
        address = target
    raise RefusedError(f"more than {REDIRECTS} redirects", passing=False)


def pieces(response: BaseHTTPResponse, limit: int) -> Iterator[bytes]:
    """Yield the body of a response as it arrives; RefusedError if it ends early or exceeds `limit` bytes."""
    expected = response.length_remaining  # None if the server does not give it
    if expected is not None and expected > limit:
        raise ExcessError(limit)
    done = 0
    while True:
        with _refusals():
            piece = response.read1(PIECE)  # available bytes, so that a timeout loses none of them
        if not piece:
            break
        done += len(piece)
        if done > limit:
            raise ExcessError(limit)
        yield piece
    if expected is not None and done < expected:
        raise RefusedError(f"it ended after {done} of {expected} bytes", passing=True)


def close() -> None:
    """Close the idle connections; later requests open new ones."""
    _manager.cache_clear()  # unreferenced pools close their connections


@contextmanager
def _refusals() -> Iterator[None]:
    """Convert connection and protocol errors to RefusedError."""
    try:
        yield
    except (InvalidURL, ValueError) as error:
        raise RefusedError(str(error), passing=False) from None
    except (HTTPError, HTTPException, OSError) as error:
        cause = _cause(error)
        where = "proxy: " if isinstance(error, ProxyError) else ""
        if isinstance(cause, socket.gaierror):
            raise UnresolvedError(where) from None
        raise RefusedError(where + (str(cause) or type(cause).__name__), passing=True) from None


def _cause(error: BaseException) -> BaseException:
    """Return the innermost error that urllib3 wraps, whose message is the shortest."""
    inner = error.__cause__ or next((part for part in error.args if isinstance(part, Exception)), None)
    return error if inner is None else _cause(inner)


def _canonical(address: str) -> str:
    """Normalise a URL as urllib3 does, so that `objection` checks the host that is requested."""
    parts = urlsplit(address)
    if not parts.netloc.isascii():
        address = parts._replace(netloc=parts.netloc.encode("idna").decode()).geturl()
    return parse_url(address).url


def _proxy(address: str) -> str:
    """Return the URL of the proxy that the environment sets for a host, or an empty string."""
    parts = urlsplit(address)
    proxy = "" if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme, "")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


@cache
def _manager(proxy: str, process: int) -> PoolManager:
    """Return the connection pools of a proxy, or of none, per process: a forked child must not use its parent's."""
    user, password = urlsplit(proxy).username, urlsplit(proxy).password or ""
    # urllib3 encodes as Latin-1; the credentials sent are UTF-8.
    login = None if user is None else f"{unquote(user)}:{unquote(password)}".encode().decode("latin-1")
    credentials = make_headers(proxy_basic_auth=login)
    manager = ProxyManager(proxy, proxy_headers=credentials, maxsize=KEPT) if proxy else PoolManager(maxsize=KEPT)
    manager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}
    return manager
