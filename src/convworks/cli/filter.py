"""`convworks filter`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from convworks.cli.answer import Answer, table
from convworks.cli.outputs import check_outputs, free_folder, unique_names
from convworks.commands import repeated
from convworks.console import counting
from convworks.data.cache.memory import processors
from convworks.data.config import DECODING, Decoding
from convworks.data.decode.floats import float_range
from convworks.data.listing.find import find, plain_files
from convworks.errors import InputError, counted, nearest, visible
from convworks.filters.apply import BORDERS
from convworks.filters.files import Job, OutputPaths, filter_file, output_paths
from convworks.ops.kernels import KERNELS, SHOWS, Kernel, parse_kernel, total
from convworks.ops.shape import Padding, resolve_padding
from convworks.outputs import Protected

#: Images at a time: each needs memory; threads left over share the work on an image.
AT_A_TIME = 4
SHOWN = 20  # images in the answer for people
DEFAULT = Path("filtered")


def run(
    paths: Sequence[str],
    *,
    kernel: str | None,
    stride: int,
    padding: str,
    border: str = "replicate",
    out: Path | None,
    overwrite: bool = False,
    values: bool,
    max_pixels: int | None = None,
) -> Answer:
    """Apply a kernel to every image that the paths name, or list the kernels; status 1 if some images fail."""
    started = time.perf_counter()
    if not paths:
        written = {"--out": out is not None, "--overwrite": overwrite, "--values": values}
        if idle := next((option for option, used in written.items() if used), None):
            raise InputError(idle, "needs images to filter", "name one, or leave the option out")
        return _list(None if kernel is None else parse_kernel(kernel))
    if kernel is None:
        raise InputError("--kernel", "is missing", f"give one of {', '.join(KERNELS)}, or a file, or numbers")
    chosen = parse_kernel(kernel)
    if border not in BORDERS:
        remedy = f"choose one of {', '.join(BORDERS)}"
        raise InputError("--border", f"there is no border {border!r}{nearest(border, BORDERS)}", remedy)
    width: Padding = int(padding) if padding.removeprefix("-").isdecimal() else padding
    try:
        resolve_padding(width, chosen.weights.shape, (1, 1))
    except InputError as error:  # its remedy is for Python, where each side can be given
        remedy = "give valid, same (odd kernels), full, or one number for all sides"
        raise InputError(f"--padding {padding}", error.reason, remedy) from None
    listing = find(paths)
    files = plain_files(listing, "a filter")
    names = [f"{name}-{chosen.name}" for name in unique_names(files)]
    read = listing.protected() + Protected(files=([Path(kernel)],))
    folder = out
    if folder is None:
        folder = free_folder(DEFAULT, lambda each: _paths(_outputs(each, names, files, chosen)), overwrite=overwrite)
    outputs = _outputs(folder, names, files, chosen)
    check_outputs(folder, _paths(outputs), read, overwrite=overwrite)
    workers = min(len(files), processors(), AT_A_TIME)
    limit = DECODING.max_pixels if max_pixels is None else max_pixels
    decoding = Decoding(max_pixels=limit, float_range=float_range(files, limit) or DECODING.float_range)
    threads = processors() // workers
    job = Job(
        kernel=chosen,
        stride=stride,
        padding=width,
        border=border,
        values=values,
        threads=threads,
        decoding=decoding,
    )
    rows: list[dict[str, Any] | InputError] = []
    with counting("filtering") as report, ThreadPoolExecutor(workers) as pool:
        for row in pool.map(lambda file, output: filter_file(file, output, job), files, outputs):
            rows.append(row)
            if report is not None:
                report(len(rows), len(files))
    broken = [row for row in rows if isinstance(row, InputError)]
    if len(broken) == len(rows):
        more = f" (and {len(rows) - 1} more like it)" if len(rows) > 1 else ""
        raise InputError(broken[0].where, broken[0].reason + more, broken[0].remedy)
    answers = {
        "kernel": {"name": chosen.name, "weights": chosen.weights.tolist()},
        "images": [row for row in rows if not isinstance(row, InputError)],
        "errors": [{"path": error.where, "error": error.reason} for error in broken],
        "seconds": round(time.perf_counter() - started, 3),
    }
    return Answer(values=answers, text=_text(answers, paths, chosen), status=1 if broken else 0)


def _outputs(folder: Path, names: Sequence[str], files: Sequence[Path], kernel: Kernel) -> list[OutputPaths]:
    return [output_paths(folder / name, file, kernel) for name, file in zip(names, files, strict=True)]


def _paths(outputs: Sequence[OutputPaths]) -> list[Path]:
    return [path for output in outputs for path in vars(output).values()]


def _list(kernel: Kernel | None) -> Answer:
    """Show the table of kernels, or the numbers of one."""
    chosen = [Kernel(name, KERNELS[name], SHOWS[name]) for name in KERNELS] if kernel is None else [kernel]
    entries: list[dict[str, Any]] = [
        {
            "name": name,
            "size": list(weights.shape),
            "sum": total(weights),
            "shows": shows or "your own",
            "weights": weights.tolist(),
        }
        for name, weights, shows in chosen
    ]
    rows = [[e["name"], "x".join(map(str, e["size"])), f"{e['sum']:g}", e["shows"]] for e in entries]
    lines = [table(["name", "size", "sum", "what it shows"], rows)]
    if kernel is not None:
        lines += ["", *("  ".join(f"{weight:8.4g}" for weight in row) for row in kernel.weights), ""]
    else:
        lines.append(
            'or your own: --kernel FILE, or --kernel "0 -1 0; -1 5 -1; 0 -1 0", applied as written, not flipped'
        )
    name = entries[0]["name"] if kernel is not None and kernel.shows else "sharpen"
    return Answer(
        values={"kernels": entries}, text="\n".join([*lines, f"next: convworks filter IMAGE --kernel {name}"])
    )


def _text(answers: dict[str, Any], paths: Sequence[str], kernel: Kernel) -> str:
    images, errors = answers["images"], answers["errors"]
    rows = [
        [
            row["path"],
            "x".join(map(str, row["size"][::-1])),
            *(f"{row[key]:.1f}" for key in ("minimum", "maximum", "mean")),
            row["result"],
        ]
        for row in images[:SHOWN]
    ]
    lines = [table(["image", "size", "minimum", "maximum", "mean", "result"], rows)]
    if len(images) > SHOWN:
        lines.append(f"and {len(images) - SHOWN:,} more (--json lists them)")
    if errors:
        first = visible(f"{errors[0]['path']}: {errors[0]['error']}")
        lines.append(f"{len(errors)} of {counted(len(images) + len(errors), 'image')} could not be filtered: {first}")
    lines.append(visible(f"side by side: {images[0]['side_by_side']}") + (", ..." if len(images) > 1 else ""))
    names = list(KERNELS)
    other = names[(names.index(kernel.name) + 1) % len(names)] if kernel.shows else "sharpen"
    lines.append(f"next: {repeated(['filter', *paths[:3]], {'--kernel': other})}")
    return "\n".join(lines)
