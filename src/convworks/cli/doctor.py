"""`convworks doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from convworks import hardware
from convworks.cli.answer import Answer, table
from convworks.data.home import NoCacheError, cache_folder
from convworks.files import path_from

ENOUGH_DISK = 2 * 2**30
ENOUGH_MEMORY = 4  # GiB


def run() -> Answer:
    """Check interpreter, libraries, devices, memory, disks and settings."""
    import importlib.metadata

    facts: dict[str, str] = {
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
    }
    problems: list[str] = []
    for name in ("convworks", *hardware.LIBRARIES):
        try:
            facts[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            facts[name] = "missing"
            problems.append(f"{name} is not installed: pip install {name}")
    for name in hardware.RUNTIMES:
        try:
            facts[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            facts[name] = 'not installed (pip install "convworks[deploy]")'
    try:
        facts |= _devices()
    except ImportError as error:
        problems.append(f"torch cannot be imported ({error}): install it again")
    memory = hardware.memory_gib()
    facts["memory"] = f"{memory} GiB"
    if memory is not None and memory < ENOUGH_MEMORY:
        problems.append(f"{memory} GiB of memory is little: use small images and batches")
    folders = {"working folder": Path.cwd()}
    try:
        folders["cache"] = cache_folder()
    except NoCacheError as error:
        problems.append(str(error))
    facts["cache"] = str(folders.get("cache", "none"))
    if "cache" in folders and "processor" in facts:  # torch can be imported
        facts |= _chosen_runtimes()
    for label, folder in folders.items():
        problems += _disk(label, folder, facts)
    data = path_from("CONVWORKS_DATA")
    facts["CONVWORKS_DATA"] = str(data or "not set")
    if data is not None and not data.is_dir():
        problems.append(f"CONVWORKS_DATA names {data}, which is not a folder: correct or unset it")
    text = table(["what", "found"], list(facts.items()))
    verdict = [f"problem: {problem}" for problem in problems] or ["no problems found"]
    return Answer(
        values={"found": facts, "problems": problems},
        text="\n".join([text, *verdict, "next: convworks train"]),
        status=1 if problems else 0,
    )


def _devices() -> dict[str, str]:
    import torch

    device = hardware.choose_device("auto")
    fast = hardware.has_bfloat16(device)
    facts = {
        "processor": hardware.processor_name(),
        "threads": str(torch.get_num_threads()),
        "threads of other runtimes": str(hardware.threads()),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "device": str(device),
        "bfloat16": "in hardware, used by default" if fast else "not in hardware, float32 is used",
        "VNNI, for int8": {True: "in hardware", False: "not in hardware", None: "unknown"}[hardware.has_vnni()],
    }
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(index)
        facts[f"cuda:{index}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    return facts


def _chosen_runtimes() -> dict[str, str]:
    """Return the runtimes that `predict` measured to be the fastest here."""
    from convworks.deploy.kept import all_choices

    return {
        f"runtime of {choice['model']}, batches of {choice['batch']}": f"{choice['runtime']}, {choice['precision']}"
        for choice in all_choices()
    }


def _disk(label: str, folder: Path, facts: dict[str, str]) -> list[str]:
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    facts[f"free in {label}"] = f"{free / 2**30:.1f} GiB"
    if not os.access(existing, os.W_OK):
        return [f"the {label} {existing} cannot be written to: change its permissions"]
    return [f"the {label} {existing} has only {free / 2**30:.1f} GiB free: make room"] if free < ENOUGH_DISK else []
