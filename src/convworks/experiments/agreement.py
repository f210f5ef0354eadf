"""Whether the study of a search says what its runs say: these have checksums, Optuna's database has none."""

from __future__ import annotations

from typing import Any

from convworks.config import override
from convworks.errors import InputError
from convworks.experiments.record import Experiment
from convworks.experiments.runs import score
from convworks.experiments.space import assignment, current
from convworks.experiments.trials import MINE, REMEDY, Trials, brief
from convworks.training import folder


def check_agreement(trials: Trials, experiment: Experiment) -> None:
    """Raise InputError where study.db, which is this search's alone, is damaged or not about the runs beside it."""
    where = trials.place / "study.db"
    try:
        known = {frozen.number: frozen for frozen in trials.study.get_trials(deepcopy=False)}
        runs = {path.parent.name for path in trials.place.glob(f"trial-*/{folder.RECORD}")}
        wrong = sorted(runs - {f"trial-{number}" for number, frozen in known.items() if MINE in frozen.user_attrs})
        wrong += [
            f"trial-{number}"
            for number, frozen in known.items()
            if not _agrees(trials, frozen, experiment, begun=f"trial-{number}" in runs)
        ]
    except InputError:
        raise
    except Exception as error:  # whatever Optuna and its driver make of a damaged file
        raise InputError(where, f"cannot be read ({brief(error)})", REMEDY) from None
    direction = "MAXIMIZE" if trials.maximise else "MINIMIZE"
    if trials.study.direction.name != direction:
        raise InputError(where, f"does not say {direction.lower()}", REMEDY)
    if wrong:
        raise InputError(where, f"does not say of {wrong[0]} what its run says", REMEDY)


def _agrees(trials: Trials, frozen: Any, experiment: Experiment, *, begun: bool) -> bool:
    """Tell whether a trial has the values and the results of its run, as far as it has come."""
    if MINE not in frozen.user_attrs:  # one that waits, or was killed while it was asked for
        return not begun and not frozen.state.is_finished()
    if frozen.distributions != trials.distributions():
        return False
    if not begun:
        return True
    run, training = trials.run(frozen), experiment.config.training
    config, record = folder.read_record(run)
    asked = override(experiment.config, [assignment(field, value) for field, value in frozen.params.items()])
    if any(current(config, field) != current(asked, field) for field in frozen.params):
        return False
    reached = {row["epoch"]: row[f"validation_{training.best}"] for row in folder.history(run)}
    if any(reached.get(epoch) != value for epoch, value in frozen.intermediate_values.items()):
        return False
    if frozen.state.name != "COMPLETE":
        return True
    return bool(record["status"] == "finished" and frozen.value == score(run, training))
