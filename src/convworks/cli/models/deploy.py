"""`convworks export` to formats that other libraries run."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from convworks.cli.answer import Answer, table
from convworks.commands import repeated
from convworks.errors import InputError, counted
from convworks.metrics.spec import METRICS
from convworks.models.published.peers import RUN


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options that are for these formats alone."""

    check: str | None
    int8: bool
    calibrate: str | None
    max_drop: float | None

    def refuse(self, style: str) -> None:
        """Raise InputError if one is set, for a format of weights alone."""
        for each in fields(self):
            if getattr(self, each.name) not in (None, False):
                option = f"--{each.name.replace('_', '-')}"
                raise InputError(option, f"is not for --format {style}", f"choose {', '.join(RUN)}, or leave it out")


def run(bundle: Path, *, style: str, options: Options, out: Path | None, overwrite: bool) -> Answer:
    """Export a bundle, and tell how it compares with PyTorch."""
    from convworks.api.export import export

    values = export(
        bundle,
        format=style,
        check=options.check,
        int8=options.int8,
        calibrate=options.calibrate,
        max_drop=options.max_drop,
        out=out,
        overwrite=overwrite,
    )
    return Answer(values=values, text="\n".join(_lines(values)))


def _lines(values: dict[str, Any]) -> list[str]:
    rows = [
        [
            check["precision"],
            f"{check['difference']:.2g}",
            f"{check['agreement']:.1%} of {check['samples']:,}{'' if values['real_samples'] else ', noise'}",
            f"{1000 * check['latency']:.2f} ms",
            f"{check['rate']:,.0f}",
        ]
        for check in values["checks"]
    ]
    lines = [
        f"{values['model']} for {values['format']}: {values['bytes'] / 2**20:.1f} MiB, {values['precision']}",
        f"compared with PyTorch on {values['samples']}",
        table(["computed in", "largest difference", "equal answers", "one image", "images/s"], rows),
    ]
    if "drop" in values:
        drop = values["drop"]
        metric = METRICS[drop["metric"]]
        lines.append(
            f"{metric.title}: {metric.write(drop['before'])} before, {metric.write(drop['after'])} in int8, "
            f"on {counted(drop['samples'], 'image')}"
        )
        if drop["agreement"] is not None:
            lines.append(f"equal answers on all of them: {drop['agreement']:.1%}, of at least 99% that are asked")
    lines += [f"warning: {warning}" for warning in values["warnings"]]
    lines += [f"note: {note}" for note in values["notes"]]
    return [
        *lines,
        f"file: {', '.join(values['files'])}",
        f"next: {repeated(['predict', values['file']], {})} IMAGE...",
    ]
