"""Activations by name: of taps, of any module, and of one call of a module that is called several times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from convworks.errors import InputError, nearest
from convworks.layers.network import Network


@contextmanager
def tapping(network: nn.Module, taps: Sequence[str], *, stop: bool = False) -> Iterator[Mapping[str, Tensor]]:
    """Give the activations at some taps, which are there when the network has run.

    A tap is that of a `Network`, or the name of any module; of one that is called several times, `name[2]` is the
    second call. What follows works on a copy, so that no operation in place changes an activation. With `stop`, the
    network runs no further than needed: the context ends, whatever would follow in it. Raises InputError for a tap that
    is unknown, or not one tensor, or that was not reached.
    """
    names = {tap: call_of(tap) for tap in dict.fromkeys(taps)}
    modules = {name: module_at(network, name) for name, _ in names.values()}
    calls: dict[str, list[Tensor]] = {name: [] for name in modules}
    activations: dict[str, Tensor] = {}

    def record(name: str) -> Callable[[nn.Module, object, object], Tensor]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> Tensor:
            if not isinstance(output, Tensor):
                raise InputError("tap", f"the output of {name} is not one tensor", "name a layer inside or beside it")
            calls[name].append(output)
            # Whether a tap without a number names one call is known at the end alone.
            if stop and all(number is not None and number <= len(calls[each]) for each, number in names.values()):
                raise _Complete
            return output.clone()

        return hook

    handles = [module.register_forward_hook(record(name)) for name, module in modules.items()]
    try:
        yield activations
    except _Complete:
        pass
    finally:
        for handle in handles:
            handle.remove()
    for tap, (name, number) in names.items():
        count = len(calls[name])
        if number is None and count > 1:
            reason = f"{name} is called {count} times"
            raise InputError("tap", reason, f"name one call, for example {name}[{count}]")
        if not count:
            raise InputError("tap", f"{tap} is not reached on the way to the output", "name another one")
        call = 1 if number is None else number
        if not 1 <= call <= count:
            reason = f"{name} is called {count} times" if count > 1 else f"{name} is called once"
            raise InputError("tap", f"there is no {tap}: {reason}", "count from 1")
        activations[tap] = calls[name][call - 1]


class _Complete(Exception):  # noqa: N818  # not an error: it ends the forward pass
    pass


def module_at(network: nn.Module, name: str) -> nn.Module:
    """Return the module at a tap, or with a name as in `named_modules`, with or without `stages.`.

    Raises InputError for an unknown one.
    """
    if isinstance(network, Network) and name in network.taps:
        return network.tapped(name)
    modules: dict[str, nn.Module] = {each: module for each, module in network.named_modules() if each}
    for written in (name, f"stages.{name}"):
        if written in modules:
            return modules[written]
    known = network.taps if isinstance(network, Network) else list(modules)
    raise InputError("tap", f"there is no tap {name!r}{nearest(name, [*known, *modules])}", f"taps: {', '.join(known)}")


def call_of(tap: str) -> tuple[str, int | None]:
    """Return the name in a tap, and the number of the call that it names, if any."""
    named = re.fullmatch(r"(.+)\[(\d+)\]", tap)
    return (named[1], int(named[2])) if named else (tap, None)
