"""Permitted redirects: only http(s), never from https to http, never to addresses that only this machine reaches."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def objection(origin: str, target: str, *, numeric: bool = False) -> str:
    """Return why a response from `origin` may not lead to `target`, or an empty string if it may.

    Other servers may redirect neither to link-local addresses, where clouds serve the credentials of a machine, nor to
    the machine itself. Host names are resolved, except with `numeric`, if a proxy does that.
    """
    try:
        before, after = urlsplit(origin), urlsplit(target)
        host = after.hostname
    except ValueError as error:
        return f"which is not an address ({error})"
    if after.scheme not in ("http", "https") or not host:
        return "which is not an http(s) address"
    if before.scheme == "https" and after.scheme == "http":
        return "which is not encrypted, unlike the original address"
    if host == before.hostname:
        return ""
    addresses = _addresses(host, numeric)
    if any(address.is_link_local for address in addresses):
        return "which is a link-local address"
    if any(map(_is_here, addresses)) and not any(map(_is_here, _addresses(before.hostname or "", numeric))):
        return "which is this machine itself"
    return ""


@lru_cache(maxsize=256)  # every request may be redirected
def _addresses(host: str, numeric: bool) -> tuple[Address, ...]:
    """Return the IP addresses of a host, none if it is unknown; numeric forms are parsed as the system does."""
    try:
        flags = socket.AI_NUMERICHOST if numeric else 0
        rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
        addresses = [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows]
    except (OSError, ValueError):
        return ()
    return tuple(getattr(address, "ipv4_mapped", None) or address for address in addresses)


def _is_here(address: Address) -> bool:
    return address.is_loopback or address.is_unspecified
