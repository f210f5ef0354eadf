"""The study behind tuning: Optuna's trials, which are asked for, pruned and told."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convworks.errors import InputError
from convworks.experiments.space import Dimension, Value

MINE = "convworks:run"  # the attribute of a trial that names the folder of its run
SPACE = "convworks:search"  # the attribute of a study that holds its search space and metric
REMEDY = "restore it from a copy, or start a new search"
INSTALL = 'pip install "convworks[tune]"'


def optuna() -> Any:
    """Return the optuna module, with its logging reduced to warnings; InputError if it is not installed."""
    try:
        import optuna as module
    except ImportError:
        raise InputError("tune", "Optuna is not installed", INSTALL) from None
    module.logging.set_verbosity(logging.WARNING)
    return module


def open_storage(url: str) -> Any:
    """Open an Optuna storage by its URL; InputError if Optuna cannot."""
    where = f"--storage {hidden(url)}"
    remedy = "give for example sqlite:///trials.db, or postgresql://user@host/name with its driver installed"
    if "://" not in url:
        raise InputError(where, "is not a URL", remedy)
    module = optuna()
    try:
        return module.storages.get_storage(url)
    except Exception as error:  # drivers raise anything
        text = " ".join(str(error).replace(url, hidden(url)).split()) or type(error).__name__
        raise InputError(where, f"is not a storage that Optuna can open ({text[:160]})", remedy) from None


def brief(error: Exception) -> str:
    """Return the type of an error and the beginning of its message."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"


def hidden(url: str) -> str:
    """Return a URL without its password."""
    scheme, mark, rest = url.partition("://")
    login, separator, host = rest.rpartition("@")
    return f"{scheme}{mark}{login.partition(':')[0]}:***@{host}" if separator and ":" in login else url


class Trials:
    """A study of `count` trials over `space`; the trials with runs in `folder` belong to this process.

    The values of a trial depend on the seed, its number and the trials before it: a search that was killed and resumed
    has the same result as one without interruption.
    """

    def __init__(
        self,
        storage: Any,
        name: str,
        *,
        space: Sequence[Dimension],
        count: int,
        seed: int,
        maximise: bool,
        metric: str,
        warmup: int | None,
        folder: Path,
        own: bool,
        joined: bool,
    ) -> None:
        """Open or create the study; runs may be pruned after `warmup` epochs, None: never.

        `own`: the study holds trials of this search alone. `joined`: the study may exist already.
        """
        module = optuna()
        self.own = own
        self.space, self.count, self.seed, self.maximise, self.folder = space, count, seed, maximise, folder
        pruner = (
            module.pruners.NopPruner()
            if warmup is None
            else module.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=warmup)
        )
        search = {"search": [dimension.text for dimension in space], "metric": metric}
        try:
            self.study = module.create_study(
                storage=storage,
                study_name=name,
                direction="maximize" if maximise else "minimize",
                pruner=pruner,
                load_if_exists=True,
            )
            stored, filled = self.study.user_attrs.get(SPACE), bool(self.study.get_trials(deepcopy=False))
        except Exception as error:  # drivers raise anything for a damaged file or no connection
            where, remedy = (folder / "study.db", REMEDY) if own else (f"--study {name}", "look at the storage")
            raise InputError(where, f"cannot be read ({brief(error)})", remedy) from None
        if stored is None and filled:
            raise InputError(f"--study {name}", "holds trials of another program", "choose another name")
        if stored is not None and not joined:
            raise InputError(f"--study {name}", "is in the storage already", "choose another name with --study")
        if stored is not None and stored != search:
            stored_search = (
                " by ".join(str(stored.get(name)) for name in search) if isinstance(stored, dict) else str(stored)
            )
            reason = f"has another search space: {stored_search}"
            raise InputError(f"--study {name}", reason, "use the same search, or choose another name")
        self.study.set_user_attr(SPACE, search)
        self.trials: dict[int, Any] = {}
        self.reported: dict[int, set[int]] = {}

    def start_with(self, values: Mapping[str, Value]) -> None:
        """Give the first trial these values."""
        if not self.study.get_trials(deepcopy=False):
            self.study.enqueue_trial(dict(values))

    def ask(self, busy: Callable[[int], bool]) -> Iterator[tuple[int, dict[str, Value]]]:
        """Yield numbers and values of trials: those left running, then new ones, until there are `count`."""
        module = optuna()
        running = (module.trial.TrialState.RUNNING,)
        for frozen in self.study.get_trials(deepcopy=False, states=running):
            mine = MINE in frozen.user_attrs and (self.own or frozen.user_attrs[MINE] == str(self.folder.absolute()))
            if mine and not busy(frozen.number):
                self.trials[frozen.number] = module.trial.Trial(self.study, frozen._trial_id)
                self.reported[frozen.number] = set(frozen.intermediate_values)
                yield frozen.number, dict(frozen.params)
        distributions = self.distributions()
        while len(self.counted()) < self.count:
            number = len(self.study.get_trials(deepcopy=False))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Optuna's experimental options
                self.study.sampler = module.samplers.TPESampler(seed=(self.seed * 1_000_003 + number) % 2**32)
                trial = self.study.ask(distributions)
            trial.set_user_attr(
                MINE, str(self.folder.absolute())
            )  # a trial without it never counts: it was killed while it was asked
            self.trials[trial.number], self.reported[trial.number] = trial, set()
            yield trial.number, dict(trial.params)

    def distributions(self) -> dict[str, Any]:
        """Return the Optuna distribution of each field."""
        return {dimension.field: _distribution(optuna(), dimension) for dimension in self.space}

    def run(self, frozen: Any) -> Path:
        """Return the folder of a trial's run, even if the experiment has been moved."""
        return (self.folder if self.own else Path(frozen.user_attrs[MINE])) / f"trial-{frozen.number}"

    def counted(self) -> list[Any]:
        """Return the trials that have a run, of any process."""
        return [frozen for frozen in self.study.get_trials(deepcopy=False) if MINE in frozen.user_attrs]

    def hopeless(self, number: int, epoch: int, value: float) -> bool:
        """Report the value of an epoch; return whether the trial is to be pruned."""
        if epoch not in self.reported[number]:
            self.reported[number].add(epoch)
            self.trials[number].report(value, epoch)
        return bool(self.trials[number].should_prune())

    def tell(self, number: int, state: str, value: float | None = None) -> None:
        """End a trial as complete (with its value), pruned or fail."""
        states = optuna().trial.TrialState
        self.study.tell(number, value, state=states[state.upper()])

    def best(self) -> Any:
        """Return the best complete trial, of equals the first; None if there is none."""
        done = [frozen for frozen in self.counted() if frozen.state.name == "COMPLETE"]
        sign = -1 if self.maximise else 1
        return min(done, key=lambda frozen: (sign * frozen.value, frozen.number), default=None)

    def importance(self) -> dict[str, float]:
        """Return the importance of each field (its fraction of the variance, fANOVA); empty for too few trials."""
        values = {frozen.value for frozen in self.counted() if frozen.state.name == "COMPLETE"}
        if len(self.space) < 2 or len(values) < 4:
            return {}
        module = optuna()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = module.importance.FanovaImportanceEvaluator(seed=self.seed % 2**32)
            importances = module.importance.get_param_importances(self.study, evaluator=evaluator)
        return {name: float(share) for name, share in importances.items()}


def _distribution(module: Any, dimension: Dimension) -> Any:
    if dimension.kind == "choice":
        return module.distributions.CategoricalDistribution(dimension.choices)
    kinds = {"float": "FloatDistribution", "log": "FloatDistribution"}
    kind = getattr(module.distributions, kinds.get(dimension.kind, "IntDistribution"))
    return kind(dimension.low, dimension.high, log="log" in dimension.kind)


def as_plain(values: Mapping[str, Any]) -> dict[str, Value]:
    """Return the values of a trial as plain JSON values."""
    plain: dict[str, Value] = json.loads(json.dumps(dict(values)))
    return plain
