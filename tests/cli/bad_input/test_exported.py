"""Bad exports, and bad exported files: one line each, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_bundles import needs, small_bundle
from workplace import Place, Row, Rows, check_row, predict

from convworks.deploy.export import find_format, prove, write


def export(place: Place, form: str, *words: str) -> list[str]:
    return ["export", place.bundle(), "--format", form, *words]


def of_pt2(place: Place, change: Callable[[bytes], bytes], *words: str) -> list[str]:
    """Use an exported file whose content was changed."""
    file = place.root / "net.pt2"
    write(prove(small_bundle("convnet_digits", 8), find_format("pt2")), file)
    file.write_bytes(change(file.read_bytes()))
    return [*predict("net.pt2", place.images("x")), *words]


EXPORTED: Rows = {
    "unknown format": (lambda p: export(p, "onyx"), "--format | 'onyx' is not known | 'onnx' | known: onnx, openvino"),
    "format of no library": (
        lambda p: export(p, "timm", "--check", p.folder()),
        "--check | is not for --format timm | choose onnx, openvino, pt2, or leave it out",
    ),
    "int8 without samples": (lambda p: export(p, "onnx", "--int8"), "--int8 | needs samples | add --calibrate SOURCE"),
    "int8 of pt2": (
        lambda p: export(p, "pt2", "--int8", "--calibrate", p.folder()),
        "--int8 | is not for pt2 | choose --format onnx or openvino",
    ),
    "samples without int8": (
        lambda p: export(p, "pt2", "--calibrate", p.folder()),
        "--calibrate | is for int8 | add --int8, or leave it out",
    ),
    "drop without int8": (lambda p: export(p, "pt2", "--max-drop", "1"), "--max-drop | is for int8 | add --int8"),
    "no source": (lambda p: export(p, "pt2", "--check", "gone"), "gone | "),
    "another suffix": (lambda p: export(p, "pt2", "--out", "x.onnx"), "--out x.onnx | does not end in .pt2"),
    "existing file": (
        lambda p: [p.write("x.pt2", "")] and export(p, "pt2", "--out", "x.pt2"),
        "--out x.pt2 | already exists | add --overwrite",
    ),
    "no bundle": (lambda p: ["export", p.images("x"), "--format", "pt2"], "x | holds no bundle.json"),
    "no such file": (lambda p: predict("net.onnx", p.images("x")), "net.onnx | does not exist"),
    "file of another program": (
        lambda p: predict(p.write("net.onnx", b"\x08\x0a"), p.images("x")),
        "net.onnx | was not written by convworks export, or is damaged | export the bundle again",
    ),
    "weights are missing": (lambda p: predict(p.write("net.xml", ""), p.images("x")), "net.bin | cannot be read"),
    "changed file": (
        lambda p: of_pt2(p, lambda content: content.replace(b"normalisation", b"normalizatiom")),
        "net.pt2 | ",
    ),
    "other runtime": (
        lambda p: of_pt2(p, bytes, "--runtime", "torch"),
        "--runtime | was exported for pt2, not for torch | use the bundle",
    ),
    "other precision": (
        lambda p: of_pt2(p, bytes, "--precision", "bfloat16"),
        "--precision | net.pt2 computes in float32, not bfloat16",
    ),
    "export of an export": (
        lambda p: [*of_pt2(p, bytes)] and ["export", "net.pt2", "--format", "pt2"],
        "net.pt2 | is an exported file | give the bundle",
    ),
    "evaluate another runtime": (
        lambda p: ["evaluate", of_pt2(p, bytes)[1], "--data", p.folder(), "--runtime", "onnx"],
        "--runtime | was exported for pt2, not for onnx | use the bundle",
    ),
    "evaluate an unknown runtime": (
        lambda p: ["evaluate", p.bundle(), "--data", p.folder(), "--runtime", "opnvino"],
        "--runtime | there is no runtime 'opnvino' (did you mean 'openvino'?) | choose from auto",
    ),
    "evaluate dense views elsewhere": (
        lambda p: ["evaluate", p.bundle(), "--data", p.folder(), "--runtime", "onnx", "--protocol", "flip,dense"],
        "--protocol | dense needs the network in PyTorch, not in onnx | leave out --runtime",
    ),
    "evaluate dense views of a file": (
        lambda p: ["evaluate", of_pt2(p, bytes)[1], "--data", p.folder(), "--protocol", "dense"],
        "--protocol | dense needs the network, not an exported file | use the bundle",
    ),
    "unknown runtime": (
        lambda p: [*predict(p.bundle(), p.images("x")), "--runtime", "tensorrt"],
        "--runtime | there is no runtime 'tensorrt' | choose from auto, torch, openvino, onnx",
    ),
}


@pytest.mark.parametrize("row", EXPORTED.values(), ids=EXPORTED.keys())
def test_bad_exports_and_files_are_told_in_one_line(row: Row, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(row, place, capsys)


@pytest.mark.parametrize(
    ("words", "library"),
    [(["--format", "onnx"], "onnxruntime"), (["--format", "openvino"], "openvino")],
)
def test_a_library_that_is_missing_is_named_with_what_installs_it(
    words: list[str],
    library: str,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("convworks.inference.exported.format.find_spec", lambda name: None)
    row: Row = (
        lambda p: ["export", p.bundle(), *words],
        f"needs {library}, which is not installed | convworks[deploy]",
    )
    check_row(row, place, capsys)


@needs("onnx")
def test_from_a_run_to_an_answer(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The file alone, elsewhere, names the class that the bundle names."""
    import json

    from convworks.cli.main import run

    def answer(*words: str) -> dict[str, object]:
        assert run([*words, "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    bundle, images = place.bundle(), place.images("x")
    exported = answer("export", bundle, "--format", "onnx", "--check", place.folder())
    assert "12 samples of" in str(exported["samples"])
    alone = place.root / "elsewhere" / "net.onnx"
    alone.parent.mkdir()
    Path(str(exported["file"])).rename(alone)
    first = answer("predict", bundle, images, "--precision", "float32")
    second = answer("predict", str(alone), images)
    assert [row["labels"] for row in first["predictions"]] == [row["labels"] for row in second["predictions"]]  # type: ignore[attr-defined]
    assert second["runtime"] == {"name": "onnx", "why": "the file was exported for it", "rates": {}}
