"""Downloading a file over HTTP: streamed, resumable, verified and atomic."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from convworks.data.http.retry import ExcessError, RefusedError, refused, with_retries
from convworks.data.source import Report
from convworks.errors import RunError
from convworks.files import open_regular, remedy, sha256
from convworks.locks import exclusive
from convworks.partial import TEMPORARY


def fetch(
    address: str,
    path: Path,
    *,
    checksum: str | None,
    limit: int,
    report: Report | None = None,
    timeout: float | None = None,
    attempts: int = 3,
    pause: float = 1.0,
) -> None:
    """Download `address` to `path` through `path.partial`, which a later call resumes.

    A truncated response or a silent server (`timeout` seconds) is retried, up to `attempts` in all, with growing
    pauses; a file whose checksum differs (`checksum` is an MD5, or `sha256:` and a prefix) is downloaded once more; one
    of more than `limit` bytes is refused. Finally raises RunError with instructions for a manual download.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.with_name(path.name + ".lock")):  # without locks, the checksum detects two writers
            if path.exists():  # another process was faster
                return
            partial = path.with_name(path.name + TEMPORARY)
            for last in (False, True):
                with_retries(lambda: _append(address, partial, report, timeout, limit), attempts, pause)
                kind, _, expected = (checksum or "").rpartition(":")
                actual = sha256(partial) if kind else md5(partial)
                if checksum is None or (actual.startswith(expected) if kind else actual == expected):
                    partial.replace(path)
                    return
                partial.unlink()
                if last:
                    raise _failure(address, path, f"arrived damaged twice (checksum {actual} instead of {expected})")
    except RefusedError as refusal:
        raise _failure(address, path, f"cannot be downloaded ({refusal})") from None
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
        raise RunError(path, reason, f"{remedy(error)}, or set XDG_CACHE_HOME to another folder") from None


def md5(path: Path) -> str:
    """Return the MD5 of a file, empty for a missing one: it detects transmission errors, not attacks."""
    if not path.is_file():
        return ""
    with open_regular(path) as file:
        content: Any = file  # files have more methods than their type declares
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _failure(address: str, path: Path, reason: str) -> RunError:
    paths = f"put the file at {path}, or at $CONVWORKS_DATA/{path.parent.name}/{path.name}"
    return RunError(address, reason, f"{paths}, or set CONVWORKS_MIRROR to the address of a mirror (docs/sources.md)")


def _append(address: str, partial: Path, report: Report | None, timeout: float | None, limit: int) -> None:
    """Request the missing bytes once and append them; a server may send the whole file instead."""
    from convworks.data.http.web import get, pieces  # urllib3 is slow to import, and rarely needed

    start = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={start}-"} if start else {}
    with get(address, headers, limit=limit, timeout=timeout) as response:
        if response.status not in (200, 206):
            if response.status == 416:  # the partial file is longer than that of the server
                partial.unlink(missing_ok=True)
            raise refused(response.status, response.reason)
        if response.status == 206 and not _starts_at(response.headers.get("Content-Range", ""), start):
            partial.unlink(missing_ok=True)
            raise RefusedError("it resumed at the wrong place", passing=True)
        start = start if response.status == 206 else 0
        total = start + (response.length_remaining or 0)
        done = start
        try:
            with partial.open("ab" if start else "wb") as file:
                for piece in pieces(response, limit - start):
                    file.write(piece)
                    done += len(piece)
                    if report is not None:
                        report(address.rpartition("/")[2], done, max(total, done))
                file.flush()
                os.fsync(file.fileno())
        except ExcessError:
            partial.unlink()
            raise


def _starts_at(content_range: str, start: int) -> bool:
    return content_range.replace("bytes ", "").partition("-")[0].strip() == str(start)
