"""Consistency of a search's study with its runs: these have checksums, Optuna's database has none."""

from __future__ import annotations

from typing import Any

from convworks.config import override
from convworks.errors import InputError
from convworks.experiments.record import Experiment
from convworks.experiments.runs import score
from convworks.experiments.space import assignment, current
from convworks.experiments.trials import MINE, REMEDY, Trials, brief
from convworks.training import folder as run_folder


def check_agreement(trials: Trials, experiment: Experiment) -> None:
    """Raise InputError if study.db, used by this search alone, is damaged or inconsistent with the runs beside it."""
    where = trials.folder / "study.db"
    try:
        frozen_trials = {frozen.number: frozen for frozen in trials.study.get_trials(deepcopy=False)}
        runs = {path.parent.name for path in trials.folder.glob(f"trial-*/{run_folder.RECORD}")}
        mismatched = sorted(
            runs - {f"trial-{number}" for number, frozen in frozen_trials.items() if MINE in frozen.user_attrs}
        )
        mismatched += [
            f"trial-{number}"
            for number, frozen in frozen_trials.items()
            if not _agrees(trials, frozen, experiment, begun=f"trial-{number}" in runs)
        ]
    except InputError:
        raise
    except Exception as error:  # Optuna and its driver raise anything for a damaged file
        raise InputError(where, f"cannot be read ({brief(error)})", REMEDY) from None
    direction = "MAXIMIZE" if trials.maximise else "MINIMIZE"
    if trials.study.direction.name != direction:
        raise InputError(where, f"does not say {direction.lower()}", REMEDY)
    if mismatched:
        raise InputError(where, f"does not say of {mismatched[0]} what its run says", REMEDY)


def _agrees(trials: Trials, frozen: Any, experiment: Experiment, *, begun: bool) -> bool:
    """Return whether a trial has the values and results of its run so far."""
    if MINE not in frozen.user_attrs:  # waiting, or killed while it was created
        return not begun and not frozen.state.is_finished()
    if frozen.distributions != trials.distributions():
        return False
    if not begun:
        return True
    run, training = trials.run(frozen), experiment.config.training
    config, record = run_folder.read_record(run)
    expected = override(experiment.config, [assignment(field, value) for field, value in frozen.params.items()])
    if any(current(config, field) != current(expected, field) for field in frozen.params):
        return False
    recorded = {row["epoch"]: row[f"validation_{training.best}"] for row in run_folder.history(run)}
    if any(recorded.get(epoch) != value for epoch, value in frozen.intermediate_values.items()):
        return False
    if frozen.state.name != "COMPLETE":
        return True
    return bool(record["status"] == "finished" and frozen.value == score(run, record["results"], training))
