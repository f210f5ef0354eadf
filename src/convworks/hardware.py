"""Hardware and software of this machine: devices, precisions, versions."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from functools import cache
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

#: Libraries of the extra `deploy`, which compute exported networks or make them.
RUNTIMES = ("onnxruntime", "openvino", "onnx", "onnxscript", "nncf")

#: Parameters of mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4

DEVICES = "auto, cpu, cuda, cuda:N or mps"
PRECISIONS = ("auto", "float32", "bfloat16")


def is_device(name: str) -> bool:
    """Return whether a name is that of a possible device."""
    return re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", name) is not None


def restarted() -> bool:
    """Return whether torchrun has restarted this process after one of the processes died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def refuse_torchrun(command: str) -> None:
    """Raise InputError if torchrun started several processes, for a command that runs in one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(command, "runs in one process, but torchrun started several", "start it without torchrun")


def restarts() -> int:
    """Return how often torchrun may restart this process."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0"))


def choose_device(name: str) -> torch.device:
    """Return the device for a name; `auto` prefers CUDA, then MPS, then the CPU. Raises InputError if it is missing."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not is_device(name):
        raise InputError(f"--device {name}", f"must be {DEVICES}", "use auto or cpu")
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
            "use auto or cpu; `convworks doctor` shows what there is",
        )
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of matrix products; `auto` is bfloat16 if the hardware supports it.

    Raises InputError for an unknown name.
    """
    import torch

    check_precision(name)
    if name == "float32":
        return torch.float32
    if name == "bfloat16":
        return torch.bfloat16
    return torch.bfloat16 if has_bfloat16(device) else torch.float32


def check_precision(name: str) -> None:
    """Raise InputError for an unknown precision."""
    if name not in PRECISIONS:
        reason = f"there is no precision {name!r}{nearest(name, PRECISIONS)}"
        raise InputError("--precision", reason, f"choose from {', '.join(PRECISIONS)}")


def precision_name(precision: torch.dtype) -> str:
    """Return float32 or bfloat16."""
    return str(precision).removeprefix("torch.")


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 in hardware."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def threads() -> int:
    """Return how many threads a network is computed with: one a physical core that this process may use.

    $OMP_NUM_THREADS overrides it, as in PyTorch.
    """
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if re.fullmatch("[1-9][0-9]{0,3}", text) else _cores()


@cache
def _cores() -> int:
    from joblib import cpu_count  # a dependency of scikit-learn; it knows affinity and the limits of containers

    return int(cpu_count(only_physical_cores=True))


def widest(device: torch.device) -> torch.dtype:
    """Return float64, or float32 on devices without it."""
    import torch

    return torch.float32 if device.type == "mps" else torch.float64


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed PyTorch's random numbers on the CPU and on this device.

    `torch.manual_seed` seeds all kinds of devices, and records the call stack for uninitialised ones: half a
    millisecond, a tenth of a step of LeNet-5.
    """
    import torch

    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        getattr(torch, device.type).manual_seed(seed)


def make_deterministic(device: torch.device) -> str:
    """Make computation on this device bit-exact, for the rest of the process; return a note on scope and cost."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("error")  # like use_deterministic_algorithms, which also imports the compiler
    # Filling uninitialised memory only reveals bugs that read it, and costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"deterministic: bit-exact on such a processor with as many threads ({threads}), at little cost in speed"
    return f"deterministic: bit-exact on such a {device.type} device; some kernels are slower, or missing"


def keep_memory(device: torch.device) -> None:
    """Let the C library keep the memory of freed CPU tensors for later ones, for the rest of the process.

    By default, glibc returns blocks above 32 MiB to the system, and the pages of the next tensor are allocated and
    cleared anew: a tenth of a training step, with large images a third. The price is memory that is kept but unused at
    times, a quarter of the total for VGG. MALLOC_MMAP_THRESHOLD_ (bytes) overrides it. No effect with other C
    libraries.
    """
    if device.type != "cpu" or platform.libc_ver()[0] != "glibc" or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return
    options = ctypes.CDLL(None).mallopt
    if not options(M_MMAP_THRESHOLD, 1 << 30):  # exceeds the limit of older libraries
        options(M_MMAP_MAX, 0)
    options(M_TRIM_THRESHOLD, (1 << 31) - 1)


def environment(device: torch.device) -> dict[str, Any]:
    """Describe hardware, system and versions for the record of a run."""
    import torch

    description: dict[str, Any] = {
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
        description["gpu"] = torch.cuda.get_device_name(device)
    return description


def processor_name() -> str:
    """Return the name of the processor as reported by the system."""
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()} ({os.cpu_count()} cores)"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()} ({os.cpu_count()} cores)"


def memory_gib() -> float | None:
    """Return the size of the main memory in GiB, None if unknown."""
    if sys.platform == "win32":
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def git_revision() -> str | None:
    """Return the git revision of the checkout that convworks runs from, None if it is installed otherwise."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        result = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
