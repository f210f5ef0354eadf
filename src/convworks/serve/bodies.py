"""The body of a request, read within limits, and the images in it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from convworks.serve.problems import ProblemError, busy, left, too_large

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
#: Seconds in which a body must have come, and bytes of all bodies that a server holds.
PATIENCE, HELD = 15.0, 256 * 2**20
#: Values (by the marks before them) and names of values in JSON, which takes the server's only thread to read.
MOST_VALUES, MOST_NAMES = 2**19, 2**12
NUMBER = re.compile("[0-9]{1,15}")
#: Characters of a file name in answers and errors.
LONGEST_NAME = 200

Images = list[tuple[str, bytes]]


class Bodies:
    """Reads bodies of at most `max_bytes` each, and holds a limited number of bytes of all together."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.most, self.held = max_bytes, max(HELD, 4 * max_bytes), 0

    @contextmanager
    def holding(self) -> Iterator[Held]:
        """Yield what a request may read its body with; when the context ends, its bytes are no longer held."""
        held = Held(self)
        try:
            yield held
        finally:
            self.held -= held.size


class Held:
    """The bytes that one request holds."""

    def __init__(self, bodies: Bodies) -> None:
        self.bodies, self.size = bodies, 0

    async def read(self, receive: Receive, length: str | None) -> bytes:
        """Return the body of a request that declares this length.

        Raises ProblemError for one that is too large, too slow or ends early, and where too much is held already.
        """
        most = self.bodies.max_bytes
        if (declared := number_of(length)) is not None and declared > most:
            raise too_large("body", f"has {declared:,} bytes, more than {most:,}")
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise left()
                    part = message.get("body", b"")
                    parts.append(part)
                    self.size += len(part)
                    self.bodies.held += len(part)
                    if self.size > most:
                        raise too_large("body", f"has more than {most:,} bytes")
                    if self.bodies.held > self.bodies.most:
                        raise busy("server", f"holds {self.bodies.most:,} bytes of other requests", 1)
                    if not message.get("more_body", False):
                        return parts[0] if len(parts) == 1 else b"".join(parts)
        except TimeoutError:
            raise ProblemError(
                HTTPStatus.REQUEST_TIMEOUT,
                "body",
                f"did not come within {PATIENCE:g} s",
                "send less, or faster",
                headers={"Connection": "close"},
            ) from None


def images_of(content_type: str, body: bytes, most: int) -> Images:
    """Return the images in a body, with their names: one as it is, several in a form, or base64 in JSON.

    Raises ProblemError for any other body, one without images, and one with more than `most`.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        images = _in_form(content_type, body, most)
    elif kind == "application/json":
        images = _in_json(body, most)
    elif kind in ("", "application/octet-stream") or kind.startswith("image/"):
        images = [("image", body)] if body else []
    else:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Content-Type",
            f"is {kind}",
            "send image/*, application/octet-stream, multipart/form-data or application/json",
        )
    if not images:
        raise wrong("body", "holds no image", "send at least one")
    return images


def wrong(where: str, reason: str, remedy: str) -> ProblemError:
    """Return what is wrong with a request."""
    return ProblemError(HTTPStatus.BAD_REQUEST, where, reason, remedy)


def number_of(text: str | None) -> int | None:
    """Return the number of bytes that a header gives; None if it gives none."""
    return int(text) if text is not None and NUMBER.fullmatch(text) else None


def check_count(count: int, most: int) -> None:
    """Raise ProblemError for too many images."""
    if count > most:
        raise too_large("images", f"are {count:,}, more than {most:,}")


def parse_json(body: bytes | bytearray) -> Any:
    """Return the value of a JSON body; ProblemError if it has none, or more values than can be read in between."""
    for what, marks, most in (("values", b",[{", MOST_VALUES), ("names", b":", MOST_NAMES)):
        if sum(body.count(mark) for mark in marks) > most:
            raise too_large("body", f"has more than {most:,} {what} in JSON")
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else f"is not JSON ({error})"
        raise wrong("body", reason, "send JSON in UTF-8") from None


def from_base64(where: str, text: object) -> bytes:
    """Return the bytes that a text encodes; ProblemError if it does not."""
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise wrong(where, "is not base64", "encode the bytes of the image file in base64") from None


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not a number")


def _in_json(body: bytes, most: int) -> Images:
    values = parse_json(body)
    listed = values.get("images") if isinstance(values, dict) else None
    if not isinstance(listed, list) or set(values) != {"images"}:
        raise wrong("body", 'is not {"images": [...]}', 'send {"images": ["BASE64", ...]}')
    check_count(len(listed), most)
    return [(f"images[{index}]", from_base64(f"images[{index}]", text)) for index, text in enumerate(listed)]


def _in_form(content_type: str, body: bytes, most: int) -> Images:
    """Return the files of a form, whatever its fields are called."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise wrong("Content-Type", "has no boundary", "let the client set it")
    parts = _Parts(most)
    try:
        parser = MultipartParser(boundary, parts.callbacks)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise wrong("body", f"is not a form ({error})", "send multipart/form-data") from None
    if not parts.ended:
        raise wrong("body", "ends within the form", "send all of it")
    return [(name or f"images[{index}]", bytes(content)) for index, (name, content) in enumerate(parts.files)]


class _Parts:
    """Collects the files of a form."""

    def __init__(self, most: int) -> None:
        self.most, self.ended = most, False
        self.files: list[tuple[str, bytearray]] = []
        self.field, self.value = b"", b""
        self.callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._value,
            "on_header_end": self._header,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        check_count(len(self.files) + 1, self.most)
        self.files.append(("", bytearray()))

    def _field(self, data: bytes, start: int, end: int) -> None:
        self.field += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def _header(self) -> None:
        if self.field.lower() == b"content-disposition":
            _, options = parse_options_header(self.value)
            name = options.get(b"filename", b"").decode("utf-8", "replace")[:LONGEST_NAME]
            self.files[-1] = (name, self.files[-1][1])
        self.field, self.value = b"", b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.files[-1][1].extend(memoryview(data)[start:end])

    def _end(self) -> None:
        self.ended = True
