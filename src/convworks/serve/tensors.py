"""Tensors of the Open Inference Protocol: read and written, in JSON or as bytes after it."""

from __future__ import annotations

import json
import math
import reprlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Any

import numpy as np
from fastapi import Response

from convworks.serve.batcher import Answer
from convworks.serve.bodies import check_count, from_base64, number_of, parse_json, wrong
from convworks.serve.problems import as_json, too_large

HEADER_LENGTH = "Inference-Header-Content-Length"
#: Names of inputs: decoded samples, as of an exported network, or encoded images.
SAMPLES, ENCODED = "samples", "images"
#: The types of outputs, in NumPy and in the protocol.
DATATYPES = {"float32": "FP32", "uint8": "UINT8"}
AXES = 8
#: Bytes of JSON in a request, and values of JSON in an answer: to read or to write them takes the server's only thread.
MOST_JSON, MOST_VALUES = 8 * 2**20, 2**20
LENGTH = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Inference:
    """A request: what a worker gets, and how it is to be answered.

    `outputs` says of each named output whether it comes as bytes; `binary` says it of those that are not named.
    """

    item: dict[str, Any]
    pieces: list[bytes]
    count: int
    id: str | None
    outputs: dict[str, bool]
    binary: bool


def parse(body: bytes, header_length: str | None, most: int) -> Inference:
    """Return the request that a body holds; ProblemError for what is wrong with it, and for more than `most` images."""
    head, rest = body, memoryview(b"")
    if header_length is not None:
        size = number_of(header_length)
        if size is None or size > len(body):
            raise wrong(HEADER_LENGTH, f"is {header_length!r}, of a body of {len(body)} bytes", "give that of the JSON")
        head, rest = body[:size], memoryview(body)[size:]
    if len(head) > MOST_JSON:
        raise too_large("body", f"has {len(head):,} bytes of JSON, more than {MOST_JSON:,}: send tensors as bytes")
    values = parse_json(head)
    if not isinstance(values, dict):
        raise wrong("body", "is not a JSON object", "see the Open Inference Protocol")
    inputs = values.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise wrong("inputs", "must be one tensor", f"give {SAMPLES} or {ENCODED}")
    parameters = _object(values.get("parameters", {}), "parameters")
    binary = _flag(parameters, "binary_data_output")
    identity = values.get("id")
    if identity is not None and not isinstance(identity, str):
        raise wrong("id", "is not a text", "give a text")
    item, pieces, count = _input(inputs[0], rest, most)
    outputs = _outputs(values.get("outputs", []), binary)
    return Inference(item=item, pieces=pieces, count=count, id=identity, outputs=outputs, binary=binary)


def _input(tensor: dict[str, Any], rest: memoryview, most: int) -> tuple[dict[str, Any], list[bytes], int]:
    """Return the item of an input, its pieces, and the number of its images.

    That number is known from the shape, and checked, before anything of the images is read.
    """
    name, datatype = tensor.get("name"), tensor.get("datatype")
    if (name, datatype) not in ((SAMPLES, "UINT8"), (ENCODED, "BYTES")):
        raise wrong(
            "inputs",
            f"{reprlib.repr(name)} of {reprlib.repr(datatype)} is not an input",
            f"give {SAMPLES} (UINT8) or {ENCODED} (BYTES)",
        )
    shape = _shape(name, tensor.get("shape"))
    check_count(shape[0], most)
    size = _object(tensor.get("parameters", {}), "parameters").get("binary_data_size")
    data = tensor.get("data")
    if size is not None:
        if type(size) is not int or size != len(rest) or data is not None:
            raise wrong(
                f"binary_data_size of {name}",
                f"is {reprlib.repr(size)}, but {len(rest)} bytes follow",
                "give their number",
            )
    elif not isinstance(data, list) or len(rest):
        raise wrong(f"data of {name}", "is not a list of values", "give data or binary_data_size")
    if name == ENCODED:
        pieces = _texts(rest, shape[0]) if size is not None else _decoded(data or [], shape[0])
        return {"names": [f"{ENCODED}[{index}]" for index in range(len(pieces))]}, pieces, len(pieces)
    content = bytes(rest) if size is not None else _values(data or [])
    if len(content) != math.prod(shape):
        raise wrong(SAMPLES, f"are {len(content):,} values, not {math.prod(shape):,}", "give the shape of the data")
    return {"shape": shape}, [content], shape[0]


def _shape(name: object, shape: object) -> list[int]:
    """Return a shape: of encoded images one number, of samples one for each axis."""
    most = 1 if name == ENCODED else AXES
    whole = isinstance(shape, list) and all(type(side) is int and 0 < side < 2**31 for side in shape)
    if isinstance(shape, list) and whole and 0 < len(shape) <= most:
        return shape
    remedy = "give positive whole numbers, the first that of images"
    raise wrong(f"shape of {name}", f"is {reprlib.repr(shape)}", remedy)


def _values(data: list[Any]) -> bytes:
    """Return the bytes in nested lists of numbers from 0 to 255."""
    while set(map(type, data)) == {list} and len(set(map(len, data))) == 1:
        data = list(chain.from_iterable(data))
    if set(map(type, data)) == {int} and min(data) >= 0 and max(data) <= 255:
        return bytes(data)
    raise wrong(f"data of {SAMPLES}", "are not whole numbers from 0 to 255", "give decoded pixels")


def _texts(content: memoryview, count: int) -> list[bytes]:
    """Return the elements of a BYTES tensor, which has `count`: each is its length, little-endian, and its bytes."""
    texts: list[bytes] = []
    at = 0
    for _ in range(count):
        end = at + LENGTH.size
        size = LENGTH.unpack(content[at:end])[0] if end <= len(content) else math.inf
        if end + size > len(content):
            reason = "end within an element" if at < len(content) else f"are {len(texts)}, not {count}"
            raise wrong(ENCODED, reason, "write the length of each before it: 4 bytes, little-endian")
        at = end + int(size)
        texts.append(bytes(content[end:at]))
    if at < len(content):
        raise wrong(ENCODED, f"are more than {count}", "give the shape of the data")
    return texts


def _decoded(texts: list[Any], count: int) -> list[bytes]:
    """Return the elements of a BYTES tensor in JSON, which has `count`: each is base64."""
    if len(texts) != count:
        raise wrong(ENCODED, f"are {len(texts)}, not {count}", "give the shape of the data")
    return [from_base64(f"{ENCODED}[{index}]", text) for index, text in enumerate(texts)]


def _outputs(listed: object, binary: bool) -> dict[str, bool]:
    """Return of each output that is named whether it is to come as bytes."""
    outputs: dict[str, bool] = {}
    for each in listed if isinstance(listed, list) else [None]:
        if not isinstance(each, dict) or not isinstance(name := each.get("name"), str):
            raise wrong("outputs", "must be a list of objects with a name", "see the Open Inference Protocol")
        parameters = _object(each.get("parameters", {}), "parameters")
        if parameters.get("classification"):
            raise wrong("classification", "is not supported", "leave it out, or use /v1/predict")
        outputs[name] = _flag(parameters, "binary_data", binary)
    return outputs


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(where, "is not an object", "give names and values")
    return value


def _flag(parameters: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise wrong(name, "is not true or false", "give true or false")
    return value


def tensors(head: dict[str, Any], answer: Answer, outputs: Mapping[str, bool], *, binary: bool) -> Response:
    """Return an answer: its tensors in JSON, or as bytes after it; ProblemError for too many values in JSON."""
    facts: list[dict[str, Any]] = []
    after: list[bytes] = []
    for each, content in zip(answer.header["tensors"], answer.pieces, strict=True):
        tensor = {"name": each["name"], "datatype": DATATYPES[each["type"]], "shape": each["shape"]}
        if outputs.get(each["name"], binary):
            tensor["parameters"] = {"binary_data_size": len(content)}
            after.append(content)
        else:
            values = np.frombuffer(content, each["type"])
            if values.size > MOST_VALUES:
                reason = f"has {values.size:,} values, more than {MOST_VALUES:,} in JSON"
                raise wrong(each["name"], reason, "ask for bytes: binary_data, or binary_data_output")
            tensor["data"] = values.tolist()
        facts.append(tensor)
    if not after:
        return as_json({**head, "outputs": facts})
    text = json.dumps({**head, "outputs": facts}).encode()
    headers = {HEADER_LENGTH: str(len(text))}
    return Response(b"".join([text, *after]), HTTPStatus.OK, headers, media_type="application/octet-stream")
