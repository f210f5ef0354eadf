"""Where a server may send us: not out of http(s), not from https back to http, not to addresses that only we reach."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def objection(origin: str, target: str, *, numeric: bool = False) -> str:
    """Return why an answer from `origin` may not lead to `target`, or nothing where it may.

    Link-local addresses, where clouds keep the credentials of a machine, and the machine itself are closed to servers
    elsewhere. Names are looked up, except with `numeric`, where a proxy does that.
    """
    try:
        before, after = urlsplit(origin), urlsplit(target)
        host = after.hostname
    except ValueError as error:
        return f"which is no address ({error})"
    if after.scheme not in ("http", "https") or not host:
        return "which is no http(s) address"
    if before.scheme == "https" and after.scheme == "http":
        return "which is not encrypted, while the address given is"
    if host == before.hostname:
        return ""
    addresses = _addresses(host, numeric)
    if any(address.is_link_local for address in addresses):
        return "which is a link-local address"
    if any(map(_is_here, addresses)) and not any(map(_is_here, _addresses(before.hostname or "", numeric))):
        return "which is this machine itself"
    return ""


@lru_cache(maxsize=256)  # a server may send us on at every request
def _addresses(host: str, numeric: bool) -> tuple[Address, ...]:
    """Return the addresses of a host, or none where its name is unknown; numbers are read as the system reads them."""
    try:
        flags = socket.AI_NUMERICHOST if numeric else 0
        rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
        addresses = [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows]
    except (OSError, ValueError):
        return ()
    return tuple(getattr(address, "ipv4_mapped", None) or address for address in addresses)


def _is_here(address: Address) -> bool:
    return address.is_loopback or address.is_unspecified
