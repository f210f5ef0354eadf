"""What --search says, and what it must not say."""

from __future__ import annotations

import pytest

from convworks.errors import InputError
from convworks.experiments.space import current, parse, search_space, start
from convworks.recipes import recipe

RATE = "training.schedule.rate"


@pytest.mark.parametrize(
    ("text", "kind", "low", "high", "written"),
    [
        (f"{RATE}=0.1..0.9", "float", 0.1, 0.9, f"{RATE}=0.1..0.9"),
        (f"{RATE}=uniform:0.1..0.9", "float", 0.1, 0.9, f"{RATE}=0.1..0.9"),
        (f"{RATE}=log:1e-4..1", "log", 1e-4, 1.0, f"{RATE}=log:0.0001..1.0"),
        (" training.epochs = int:1..9 ", "int", 1, 9, "training.epochs=int:1..9"),
        ("training.batch_size=intlog:8..512", "intlog", 8, 512, "training.batch_size=intlog:8..512"),
    ],
)
def test_ranges(text: str, kind: str, low: float, high: float, written: str) -> None:
    dimension = parse(text)
    assert (dimension.kind, dimension.low, dimension.high, dimension.text) == (kind, low, high, written)
    assert parse(dimension.text) == dimension


def test_choices_may_hold_brackets() -> None:
    dimension = parse("training.optimizer={'kind': 'adam', 'betas': (0.9, 0.99)}, {'kind': 'sgd'}")
    assert dimension.choices == ("{'kind': 'adam', 'betas': (0.9, 0.99)}", "{'kind': 'sgd'}")
    assert parse(dimension.text) == dimension
    assert parse("training.optimizer.kind=sgd,adam").values == ("sgd", "adam")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training.schedule.rate", "is not of the form field=range; write field="),
        ("=0..1", "is not of the form"),
        (f"{RATE}=0.1", "at least two different choices"),
        (f"{RATE}=a,a", "at least two different choices"),
        (f"{RATE}=lg:0..1", "unknown kind of range 'lg'"),
        (f"{RATE}=x..1", "two numbers as its ends"),
        (f"{RATE}=1..2..3", "two numbers as its ends"),
        ("training.epochs=int:1.5..3", "two whole numbers as its ends"),
        (f"{RATE}=2..1", "must rise, not go from 2.0 to 1.0"),
        (f"{RATE}=1..inf", "must rise"),
        (f"{RATE}=log:0..1", "is logarithmic and starts at 0.0; start above 0"),
    ],
)
def test_what_is_no_range(text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["training.schedule.rte=0.1..1"], "there is no field 'training.schedule.rte' (did you mean"),
        ([f"{RATE}=-1..1"], "greater than 0"),
        (["training.epochs=1..4"], "must be a whole number"),
        (["training.optimizer.kind=sgd,adagrad"], "adagrad"),
        ([f"{RATE}=1..2", f"{RATE}=2..3"], "is given twice"),
    ],
)
def test_what_the_configuration_does_not_take(texts: list[str], words: str) -> None:
    with pytest.raises(InputError) as error:
        search_space(texts, recipe("digits/default"))
    assert words in str(error.value)


def test_the_end_of_a_name_is_enough() -> None:
    config = recipe("digits/default")
    assert search_space(["lr=0.1..1"], config) == search_space([f"{RATE}=0.1..1"], config)


def test_the_usual_search_is_around_the_recipe() -> None:
    config = recipe("digits/default")
    rate, decay = search_space([], config)
    assert (rate.field, rate.kind, decay.field, decay.kind) == (RATE, "log", "training.optimizer.weight_decay", "log")
    middle = float(current(config, RATE))  # type: ignore[arg-type]
    assert rate.high / middle == pytest.approx(30, rel=0.05)
    assert middle / rate.low == pytest.approx(30, rel=0.05)
    assert start([rate, decay], config) == {RATE: 0.1, "training.optimizer.weight_decay": 5e-4}


def test_the_recipe_is_a_trial_where_the_space_holds_it() -> None:
    config = recipe("digits/default")
    assert start([parse(f"{RATE}=0.2..0.3")], config) is None
    assert start([parse("training.optimizer.kind=adam,sgd"), parse(f"{RATE}=0..1")], config) == {
        "training.optimizer.kind": "sgd",
        RATE: 0.1,
    }
    assert start([parse("training.optimizer.kind=adam,muon")], config) is None
