"""Architectures as tables: one file a paper, one builder a file. This page only knows the names."""

from __future__ import annotations

from convworks.errors import InputError, nearest

CIFAR_DEPTHS = (20, 32, 44, 56, 110, 1202)

FAMILIES: dict[str, tuple[str, ...]] = {
    "lenet": ("lenet5", "lenet5_modern"),
    "convnet": ("convnet_digits", "convnet_fast", "convnet_accurate", "convnet_color"),
    "resnet_cifar": (
        *(f"resnet{depth}" for depth in CIFAR_DEPTHS),
        *(f"plain{depth}" for depth in CIFAR_DEPTHS),
    ),
}

NAMES: tuple[str, ...] = tuple(name for names in FAMILIES.values() for name in names)


def family(name: str) -> str:
    """Return the module under `convworks.models` that holds a network's table; unknown names raise InputError."""
    for module, names in FAMILIES.items():
        if name in names:
            return module
    raise InputError("model", f"there is no network {name!r}{nearest(name, NAMES)}", "`convworks models` lists them")
