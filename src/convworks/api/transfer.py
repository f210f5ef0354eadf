"""The verbs of transfer in Python: a trained network on other images."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.api.request import RunRequest
from convworks.api.result import TrainingResult
from convworks.console import downloading
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.errors import InputError, brief
from convworks.files import expand
from convworks.outputs import Protected, as_path

if TYPE_CHECKING:
    from convworks.inference.feature_table import FeatureTable


@brief
def transfer(
    bundle: str | Path,
    *,
    data: str | Path,
    cut: str | None = None,
    freeze: str | None = None,
    head: str | None = None,
    epochs: int | None = None,
    out: str | Path | None = None,
    device: str | None = None,
    seed: int | None = None,
    deterministic: bool = False,
    skip_damaged: bool | float = False,
    overrides: Iterable[str] = (),
    command: str | None = None,
) -> TrainingResult:
    """Cut a bundle at a tap, add a new head, and train it on another source; return what `train` returns.

    `bundle` is a folder, or the name of published weights. It is cut before its last layer unless `cut` names another
    tap. `head` is linear (the default), two-layer, svm or rbf-svm; for masks unet (the default), pixel (the default for
    networks that score pixels already), fcn8s, fcn16s or fcn32s; or keep, which continues training with the bundle's
    own head. All layers up to the tap `freeze` are frozen: by default none, or everything up to the cut below a support
    vector machine. Images are read at the bundle's size; photographs at up to 96 pixels by networks for smaller images,
    unless `data.size` is set. The result is an ordinary run: `train(resume=...)` resumes it, and its bundle does not
    need the first one.
    """
    return TrainingResult(run_transfer(bundle, RunRequest.of(locals()), cut=cut, freeze=freeze, head=head))


def run_transfer(
    bundle: str | Path, request: RunRequest, *, cut: str | None, freeze: str | None, head: str | None
) -> dict[str, Any]:
    """Do what `transfer` does for a request, which has `data`."""
    from convworks.bundle.description import folder_of
    from convworks.bundle.pretrained import locate

    began = time.perf_counter()
    data = expand(str(request.data))
    source = open_source(data, report=downloading())
    path = locate(bundle, downloading())
    from convworks.recipes import transfer as recipe  # these import torch, which wrong input does not wait for
    from convworks.tasks.registry import task_of
    from convworks.training import folder
    from convworks.training.transfer import inspect_bundle

    recipe.check_head(head, source)
    base = inspect_bundle(path, cut, head, masks=source.masked)
    if base.head == recipe.KEEP:
        if cut is not None:
            raise InputError("--cut", "cannot be combined with --head keep", "leave out one of them")
        if not base.bundle.task.judged and base.bundle.task.graded is None:
            reason = f"{base.bundle.task.does}: it has no classification head"
            raise InputError(path, reason, "use a new head: --head linear")
        recipe.check_same_classes(base.bundle.classes, source)
        model = recipe.kept(base.bundle.model, path=str(path), layers=base.layers)
    else:
        model = recipe.adapted(
            base.bundle.model, path=str(path), head=base.head, cut=base.cut, outputs=base.outputs, layers=base.layers
        )
    chosen = recipe.input_size(source, base.bundle.preprocessing, base.accepts)
    config = recipe.default(source, data, model, base.bundle.preprocessing, size=chosen.size, freeze=freeze)
    if base.bundle.ignore is not None:
        config = config.model_copy(update={"data": config.data.model_copy(update={"ignore": base.bundle.ignore})})
    config = request.apply(task_of(config, source).adapted(config))
    if (config.model.name, config.model.cut) != (model.name, model.cut):
        raise InputError("model", "changes the network of the bundle", "choose it with BUNDLE and --cut")
    out = as_path("--out", request.out)
    folder.check_new(out, folder.default_name(config), protect(source) + Protected(folders=(folder_of(path),)))
    from convworks.training.run import train as run

    named = {"--cut": cut, "--freeze": freeze, "--head": head}
    options = [word for name, value in named.items() if value is not None for word in (name, value)]
    words = ["convworks", "transfer", str(bundle), "--data", data, *options, *request.sets()]
    notes = (chosen.reason,) if config.data.size == chosen.size else ()
    command = request.command or shlex.join(words)
    return run(config, command=command, out=out, source=source, began=began, notes=notes)


@brief
def features(
    bundle: str | Path,
    *,
    data: str | Path | Source,
    taps: Iterable[str] = (),
    split: str | None = None,
    pool: str = "average",
    device: str = "auto",
) -> FeatureTable:
    """Return the activations of a bundle at its taps for the images of a source, one vector per image and tap.

    The default tap is the one before the last layer; the default is all splits. `pool` reduces feature maps to vectors:
    average, max, or none (all their values). Raises InputError for an unknown tap.
    """
    source = data if isinstance(data, Source) else open_source(data, report=downloading())
    from convworks.inference.feature_table import feature_table
    from convworks.inference.features import named_pool
    from convworks.inference.load import load

    named_pool(pool)
    return feature_table(load(bundle, device=device), source, tuple(taps), split=split, pool=pool)


@brief
def probe(
    bundle: str | Path,
    *,
    data: str | Path | Source,
    taps: Iterable[str] = (),
    pool: str = "average",
    seed: int = 0,
    device: str = "auto",
) -> dict[str, Any]:
    """Fit a linear classifier to the features at every tap of a bundle, or at `taps`.

    Returns {"model", "source", "pool", "probes", "best", "seconds"}; each probe is {"tap", "features", "C",
    "validation", "test", "interval"}, where scores are accuracies; `best` is the tap with the best validation accuracy.
    """
    began = time.perf_counter()
    source = data if isinstance(data, Source) else open_source(data, report=downloading())
    from convworks.inference.load import load
    from convworks.inference.probe import probe as fit_probes

    predictor = load(bundle, device=device)
    rows = fit_probes(predictor, source, tuple(taps), pool=pool, seed=seed)
    return {
        "model": predictor.bundle.model.name,
        "source": source.name,
        "pool": pool,
        "probes": rows,
        "best": max(rows, key=lambda row: float(row["validation"]))["tap"],
        "seconds": round(time.perf_counter() - began, 3),
    }
