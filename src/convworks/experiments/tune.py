"""Tuning: a search over configuration fields by Optuna."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convworks.errors import InputError, RunError
from convworks.experiments.agreement import check_agreement
from convworks.experiments.carry_out import carry_out
from convworks.experiments.job import Job, Outcome, make_job
from convworks.experiments.record import Experiment, absolute, extended, opened, read, write
from convworks.experiments.runs import accuracies, last_seconds, score
from convworks.experiments.show import show
from convworks.experiments.space import assignment, search_space, start
from convworks.experiments.trials import Trials, hidden, open_storage, optuna
from convworks.experiments.tuned import FINAL, tuned
from convworks.metrics.spec import spec
from convworks.training.checkpoints.recorder import RunInterruptedError
from convworks.training.config import RunConfig

KIND = "tune"
OPTIONS = {"trials": int, "search": list, "storage": str | None, "study": str, "pruning": bool}


def tune(
    config: RunConfig,
    *,
    trials: int,
    train: str,
    command: str,
    final: str | None = None,
    search: Sequence[str] = (),
    storage: str | None = None,
    study: str | None = None,
    pruning: bool = True,
    out: Path | None = None,
    workers: int | str = 1,
) -> dict[str, Any]:
    """Search with `trials` runs, in a new folder; return the results.

    `search` holds dimensions in the syntax of space.parse; without any, learning rate and weight decay are searched
    around those of the configuration, which are the first trial. `storage` is the URL of an Optuna storage, by default
    a SQLite file in the folder. `final` is the command to train with the best values added, by default `train`. The
    trials set test aside: only the best of them is measured on it. Processes with the same `study` in it share the
    trials.
    """
    optuna()
    space = search_space(search, config)
    if storage is None and study is not None:
        raise InputError("--study", "names a study, but no shared storage", "give --storage URL too")
    opened_storage = open_storage(storage) if storage is not None else None
    options = {
        "trials": trials,
        "search": [dimension.text for dimension in space],
        "storage": hidden(storage) if storage is not None else None,
        "study": study or f"{config.recipe}-{secrets.token_hex(4)}",
        "pruning": pruning,
        FINAL: final or train,
    }
    if storage is not None:
        command = command.replace(storage, hidden(storage))
    experiment = Experiment(kind=KIND, options=options, config=absolute(config), train=train, command=command)
    return _carry_out(experiment, out, None, workers, opened_storage, joined=study is not None)


def resume_tune(
    folder: Path,
    *,
    trials: int | None = None,
    storage: str | None = None,
    workers: int | str = 1,
    data: str | Path | None = None,
) -> dict[str, Any]:
    """Resume a search: finished trials are kept, those that were running are resumed; `trials` is a new, larger number.

    `data` is the new source, if its images have been moved. `storage` is needed again if its URL has a password, which
    is not stored.
    """
    optuna()
    experiment, record = read(folder, KIND, OPTIONS, data)
    experiment = extended(experiment, record, "trials", trials, folder)
    stored_url = experiment.options["storage"]
    if (stored_url is None and storage is not None) or (
        stored_url is not None and storage is not None and hidden(storage) != stored_url
    ):
        raise InputError(
            f"--storage {hidden(storage)}",
            f"is not that of the search ({stored_url or 'its own file'})",
            "leave it out",
        )
    if stored_url is not None and storage is None and ":***@" in stored_url:
        raise InputError("--storage", "has a password, which is not stored", f"give it again: {stored_url}")
    url = storage or stored_url
    return _carry_out(experiment, None, folder, workers, open_storage(url) if url is not None else None, joined=True)


def _carry_out(
    experiment: Experiment, out: Path | None, resume: Path | None, workers: int | str, storage: Any, *, joined: bool
) -> dict[str, Any]:
    started = time.perf_counter()
    config, options = experiment.config, experiment.options
    space = search_space(options["search"], config)
    metric = config.training.best
    with opened(experiment, out, resume) as folder:
        if storage is None:
            storage = open_storage(f"sqlite:///{folder.absolute() / 'study.db'}")
        epochs = config.training.epochs
        trials = Trials(
            storage,
            options["study"],
            space=space,
            count=options["trials"],
            seed=config.seed,
            maximise=spec(metric).better == "higher",
            metric=metric,
            warmup=epochs // 3 + 1 if options["pruning"] else None,
            folder=folder,
            own=options["storage"] is None,
            joined=joined,
        )
        if resume is not None and options["storage"] is None:
            check_agreement(trials, experiment)
        if (values := start(space, config)) is not None:
            trials.start_with(values)  # the first trial is the unchanged configuration, as the baseline
        _work(experiment, folder, trials, workers)
        results = tuned(experiment, folder, trials)
        results["seconds"] = round(time.perf_counter() - started, 3)
        write(folder, experiment, "finished", results=results)
    return results


def _work(experiment: Experiment, folder: Path, trials: Trials, workers: int | str) -> None:
    """Run the trials; a run that fails is a failed trial, but wrong input in the first run is raised."""
    metric = experiment.config.training.best
    total = max(1, experiment.options["trials"] - sum(frozen.state.is_finished() for frozen in trials.counted()))
    numbers: dict[str, int] = {}
    failures = 0
    with show(total) as display:

        def jobs() -> Iterator[Job]:
            for number, values in trials.ask(lambda number: number in numbers.values()):
                changes = ["data.test=False", *(assignment(field, value) for field, value in values.items())]
                name = f"trial-{number}"
                numbers[name] = number
                yield make_job(name, experiment.config, changes, experiment.train)

        def report(name: str, share: float, epoch: Mapping[str, Any] | None) -> bool:
            display.moved(name, share, epoch)
            if epoch is None:
                return True
            return not trials.hopeless(numbers[name], int(epoch["epoch"]), float(epoch[f"validation_{metric}"]))

        def ended(job: Job, outcome: Outcome) -> None:
            nonlocal failures
            number = numbers[job.name]
            if outcome.status == "interrupted":
                raise RunInterruptedError(job.name, "interrupted")
            if outcome.status == "finished":
                trials.tell(number, "complete", score(folder / job.name, outcome.results, experiment.config.training))
                summary = f"{accuracies(outcome.results)}, {last_seconds(folder / job.name):.1f} s"
            elif outcome.status == "pruned":
                trials.tell(number, "pruned")
                summary = "pruned"
            else:
                error = outcome.exception(job.name)
                if not isinstance(error, InputError | RunError):
                    raise error
                failures += 1
                if failures == 1 and isinstance(error, InputError) and trials.best() is None:
                    trials.tell(number, "fail")
                    raise error
                trials.tell(number, "fail")
                summary = f"failed: {' '.join(str(error).split())}"
            best = trials.best()
            display.finish(job.name, summary, f"{spec(metric).write(best.value)} (trial-{best.number})" if best else "")

        carry_out(jobs(), folder, workers=workers, total=total, report=report, ended=ended)
    if trials.best() is None:
        raise RunError(folder, "no trial finished", "search lower learning rates, or see logs/")
