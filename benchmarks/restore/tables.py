"""The results of a study as a table in Markdown, with the worst case named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]


def speed(rows: Rows) -> str:
    """Show processor seconds an iteration: medians, and how many times faster than the first variant each is."""
    lines = [[row["key"], *(cell(row, name) for name in row["seconds"])] for row in rows]
    return table(["size-threads", *rows[0]["seconds"]], lines)


def cell(row: Mapping[str, Any], name: str) -> str:
    """Return the seconds of a variant, and how many times faster it is."""
    return f"{row['seconds'][name]:.4f} ({row['ratios'][name]:.2f} times)"


RULES = {
    "held_out": ("held-out", "best"),
    "variance_published": ("ES-WMV as published", "best_of_all"),
    "variance_averaged": ("ES-WMV, average", "best_of_all"),
    "fixed": ("fixed number", "best_of_all"),
}


def rules(rows: Rows) -> str:
    """Show what each rule chose, in dB, and how far below the best iteration of its fit each is at worst."""
    header = ["case", "noisy", "best", "held-out", "best, all pixels", *(name for name, _ in list(RULES.values())[1:])]
    shown = ("noisy", "best", "held_out", "best_of_all", "variance_published", "variance_averaged", "fixed")
    text = table(header, [[row["key"], *(f"{row[field]:.2f}" for field in shown)] for row in rows])
    for field, (name, best) in RULES.items():
        text += f"\n{name}: {below(rows, best, field)} the best iteration"
    price = sum(row["best_of_all"] - row["best"] for row in rows) / len(rows)
    return f"{text}\nwith all pixels the best iteration is {price:+.2f} dB better on average"


def below(rows: Rows, best: str, field: str) -> str:
    """Say how far one number is below another one, on average and at worst."""
    differences = {row["key"]: row[best] - row[field] for row in rows}
    worst = max(differences, key=lambda key: differences[key])
    mean = sum(differences.values()) / len(differences)
    return f"{mean:.2f} dB on average, at most {differences[worst]:.2f} dB ({worst}) below"


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
