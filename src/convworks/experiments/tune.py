"""Tuning: trials of values for fields of a configuration, proposed by Optuna from what the trials before reached."""

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
from convworks.experiments.tuned import tuned
from convworks.metrics.spec import spec
from convworks.training.checkpoints.recorder import RunInterruptedError
from convworks.training.config import RunConfig

KIND = "tune"
ASKED = {"trials": int, "search": list, "storage": str | None, "study": str, "pruning": bool}


def tune(
    config: RunConfig,
    *,
    trials: int,
    train: str,
    command: str,
    search: Sequence[str] = (),
    storage: str | None = None,
    study: str | None = None,
    pruning: bool = True,
    out: Path | None = None,
    workers: int | str = 1,
) -> dict[str, Any]:
    """Search by `trials` runs, in a new folder; return the results.

    `search` are dimensions as space.parse reads them; without any, learning rate and weight decay are searched around
    those of the configuration, which are the first trial. `storage` is the URL of an Optuna storage, by default a
    SQLite file in the folder; several processes that name the same `study` in it share the trials.
    """
    optuna()
    space = search_space(search, config)
    if storage is None and study is not None:
        raise InputError("--study", "names a study, but no storage that others share", "give --storage URL too")
    opened_storage = open_storage(storage) if storage is not None else None
    asked = {
        "trials": trials,
        "search": [dimension.text for dimension in space],
        "storage": hidden(storage) if storage is not None else None,
        "study": study or f"{config.recipe}-{secrets.token_hex(4)}",
        "pruning": pruning,
    }
    if storage is not None:
        command = command.replace(storage, hidden(storage))
    experiment = Experiment(kind=KIND, asked=asked, config=absolute(config), train=train, command=command)
    return _carry_out(experiment, out, None, workers, opened_storage, joined=study is not None)


def resume_tune(
    place: Path,
    *,
    trials: int | None = None,
    storage: str | None = None,
    workers: int | str = 1,
    data: str | Path | None = None,
) -> dict[str, Any]:
    """Resume a search: finished trials are kept, those that were running go on; `trials` asks for more.

    `data` is where its images are now, if they have been moved. `storage` is needed again where its URL has a
    password, which is written nowhere.
    """
    optuna()
    experiment, record = read(place, KIND, ASKED, data)
    experiment = extended(experiment, record, "trials", trials, place)
    known = experiment.asked["storage"]
    if (known is None and storage is not None) or (
        known is not None and storage is not None and hidden(storage) != known
    ):
        raise InputError(
            f"--storage {hidden(storage)}", f"is not that of the search ({known or 'its own file'})", "leave it out"
        )
    if known is not None and storage is None and ":***@" in known:
        raise InputError("--storage", "has a password, which is not kept", f"give it again: {known}")
    url = storage or known
    return _carry_out(experiment, None, place, workers, open_storage(url) if url is not None else None, joined=True)


def _carry_out(
    experiment: Experiment, out: Path | None, resume: Path | None, workers: int | str, storage: Any, *, joined: bool
) -> dict[str, Any]:
    started = time.perf_counter()
    config, asked = experiment.config, experiment.asked
    space = search_space(asked["search"], config)
    metric = config.training.best
    with opened(experiment, out, resume) as place:
        if storage is None:
            storage = open_storage(f"sqlite:///{place.absolute() / 'study.db'}")
        epochs = config.training.epochs
        found = Trials(
            storage,
            asked["study"],
            space=space,
            count=asked["trials"],
            seed=config.seed,
            maximise=spec(metric).better == "higher",
            metric=metric,
            warmup=epochs // 3 + 1 if asked["pruning"] else None,
            place=place,
            own=asked["storage"] is None,
            joined=joined,
        )
        if resume is not None and asked["storage"] is None:
            check_agreement(found, experiment)
        if (values := start(space, config)) is not None:
            found.start_with(values)  # the first trial is the configuration as it is: what is to be beaten
        _work(experiment, place, found, workers)
        results = tuned(experiment, place, found)
        results["seconds"] = round(time.perf_counter() - started, 3)
        write(place, experiment, "finished", results=results)
    return results


def _work(experiment: Experiment, place: Path, found: Trials, workers: int | str) -> None:
    """Carry out the trials; a run that fails is a failed trial, unless all before it failed too."""
    metric = experiment.config.training.best
    total = max(1, experiment.asked["trials"] - sum(frozen.state.is_finished() for frozen in found.counted()))
    numbers: dict[str, int] = {}
    failures = 0
    with show(total) as shown:

        def jobs() -> Iterator[Job]:
            for number, values in found.ask(lambda number: number in numbers.values()):
                changes = [assignment(field, value) for field, value in values.items()]
                name = f"trial-{number}"
                numbers[name] = number
                yield make_job(name, experiment.config, changes, experiment.train)

        def tell(name: str, share: float, epoch: Mapping[str, Any] | None) -> bool:
            shown.moved(name, share, epoch)
            if epoch is None:
                return True
            return not found.hopeless(numbers[name], int(epoch["epoch"]), float(epoch[f"validation_{metric}"]))

        def ended(job: Job, outcome: Outcome) -> None:
            nonlocal failures
            number = numbers[job.name]
            if outcome.status == "interrupted":
                raise RunInterruptedError(job.name, "interrupted")
            if outcome.status == "finished":
                found.tell(number, "complete", score(place / job.name, experiment.config.training))
                said = f"{accuracies(outcome.results)}, {last_seconds(place / job.name):.1f} s"
            elif outcome.status == "pruned":
                found.tell(number, "pruned")
                said = "pruned"
            else:
                error = outcome.exception(job.name)
                if not isinstance(error, InputError | RunError):
                    raise error
                failures += 1
                if failures == 1 and isinstance(error, InputError) and found.best() is None:
                    found.tell(number, "fail")
                    raise error
                found.tell(number, "fail")
                said = f"failed: {' '.join(str(error).split())}"
            best = found.best()
            shown.finish(job.name, said, f"{spec(metric).write(best.value)} (trial-{best.number})" if best else "")

        carry_out(jobs(), place, workers=workers, total=total, tell=tell, ended=ended)
    if found.best() is None:
        raise RunError(place, "no trial came to its end", "search lower learning rates, or look into logs/")
