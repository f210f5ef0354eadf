"""Converted networks, and which runtime was the fastest, in the user's cache: a network is converted once."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from convworks import files
from convworks.bundle.bundle import Bundle, describe
from convworks.data.cache.store import in_use
from convworks.data.home import cache_folder
from convworks.deploy.export import Proven, write
from convworks.errors import InputError
from convworks.hardware import processor_name, threads
from convworks.inference.exported.format import Format
from convworks.inference.exported.read import Exported, read_exported

#: Networks that are kept; the least recently used is removed first.
MOST = 16
CHOICES = "choices.json"
LIBRARIES = ("convworks", "torch", "onnxruntime", "openvino")


def folder() -> Path:
    """Return the folder of converted networks, which may not exist yet."""
    return cache_folder() / "runtimes"


def key_of(bundle: Bundle) -> str:
    """Return the name of a network on this machine: its weights and facts, versions, processor and threads."""
    digest = hashlib.sha256(json.dumps([describe(bundle), versions(), processor_name(), threads()]).encode())
    for name, tensor in bundle.network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:32]


def versions() -> dict[str, str]:
    """Return the versions of the libraries that compute networks, as far as they are installed."""
    found = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def find(key: str, form: Format) -> Exported | None:
    """Return the converted network of a key; None if there is none, or it is damaged."""
    if not in_use():
        return None
    path = folder() / key / f"network{form.suffixes[0]}"
    try:
        exported = read_exported(path)
    except InputError:
        return None
    with suppress(OSError):
        os.utime(path.parent)
    return exported


def keep(key: str, proven: Proven) -> None:
    """Keep a converted network, where there is a cache and room in it."""
    if not in_use():
        return
    with suppress(OSError):
        (folder() / key).mkdir(parents=True, exist_ok=True)
        write(proven, folder() / key / f"network{proven.format.suffixes[0]}")
        for old in sorted(_networks(), key=lambda path: -path.stat().st_mtime)[MOST:]:
            shutil.rmtree(old, ignore_errors=True)


def remembered(key: str, job: str) -> dict[str, Any] | None:
    """Return the choice for a network at a batch size and a precision of PyTorch; None if there is none."""
    choice = choices(folder() / key).get(job) if in_use() else None
    return choice if isinstance(choice, dict) else None


def remember(key: str, job: str, choice: dict[str, Any]) -> None:
    """Remember a choice for a network at a batch size and a precision of PyTorch."""
    if in_use():
        with suppress(OSError):
            (folder() / key).mkdir(parents=True, exist_ok=True)
            files.write_json(folder() / key / CHOICES, {**choices(folder() / key), job: choice})


def choices(network: Path) -> dict[str, Any]:
    """Return the choices in the folder of a network by job."""
    try:
        content = files.read_json(network / CHOICES)
    except InputError:
        return {}
    return content if isinstance(content, dict) else {}


def all_choices() -> list[dict[str, Any]]:
    """Return all choices that are remembered."""
    return [choice for network in sorted(_networks()) for choice in choices(network).values()]


def any_choice() -> bool:
    """Return whether any choice is remembered; it takes less than `key_of`."""
    return in_use() and any(folder().glob(f"*/{CHOICES}"))


def clear() -> int:
    """Remove all converted networks and choices; return how many bytes they had."""
    size = sum(file.stat().st_size for file in folder().rglob("*") if file.is_file())
    shutil.rmtree(folder(), ignore_errors=True)
    return size


def _networks() -> list[Path]:
    return [path for path in folder().glob("*") if path.is_dir()]
