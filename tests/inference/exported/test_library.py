"""The libraries of exported networks: without their telemetry, and told in one line where they cannot be imported."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_bundles import formats, needs, small_bundle

import convworks
from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run
from convworks.deploy.export import find_format, prove, write
from convworks.errors import InputError
from convworks.inference.exported.library import load

#: Runs a command; its status is 99 if Python opens a socket or looks a name up.
PROGRAM = """
import atexit, os, sys
calls = []
sys.addaudithook(lambda name, values: calls.append((name, values)) if name.startswith("socket.") else None)
atexit.register(lambda: calls and (print(calls, file=sys.stderr), os._exit(99)))
from convworks.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
#: What a library does that is not written in Python; where there is no strace, its files tell.
TRACE = ["strace", "-f", "-qq", "-e", "trace=socket,connect", "-o"]


def quiet(folder: Path, *words: str, **variables: str) -> list[str]:
    """Run a command that must open no socket; return the files that it leaves in the home of a new user."""
    home, trace = folder / "home", folder / "trace"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment = {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), **variables}
    traced = [*TRACE, str(trace)] if shutil.which("strace") else []
    command = [*traced, sys.executable, "-c", PROGRAM, *words]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    assert result.returncode == 0, result.stderr
    if trace.exists():
        assert "AF_INET" not in trace.read_text()
    return sorted(str(file.relative_to(home)) for file in home.rglob("*") if file.is_file())


def exported(form: str, folder: Path) -> str:
    proven = prove(small_bundle("convnet_digits", 8), find_format(form))
    file = folder / f"net{proven.format.suffixes[0]}"
    write(proven, file)
    return str(file)


def image(folder: Path) -> str:
    from PIL import Image

    file = folder / "image.png"
    Image.new("RGB", (9, 9), "red").save(file)
    return str(file)


def reports(files: list[str]) -> list[str]:
    """Return the files of telemetry among those in a home."""
    return [file for file in files if file.startswith("intel/") or "Microsoft" in file]


@pytest.mark.parametrize("form", formats("onnx", "openvino"))
def test_predicting_reports_to_nobody(form: str, tmp_path: Path) -> None:
    assert quiet(tmp_path, "predict", exported(form, tmp_path), image(tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("form", formats("onnx", "openvino"))
def test_quantising_reports_to_nobody(form: str, tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason='nncf missing: pip install "convworks[deploy]"')
    save_bundle(tmp_path / "bundle", small_bundle("convnet_digits", 8, classes="0123456789"))
    words = ["export", "bundle", "--format", form, "--int8", "--calibrate", "digits", "--max-drop", "100"]
    assert reports(quiet(tmp_path, *words)) == []


@needs("onnx")
def test_who_wants_the_telemetry_of_onnx_runtime_has_it(tmp_path: Path) -> None:
    """The test above could fail: with the variable set, ONNX Runtime keeps its identifier as it always does."""
    from onnxruntime import __version__ as version

    if tuple(map(int, version.split(".")[:2])) < (1, 32) or sys.platform != "linux":
        pytest.skip("has no telemetry here")
    files = quiet(tmp_path, "predict", exported("onnx", tmp_path), image(tmp_path), ORT_DISABLE_TELEMETRY="0")
    assert reports(files) != []


def test_the_environment_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library sees that telemetry is off while it is imported; nothing else ever does."""
    (tmp_path / "fresh.py").write_text(
        "import os\n"
        "off = os.environ.get('ORT_DISABLE_TELEMETRY')\n"
        "try:\n    import openvino_telemetry as found\nexcept ImportError:\n    found = None\n"
    )
    (tmp_path / "openvino_telemetry.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    module = load("fresh")
    assert (module.off, module.found) == ("1", None)
    assert "ORT_DISABLE_TELEMETRY" not in os.environ
    assert importlib.import_module("openvino_telemetry")  # as before
    (tmp_path / "intel").mkdir()
    (tmp_path / "intel" / "openvino_telemetry").write_text("1")
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.delitem(sys.modules, "fresh")
    module = load("fresh")
    assert (module.off, module.found) == ("0", sys.modules["openvino_telemetry"])


@needs("onnx")
def test_a_file_whose_library_is_missing_needs_that_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = exported("onnx", tmp_path)
    monkeypatch.setattr("convworks.inference.exported.format.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs onnxruntime, which is not installed; pip install onnxruntime$"):
        convworks.load(file)


@pytest.mark.parametrize("form", formats("onnx", "openvino"))
def test_a_library_that_cannot_be_imported_is_told_in_one_line(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, library = exported(form, tmp_path), find_format(form).library
    (tmp_path / "broken" / library).mkdir(parents=True)
    (tmp_path / "broken" / library / "__init__.py").write_text("raise OSError('libfoo.so: not found\\nmore')")
    monkeypatch.syspath_prepend(tmp_path / "broken")
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    find_format(form).precisions.cache_clear() if form == "openvino" else None  # type: ignore[attr-defined]
    expected = f"{library}: is installed, but cannot be imported (libfoo.so: not found); install it again: pip install "
    with pytest.raises(InputError):
        load(library)
    save_bundle(tmp_path / "bundle", small_bundle("convnet_digits", 8))
    bundle = str(tmp_path / "bundle")
    for words in (
        ["predict", file, image(tmp_path)],
        ["predict", bundle, image(tmp_path), "--runtime", form],
        ["export", bundle, "--format", form, "--out", str(tmp_path / f"new{Path(file).suffix}")],
    ):
        assert run(words) == 2, words
        assert expected in " ".join(capsys.readouterr().err.split())
