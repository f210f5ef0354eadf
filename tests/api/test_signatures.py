"""The public functions: what they are called with, one row each. A change here is a change for users."""

from __future__ import annotations

import inspect
import pydoc

import pytest

import convworks

#: Shared by what trains several networks.
SEVERAL = (
    "model=None epochs=None out=None resume=None workers=1 device=None seed=None deterministic=False "
    "skip_damaged=False overrides=() command=None"
)
#: Parameters with their defaults; those behind * are given by name.
SIGNATURES = {
    "compare": "first second * data=None split=None out=None device='auto'",
    "create": "name * classes=None channels=None size=None",
    "crossval": (f"recipe=None * data=None folds=None stratified=True group_by=None {SEVERAL}"),
    "explain": (
        "bundle images * method='grad-cam' class_name=None unit=None pixel=None taps=() max_pixels=None device='auto'"
    ),
    "export": ("bundle * format check=None int8=False calibrate=None max_drop=None out=None overwrite=False"),
    "features": "bundle * data taps=() split=None pool='average' device='auto'",
    "landscape": (
        "bundle * data split=None images=1000 dimensions=2 points=25 span=1.0 directions='random' seed=0 workers=1 "
        "out=None resume=False device='auto' precision='auto'"
    ),
    "load": "path * device='auto' precision='auto' max_pixels=None runtime=None",
    "lr_range": (
        "recipe=None * data=None model=None lowest=1e-05 highest=10.0 steps=100 device=None seed=None "
        "skip_damaged=False overrides=()"
    ),
    "network": "name * channels size classes=10 makes='logits'",
    "predict_to": (
        "bundle sources out * top=None threshold=None probabilities=False protocol='center' combine='probability' "
        "shard=None resume=False overwrite=False skip_damaged=False workers=None max_pixels=None runtime=None "
        "device='auto' precision='auto'"
    ),
    "probe": "bundle * data taps=() pool='average' seed=0 device='auto'",
    "restarts": f"recipe=None * data=None runs=None {SEVERAL}",
    "restore": (
        "image problem='denoise' * mask=None scale=None minutes=5.0 samples=1 runs=None model=None stop=None "
        "iterations=None compare=None seed=0 device='auto' precision='auto'"
    ),
    "train": (
        "recipe=None * data=None model=None epochs=None out=None resume=None finish=False device=None seed=None "
        "deterministic=False skip_damaged=False overrides=() command=None loss=None events=()"
    ),
    "transfer": (
        "bundle * data cut=None freeze=None head=None epochs=None out=None device=None seed=None "
        "deterministic=False skip_damaged=False overrides=() command=None"
    ),
    "tune": (f"recipe=None * data=None trials=None search=() storage=None study=None pruning=True {SEVERAL}"),
    "visualise": (
        "bundle show * images=() data=None split=None tap=None channels=None unit=None steps=None seed=None "
        "max_pixels=None device='auto'"
    ),
}


def written(name: str) -> str:
    """Return the parameters of a public function as the table writes them."""
    words: list[str] = []
    for parameter in inspect.signature(getattr(convworks, name)).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        words.append(parameter.name + default)
    return " ".join(words)


def test_every_public_name_has_its_row() -> None:
    assert convworks.__all__ == ["InputError", "RunError", "__version__", *SIGNATURES]


def test_errors_are_public_and_commands_that_are_methods_name_them() -> None:
    with pytest.raises(convworks.InputError, match=r"training\.epochs"):
        convworks.train(overrides="training.epochs=0")  # a single assignment
    assert issubclass(convworks.RunError, Exception)
    for name in ("evaluate", "predict"):
        with pytest.raises(AttributeError, match=rf"write convworks.load\(BUNDLE\).{name}"):
            getattr(convworks, name)


@pytest.mark.parametrize("name", SIGNATURES)
def test_parameters_and_defaults_are_those_of_the_table(name: str) -> None:
    assert written(name) == SIGNATURES[name]


@pytest.mark.parametrize("name", SIGNATURES)
def test_all_is_annotated_and_described(name: str) -> None:
    function = getattr(convworks, name)
    signature = inspect.signature(function)
    assert signature.return_annotation is not signature.empty
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())
    assert inspect.getdoc(function)


def test_a_notebook_completes_and_explains_the_verbs() -> None:
    assert set(SIGNATURES) <= set(dir(convworks))
    assert not [name for name in dir(convworks) if name not in convworks.__all__]
    page = pydoc.plain(pydoc.render_doc(convworks))
    assert not [name for name in SIGNATURES if f"{name}(" not in page]


def test_a_name_that_is_not_public_is_refused() -> None:
    name = "fit"
    with pytest.raises(AttributeError, match="module 'convworks' has no attribute 'fit'"):
        getattr(convworks, name)
