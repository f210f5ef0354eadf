"""Bad use of `explain`: one line that names option, reason and remedy; nothing is left behind."""

from __future__ import annotations

import pytest
from workplace import Place, Rows, check_row


def explain(place: Place, *words: str) -> list[str]:
    return ["explain", place.bundle(), f"{place.images('x')}/0.png", *words]


ROWS: Rows = {
    "no such bundle": (lambda place: ["explain", "nowhere", f"{place.images('x')}/0.png"], "nowhere: does not exist"),
    "no such image": (lambda place: ["explain", place.bundle(), "nowhere.png"], "nowhere.png"),
    "a method that there is not": (
        lambda place: explain(place, "--method", "gradcam,lime"),
        "--method: there is no method 'gradcam' (did you mean 'grad-cam'?) | integrated-gradients, | or all",
    ),
    "no method": (lambda place: explain(place, "--method", ""), "--method: there is no method ''; choose from"),
    "a class that is not there": (
        lambda place: explain(place, "--class", "cat"),
        "--class: there is no class 'cat' | classes: ",
    ),
    "a class by a number too large": (lambda place: explain(place, "--class", "7"), "--class: there is no class '7'"),
    "an unknown tap": (
        lambda place: explain(place, "--tap", "stage1.cnov"),
        "--tap: there is no tap 'stage1.cnov' (did you mean 'stage1.conv' | taps: stem",
    ),
    "a tap that is no map": (
        lambda place: explain(place, "--tap", "head.logits"),
        "--tap: head.logits is a vector of 2 features, not a map",
    ),
    "an unknown tap for all methods": (
        lambda place: explain(place, "--method", "all", "--tap", "stage1.cnov"),
        "--tap: there is no tap 'stage1.cnov' (did you mean 'stage1.conv' | taps: stem",
    ),
    "a tap that is no map, for all methods": (
        lambda place: explain(place, "--method", "all", "--tap", "head.logits"),
        "--tap: head.logits is a vector of 2 features, not a map",
    ),
    "a tap for a method without": (
        lambda place: explain(place, "--method", "gradient", "--tap", "stage1"),
        "--tap: is for grad-cam, not for gradient; leave it out",
    ),
    "a unit that is none": (
        lambda place: explain(place, "--unit", "stage1.conv", "--method", "gradient"),
        "--unit: 'stage1.conv' is not a unit; write TAP:CHANNEL,Y,X",
    ),
    "a unit outside the layer": (
        lambda place: explain(place, "--unit", "stage1.conv:0,99,0", "--method", "gradient"),
        "--unit: 0,99,0 is outside stage1.conv, whose shape is | count from 0",
    ),
    "a number outside the layer": (
        lambda place: explain(place, "--unit", "stages.stage1.conv:0,99,0"),
        "--unit: 0,99,0 is outside the units of stages.stage1.conv, which are 64x | count from 0",
    ),
    "a channel for a number": (
        lambda place: explain(place, "--unit", "stage1.conv:3"),
        "--unit: the units of stage1.conv are 64x | needs 3 indices, got 1: 3; count from 0 | add --method",
    ),
    "an input outside the layer": (
        lambda place: explain(place, "--unit", "stage1.conv:99,0,0", "--message"),
        "--unit: 99,0,0 is outside the inputs of stage1.conv, which are 32x8x8",
    ),
    "a weight outside the layer": (
        lambda place: explain(place, "--unit", "stage1.conv.weight:99,0,0,0", "--gradient"),
        "--unit: 99,0,0,0 is outside the entries of stages.stage1.conv.weight, which are 64x32x | count from 0",
    ),
    "a parameter that there is not": (
        lambda place: explain(place, "--unit", "stage1.conv.weigth:0,0,0,0", "--gradient"),
        "--unit: stages.stage1.conv has no parameter 'weigth' | weight",
    ),
    "a number beyond all": (
        lambda place: explain(place, "--unit", f"stage1.conv:{'9' * 5000}", "--method", "gradient"),
        "--unit: | is not a unit",
    ),
    "a folder that is a file": (
        lambda place: explain(place, "--out", "x/0.png"),
        "--out | is a file",
    ),
    "a unit of too many numbers": (
        lambda place: explain(place, "--unit", "stage1.conv:0,9", "--method", "gradient"),
        "--unit: the units of stage1.conv are 64x | needs 3 indices, or the channel alone, got 2: 0,9; count from 0",
    ),
    "a unit and a class": (
        lambda place: explain(place, "--unit", "stage1.conv:0", "--class", "a", "--method", "gradient"),
        "--unit: is explained instead of a class",
    ),
    "a pixel of a network without masks": (
        lambda place: explain(place, "--pixel", "1,2"),
        "--pixel: is for masks, but this network",
    ),
    "a pixel that is none": (lambda place: explain(place, "--pixel", "1,x"), "--pixel: '1,x' is not a pixel"),
    "a method that the network cannot do": (
        lambda place: explain(place, "--method", "cam"),
        "--method cam: needs a head that is linear in the mean of each of the last maps | use grad-cam",
    ),
    "a message without a unit": (
        lambda place: explain(place, "--message"),
        "--message: explains a number of a layer; add --unit",
    ),
    "message and gradient": (
        lambda place: explain(place, "--unit", "stage1.conv:0,0,0", "--message", "--gradient"),
        "--message: cannot be combined with --gradient",
    ),
    "a class for a unit's value": (
        lambda place: explain(place, "--unit", "stage1.conv:0,0,0", "--class", "a"),
        "--class: chooses the loss of --message and --gradient",
    ),
    "a map's option for a number": (
        lambda place: explain(place, "--unit", "stage1.conv:0,0,0", "--tap", "stem"),
        "--tap: is for maps; add --method, or leave it out",
    ),
    "a number of two images": (
        lambda place: ["explain", place.bundle(), place.images("x"), "--unit", "stage1.conv:0,0,0"],
        "--unit: explains a single image, | were given; name one image",
    ),
    "a layer that there is not": (
        lambda place: explain(place, "--unit", "stage9.conv:0,0,0"),
        "--unit: there is no layer 'stage9.conv' (did you mean 'stem.conv' | ?); layers: stem, stem.conv",
    ),
    "a layer that there is not, for a gradient": (
        lambda place: explain(place, "--unit", "stage9.conv.weight:0,0,0,0", "--gradient"),
        "--unit: there is no layer 'stage9.conv'",
    ),
    "a layer that there is not, for a map": (
        lambda place: explain(place, "--unit", "stage1.cnov:0", "--method", "gradient"),
        "--unit: there is no tap 'stage1.cnov' (did you mean 'stage1.conv' | taps: stem",
    ),
    "a layer that there is not, for Grad-CAM": (
        lambda place: explain(place, "--unit", "stage1.cnov:0", "--method", "grad-cam", "--tap", "stem"),
        "--unit: there is no tap 'stage1.cnov' (did you mean 'stage1.conv'",
    ),
    "a folder that is the bundle": (
        lambda place: explain(place, "--out", "bundle"),
        "--out bundle: is inside | never written to",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)
