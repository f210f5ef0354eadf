"""Fetching one file over HTTP: streamed, resumed, checked, and then there whole or not at all."""

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

    A short answer or a silent server (`timeout` seconds) is tried again, `attempts` times in all, after a
    growing `pause`; a whole file with another `checksum` (an MD5, or `sha256:` and how it begins) is fetched
    afresh once; one of more than `limit` bytes is refused. Then RunError says what to do by hand.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.with_name(path.name + ".lock")):  # without locks, the checksum notices two writers
            if path.exists():  # another process was quicker
                return
            partial = path.with_name(path.name + TEMPORARY)
            for last in (False, True):
                with_retries(lambda: _append(address, partial, report, timeout, limit), attempts, pause)
                kind, _, wanted = (checksum or "").rpartition(":")
                found = sha256(partial) if kind else md5(partial)
                if checksum is None or (found.startswith(wanted) if kind else found == wanted):
                    partial.replace(path)
                    return
                partial.unlink()
                if last:
                    raise _failure(address, path, f"arrived damaged twice (checksum {found} instead of {wanted})")
    except RefusedError as refusal:
        raise _failure(address, path, f"cannot be downloaded ({refusal})") from None
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
        raise RunError(path, reason, f"{remedy(error)}, or set XDG_CACHE_HOME to another folder") from None


def md5(path: Path) -> str:
    """Return the MD5 of a file, or nothing for a missing one: it finds transmission errors, not attacks."""
    if not path.is_file():
        return ""
    with open_regular(path) as file:
        content: Any = file  # files have more methods than their type says
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _failure(address: str, path: Path, reason: str) -> RunError:
    return RunError(address, reason, f"put the file at {path} by hand, or set CONVWORKS_DATA or CONVWORKS_MIRROR")


def _append(address: str, partial: Path, report: Report | None, timeout: float | None, limit: int) -> None:
    """Ask once for what is missing and write all that comes; a server may send the whole file instead."""
    from convworks.data.http.web import get, pieces  # urllib3 is slow to import, and seldom needed

    start = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={start}-"} if start else {}
    with get(address, headers, limit=limit, timeout=timeout) as answer:
        if answer.status not in (200, 206):
            if answer.status == 416:  # the partial file is longer than what the server has
                partial.unlink(missing_ok=True)
            raise refused(answer.status, answer.reason)
        if answer.status == 206 and not _starts_at(answer.headers.get("Content-Range", ""), start):
            partial.unlink(missing_ok=True)
            raise RefusedError("it resumed at the wrong place", passing=True)
        start = start if answer.status == 206 else 0
        total = start + (answer.length_remaining or 0)
        done = start
        try:
            with partial.open("ab" if start else "wb") as file:
                for piece in pieces(answer, limit - start):
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
