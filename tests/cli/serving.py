"""An HTTP server on this machine: it serves a folder by ranges over connections kept open, and misbehaves when told."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest


class Server:
    """Answers GET for the files below `root`; `behaviour` says what happens to the next answers, then all goes well.

    A number is a status; short: half of it comes, then the connection ends; stalled: half of it comes, then nothing;
    whole: ranges are ignored; elsewhere: another range is given; dropped: no answer at all; moved: to the same file.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.behaviour: list[str] = []
        self.always = "well"
        self.asked: list[tuple[str, str]] = []  # path, range
        self.connections = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append((request.path, wanted))
        how = self.behaviour.pop(0) if self.behaviour else self.always
        path = self.root / unquote(request.path.partition("?")[0]).replace("/moved", "").lstrip("/")
        request.close_connection = how in ("short", "stalled", "dropped")
        if how == "dropped":
            return
        if how == "moved":
            request.send_response(302)
            request.send_header("Location", f"/moved{request.path}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if how.isdigit() or not path.is_file():
            request.send_error(int(how) if how.isdigit() else 404)
            return
        content = path.read_bytes()
        match = None if how == "whole" else re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        body = content[int(match[1]) : int(match[2]) + 1] if match else content
        request.send_response(206 if match else 200)
        if match:
            first = int(match[1]) + (7 if how == "elsewhere" else 0)
            request.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if how in ("short", "stalled") else body)
        request.wfile.flush()
        if how == "stalled":
            time.sleep(1)


@contextmanager
def serving(root: Path, patch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve a folder while the context lasts, to clients that do not wait long."""
    from convworks.data.http import remote, web

    for name in ("no_proxy", "NO_PROXY"):
        patch.setenv(name, "127.0.0.1")
    patch.setattr(remote, "PAUSE", 0.01)
    patch.setattr(web, "TIMEOUT", 0.3)
    server = Server(root)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        web.close()
        server.http.shutdown()
        server.http.server_close()
        thread.join()
