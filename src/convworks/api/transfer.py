"""The verbs of transfer in Python: a trained network on other images."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.api.verbs import SKIPPED, changed, changes_of
from convworks.config import assignment
from convworks.console import downloading
from convworks.data.protect import protect
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.errors import InputError
from convworks.files import expand
from convworks.outputs import Protected, as_path

if TYPE_CHECKING:
    from convworks.inference.feature_table import FeatureTable


def transfer(
    bundle: str | Path,
    *,
    data: str | Path,
    cut: str | None = None,
    freeze: str | None = None,
    head: str = "linear",
    epochs: int | None = None,
    out: str | Path | None = None,
    device: str | None = None,
    seed: int | None = None,
    deterministic: bool = False,
    skip_damaged: bool | float = False,
    overrides: Iterable[str] = (),
    command: str | None = None,
) -> dict[str, Any]:
    """Cut a bundle at a tap, put a new head on what is left, and train it on another source; return what `train` does.

    `bundle` is a folder, or published weights by name. It is cut before its last layer where `cut` names no other tap.
    `head` is linear, two-layer, svm, rbf-svm, or keep: then the bundle is trained on as it is. All up to the tap
    `freeze` stays as it is: nothing by default, everything up to the cut below a support vector machine. The run is
    one like others: `train(resume=...)` goes on with it, and its bundle needs the first one no more.
    """
    from convworks.bundle.description import folder_of
    from convworks.bundle.pretrained import locate
    from convworks.recipes import transfer as recipe
    from convworks.tasks.registry import task_of
    from convworks.training import folder

    began = time.perf_counter()
    changes = changes_of(None, epochs, device, seed, deterministic, overrides)
    if skip_damaged is not False:
        changes.insert(0, assignment("data.skip_damaged", SKIPPED if skip_damaged is True else skip_damaged))
    data = expand(str(data))
    place = locate(bundle, downloading())
    source = open_source(data, report=downloading())
    from convworks.training.transfer import inspect_bundle

    found = inspect_bundle(place, cut, keep=head == recipe.KEEP)
    if head == recipe.KEEP:
        if cut is not None:
            raise InputError("--cut", "a head that is kept is not cut off", "leave out --cut, or --head keep")
        if not found.bundle.task.judged:
            reason = f"{found.bundle.task.does}: it has no head for classes"
            raise InputError(place, reason, "take a new one: --head linear")
        recipe.check_same_classes(found.bundle.classes, source)
        model = recipe.kept(found.bundle.model, path=str(place), layers=found.layers)
    else:
        model = recipe.adapted(
            found.bundle.model, path=str(place), head=head, cut=found.cut, outputs=found.outputs, layers=found.layers
        )
    config = recipe.default(source, data, model, found.bundle.preprocessing, freeze=freeze)
    config = changed(task_of(config, source).adapted(config), changes, data)
    if (config.model.name, config.model.cut) != (model.name, model.cut):
        raise InputError("--set model", "changes the network that was cut", "say with BUNDLE and --cut what it is")
    target = as_path("--out", out)
    folder.check_new(target, config.recipe, protect(source) + Protected(folders=(folder_of(place),)))
    from convworks.training.run import train as run

    if command is None:
        named = {"--cut": cut, "--freeze": freeze, "--head": head}
        options = [word for option, value in named.items() if value is not None for word in (option, value)]
        sets = [word for change in changes for word in ("--set", change)]
        command = shlex.join(["convworks", "transfer", str(bundle), "--data", str(data), *options, *sets])
    return run(config, command=command, out=target, source=source, began=began)


def features(
    bundle: str | Path,
    *,
    data: str | Path | Source,
    taps: Iterable[str] = (),
    split: str | None = None,
    pool: str = "average",
    device: str = "auto",
) -> FeatureTable:
    """Return what a bundle computes for the images of a source at its taps, a vector an image and tap.

    The tap is the one before the last layer where none is named; the splits are all where none is. `pool` says what
    becomes of maps: average, max, or none (all their values). Raises InputError for a tap that there is not.
    """
    source = data if isinstance(data, Source) else open_source(data, report=downloading())
    from convworks.inference.feature_table import feature_table
    from convworks.inference.features import named_pool
    from convworks.inference.predictor import load

    named_pool(pool)
    return feature_table(load(bundle, device=device), source, tuple(taps), split=split, pool=pool)


def probe(
    bundle: str | Path,
    *,
    data: str | Path | Source,
    taps: Iterable[str] = (),
    pool: str = "average",
    seed: int = 0,
    device: str = "auto",
) -> dict[str, Any]:
    """Fit a linear classifier to the features at every tap of a bundle, or at those named.

    Returns {"model", "source", "pool", "probes", "best", "seconds"}; each probe is {"tap", "features", "C",
    "validation", "test", "interval"}, shares of right answers, and `best` the tap that validation likes best.
    """
    began = time.perf_counter()
    source = data if isinstance(data, Source) else open_source(data, report=downloading())
    from convworks.inference.predictor import load
    from convworks.inference.probe import probe as work

    predictor = load(bundle, device=device)
    rows = work(predictor, source, tuple(taps), pool=pool, seed=seed)
    return {
        "model": predictor.bundle.model.name,
        "source": source.name,
        "pool": pool,
        "probes": rows,
        "best": max(rows, key=lambda row: float(row["validation"]))["tap"],
        "seconds": round(time.perf_counter() - began, 3),
    }
