"""A worker process of the server: `python -m convworks.serve.worker SOCKET`, started by process.py.

Messages in (wire.py): the settings, then batches {"batch", "items"}. Messages out: the facts about the network as
{"ready"}, or {"error"}; then {"batch", "seconds", "replies"}. When the socket ends, so does the worker.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from convworks.errors import ConvworksError, InputError
from convworks.serve import wire

Decoded = tuple[int, list[tuple[Any, Callable[[], Any]]]]  # number of the batch; items, and what gives their samples


def main() -> None:
    """Load, then compute batches until the socket ends."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)  # the server tells the end by closing the socket
    channel = socket.socket(fileno=int(sys.argv[1]))
    first = wire.receive(channel)
    if first is None:
        return
    batches: queue.SimpleQueue[wire.Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, batches), daemon=True).start()
    try:
        serve(channel, batches, **first[0])
    except ConvworksError as error:
        facts = {"where": error.where, "reason": error.reason, "remedy": error.remedy}
        _send(channel, {"error": {**facts, "input": isinstance(error, InputError)}})


def serve(channel: socket.socket, batches: queue.SimpleQueue[wire.Message], paths: list[str], **settings: Any) -> None:
    """Load the networks, compute something to warm up, say so, and compute what comes."""
    import torch

    from convworks.data.decode.quiet import quiet
    from convworks.deploy.runtimes import TORCH
    from convworks.hardware import threads
    from convworks.serve.compute import Item, decoding, item_of, load_served, respond

    served = load_served(paths=[Path(path) for path in paths], **settings)
    if all(member.runtime.name != TORCH for member in served.members):
        torch.set_num_threads(1)  # for activations alone: more would wait for the processor that the runtime uses
    item = Item(shape=(served.facts["max_batch"],))
    samples = [served.reader.blank()] * item.count
    for _ in range(2):  # the first time, memory is allocated and kernels are chosen
        began = time.perf_counter()
        respond(served, [(item, lambda: samples)])
        seconds = time.perf_counter() - began
    _send(channel, {"ready": {**served.facts, "seconds": seconds}})
    decoded: queue.SimpleQueue[Decoded] = queue.SimpleQueue()
    with quiet(), ThreadPoolExecutor(threads()) as pool:
        start = decoding(served, pool)
        threading.Thread(target=_decode, args=(batches, decoded, start, item_of), daemon=True).start()
        while True:
            number, items = decoded.get()
            began = time.perf_counter()
            replies = respond(served, items)
            header = {"batch": number, "seconds": time.perf_counter() - began}
            rows = [{**reply.header, "count": len(reply.pieces)} for reply in replies]
            _send(channel, {**header, "replies": rows}, [piece for reply in replies for piece in reply.pieces])


def _decode(
    batches: queue.SimpleQueue[wire.Message],
    decoded: queue.SimpleQueue[Decoded],
    start: Callable[[Any, list[bytes]], Callable[[], Any]],
    make: Callable[..., Any],
) -> None:
    """Begin to decode each batch as it comes, while the one before is computed."""
    while True:
        header, pieces = batches.get()
        items, at = [], 0
        for facts in header["items"]:
            item = make(facts)
            items.append((item, start(item, pieces[at : at + item.pieces])))
            at += item.pieces
        decoded.put((header["batch"], items))


def _listen(channel: socket.socket, batches: queue.SimpleQueue[wire.Message]) -> None:
    while (message := wire.receive(channel)) is not None:
        batches.put(message)
    os._exit(0)  # the server is gone, or needs this worker no longer: nothing here is worth finishing


def _send(channel: socket.socket, header: dict[str, Any], pieces: list[bytes] | None = None) -> None:
    try:
        channel.sendall(b"".join(wire.pack(header, pieces or [])))
    except ConnectionError:
        os._exit(0)


if __name__ == "__main__":
    main()
