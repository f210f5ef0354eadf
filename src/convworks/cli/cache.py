"""`convworks cache`."""

from __future__ import annotations

from datetime import datetime

from convworks.cli.answer import Answer, table
from convworks.data.cache import store as cache


def run(name: str | None, *, clear: bool) -> Answer:
    """List the decoded images in the user's cache, or remove them: all, or the entry of this name.

    Converted networks (deploy/kept.py) and unpacked sets (data/cache/unpacked.py) are removed with all others.
    """
    entries = cache.clear(name) if clear else cache.find(name)
    converted = unpacked = 0
    if clear and name is None:
        from convworks.data.cache import unpacked as sets
        from convworks.deploy import kept

        converted, unpacked = kept.clear(), sets.clear()
    total = sum(entry.bytes for entry in entries)
    rows = [
        {
            "name": entry.name,
            "source": entry.source,
            "images": entry.shape[0],
            "size": list(entry.shape[1:3]),
            "channels": entry.shape[3],
            "bytes": entry.bytes,
            "used": datetime.fromtimestamp(entry.used).astimezone().isoformat(timespec="seconds"),
        }
        for entry in entries
    ]
    values = {"folder": str(cache.folder()), "limit": cache.limit(), "bytes": total, "entries": rows, "cleared": clear}
    values |= {"converted_bytes": converted} if converted else {}
    values |= {"unpacked_bytes": unpacked} if unpacked else {}
    text = _text(entries, total, clear) + (f", and converted networks, {_size(converted)}" if converted else "")
    text += f", and unpacked sets, {_size(unpacked)}" if unpacked else ""
    return Answer(values=values, text=text)


def _text(entries: list[cache.Entry], total: int, cleared: bool) -> str:
    if cleared:
        return f"removed {len(entries)} cache entries, {_size(total)}"
    rows = [
        (
            entry.name[:12],
            entry.source,
            f"{entry.shape[0]:,}",
            "x".join(map(str, entry.shape[1:])),
            _size(entry.bytes),
            datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M"),
        )
        for entry in entries
    ]
    lines = [table(("entry", "source", "images", "size", "on the disk", "last use"), rows)] if rows else []
    lines.append(f"{_size(total)} of at most {_size(cache.limit())} in {cache.folder()} (${cache.LIMIT})")
    return "\n".join([*lines, "next:   convworks cache --clear" if rows else "next:   convworks train"])


def _size(count: int) -> str:
    return f"{count / 10**9:.2f} GB" if count >= 10**8 else f"{count / 10**6:.1f} MB"
