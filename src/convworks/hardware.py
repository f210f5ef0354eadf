"""What this machine has: devices, precisions, versions."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.errors import InputError, nearest

if TYPE_CHECKING:
    import torch

LIBRARIES = (
    "torch",
    "numpy",
    "safetensors",
    "pillow",
    "scikit-learn",
    "pydantic",
    "typer",
    "rich",
)

#: Names of mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4

DEVICES = "auto, cpu, cuda, cuda:N or mps"
PRECISIONS = ("auto", "float32", "bfloat16")


def is_device(name: str) -> bool:
    """Tell whether a device could have this name."""
    return re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", name) is not None


def restarted() -> bool:
    """Tell whether torchrun has started this process again after one of the processes died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def refuse_torchrun(command: str) -> None:
    """Raise InputError in one of several processes of torchrun, for a command that is one process."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(command, "is one process, and torchrun started several", "start it without torchrun")


def restarts() -> int:
    """Return how often torchrun may start this process again."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0"))


def choose_device(name: str) -> torch.device:
    """Return the device for a name; `auto` takes CUDA, then MPS, then the CPU. A missing one raises InputError."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not is_device(name):
        raise InputError(f"--device {name}", f"must be {DEVICES}", "use --device auto or cpu")
    device = torch.device(name)
    available = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }[device.type]
    if (device.index or 0) >= available:
        raise InputError(
            f"--device {name}",
            f"this machine has {available or 'no'} {device.type} device{'s' if available != 1 else ''}",
            "use --device auto or cpu; `convworks doctor` shows what there is",
        )
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type that products are computed in; `auto` is bfloat16 where the hardware has instructions for it.

    Another name raises InputError.
    """
    import torch

    check_precision(name)
    if name == "float32":
        return torch.float32
    if name == "bfloat16":
        return torch.bfloat16
    fast = has_bfloat16(device)
    return torch.bfloat16 if fast else torch.float32


def check_precision(name: str) -> None:
    """Raise InputError for a precision that there is not."""
    if name not in PRECISIONS:
        reason = f"there is no precision {name!r}{nearest(name, PRECISIONS)}"
        raise InputError("--precision", reason, f"choose from {', '.join(PRECISIONS)}")


def precision_name(precision: torch.dtype) -> str:
    """Return float32 or bfloat16."""
    return str(precision).removeprefix("torch.")


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether the device multiplies bfloat16 in hardware."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16") or has.get("bf16"))


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed what PyTorch draws on the CPU and on this device.

    `torch.manual_seed` does it for all kinds of devices, and records the call stack for those that have not begun yet:
    half a millisecond, which is a tenth of a step of LeNet-5.
    """
    import torch

    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        getattr(torch, device.type).manual_seed(seed)


def make_deterministic(device: torch.device) -> str:
    """Make repeats on this device bit-exact, for the rest of the process; return what that holds for and costs."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("error")  # as use_deterministic_algorithms, which imports the compiler too
    # Filling fresh memory finds reads of it, which would be defects; it repeats nothing, and costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"deterministic: bit-exact on such a processor with as many threads ({threads}), at little cost in speed"
    return f"deterministic: bit-exact on such a {device.type} device; some kernels are slower, or missing"


def keep_memory(device: torch.device) -> None:
    """Let the C library keep what tensors on the CPU give back, for the next ones; for the rest of the process.

    Left alone, glibc gives blocks above 32 MiB back to the system each time, and the pages of the next tensor are made
    and cleared anew: a tenth of a step of training, with large images a third. It takes room that is kept and cannot be
    used just then, a quarter of all with VGG. Who sets MALLOC_MMAP_THRESHOLD_ (bytes) decides himself. With other C
    libraries nothing happens.
    """
    if device.type != "cpu" or platform.libc_ver()[0] != "glibc" or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return
    options = ctypes.CDLL(None).mallopt
    if not options(M_MMAP_THRESHOLD, 1 << 30):  # above the limit of an older library
        options(M_MMAP_MAX, 0)
    options(M_TRIM_THRESHOLD, (1 << 31) - 1)


def environment(device: torch.device) -> dict[str, Any]:
    """Describe hardware, system and versions for the record of a run."""
    import torch

    described: dict[str, Any] = {
        "device": str(device),
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        "memory_gib": memory_gib(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "convworks": importlib.metadata.version("convworks"),
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
        "git": git_revision(),
    }
    if device.type == "cuda":
        described["gpu"] = torch.cuda.get_device_name(device)
    return described


def processor_name() -> str:
    """Return the processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()} ({os.cpu_count()} cores)"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()} ({os.cpu_count()} cores)"


def memory_gib() -> float | None:
    """Return the size of the main memory in GiB, None where the system does not say."""
    if sys.platform == "win32":
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def git_revision() -> str | None:
    """Return the revision of the checkout that convworks runs from, None where it is installed otherwise."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
