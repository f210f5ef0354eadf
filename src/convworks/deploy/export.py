"""Exporting a bundle: converted, compared with PyTorch in its own library, and only then written."""

from __future__ import annotations

import importlib.metadata
import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from convworks import files
from convworks.bundle.bundle import Bundle, describe
from convworks.data.source import Source
from convworks.deploy.check import AGREEMENT, ROUGH, Check, DisagreementError, Expected, check, expected
from convworks.deploy.convert import CONVERTERS
from convworks.deploy.drop import Drop, check_drop, doubts, measure_before, measure_drop
from convworks.deploy.graph import Graph, graph_of
from convworks.deploy.int8 import CALIBRATED, calibration, check_int8, full_range, quantised
from convworks.deploy.layers import first_difference
from convworks.deploy.samples import Samples, opened_source, samples_for
from convworks.errors import InputError, RunError, nearest
from convworks.inference.exported.format import ACTIVATED, FLOAT32, INT8, OUTPUTS, SAMPLES, VNNI, Files, Format
from convworks.inference.exported.read import FORMATS, VERSION
from convworks.inference.exported.runtime import ExportedRuntime, open_runtime
from convworks.layers.values import require_sound
from convworks.signed import signed

#: Libraries whose versions an exported file names.
LIBRARIES = ("convworks", "torch", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf")


@dataclass(frozen=True, kw_only=True)
class Int8:
    """A quantisation: the source that it is calibrated and measured on, and the most points that it may lose."""

    source: str | Path | Source
    max_drop: float | None = None


@dataclass(frozen=True, kw_only=True)
class Proven:
    """An exported network that gives the answers of its bundle: its files, and what was measured, in words `notes`.

    `warnings` say why not to rely on that: the file holds them, too.
    """

    format: Format
    files: Files
    checks: tuple[Check, ...]
    samples: Samples
    drop: Drop | None = None
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions in which it gives the answers of the bundle, the most exact first."""
        return tuple(each.precision for each in self.checks)

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(map(len, self.files.values()))


def find_format(name: str) -> Format:
    """Return a format by name; InputError for an unknown one, or if its library is not installed."""
    if name not in FORMATS:
        reason = f"there is no format {name!r}{nearest(name, FORMATS)}"
        raise InputError("--format", reason, f"choose from {', '.join(FORMATS)}")
    FORMATS[name].require(f"--format {name}")
    return FORMATS[name]


def prove(
    bundle: Bundle,
    form: Format,
    *,
    source: str | Path | Source | None = None,
    int8: Int8 | None = None,
) -> Proven:
    """Return an exported network after it was compared with PyTorch on samples of `source`; nothing is written.

    Raises RunError for an export that does not give the answers of the bundle, InputError for a network that cannot be
    exported.
    """
    require_sound(bundle.model.name, bundle.network.state_dict(), "export a bundle whose training did not diverge")
    if int8 is not None:
        check_int8(form.name)
    quantised_on = opened_source(int8.source) if int8 is not None else None
    chosen = source if source is not None else quantised_on
    samples = samples_for(bundle, chosen)
    right = expected(bundle, samples.batch, real=samples.real)
    graph = graph_of(bundle)
    content = CONVERTERS[form.name](graph, bundle.input.decoded(samples.batch[:1]), (OUTPUTS, ACTIVATED))
    work = _Work(bundle, form, graph, right)
    checks, notes = work.checks(content)
    if int8 is None or quantised_on is None:
        warnings = tuple(
            [f"{ON_NOISE.format(each.precision)}; {RECOMMENDED}" for each in checks[1:] if not samples.real]
        )
        sealed = form.seal(content, _description(bundle, form, content, checks, samples, warnings=warnings))
        return Proven(
            format=form, files=sealed, checks=tuple(checks), samples=samples, notes=tuple(notes), warnings=warnings
        )
    return _proven_int8(work, content, samples, quantised_on, int8.max_drop)


def _proven_int8(work: _Work, content: Files, samples: Samples, source: Source, max_drop: float | None) -> Proven:
    """Return the first quantisation that gives the answers of the bundle; RunError, of the last, if none does.

    Labels choose nothing: what that one loses is measured, and refused if it is too much.
    """
    bundle, form = work.bundle, work.format
    before, unmeasured = None, ""
    try:
        before = measure_before(bundle, open_runtime(form, content, bundle.input, FLOAT32), source)
    except InputError as error:
        if max_drop is not None:
            raise
        unmeasured = f"{error.where} {error.reason}"
    warnings = doubts(min(CALIBRATED, len(calibration(source))), before, unmeasured)
    failure: RunError | None = None
    for attempt in quantised(bundle, form.name, content, source):
        try:
            checked, runtime = work.check(
                attempt.files, INT8, AGREEMENT if before is None or not before.outputs else ROUGH
            )
            drop = measure_drop(before, runtime) if before is not None else None
        except RunError as error:
            failure = error
            continue
        if before is not None and drop is not None:
            check_drop(before, drop, max_drop)
        sealed = form.seal(attempt.files, _description(bundle, form, attempt.files, [checked], samples, drop, warnings))
        notes = (f"in float32: {', '.join(attempt.exact)}",) if attempt.exact else ()
        return Proven(
            format=form, files=sealed, checks=(checked,), samples=samples, drop=drop, notes=notes, warnings=warnings
        )
    assert failure is not None  # there is more than one attempt
    raise failure


def write(proven: Proven, path: Path) -> None:
    """Write an export: all files are on the disk before the first gets its name, so that a full one changes nothing.

    The file that is named gets its name last. It has the checksum of the others: between two names, it refuses them.
    """
    with ExitStack() as stack:
        for suffix in proven.format.suffixes:
            target = path if suffix == proven.format.suffixes[0] else path.with_suffix(suffix)
            file = stack.enter_context(files.atomic(target))
            file.write(proven.files[suffix])
            files.flush(file)


@dataclass(frozen=True)
class _Work:
    """An export being checked."""

    bundle: Bundle
    format: Format
    graph: Graph
    right: Expected

    def checks(self, content: Files) -> tuple[list[Check], list[str]]:
        """Check every precision that the library has here: the first decides, what others fail in is a note."""
        exact, *coarser = self.format.precisions()
        checks, notes = [self.check(content, exact)[0]], []
        for precision in coarser:
            runtime = open_runtime(self.format, content, self.bundle.input, precision)
            try:
                checks.append(check(runtime, self.right, self.bundle))
            except DisagreementError as error:
                remedy = "" if self.right.real else f"; {RECOMMENDED}"
                notes.append(f"{self.format.name} {error}: it will compute this file in {checks[0].precision}{remedy}")
        return checks, notes

    def check(self, content: Files, precision: str, agreement: float = AGREEMENT) -> tuple[Check, ExportedRuntime]:
        """Check one precision; RunError, with the first layer that differs, where it disagrees."""
        try:
            try:
                runtime = open_runtime(self.format, content, self.bundle.input, precision)
            except InputError:
                raise
            except Exception as error:  # each library has errors of its own
                line = next(iter(str(error).splitlines()), type(error).__name__)
                raise DisagreementError(f"cannot be opened ({line})") from error
            return check(runtime, self.right, self.bundle, agreement), runtime
        except DisagreementError as error:
            layer = ""
            if precision == FLOAT32:
                batch = self.right.samples
                layer = first_difference(self.format, self.graph, self.bundle.input, batch)
            reason = f"the export {error}{'; ' if layer else ''}{layer}; nothing was written"
            remedy = REMEDY if precision == FLOAT32 else LESS_INT8
            raise RunError(f"--format {self.format.name}", reason, remedy) from error


#: Of noise, most networks say the same: that the answers are equal is no evidence that those for photographs are.
ON_NOISE = "{} was compared on noise alone, where equal answers say little"
RECOMMENDED = "--check SOURCE compares on real samples"
LESS_INT8 = "leave out --int8, calibrate on more varied images, or choose another format"
REMEDY = "choose another format, and report it with the network and the versions of `convworks doctor`"


def _description(
    bundle: Bundle,
    form: Format,
    content: Files,
    checks: list[Check],
    samples: Samples,
    drop: Drop | None = None,
    warnings: tuple[str, ...] = (),
) -> str:
    """Return what the metadata say: all that `convworks predict` needs, and how the file was checked."""
    decoded = bundle.input.decoded(samples.batch[:1])
    export: dict[str, Any] = {
        "format": form.name,
        "sha256": form.digest(content),
        "input": {"name": SAMPLES, "type": str(decoded.dtype), "shape": ["batch", *decoded.shape[1:]]},
        "outputs": {OUTPUTS: "before the activation", ACTIVATED: "after it"},
        "checks": {each.precision: asdict(each) for each in checks},
        "checked_on": samples.words,
        "libraries": _versions(),
    }
    if checks[0].precision == INT8 and full_range():
        export["needs"] = VNNI
    if drop is not None:
        export["drop"] = asdict(drop)
    if warnings:
        export["warnings"] = list(warnings)
    return json.dumps(signed({"format": VERSION, **describe(bundle), "export": export}))


def _versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
