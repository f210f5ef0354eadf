"""`python -m benchmarks.serve [NETWORK...] [--seconds S] [--overload S] [--out FILE]`: servers under load, as a table.

Everything runs on this machine: the generator of the load takes its share of the processor, which is told.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import machine
from benchmarks.serve import load as traffic
from benchmarks.serve.servers import Server, convworks, peer

HOST = "127.0.0.1"
NETWORKS = {"resnet20": 32, "resnet50": 224}
KINDS = 16
RESULTS = Path(__file__).parents[1] / "results"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), metavar="NETWORK")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--overload", type=float, default=60.0, help="seconds at four times the capacity")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    description = machine.describe()
    rows = []
    for network in args.networks:
        with tempfile.TemporaryDirectory(prefix="convworks-serve-") as folder:
            bundle = make_bundle(network, Path(folder) / network)
            rows.append(measure(network, bundle, args))
            print(json.dumps(rows[-1], indent=1), file=sys.stderr, flush=True)
    out = args.out or RESULTS / f"{description['date'][:10]}-serve.json"
    out.write_text(json.dumps({"machine": description, "serve": rows}, indent=1) + "\n", encoding="utf-8")
    print(f"Measured on {machine.line(description)}.\n\n{table(rows)}")
    return 0


def make_bundle(network_name: str, path: Path) -> Path:
    """Write a bundle of an untrained network: what it answers does not matter here."""
    import torch

    from benchmarks.convworks_side.save_bundle import settle
    from convworks.bundle.bundle import Bundle, save_bundle
    from convworks.data.decode.preprocess import Preprocessing
    from convworks.models.catalogue import Shape, create
    from convworks.models.config import ModelConfig

    side = NETWORKS[network_name]
    classes = 10 if side == 32 else 1000
    torch.manual_seed(0)
    network = create(network_name, Shape(classes=classes, channels=3, size=(side, side)))
    settle(network, torch.randn(8, 3, side, side))
    preprocessing = Preprocessing(
        size=(side, side), channels=3, fit="crop", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)
    )
    save_bundle(
        path,
        Bundle(
            network=network,
            model=ModelConfig(name=network_name),
            preprocessing=preprocessing,
            classes=tuple(map(str, range(classes))),
            record={},
        ),
    )
    return path


def pictures(side: int) -> list[bytes]:
    """Return JPEG files of smooth noise in the size that the network reads."""
    drawn = []
    for seed in range(KINDS):
        coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        drawn.append(file.getvalue())
    return drawn


def alone(bundle: Path, runtime: str, seconds: float, files: list[bytes]) -> dict[str, Any]:
    """Return images a second of the runtime in this process: computed only, and decoded and computed."""
    import torch

    from convworks.api.load import load
    from convworks.inference.answers import raw
    from convworks.inference.limits import batch_size

    predictor = load(bundle, runtime=runtime)
    size = batch_size("cpu", predictor.input.size)
    batch = predictor.input.noise(size, torch.Generator().manual_seed(0))

    def rate(work: Callable[[], object]) -> tuple[float, float]:
        work()
        began, used, count = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began < seconds:
            work()
            count += size
        return count / (time.perf_counter() - began), (time.process_time() - used) / count

    many = [files[index % len(files)] for index in range(size)]

    def decoded() -> object:
        return raw(predictor.runtime, predictor.input.stack([predictor.input.read("x", each) for each in many]))

    computed, both = rate(lambda: raw(predictor.runtime, batch)), rate(decoded)
    return {
        "runtime": f"{predictor.runtime.name} {str(predictor.precision).removeprefix('torch.')}",
        "batch": size,
        "rate": computed[0],
        "processor": computed[1],
        "with_decoding": both[0],
        "processor_with_decoding": both[1],
    }


def measure(network: str, bundle: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Measure the servers with one network."""
    side = NETWORKS[network]
    files = pictures(side)
    facts: dict[str, Any] = {"network": network, "alone": alone(bundle, args.runtime, args.seconds, files)}
    batch = facts["alone"]["batch"]
    single = [traffic.request(HOST, "/v1/predict", each, {"Content-Type": "image/jpeg"}) for each in files]
    with convworks(bundle, "--runtime", args.runtime) as server:
        facts["memory"] = server.memory()
        together = [_form(files, 16)]
        samples = [_samples(network, side, 16)]
        facts["single"] = saturate(server, single, 1, batch, args.seconds)
        facts["together"] = saturate(server, together, 16, batch, args.seconds)
        facts["samples"] = saturate(server, samples, 16, batch, args.seconds)
        capacity = facts["single"]["rate"]
        facts["at_70"] = steady(server, single, 0.7 * capacity, args.seconds)
        facts["overload"] = overload(server, single, capacity, args.overload)
        facts["after"] = steady(server, single, 0.7 * capacity, 5.0)
    if args.peers:
        for name, script, needs in (
            ("plain", "plain_server.py", "fastapi"),
            ("litserve", "litserve_server.py", "litserve"),
        ):
            if find_spec(needs) is not None:
                with peer(script, bundle) as server:
                    facts[name] = saturate(server, _for_peer(name, files), 1, batch, args.seconds)
    return facts


def _form(files: list[bytes], count: int) -> bytes:
    body = b"".join(
        f'--edge\r\nContent-Disposition: form-data; name="images"; filename="{at}.jpg"\r\n\r\n'.encode()
        + files[at % len(files)]
        + b"\r\n"
        for at in range(count)
    )
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    return traffic.request(HOST, "/v1/predict", body + b"--edge--\r\n", headers)


def _samples(network: str, side: int, count: int) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8).tobytes()
    tensor = {"name": "samples", "datatype": "UINT8", "shape": [count, side, side, 3]}
    values = {
        "inputs": [{**tensor, "parameters": {"binary_data_size": len(pixels)}}],
        "parameters": {"binary_data_output": True},
    }
    head = json.dumps(values).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    return traffic.request(HOST, f"/v2/models/{network}/infer", head + pixels, headers)


def _for_peer(name: str, files: list[bytes]) -> list[bytes]:
    if name == "plain":
        return [traffic.request(HOST, "/predict", each, {"Content-Type": "image/jpeg"}) for each in files]
    import base64

    bodies = [json.dumps({"image": base64.b64encode(each).decode()}).encode() for each in files]
    return [traffic.request(HOST, "/predict", each, {"Content-Type": "application/json"}) for each in bodies]


def saturate(server: Server, requests: list[bytes], images: int, batch: int, seconds: float) -> dict[str, Any]:
    """Return the images a second that a server answers to clients that ask as fast as they are answered.

    There are as many clients as two full batches have images: one is computed while another gathers.
    """
    clients = max(2, 2 * batch // images)
    _run(traffic.closed(HOST, server.port, requests, clients=clients, seconds=1.0))
    began, used, took = time.perf_counter(), time.process_time(), server.processor()
    tally = _run(traffic.closed(HOST, server.port, requests, clients=clients, seconds=seconds))
    passed, took = time.perf_counter() - began, server.processor() - took
    return {
        "rate": images * len(tally.good) / passed,
        "processor": took / max(1, images * len(tally.good)),
        "statuses": dict(tally.statuses),
        "p50": tally.percentile(0.5),
        "p99": tally.percentile(0.99),
        "generator": (time.process_time() - used) / passed,
    }


def steady(server: Server, requests: list[bytes], rate: float, seconds: float) -> dict[str, Any]:
    """Return the latencies at a rate."""
    tally = _run(traffic.opened(HOST, server.port, requests, rate=rate, seconds=seconds))
    return {
        "asked": rate,
        "statuses": dict(tally.statuses),
        **{f"p{share}": tally.percentile(share / 100) for share in (50, 90, 99)},
    }


def overload(server: Server, requests: list[bytes], capacity: float, seconds: float) -> dict[str, Any]:
    """Ask four times what a server can answer: what it answers in time, and what memory it takes."""
    memory = [server.memory()]
    statuses: dict[str, int] = {}
    good, latencies = 0, []
    began = time.perf_counter()
    for part in range(6):
        work = traffic.opened(HOST, server.port, requests, rate=4 * capacity, seconds=seconds / 6, seed=part)
        tally = _run(work)
        good += len(tally.good)
        latencies.append(tally.percentile(0.99))
        for status, count in tally.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
        memory.append(server.memory())
    passed = time.perf_counter() - began
    return {
        "goodput": good / passed / capacity,
        "statuses": statuses,
        "p99": max(latencies),
        "memory": [round(each) for each in memory],
    }


def _run(work: Any) -> traffic.Tally:
    loop = None
    if find_spec("uvloop") is not None:
        import uvloop

        loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(work)


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows in Markdown."""
    lines = [
        "| network | what | images/s | of the runtime alone | processor ms an image | p50, p99 | statuses |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        whole = row["alone"]["rate"]
        alone = row["alone"]
        cells = f"{alone['runtime']} alone | {whole:.0f} | 1 | {1000 * alone['processor']:.2f} | | |"
        lines.append(f"| {row['network']} | {cells}")
        both = alone["with_decoding"], 1000 * alone["processor_with_decoding"]
        cells = f"the same, with decoding | {both[0]:.0f} | {both[0] / whole:.2f} | {both[1]:.2f} | | |"
        lines.append(f"| {row['network']} | {cells}")
        names = {
            "single": "one image a request",
            "together": "16 images a request",
            "samples": "16 decoded images a request (V2)",
            "plain": "FastAPI and torch",
            "litserve": "LitServe",
        }
        for key, name in names.items():
            if key in row:
                facts = row[key]
                rates = f"{facts['rate']:.0f} | {facts['rate'] / whole:.2f} | {1000 * facts['processor']:.2f}"
                lines.append(f"| {row['network']} | {name} | {rates} | {_ms(facts)} | {_codes(facts)} |")
        for key, name in {"at_70": "at 70 %", "after": "at 70 % after the overload"}.items():
            lines.append(f"| {row['network']} | {name} | | | | {_ms(row[key])} | {_codes(row[key])} |")
        facts = row["overload"]
        cells = f"goodput {facts['goodput']:.2f} | | | {1000 * facts['p99']:.0f} ms | {_codes(facts)}"
        lines.append(f"| {row['network']} | at four times its capacity | {cells}; MiB {facts['memory']} |")
    return "\n".join(lines)


def _ms(facts: dict[str, Any]) -> str:
    return f"{1000 * facts['p50']:.1f}, {1000 * facts['p99']:.1f} ms"


def _codes(facts: dict[str, Any]) -> str:
    return ", ".join(f"{status}: {count}" for status, count in sorted(facts["statuses"].items()))


if __name__ == "__main__":
    sys.exit(main())
