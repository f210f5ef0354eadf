"""One GET over HTTP by urllib3: redirects within bounds, answers that neither swell nor trickle."""

from __future__ import annotations

import os
import re
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
from convworks.data.http.retry import ExcessError, RefusedError

TIMEOUT = 30.0  # seconds of silence
REDIRECTS = 5
PIECE = 1 << 18  # bytes that are read at once
NOTE = 1 << 16  # bytes of a redirect's body that are worth reading to keep the connection
KEPT = 64  # connections to one server that wait for the next request
#: urllib3 neither retries nor follows: retry.py resumes where an answer broke off, and redirects are checked first.
AS_IT_COMES: dict[str, Any] = dict.fromkeys(
    ("retries", "redirect", "preload_content", "decode_content", "enforce_content_length"), False
)


@contextmanager
def get(
    address: str, headers: Mapping[str, str], *, limit: int, timeout: float | None = None
) -> Iterator[BaseHTTPResponse]:
    """Ask once, wherever the server sends us; the answer may have any status, and a body of at most `limit` bytes.

    RefusedError where no answer comes: the server is silent for `timeout` seconds, or trickles (paced.py), or
    sends us where `objection` forbids it.
    """
    for _ in range(REDIRECTS + 1):
        with _refusals():
            address = _canonical(address)
            if not re.match("https?://[^/?#]", address):
                raise ValueError(f"{address!r} is no http(s) address")
            answer = _manager(_proxy(address), os.getpid()).urlopen(
                "GET",
                address,
                headers={"User-Agent": "convworks", **headers},
                timeout=timeout or TIMEOUT,
                **AS_IT_COMES,
            )
        try:
            bound(answer, limit)
            location = answer.get_redirect_location()
            if not location:
                yield answer
                return
            with _refusals():
                answer.read(NOTE)
                target = _canonical(urljoin(address, location))
                reason = objection(address, target, numeric=bool(_proxy(target)))
        finally:
            answer.close()  # where it was read to the end, its connection is in the pool already and stays open
        if reason:
            raise RefusedError(f"it was moved to {target}, {reason}", passing=False)
        address = target
    raise RefusedError(f"it was moved more than {REDIRECTS} times", passing=False)


def pieces(answer: BaseHTTPResponse, limit: int) -> Iterator[bytes]:
    """Yield the body of an answer as it comes; RefusedError where it ends early or has more than `limit` bytes."""
    expected = answer.length_remaining  # None where the server does not say it
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


def close() -> None:
    """Close the connections that wait for the next request; a later one opens others."""
    _manager.cache_clear()  # pools that nobody has close theirs


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what can go wrong between us and a server into RefusedError."""
    try:
        yield
    except (InvalidURL, ValueError) as error:
        raise RefusedError(str(error), passing=False) from None
    except (HTTPError, HTTPException, OSError) as error:
        cause = _cause(error)
        where = "proxy: " if isinstance(error, ProxyError) else ""
        raise RefusedError(where + (str(cause) or type(cause).__name__), passing=True) from None


def _cause(error: BaseException) -> BaseException:
    """Return the error of the system or of http.client that urllib3 wraps, for its text is the shortest."""
    inner = error.__cause__ or next((part for part in error.args if isinstance(part, Exception)), None)
    return error if inner is None else _cause(inner)


def _canonical(address: str) -> str:
    """Return an address as urllib3 reads it, so that it is asked for where `objection` has looked."""
    parts = urlsplit(address)
    if not parts.netloc.isascii():
        address = parts._replace(netloc=parts.netloc.encode("idna").decode()).geturl()
    return parse_url(address).url


def _proxy(address: str) -> str:
    """Return the address of the proxy that the environment names for a host, or nothing."""
    parts = urlsplit(address)
    proxy = "" if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme, "")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


@cache
def _manager(proxy: str, process: int) -> PoolManager:
    """Return the connections by way of a proxy, or none; a forked child must not talk over its parent's."""
    user, password = urlsplit(proxy).username, urlsplit(proxy).password or ""
    # urllib3 takes Latin-1; what is sent is UTF-8.
    login = None if user is None else f"{unquote(user)}:{unquote(password)}".encode().decode("latin-1")
    credentials = make_headers(proxy_basic_auth=login)
    manager = ProxyManager(proxy, proxy_headers=credentials, maxsize=KEPT) if proxy else PoolManager(maxsize=KEPT)
    manager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}
    return manager
