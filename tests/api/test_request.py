"""A run request: its assignments, its commands, and what it may change in an experiment that is resumed."""

from __future__ import annotations

import inspect
import shlex
from types import SimpleNamespace
from typing import Any

import pytest

import convworks
from convworks.api.request import RunRequest
from convworks.cli.answer import Answer
from convworks.cli.request import OPTIONS, takes_request
from convworks.errors import InputError


def test_overrides_are_applied_last() -> None:
    request = RunRequest(
        model="lenet5", epochs=3, device="cpu", seed=0, deterministic=True, skip_damaged=True, overrides=("seed=1",)
    )
    assert request.changes() == [
        "model.name=lenet5",
        "training.epochs=3",
        "device=cpu",
        "seed=0",
        "deterministic=True",
        "data.skip_damaged=0.05",
        "seed=1",
    ]


def test_a_mapping_overrides_like_assignments() -> None:
    values = {"training.schedule.rate": 0.01, "data.source": "digits", "augment.flip": True}
    assert RunRequest.of({"overrides": values}).changes() == [
        "training.schedule.rate=0.01",
        "data.source=digits",
        "augment.flip=True",
    ]


@pytest.mark.parametrize(("skip", "changes"), [(False, []), (0.0, ["data.skip_damaged=0.0"]), (0.2, None)])
def test_a_fraction_of_damaged_files(skip: bool | float, changes: list[str] | None) -> None:
    assert RunRequest(skip_damaged=skip).changes() == (["data.skip_damaged=0.2"] if changes is None else changes)


@pytest.mark.parametrize(
    ("verb", "runs"),
    [
        ("train", "train.run_train"),
        ("transfer", "transfer.run_transfer"),
        ("restarts", "experiments.run_restarts"),
        ("crossval", "experiments.run_crossval"),
        ("tune", "experiments.run_tune"),
        ("lr_range", "lr_range.prepare_lr_range"),
    ],
)
def test_a_verb_requests_all_that_it_is_called_with(verb: str, runs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, Any] = {
        **{"recipe": "mnist/fast", "data": "photos", "model": "lenet5", "epochs": 3, "out": "new", "resume": "old"},
        **{"workers": 2, "device": "cpu", "seed": 1, "deterministic": True, "skip_damaged": 0.1, "command": "typed"},
        "overrides": ["augment.flip=True"],
    }
    assert set(values) == set(vars(RunRequest()))
    function = getattr(convworks, verb)
    chosen = {name: value for name, value in values.items() if name in inspect.signature(function).parameters}
    requests: list[RunRequest] = []

    def record(*arguments: Any, **options: Any) -> Any:
        requests.extend(each for each in arguments if isinstance(each, RunRequest))
        return SimpleNamespace(run=dict) if verb == "lr_range" else {}

    monkeypatch.setattr(f"convworks.api.{runs}", record)
    function(**chosen, **({"bundle": "runs/a"} if verb == "transfer" else {}))
    assert requests == [RunRequest(**chosen | {"overrides": ("augment.flip=True",)})]


def test_the_train_command_repeats_the_request() -> None:
    request = RunRequest(recipe="mnist/fast", data="a folder", seed=1, workers=3, overrides=("augment.flip=True",))
    words = shlex.split(request.train_command())
    assert words == ["convworks", "train", "mnist/fast", "--data", "a folder", *request.sets()]
    assert request.sets() == ["--seed", "1", "--set", "augment.flip=True"]


def test_a_resumed_run_names_recipe_and_data_as_assignments() -> None:
    request = RunRequest(recipe="mnist/fast", data="digits", epochs="+5", seed=1)
    assert request.resumed_changes() == ["recipe=mnist/fast", "data.source=digits", "seed=1"]


@pytest.mark.parametrize(
    "options", [{"recipe": "mnist/fast"}, {"out": "x"}, {"epochs": "+1"}, {"seed": 0}, {"overrides": ("a=1",)}]
)
def test_a_resumed_experiment_keeps_its_options(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="continues an experiment as it was configured"):
        RunRequest(**options).check_resumed("--workers")


def test_a_resumed_experiment_may_find_its_data_elsewhere() -> None:
    RunRequest(resume="runs/x", data="moved", workers=2, command="convworks").check_resumed("--workers", [None, False])
    with pytest.raises(InputError, match="leave out all options except --data, --workers"):
        RunRequest(resume="runs/x").check_resumed("--workers", [True])


def test_a_source_that_contradicts_data_is_refused() -> None:
    with pytest.raises(InputError, match=r"--set data.source: differs from --data, 'digits'"):
        RunRequest(data="digits", overrides=("data.source=mnist",)).configure()


def test_every_field_but_the_command_has_its_option() -> None:
    assert set(OPTIONS) == set(vars(RunRequest())) - {"command"}


def test_a_command_gets_its_options_as_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["", "verb", "--set", "a b"])

    @takes_request("recipe runs seed overrides", seed=int)
    def verb(request: RunRequest, runs: int = 2, debug: bool = False) -> Answer:
        assert (runs, debug) == (3, True)
        return Answer(values={"request": request}, text="")

    parameters = inspect.signature(verb).parameters
    assert list(parameters) == ["recipe", "runs", "seed", "overrides", "debug"]
    assert (parameters["seed"].annotation, parameters["seed"].default) == (int, None)
    answer = verb(recipe="mnist/fast", runs=3, seed=None, overrides=["a b"], debug=True)
    command = "convworks verb --set 'a b'"
    assert answer.values["request"] == RunRequest(recipe="mnist/fast", overrides=("a b",), command=command)


def test_an_option_that_no_request_has_is_refused() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        takes_request("seed nonsense")(lambda request: request)


@pytest.mark.parametrize(("recipe", "chosen"), [(None, "digits/default"), ("folder/default", "folder/default")])
def test_a_named_set_is_trained_by_its_recipe(recipe: str | None, chosen: str) -> None:
    assert RunRequest(recipe=recipe, data="digits").configure()[0].recipe == chosen
