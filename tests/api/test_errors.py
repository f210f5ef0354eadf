"""Errors of the Python functions: one line that names arguments, where the command line names options."""

from __future__ import annotations

import re
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convworks
from convworks.cli.main import run
from convworks.errors import InputError
from convworks.ops.arrays import TooLargeError

OPTION = re.compile(r"(?<![\w-])--[a-z]")


def photos(folder: Path) -> Path:
    """Write three grey pictures of two classes each."""
    for kind in ("a", "b"):
        (folder / kind).mkdir(parents=True)
        for index in range(3):
            Image.fromarray(np.full((8, 8), 40 * index, np.uint8)).save(folder / kind / f"{index}.png")
    return folder


#: The call, given a run and class folders; and what its message says.
CALLS: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "folder with a run": (
        lambda run, _: convworks.train(out=run),
        "out='RUN': contains a finished run; "
        "name a new folder, or train it further: convworks.train(resume='RUN', epochs='+10')",
    ),
    "folder inside the data": (
        lambda _, data: convworks.train(data=data, out=data / "run"),
        "out='DATA/run': is inside DATA, which is never written to; choose a path outside it",
    ),
    "nothing to finish": (
        lambda *_: convworks.train(finish=True),
        "finish: ends a run that was stopped, and none is named; add resume=RUN",
    ),
    "nothing to extend": (
        lambda *_: convworks.train(epochs="+5"),
        "epochs: +5 extends a run; name the run: resume=RUN",
    ),
    "finished": (
        lambda run, _: convworks.train(resume=run),
        "resume='RUN': the run is finished; use its bundle: RUN/bundle, or give it more epochs: epochs='+10'",
    ),
    "no data": (
        lambda *_: convworks.train("folder/default"),
        "recipe: folder/default depends on the images; add data=FOLDER",
    ),
    "override": (
        lambda *_: convworks.train(overrides=["training.epochs"]),
        r"overrides=\['training.epochs'\]: .*; write for example overrides=\['training.epochs=5'\]",
    ),
    "two sources": (
        lambda _, data: convworks.train(data=data, overrides="data.source=digits"),
        "overrides=['data.source']: differs from data, 'DATA'; give only one of them",
    ),
    "device": (lambda *_: convworks.load("x", device="gpu"), "device='gpu': must be .*"),
    "precision": (lambda *_: convworks.load("x", precision="half"), "precision: there is no precision 'half'.*"),
    "runtime": (lambda run, _: convworks.load(run, runtime="onyx"), "runtime: there is no runtime 'onyx'.*"),
    "split": (
        lambda run, data: convworks.load(run).evaluate("digits", split="tset"),
        "split: digits has no split 'tset'; it has: train, test",
    ),
    "threshold": (lambda run, _: convworks.load(run).predict([], threshold=0.5), "threshold: .*; leave it out"),
    "pixels": (
        lambda run, data: convworks.load(run, max_pixels=9).predict(data / "a/1.png"),
        "DATA/a/1.png: has 64 pixels, more than 9; "
        "scale it down, or raise the limit: data.max_pixels in training, else max_pixels=N",
    ),
    "pool": (lambda run, _: convworks.load(run).features([], pool="mean"), "pool: there is no 'mean'.*"),
    "head": (
        lambda run, data: convworks.transfer(run, data=data, head="svn"),
        r"head: there is no head 'svn' \(did you mean 'svm'.*",
    ),
    "head and cut": (
        lambda run, data: convworks.transfer(run, data=data, head="keep", cut="head"),
        "cut: cannot be combined with head='keep'; leave out one of them",
    ),
    "other classes": (
        lambda run, data: convworks.transfer(run, data=data, head="keep"),
        "DATA: classes differ: .*; take a new head: head='linear'",
    ),
    "no source": (
        lambda run, _: convworks.compare(run, run),
        "data: is needed to compare bundles; name a source, or give two predictions.csv",
    ),
    "format": (lambda run, _: convworks.export(run, format="onyx"), "format: .*; choose from onnx, openvino, pt2"),
    "nothing to calibrate": (
        lambda run, _: convworks.export(run, format="onnx", int8=True),
        "int8: needs samples, .*; add calibrate=SOURCE, such as the folder that it was trained on",
    ),
    "not int8": (
        lambda run, data: convworks.export(run, format="onnx", calibrate=data),
        "calibrate: is for int8; add int8=True, or leave it out",
    ),
    "steps": (lambda *_: convworks.lr_range(steps=1), "steps: .*; write steps=100"),
    "rates": (
        lambda *_: convworks.lr_range(lowest=2.0, highest=1.0),
        "highest: 1 is not above lowest=2; give a wider range",
    ),
    "folds": (lambda *_: convworks.crossval(folds=5000), "folds: 5000 are more than the .*"),
    "workers": (lambda *_: convworks.restarts(workers=0), "workers: is 0; .*"),
    "search": (lambda *_: convworks.tune(search="training.epochs"), r"search=\['training.epochs'\]: .*"),
    "study": (
        lambda *_: convworks.tune(study="s", epochs=1),
        "study: names a study, but no shared storage; give storage=URL too",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_errors_name_arguments(case: str, any_run: Path, tmp_path: Path) -> None:
    call, expected = CALLS[case]
    data = photos(tmp_path / "data")
    with pytest.raises(InputError) as caught:
        call(any_run, data)
    message = str(caught.value).replace(str(any_run), "RUN").replace(str(data), "DATA")
    assert re.fullmatch(expected, message) or message == expected
    assert not OPTION.search(message)


def test_commands_that_call_these_functions_name_options(
    any_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(any_run), "--format", "onnx", "--calibrate", str(tmp_path)]) == 2
    assert "--calibrate: is for int8; add --int8, or leave it out" in capsys.readouterr().err


def test_notes_name_arguments_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("a", "b"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for index in range(4):
            pixels = np.full((16, 64), 40 * index, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / kind / f"{index}.png")
    settings = ["data.fit=crop", "data.size=16,16", "augment={}"]
    convworks.train(data=tmp_path / "data", out=tmp_path / "run", epochs=1, device="cpu", overrides=settings)
    notes = capsys.readouterr().err
    assert "(overrides=['data.fit=letterbox'] or squash keeps all)" in notes
    assert not OPTION.search(notes)
    words = ["--data", str(tmp_path / "data"), "--epochs", "1", "--device", "cpu", "--out", str(tmp_path / "typed")]
    assert run(["train", *words, *(word for each in settings for word in ("--set", each))]) == 0
    assert "(--set data.fit=letterbox or squash keeps all)" in capsys.readouterr().err


def test_an_unknown_argument_is_reported_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match=r"train\(\) has no argument 'epoch' \(did you mean 'epochs'\?\)"):
        convworks.train(epoch=3)  # type: ignore[call-arg]


def test_an_unknown_function_is_reported_with_the_nearest_name() -> None:
    """Python itself suggests a name when it prints the error of an attribute that knows its object."""
    with pytest.raises(AttributeError) as caught:
        convworks.trian  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("trian", convworks)


@pytest.mark.parametrize("error", [InputError("x.png", "is grey", "paint it"), TooLargeError()])
def test_an_error_comes_whole_from_another_process(error: InputError) -> None:
    """Process pools break on an error that cannot be unpickled."""
    again = ForkingPickler.loads(ForkingPickler.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert (again.where, again.reason, again.remedy) == (error.where, error.reason, error.remedy)
