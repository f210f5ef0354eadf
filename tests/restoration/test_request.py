"""What a request says of its rule, and whether another one asks for the same."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import jaxtyping
import numpy as np
import pytest

import convworks
from convworks.restoration import request as module
from convworks.restoration.folder import identity
from convworks.restoration.material import read_material
from convworks.restoration.problems import PROBLEMS
from convworks.restoration.request import Request

GREY = np.full((4, 4, 1), 128, dtype=np.uint8)


def identified(**options: Any) -> str:
    request = Request(**{"problem": "denoise", **options})
    return identity(request, read_material("x", GREY, request))


def test_the_reason_of_a_problem_is_given_for_its_own_rule_alone() -> None:
    assert Request(problem="superres", stop="iterations").why.startswith("exact pixels have no noise")
    assert "exact" not in Request(problem="denoise", stop="iterations", iterations=300).why
    assert Request(problem="jpeg").why.startswith("neighbouring pixels share their errors")
    assert "neighbouring" not in Request(problem="denoise", stop="moving-variance").why


def test_a_default_by_name_is_the_same_request_but_another_default_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    default = identified()
    assert identified(model="prior_denoise_narrow", stop="held-out", minutes=60.0) == default
    assert len({default, identified(model="prior_denoise"), identified(stop="iterations"), identified(seed=1)}) == 4
    earlier = replace(PROBLEMS["denoise"], model="prior_denoise")
    monkeypatch.setattr(module, "problem_of", lambda _: earlier)
    assert identified() != default


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("scale", 2.0, "scale: must be a whole number, not 2.0"),
        ("runs", 2.0, "runs: must be a whole number, not 2.0"),
        ("samples", None, "samples: must be a whole number, not None"),
        ("seed", 1.5, "seed: must be a whole number, not 1.5"),
        ("seed", True, "seed: must be a whole number, not True"),
        ("iterations", "2", "iterations: must be a whole number, not '2'"),
        ("minutes", "5", "minutes: must be a number, not '5'"),
        ("model", 3, "model: must be a text, not 3"),
    ],
)
def test_values_of_another_type_are_refused_in_a_line(
    name: str, value: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the annotation refuses some of it by itself
    with pytest.raises(convworks.InputError, match=f"^{re.escape(words)}"):
        convworks.restore(GREY, "superres", **{name: value})
