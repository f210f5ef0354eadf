from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convworks.config import assignment, build, fields, override, to_json
from convworks.errors import InputError
from convworks.recipes import RECIPES, recipe
from convworks.training.config import RunConfig

BASE = recipe("mnist/fast")


def test_override_sets_nested_fields_and_leaves_the_original() -> None:
    changed = override(BASE, ["training.epochs=3", "seed=7", "data.size=(32, 48)", "training.schedule.rate=0.5"])
    assert (changed.training.epochs, changed.seed, changed.data.size) == (3, 7, (32, 48))
    assert BASE.seed == 0


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("training.epoch=3", ["training.epoch", "training.epochs"]),
        ("trainin.epochs=3", ["trainin", "training"]),
        ("training.optimizer.momentun=0.5", ["momentun", "momentum"]),
        ("training.epochs=0", ["training.epochs", "greater than 0"]),
        ("training.epochs=many", ["training.epochs", "many"]),
        ("training.epochs", ["field=value"]),
        ("=3", ["field=value"]),
        ("seed.deep=3", ["seed"]),
        ("model.name=resnet21", ["model", "resnet21", "resnet20"]),
        ("training.schedule.kind=steep", ["schedule"]),
        ("augment.crop=2", ["augment.crop", "less than or equal to 1"]),
        ("augment.flip=sometimes", ["augment.flip", "'alternating'", "sometimes"]),
        ("device=tpu", ["device", "tpu"]),
        ("training.optimizer.lr=0.1", ["did you mean 'training.schedule.rate'"]),
        ("momentun=0.5", ["did you mean 'training.optimizer.momentum'"]),
        ("kind=sgd", ["give one in full: training.optimizer.kind, training.schedule.kind"]),
        ("model.name=ResNet50", ["did you mean 'resnet50'"]),
        ("optimizer.kind=adam-w", ["training.optimizer.kind", "did you mean 'adamw'", "choose one of sgd"]),
        ("training.schedule.kind=steep", ["'steep'", "did you mean 'step'"]),
        ("optimizer=adamw", ["is a group of fields", "--set training.optimizer.kind=adamw"]),
        ("data.size=(3, 4, 5)", ["data.size", "must have 2 values"]),
        ("data.size=(3,)", ["data.size", "too few values"]),
        ("epochs=2.5", ["training.epochs", "must be a whole number, not 2.5"]),
        ("training.loss.class_weights=7", ["training.loss.class_weights", "'balanced'"]),
        ("data.corruption.rate=0.1", ["data.corruption.kind", "is missing"]),
        ("training.optimizer.momentum=0", ["nesterov"]),
    ],
)
def test_a_wrong_override_gives_one_line_that_names_it(assignment: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        override(BASE, [assignment])
    line = str(caught.value)
    assert "\n" not in line
    assert not [phrase for phrase in ("Input", "tag", "discriminator", "Tuple", "validation,") if phrase in line]
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("assignment", "name"),
    [
        ("lr=0.1", "training.schedule.rate"),
        ("rate=0.1", "training.schedule.rate"),
        ("momentum=0.5", "training.optimizer.momentum"),
        ("optimizer.momentum=0.5", "training.optimizer.momentum"),
        ("batch_size=8", "training.batch_size"),
        ("source=cifar10", "data.source"),
    ],
)
def test_the_end_of_a_name_is_enough_where_one_field_has_it(assignment: str, name: str) -> None:
    assert override(BASE, [assignment]) == override(BASE, [f"{name}={assignment.partition('=')[2]}"]) != BASE


@given(st.text() | st.sampled_from(["None", "true", "17", "'a'", " a", "(1, 2)"]))
def test_an_assignment_gives_back_the_text_it_was_made_of(text: str) -> None:
    assert override(BASE, [assignment("data.source", text)]).data.source == text


def test_an_assignment_is_quoted_only_where_it_would_read_as_something_else() -> None:
    assert assignment("device", "cpu") == "device=cpu"
    assert assignment("data.source", "17") == "data.source='17'"
    assert assignment("data.source", "none") == "data.source='none'"
    assert assignment("data.source", " a") == "data.source=' a'"


def test_unknown_fields_of_a_file_are_refused_with_the_nearest_name() -> None:
    values = to_json(BASE)
    values["training"]["ephocs"] = 3
    with pytest.raises(InputError, match=r"ephocs.*epochs"):
        build(RunConfig, values, where="run.json")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_the_way_through_json(name: str) -> None:
    assert build(RunConfig, to_json(recipe(name))) == recipe(name)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_knows_its_own_name(name: str) -> None:
    assert recipe(name).recipe == name


def test_every_listed_field_can_be_set_to_what_it_is() -> None:
    values = BASE.model_dump()
    for name in fields(BASE):
        value = values
        for part in name.split("."):
            value = value[part]
        assert override(BASE, [f"{name}={value!r}"]) == BASE, name


@given(st.text(alphabet="abcdefghij.=_ ", max_size=20))
def test_any_text_is_either_applied_or_refused(text: str) -> None:
    with contextlib.suppress(InputError):
        override(BASE, [text])
