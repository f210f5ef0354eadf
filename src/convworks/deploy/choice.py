"""Which library computes a bundle: the one that is named, or the fastest here of those that give its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from convworks.bundle.bundle import Bundle
from convworks.console import say
from convworks.deploy import kept
from convworks.deploy.check import seconds
from convworks.deploy.export import find_format, prove
from convworks.deploy.runtimes import CONVERTED, TORCH, Choice, check_runtime, exported_for
from convworks.errors import ConvworksError, InputError, worded
from convworks.hardware import precision_name
from convworks.inference.exported.format import Format
from convworks.inference.exported.read import FORMATS
from convworks.inference.exported.runtime import open_runtime
from convworks.inference.limits import batch_size
from convworks.inference.predictor import Predictor
from convworks.inference.runtime import Runtime, TorchRuntime

#: Work for PyTorch from which on converting and measuring repays itself: seconds, and samples without measuring that.
WORTH, MANY = 60.0, 256
FEW = "so few images do not repay measuring others; --runtime auto measures"
#: Samples of the batches that are measured, at most.
MEASURED = 64


def with_runtime(predictor: Predictor, name: str | None, count: int, *, busy: bool = False) -> tuple[Predictor, Choice]:
    """Return a predictor that computes `count` samples with a runtime, and the choice.

    `auto` measures what is installed on this machine, for this network and batch size, once: the choice is kept in the
    cache. What was measured while the machine was `busy` with other work stands until it is asked for on one that is
    not. None measures for many samples alone. Raises InputError for a runtime that is unknown, not installed or not
    for this device; RunError for a named one that does not give the answers of PyTorch.
    """
    check_runtime(name)
    current = predictor.runtime
    if predictor.network is None:
        return predictor, exported_for(current.name, precision_name(current.precision), name)
    if current.device.type != "cpu":
        if name in CONVERTED:
            reason = f"{name} computes on the CPU, not on {current.device}"
            raise InputError("--runtime", reason, "add --device cpu, or leave it out")
        return predictor, _choice(current, f"on {current.device}")
    if name == TORCH:
        return predictor, _choice(current, "as requested")
    assert isinstance(predictor.bundle, Bundle)  # there is a network
    batch = 1 if count == 1 else min(MEASURED, batch_size(current.device.type, predictor.input.size))
    if name is None and not kept.any_choice() and not _worth(predictor, count, batch):
        return predictor, _choice(current, FEW)
    key = kept.key_of(predictor.bundle)
    if name in CONVERTED:
        return _as(predictor, _converted(predictor, key, find_format(name)), "as requested")
    job = f"{batch} {precision_name(predictor.precision)}"
    known = kept.remembered(key, job)
    if known is not None and known.get("busy") and not busy:
        known = None
    if known is not None and (runtime := _again(predictor, key, known)) is not None:
        return _as(predictor, runtime, "the fastest when it was measured here", known["rates"])
    if name is None and not _worth(predictor, count, batch):
        return predictor, _choice(current, FEW)
    return _measured(predictor, key, batch, job, busy)


def _measured(predictor: Predictor, key: str, batch: int, job: str, busy: bool) -> tuple[Predictor, Choice]:
    """Return the fastest of all that are installed and give the answers of PyTorch; the choice is kept."""
    say(f"measuring runtimes for {predictor.bundle.model.name} at batches of {batch} ...")
    samples = _noise(predictor, batch)
    runtimes: dict[str, Runtime] = {}
    rates: dict[str, float] = {}
    for runtime in _candidates(predictor, key):
        label = f"{runtime.name} {precision_name(runtime.precision)}"
        runtimes[label], rates[label] = runtime, round(batch / seconds(runtime, samples), 1)
    best = max(rates, key=lambda label: rates[label])
    chosen, choice = _as(predictor, runtimes[best], f"the fastest of {_listed(rates)}", rates)
    kept.remember(
        key,
        job,
        {"runtime": choice.runtime, "precision": choice.precision, "rates": rates, "batch": batch}
        | {"model": predictor.bundle.model.name, "busy": busy},
    )
    return chosen, choice


def _worth(predictor: Predictor, count: int, batch: int) -> bool:
    """Return whether the work of PyTorch for so many samples would take longer than to look for something faster."""
    return count >= MANY and count * seconds(predictor.runtime, _noise(predictor, batch)) / batch >= WORTH


def _noise(predictor: Predictor, batch: int) -> Tensor:
    return predictor.input.noise(batch, torch.Generator().manual_seed(0))


def _candidates(predictor: Predictor, key: str) -> Iterator[Runtime]:
    """Yield PyTorch, in float32 too where it computes in bfloat16, and what is installed and gives its answers."""
    yield predictor.runtime
    if predictor.precision != torch.float32 and predictor.network is not None:
        yield TorchRuntime(network=predictor.network, input=predictor.input, precision=torch.float32)
    for name in CONVERTED:
        if FORMATS[name].installed:
            try:
                yield _converted(predictor, key, FORMATS[name])
            except ConvworksError as error:
                say(worded(f"{name} is left out: {error}"))


def _converted(predictor: Predictor, key: str, form: Format) -> Runtime:
    """Return the runtime of a bundle in another format: converted and checked now, or earlier."""
    bundle = predictor.bundle
    assert isinstance(bundle, Bundle)  # there is a network
    exported = kept.find(key, form)
    if exported is None:
        proven = prove(bundle, form)
        kept.keep(key, proven)
        content, checked = proven.files, proven.precisions
    else:
        content, checked = exported.files, exported.checked
    wanted = precision_name(predictor.precision)
    return open_runtime(form, content, bundle.input, wanted if wanted in checked else checked[0])


def _again(predictor: Predictor, key: str, known: dict[str, Any]) -> Runtime | None:
    """Return the runtime of a choice that is remembered; None if it no longer computes."""
    name, precision = known.get("runtime"), known.get("precision")
    if name == TORCH:
        if precision == precision_name(predictor.precision):
            return predictor.runtime
        assert predictor.network is not None
        return TorchRuntime(network=predictor.network, input=predictor.input, precision=torch.float32)
    try:
        return _converted(predictor, key, FORMATS[str(name)]) if FORMATS[str(name)].installed else None
    except (ConvworksError, RuntimeError, KeyError):
        return None


def _as(
    predictor: Predictor, runtime: Runtime, why: str, rates: dict[str, float] | None = None
) -> tuple[Predictor, Choice]:
    return replace(predictor, chosen=runtime, precision=runtime.precision), _choice(runtime, why, rates)


def _choice(runtime: Runtime, why: str, rates: dict[str, float] | None = None) -> Choice:
    return Choice(runtime=runtime.name, precision=precision_name(runtime.precision), why=why, rates=rates or {})


def _listed(rates: dict[str, float]) -> str:
    return ", ".join(f"{label} {rate:,.0f}/s" for label, rate in sorted(rates.items(), key=lambda item: -item[1]))
