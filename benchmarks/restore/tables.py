"""The results of a study as a table in Markdown, with the worst case named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]


def speed(rows: Rows) -> str:
    """Show processor seconds an iteration: medians, and their ratio."""
    lines = [
        [row["key"], *(f"{row['seconds'][name]:.4f}" for name in ("plain float32", "convworks")), ratio(row)]
        for row in rows
    ]
    return table(["size-threads", "plain float32", "convworks", "times faster"], lines)


def ratio(row: Mapping[str, Any]) -> str:
    """Return how many times faster convworks is."""
    return f"{row['ratios']['convworks']:.2f}"


def rules(rows: Rows) -> str:
    """Show what each rule chose, in dB, and how far below the best iteration each is at worst."""
    named = {
        "held_out": "held-out",
        "variance_published": "ES-WMV as published",
        "variance_averaged": "ES-WMV, average",
        "fixed": "fixed number",
    }
    lines = [
        [row["key"], f"{row['noisy']:.2f}", f"{row['best']:.2f}", *(f"{row[field]:.2f}" for field in named)]
        for row in rows
    ]
    text = table(["case", "noisy", "best", *named.values()], lines)
    for field, name in named.items():
        below = {row["key"]: row["best"] - row[field] for row in rows}
        worst = max(below, key=lambda key: below[key])
        mean = sum(below.values()) / len(below)
        text += f"\n{name}: {mean:.2f} dB below the best iteration on average, at most {below[worst]:.2f} dB ({worst})"
    return text


def spread(rows: Rows) -> str:
    """Show the ratios of each number of runs over the seeds, and how far they are apart."""
    lines = []
    for runs in sorted({row["runs"] for row in rows}):
        values = [row["psnr"] for row in rows if row["runs"] == runs]
        averaged = [sum(fit["averaged"] for fit in row["fits"]) for row in rows if row["runs"] == runs]
        seconds = sum(row["seconds"] for row in rows if row["runs"] == runs) / len(values)
        ratios = ", ".join(f"{value:.2f}" for value in values)
        apart = f"{max(values) - min(values):.2f}"
        lines.append(
            [f"{runs}", f"{min(averaged)}", ratios, f"{sum(values) / len(values):.2f}", apart, f"{seconds:.0f}"]
        )
    return table(["runs", "averaged at least", "PSNR (dB)", "mean", "apart", "seconds"], lines)


def tasks(rows: Rows) -> str:
    """Show each method's ratio, and whether convworks is best."""
    lines = []
    for row in rows:
        others = {name: value for name, value in row["psnr"].items() if name not in ("before", "convworks")}
        best = max(others, key=lambda name: others[name])
        ahead = row["psnr"]["convworks"] - others[best]
        shown = ", ".join(f"{name} {value:.2f}" for name, value in others.items())
        lines.append(
            [row["key"], f"{row['psnr']['before']:.2f}", f"{row['psnr']['convworks']:.2f}", shown, f"{ahead:+.2f} dB"]
        )
    return table(["case", "before", "convworks", "others", "against the best of them"], lines)


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *lines))


TABLES: Mapping[str, Callable[[Rows], str]] = {"speed": speed, "rules": rules, "spread": spread, "tasks": tasks}
