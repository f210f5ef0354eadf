"""`convworks explain`: what it writes and says, on classifiers, ensembles and networks that segment."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_bundles import NARROW, small_bundle
from workplace import Place, encoded

import convworks
from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run
from convworks.explain.attribution import explained as groups
from convworks.explain.attribution import summary, verdict
from convworks.explain.attribution.named import METHODS


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["explain", *words, "--json"]) == 0, capsys.readouterr().err
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


@pytest.fixture(autouse=True)
def _fewer_random_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "DRAWS", 2)


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("photo.png")
    return "photo.png"


def test_the_answer_says_what_is_predicted_and_how_probable_the_class_is(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `predict` does."""
    images, bundle = place.images("x", count=1), str(place.bundle())
    predicted = convworks.load(bundle, device="cpu").predict(f"{images}/0.png", top=2)
    (best, other), (most, least) = predicted["labels"], predicted["probabilities"]
    image = answer(capsys, bundle, images, "--method", "gradient", "--class", other)["images"][0]
    assert image["predicted"] == {"class": best, "probability": pytest.approx(most, abs=1e-4)}
    assert image["probability"] == pytest.approx(least, abs=1e-4)
    monkeypatch.setattr(summary, "RARE", least + 0.001)
    assert run(["explain", bundle, images, "--method", "gradient", "--class", other, "--overwrite"]) == 0
    assert "insertion and deletion say little: the class has a probability below" in capsys.readouterr().out
    unit = answer(capsys, bundle, images, "--method", "gradient", "--unit", "stage1:0", "--out", "unit")["images"][0]
    assert "probability" not in unit
    assert unit["predicted"]["class"] == best


def test_all_methods_leave_pictures_numbers_and_a_page(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    images, bundle = place.images("x", count=2), place.bundle()
    values = answer(capsys, bundle, images, "--method", "all")
    assert set(values["impossible"]) == {"cam"}
    names = [name for name in METHODS if name != "cam"]
    assert [list(image["methods"]) for image in values["images"]] == [names, names]
    files = {path.name for path in Path("explained").iterdir()}
    assert files == {
        "index.html",
        *(f"{n}.npz" for n in (0, 1)),
        *(f"{n}-{name}{end}" for n in (0, 1) for name in names for end in (".png", ".svg")),
    }
    page = Path("explained/index.html").read_text()
    assert "Complexity, order and repetition of the maps, and their similarity" in page
    assert "cam: needs a head" in page
    assert page.count("<svg") == 2 * (1 + len(names))
    explained = convworks.explain(bundle, [f"{images}/0.png", f"{images}/1.png"], method="all")
    with np.load("explained/1.npz", allow_pickle=False) as arrays:
        for name in names:
            expected = explained.attributions.by_method[name].values[1].numpy()
            np.testing.assert_allclose(arrays[name], expected, atol=1e-6)
            assert arrays[name].shape[-2:] == arrays["image"].shape[-2:]
    assert values["images"][0]["methods"]["integrated-gradients"]["error"] < 1e-3
    assert run(["explain", bundle, images, "--method", "all,cam"]) == 2  # named: not one of those that are possible
    assert "--method cam: needs a head" in capsys.readouterr().err
    with pytest.raises(convworks.InputError, match="needs a head that is linear"):
        convworks.explain(bundle, f"{images}/0.png", method=["cam", "all"])
    assert answer(capsys, bundle, f"{images}/0.png")["out"] == "explained-2"


def test_the_verb_and_the_room_of_the_same_name(place: Place) -> None:
    """Importing from convworks.explain does not take the name away from the function."""
    from convworks.explain.observe import observe

    assert callable(convworks.explain)
    assert observe.__module__ == "convworks.explain.observe"


def test_the_text_says_what_was_explained_and_how_images_were_fitted(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((20, 12), np.uint8)).save("large.png")
    assert run(["explain", place.bundle(), "large.png", "--class", "b"]) == 0
    out, err = capsys.readouterr()
    assert "large.png: 12x20 pixels, read as 8x8 (" in err
    assert re.search(r"large.png +class b ", out)
    assert "page:  explained/index.html" in out
    assert "\nin brackets: of insertion and deletion, the best of 4 random orders\n" in out
    (following,) = re.findall(r"^next: +convworks (.*)$", out, re.MULTILINE)
    assert run(following.split()) == 0


@pytest.mark.parametrize("more", [["--method", "gradient"], ["--unit", "stage1.conv:1,2,3"]], ids=["map", "number"])
def test_the_limit_of_pixels_can_be_raised(more: list[str], place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    def low(description: dict[str, Any]) -> None:
        description["preprocessing"]["decoding"]["max_pixels"] = 60

    bundle, image = place.bundle(low), f"{place.images('x')}/0.png"  # of 8x8 pixels
    assert run(["explain", bundle, image, *more]) == 2
    assert "--max-pixels" in capsys.readouterr().err
    assert run(["explain", bundle, image, *more, "--max-pixels", "64"]) == 0
    with pytest.raises(convworks.InputError, match="max_pixels"):
        convworks.explain(bundle, image, method="gradient")
    assert convworks.explain(bundle, image, method="gradient", max_pixels=64).scores.shape == (1,)
    with pytest.raises(convworks.InputError, match="max_pixels"):
        convworks.visualise(bundle, "invert", images=image, steps=1)
    assert convworks.visualise(bundle, "invert", images=image, steps=1, max_pixels=64)


def next_words(said: str) -> list[str]:
    """Return the words of the next command, as a shell reads them."""
    (line,) = re.findall(r"^next: +(convworks .*)$", said, re.MULTILINE)
    script = line.replace("convworks ", "printf '%s\\0' ", 1)
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]


@pytest.mark.parametrize("name", ["-x.png", 'new\nline, it\'s\t"ü".png'])
def test_the_next_command_reads_any_name(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Path(name).stem
    Path(place.bundle()).rename(bundle)
    Path(f"{place.images('x')}/0.png").rename(name)
    for words in (["explain", "--method", "gradient"], ["visualise", "--show", "field"]):
        assert run([*words, "--", bundle, name]) == 0
        said = capsys.readouterr().out
        assert "new\nline" not in said
        following = next_words(said)
        assert Path(following[1]).samefile(bundle)
        assert Path(following[2]).samefile(name)
        assert run(following) == 0
        capsys.readouterr()


@pytest.mark.parametrize("name", ["-x", '-ü "b" c'])
def test_the_next_command_of_a_landscape_reads_any_name(
    name: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(place.bundle()).rename(name)
    Path(place.folder()).rename(f"{name} data")
    few = ["--dimensions", "1", "--points", "3", "--images", "2"]
    assert run(["landscape", "--data", f"{name} data", *few, "--", name]) == 0
    following = next_words(capsys.readouterr().out)
    assert following == ["landscape", f"./{name}", "--data", f"{name} data", "--dimensions", "2"]
    assert run([*following, *few[2:]]) == 0


def test_after_all_methods_a_network_without_maps_predicts(photo: str, capsys: pytest.CaptureFixture[str]) -> None:
    save_bundle(Path("bundle"), small_bundle("perceptron", 8))
    assert run(["explain", "bundle", photo, "--method", "all"]) == 0
    following = next_words(capsys.readouterr().out)
    assert following == ["predict", "bundle", photo]
    assert run(following) == 0


def test_a_number_is_printed_with_its_terms(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    image, bundle = f"{place.images('x')}/0.png", place.bundle()
    assert run(["explain", bundle, image, "--unit", "stage1.conv:1,2,3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("stages.stage1.conv [1,2,3] by cross_correlation: ")
    (total, value) = re.findall(r"sum ([-+.0-9e]+); in the tensor ([-+.0-9e]+)", out)[0]
    assert float(total) == pytest.approx(float(value), abs=1e-5)
    for options in (["--message"], ["--gradient"], ["--gradient", "--class", "b"]):
        number = "stages.stage1.conv:1,2,2,1" if "--gradient" in options else "stages.stage1.conv:0,2,3"
        values = answer(capsys, bundle, image, "--unit", number, *options)
        assert values["sum"] == pytest.approx(values["value"], abs=1e-5)
        assert values["what"] == ("weight" if "--gradient" in options else "message")
        assert sum(term["product"] for term in values["terms"]) + values["bias"] == pytest.approx(values["sum"])
        assert values["loss"] > 0
        assert values["loss_of"].startswith("-log of the probability of class ")
        axes = {len(term["position"]) for term in values["terms"]}
        assert axes == {3}
        # What is printed is what can be given.
        again = f"{values['layer']}:{','.join(map(str, values['index']))}"
        assert answer(capsys, bundle, image, "--unit", again, *options)["value"] == values["value"]
    assert answer(capsys, bundle, image, "--unit", "head.logits.bias:1", "--gradient")["what"] == "bias"


def test_an_unknown_layer_is_refused_with_those_that_there_are(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", place.bundle(), f"{place.images('x')}/0.png", "--unit", "nope:1"]) == 2
    assert "there is no layer 'nope'; layers: stem, stem.conv, " in capsys.readouterr().err


def test_units_have_maps_too(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    image, bundle = f"{place.images('x')}/0.png", place.bundle()
    values = answer(capsys, bundle, image, "--unit", "stage1:1", "--method", "gradient,deconvnet,grad-cam,occlusion")
    assert values["images"][0]["target"] == "stage1:1"
    assert set(values["images"][0]["methods"]) == {"gradient", "deconvnet", "grad-cam", "occlusion"}


@pytest.mark.slow
def test_masks_are_explained_by_class_and_by_pixel(photo: str, capsys: pytest.CaptureFixture[str]) -> None:
    save_bundle(Path("bundle"), small_bundle("unet_resnet18", 32, task="segmentation"))
    values = answer(capsys, "bundle", photo, "--method", "gradient,grad-cam")
    assert values["images"][0]["target"].endswith(", where it is predicted")
    explained = convworks.explain("bundle", photo, method="gradient", pixel=(3, 30))
    assert explained.targets[0].endswith(" at pixel 3,30")
    target = explained.target
    assert float(explained.scores[0]) == explained.subject.outputs[0, int(target.channels[0]), 3, 30].item()
    with pytest.raises(convworks.InputError, match="pixel: 3,32 is not in the mask, whose size is 32x32"):
        convworks.explain("bundle", photo, pixel=(3, 32))


def test_ensembles_are_explained_by_all_their_members(photo: str, capsys: pytest.CaptureFixture[str]) -> None:
    save_bundle(Path("bundle"), small_bundle("ensemble_best", 28))
    values = answer(capsys, "bundle", photo, "--method", "grad-cam,gradient")
    assert set(values["images"][0]["methods"]) == {"grad-cam", "gradient"}
    from convworks.explain.attribution.cam import last_maps

    network = convworks.load("bundle").trained
    taps = last_maps(network, torch.zeros(1, 3, 28, 28))
    assert [tap.split(".")[2] for tap in taps] == ["member1", "member2", "member3"]


def test_an_image_and_a_method_never_make_the_file_of_another(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """x by grad-cam, and x-grad by cam."""
    save_bundle(Path("bundle"), small_bundle("resnet20", 16))
    images = Path(place.images("coll", count=2))
    (images / "0.png").rename(images / "x.png")
    (images / "1.png").rename(images / "x-grad.png")
    assert answer(capsys, "bundle", "coll", "--method", "grad-cam,cam", "--out", "out")["out"] == "out"
    pictures = {path.name: path.read_bytes() for path in Path("out").glob("*.svg")}
    assert len(set(pictures.values())) == len(pictures) == 4
    assert {path.stem for path in Path("out").glob("*.npz")} == {"coll-x-png", "coll-x-grad-png"}


def test_files_appear_group_by_group(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together, they give what one group of all gives."""
    bundle, images = place.bundle(), place.images("x", count=3)
    whole = answer(capsys, bundle, images, "--method", "gradient", "--out", "whole")
    monkeypatch.setattr(groups, "GROUP", 2)
    parts = answer(capsys, bundle, images, "--method", "gradient", "--out", "parts")
    assert [image["path"] for image in parts["images"]] == [image["path"] for image in whole["images"]]
    for one, other in zip(parts["images"], whole["images"], strict=True):
        assert one["methods"]["gradient"]["insertion"] == pytest.approx(other["methods"]["gradient"]["insertion"])
    page = Path("parts/index.html").read_text()
    assert all(f'id="image-{number}"' in page for number in (1, 2, 3))


def test_all_images_are_tried_before_any_is_explained(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, images = place.bundle(), place.images("x", count=3)
    monkeypatch.setattr(groups, "GROUP", 1)
    whole = Path("x/2.png").read_bytes()
    Path("x/2.png").write_bytes(whole[: len(whole) // 2])
    assert run(["explain", bundle, images, "--method", "gradient"]) == 2
    assert "x/2.png: " in capsys.readouterr().err
    assert not Path("explained").exists()


def test_a_class_that_a_late_mask_does_not_have_leaves_nothing(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network finds class 1 where its last maps are strong: in noise, not where all pixels are the mean."""
    bundle = small_bundle("unet_padded", 16, task="segmentation", classes="01", table=NARROW)
    logits = bundle.network.get_submodule("head.logits")
    with torch.no_grad():
        for parameter, values in zip(logits.parameters(), ([0.0, 1.0], [1.0, 0.0]), strict=True):
            parameter.copy_(torch.tensor(values).view(2, *[1] * (parameter.ndim - 1)).expand_as(parameter))
    save_bundle(Path("bundle"), bundle)
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    place.write("x/0.png", encoded(Image.fromarray(noise), "PNG"))
    place.write("x/1.png", encoded(Image.new("RGB", (16, 16), (102, 127, 153)), "PNG"))
    monkeypatch.setattr(groups, "GROUP", 1)
    words = ["--method", "gradient", "--class", "1"]
    assert run(["explain", "bundle", "x/0.png", *words, "--out", "one"]) == 0
    assert run(["explain", "bundle", "x", *words, "--out", "both"]) == 2
    assert "class 1 is predicted at no pixel of x/1.png" in capsys.readouterr().err
    assert not Path("both").exists()


def test_maps_too_small_for_the_test_of_weights_spare_the_random_networks(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digits of 8x8 pixels: the verdict could only be undecided."""
    monkeypatch.setattr(verdict, "randomise", lambda *_: pytest.fail("a random network"))
    image, bundle = f"{place.images('x')}/0.png", place.bundle()
    values = answer(capsys, bundle, image, "--method", "gradient,occlusion")
    assert values["untested"] == dict.fromkeys(("gradient", "occlusion"), "maps of 64 pixels are too small for it")
    assert values["weights"]["gradient"]["verdict"] == verdict.UNDECIDED
    assert run(["explain", bundle, image, "--method", "gradient"]) == 0
    assert "gradient: weights not tested, maps of 64 pixels are too small for it" in capsys.readouterr().out


def test_images_of_the_size_of_the_input_may_be_cropped(photo: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A bundle that reads the central part says so, and reads paths of any form."""
    bundle = small_bundle("resnet20", 24)
    preprocessing = bundle.preprocessing.model_copy(update={"fit": "crop", "crop_fraction": 0.75})
    save_bundle(Path("bundle"), dataclasses.replace(bundle, preprocessing=preprocessing))
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save("square.png")
    assert run(["explain", "bundle", "square.png", "--method", "gradient"]) == 0
    assert "square.png: 24x24 pixels, read as 24x24 (the central 0.75 of it)" in capsys.readouterr().err


def test_a_path_in_the_home_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.images("x")
    monkeypatch.setenv("HOME", str(Path("x").absolute()))
    assert convworks.explain(place.bundle(), "~/0.png", method="gradient").subject.names == ("~/0.png",)
