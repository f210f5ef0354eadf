"""The landscape of a network: what it must not depend on, the plane of a run, resuming, several processes."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_bundles import NARROW, small_bundle
from squares import write_squares
from torch import Tensor, nn

import convworks
from convworks.bundle.bundle import save_bundle
from convworks.cli.main import run as command
from convworks.data.sources.open import open_source
from convworks.errors import InputError
from convworks.explain.checkpoints import checkpoints_of
from convworks.explain.landscape import directions, worker
from convworks.explain.landscape.directions import by_filter, gaussian, trajectory, weights_of
from convworks.explain.landscape.measure import open_landscape
from convworks.explain.landscape.plan import read_plan, row_file, write_row
from convworks.explain.landscape.surface import Problem, along
from convworks.layers.normalisation.folded import folded
from convworks.layers.partial import PartialConv2d

POINTS = [(a, b) for a, b in itertools.product((-1.0, -0.4, 0.0, 0.7), (-0.5, 0.0, 1.0))]


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 9, 4)
    ).double()


def losses(network: nn.Module, normalise: Callable[[Any, Any], Any]) -> np.ndarray:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(20, 1, 10, 10, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (20,), generator=generator)
    weights = weights_of(network)
    directions = [normalise(gaussian(weights, seed), network) for seed in (0, 1)]

    def measure(moved: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            return {"loss": float(F.cross_entropy(moved(images), labels))}

    return np.array([values["loss"] for values in along(network, directions, POINTS, measure)])


def test_layers_scaled_against_each_other_have_the_same_landscape() -> None:
    """One layer times 10, the next divided by 10: the same function, and the same curve only where filters are."""
    network, scaled = small(), small()
    with torch.no_grad():
        for value in scaled[0].parameters():
            value.mul_(10)
        scaled[2].weight.div_(10)  # type: ignore[operator]
    np.testing.assert_allclose(losses(scaled, by_filter), losses(network, by_filter), rtol=1e-12, atol=1e-12)

    def whole(direction: dict[str, Tensor], _network: nn.Module) -> dict[str, Tensor]:
        return direction

    assert np.abs(losses(scaled, whole) - losses(network, whole)).max() > 0.1


def test_each_filter_of_a_direction_is_as_long_as_that_of_the_weights() -> None:
    """Against a loop over output channels, also where a layer stores its weights by input channel, or by pair."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.ConvTranspose2d(4, 6, 2, groups=2),
        PartialConv2d(6, [(0, 1, 2), (3,), (1, 5)], 3),
        nn.Linear(5, 2),
    )
    for parameter in network[3].parameters():
        nn.init.normal_(parameter)
    direction = by_filter(gaussian(weights_of(network), 0), network)
    moved = copy.deepcopy(network)
    moved.load_state_dict(direction, strict=False)
    for layer, other in zip(network, moved, strict=True):
        own, other_filters = filters(layer), filters(other)
        torch.testing.assert_close([each.norm() for each in other_filters], [each.norm() for each in own])
        assert not torch.allclose(other_filters[0], own[0])


def filters(layer: nn.Module) -> list[Tensor]:
    """Return the weights of each output channel of a layer."""
    if isinstance(layer, PartialConv2d):
        return [kernels.flatten() for kernels in layer.dense_weight()]
    weight: Tensor = layer.weight  # type: ignore[assignment]
    if isinstance(layer, nn.ConvTranspose2d):
        groups = weight.chunk(layer.groups)
        return [group[:, channel].flatten() for group in groups for channel in range(group.shape[1])]
    return [each.flatten() for each in weight]


def test_weights_are_back_where_they_were() -> None:
    network = small()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    losses(network, by_filter)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_plane_of_a_path_that_lies_in_one() -> None:
    """Positions are exact, and the directions orthonormal."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(30, 2)))[0]
    places = rng.normal(size=(6, 2)) * [3, 1]
    places[-1] = 0
    path = [{"w": torch.from_numpy(5 + basis @ place).view(5, 6)} for place in places]
    plane = trajectory(iter(path), range(6))
    assert sum(plane.variance) == pytest.approx(1)
    first, second = (each["w"].flatten().numpy() for each in plane.directions)
    np.testing.assert_allclose([first @ first, second @ second, first @ second], [1, 1, 0], atol=1e-12)
    for place, each in zip(plane.positions, path, strict=True):
        rebuilt = path[-1]["w"].flatten().numpy() + place[0] * first + place[1] * second
        np.testing.assert_allclose(rebuilt, each["w"].flatten().numpy(), atol=1e-9)
    assert (plane.positions[0] >= 0).all()


def test_the_plane_of_a_path_that_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time, and some columns at a time: the same plane."""
    generator = torch.Generator().manual_seed(0)
    path = [{"a": torch.randn(7, 3, generator=generator), "b": torch.randn(2, 5, generator=generator)} for _ in "1234"]
    whole = trajectory(path, range(4))
    monkeypatch.setattr(directions, "VALUES", 12)
    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
    most = 0

    def loaded() -> Iterator[dict[str, Tensor]]:
        nonlocal most
        for weights in path:
            copies = {name: value.clone() for name, value in weights.items()}
            alive.update(copies.values())
            most = max(most, len(alive))
            yield copies

    parts = trajectory(loaded(), range(4))
    assert most <= 2 * len(path[0])
    np.testing.assert_allclose(parts.positions, whole.positions, rtol=1e-10, atol=1e-12)
    for own, other in zip(parts.directions, whole.directions, strict=True):
        torch.testing.assert_close(own, other)


@pytest.mark.parametrize("places", [[0, 0, 0, 0], [3, 2, 1, 0]], ids=["one place", "a line"])
def test_checkpoints_that_span_no_plane_are_refused(places: list[int]) -> None:
    path = [{"w": torch.ones(2, 3) + place * torch.arange(6.0).view(2, 3)} for place in places]
    with pytest.raises(InputError, match="the weights of the checkpoints span no plane"):
        trajectory(path, range(4))


def test_a_further_process_ends_with_the_one_that_started_it(
    any_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first row: no process has a negative number."""
    out = tmp_path / "out"
    measured(any_run, out, dimensions=1)
    row_file(out, 0).unlink()
    opened = open_landscape(read_plan(out))
    directions.write_directions(out / "directions.safetensors", opened.directions)
    monkeypatch.setattr("sys.argv", ["worker", str(out), "0", "-1"])
    with pytest.raises(SystemExit, match="the process that started this one has ended"):
        worker.main()
    assert not row_file(out, 0).exists()


def measured(run: Path, out: Path, **options: Any) -> dict[str, Any]:
    return convworks.landscape(run, data="digits", images=40, points=3, out=out, device="cpu", **options)


def test_the_middle_is_the_loss_of_the_bundle(any_run: Path, tmp_path: Path) -> None:
    answer = measured(any_run, tmp_path / "out")
    numbers = np.load(answer["numbers"])
    assert numbers["loss"].shape == numbers["top1"].shape == (3, 3)
    opened = open_landscape(read_plan(tmp_path / "out"))
    problem = opened.problem
    assert len(problem.samples) == 40
    expected = problem.measure(problem.predictor.trained)
    assert numbers["loss"][1, 1] == pytest.approx(expected["loss"], rel=1e-4)
    assert numbers["top1"][1, 1] == expected["top1"]
    assert Path(answer["picture"]).read_bytes().startswith(b"\x89PNG")
    assert (answer["source"], answer["split"]) == ("digits", "test")
    assert "40 images of digits (test)" in Path(answer["vector"]).read_text()
    other = open_landscape(replace(read_plan(tmp_path / "out"), seed=1))
    name = next(iter(opened.directions[0]))
    ways = [each[name] for each in (*opened.directions, *other.directions)]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(ways, 2))


def test_the_images_that_the_run_held_out_are_a_split(any_run: Path, tmp_path: Path) -> None:
    assert "validation" not in open_source("digits").splits
    assert measured(any_run, tmp_path / "out", split="validation", dimensions=1)["images"] == 40


def test_the_target_of_an_autoencoder_is_its_input_though_there_are_masks(tmp_path: Path) -> None:
    save_bundle(tmp_path / "bundle", small_bundle("autoencoder_conv", 16, task="reconstruction"))
    folder = write_squares(tmp_path / "squares", 4)
    answer = convworks.landscape(
        tmp_path / "bundle", data=folder, points=3, dimensions=1, out=tmp_path / "out", device="cpu"
    )
    numbers = np.load(answer["numbers"])
    np.testing.assert_allclose(numbers["psnr"], -10 * np.log10(numbers["loss"]), rtol=1e-4)


def test_a_network_that_segments_has_a_landscape(tmp_path: Path) -> None:
    bundle = small_bundle("unet_padded", 16, task="segmentation", classes="01", table=NARROW)
    save_bundle(tmp_path / "bundle", bundle)
    folder = write_squares(tmp_path / "squares", 6)
    answer = convworks.landscape(
        tmp_path / "bundle", data=folder, points=3, out=tmp_path / "out", device="cpu", precision="float32"
    )
    numbers = np.load(answer["numbers"])
    problem = open_landscape(read_plan(tmp_path / "out")).problem
    expected = problem.measure(problem.predictor.trained)
    for name, value in expected.items():
        assert numbers[name].shape == (3, 3)
        assert numbers[name][1, 1] == pytest.approx(value, rel=1e-4)


def test_what_is_missing_is_measured_again_and_nothing_else(any_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = np.load(measured(any_run, out)["numbers"])["loss"]
    points = [{"loss": 7.0, "top1": None}] * 3
    write_row(out, read_plan(out), 0, points)
    row_file(out, 2).unlink()
    again = np.load(measured(any_run, out, resume=True)["numbers"])["loss"]
    np.testing.assert_array_equal(again[1:], first[1:])
    np.testing.assert_array_equal(again[0], 7.0)  # not measured again
    with pytest.raises(InputError, match=r"resume: .* was begun with another value of seed"):
        measured(any_run, out, resume=True, seed=3)
    with pytest.raises(InputError, match=r"resume: .* was begun with another value of points, span"):
        convworks.landscape(any_run, data="digits", images=40, points=5, out=out, device="cpu", resume=True)
    with pytest.raises(InputError, match=r"out=.*: the folder is not empty"):
        measured(any_run, out)
    for text in ("[]", row_file(out, 0).read_text().replace("7.0", "6.0")):
        row_file(out, 0).write_text(text)
        with pytest.raises(InputError, match=r"0000.json: .*; remove it, and measure it again with resume=True"):
            measured(any_run, out, resume=True)


def test_a_row_belongs_to_its_place_and_its_landscape(any_run: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    measured(any_run, out)
    measured(any_run, other, seed=1)
    row_file(out, 1).unlink()
    row_file(out, 1).symlink_to(row_file(out, 0))
    with pytest.raises(InputError, match=r"0001.json: is row 0, not 1; remove it, and measure it again with resume"):
        measured(any_run, out, resume=True)
    row_file(out, 1).unlink()
    shutil.copy(row_file(other, 1), row_file(out, 1))
    with pytest.raises(InputError, match=r"0001.json: is a row of another landscape; remove it"):
        measured(any_run, out, resume=True)


def test_of_a_line_each_point_is_kept(any_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = np.load(measured(any_run, out, dimensions=1)["numbers"])["loss"]
    write_row(out, read_plan(out), 0, [{"loss": 7.0, "top1": None}])
    row_file(out, 2).unlink()
    again = np.load(measured(any_run, out, dimensions=1, resume=True)["numbers"])["loss"]
    np.testing.assert_array_equal(again, [[7.0, *first[0, 1:]]])


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """One process has as many threads as each of several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize("options", [{"dimensions": 1}, {"directions": "trajectory"}], ids=["line", "plane of a run"])
def test_several_processes_measure_the_same(options: dict[str, Any], long_run: Path, tmp_path: Path) -> None:
    one = np.load(measured(long_run, tmp_path / "one", **options)["numbers"])["loss"]
    two = np.load(measured(long_run, tmp_path / "two", workers=2, **options)["numbers"])["loss"]
    np.testing.assert_array_equal(two, one)
    assert {path.name for path in (tmp_path / "two").iterdir()} == {path.name for path in (tmp_path / "one").iterdir()}


def test_published_weights_have_a_landscape(any_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shutil.copytree(any_run / "bundle", tmp_path / "convworks" / "bundles" / "resnet20-cifar10")
    measured("resnet20:cifar10", tmp_path / "out", dimensions=1)  # type: ignore[arg-type]
    assert (tmp_path / "out" / "landscape.svg").is_file()


def test_the_path_of_a_run(long_run: Path, any_run: Path, tmp_path: Path) -> None:
    """The loss at the last checkpoint is that of its projection: it is the middle of the plane.

    The others are projected here once more, from the weights of each checkpoint.
    """
    answer = measured(long_run, tmp_path / "out", directions="trajectory")
    assert len(answer["steps"]) == len(answer["loss_true"]) == len(answer["loss_projected"]) == 3
    assert answer["loss_true"][-1] == pytest.approx(answer["loss_projected"][-1], rel=1e-5)
    assert answer["loss_true"][0] > answer["loss_true"][-1]
    numbers = np.load(answer["numbers"])
    opened = open_landscape(read_plan(tmp_path / "out"))
    checkpoints = checkpoints_of(long_run, opened.problem.predictor.trained, "here", least=3)
    networks = [folded(network) for network in checkpoints.networks()]
    axes, path = (
        [np.concatenate([each[name].numpy().ravel().astype(float) for name in opened.directions[0]]) for each in every]
        for every in (opened.directions, map(weights_of, networks))
    )
    for index, weights in enumerate(path):
        coefficients = [axis @ (weights - path[-1]) for axis in axes]
        np.testing.assert_allclose(numbers["positions"][index], coefficients, rtol=1e-4, atol=1e-5)
        start, projected = 0, path[-1] + coefficients[0] * axes[0] + coefficients[1] * axes[1]
        for value in weights_of(networks[-1]).values():
            value.copy_(torch.from_numpy(projected[start : start + value.numel()]).view(value.shape))
            start += value.numel()
        expected = opened.problem.measure(networks[-1])["loss"]
        assert answer["loss_projected"][index] == pytest.approx(expected, rel=1e-4)
    assert numbers["across"][0] < numbers["positions"][:, 0].min()
    assert numbers["positions"][:, 0].max() < numbers["across"][-1]
    with pytest.raises(InputError, match=r"directions='trajectory': .* has 1 checkpoint, 3 are needed"):
        measured(any_run, tmp_path / "none", directions="trajectory")
    with pytest.raises(InputError, match=r"directions='trajectory': .* is not a run"):
        measured(long_run / "bundle", tmp_path / "none", directions="trajectory")


def test_losses_that_are_not_finite_are_said(
    long_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Problem, "measure", lambda _problem, _network: {"loss": np.nan, "top1": 0.1})
    words = ["landscape", str(long_run), "--data", "digits", "--points", "3", "--directions", "trajectory"]
    assert command([*words, "--json", "--out", str(tmp_path / "json")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["loss_true"] == answer["loss_projected"] == [None] * 3
    assert (answer["loss"], answer["not_finite"]) == (None, 9)
    assert command([*words, "--out", str(tmp_path / "text")]) == 0
    assert "loss of the first: not finite, of its projection: not finite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"directions": "radnom"}, "directions: there is no 'radnom' (did you mean 'random'?)"),
        ({"directions": "trajectory", "dimensions": 1}, "dimensions: is 1, but a trajectory is drawn in a plane"),
        ({"span": 0.0}, "span: is 0"),
        ({"span": float("inf")}, "span: is inf"),
        ({"seed": -1}, "seed: is -1; give a whole number from 0 to"),
        ({"split": "none"}, "split: digits has no split 'none'"),
        ({"resume": True}, "holds no landscape.json"),
    ],
    ids=str,
)
def test_bad_input(options: dict[str, Any], line: str, any_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        measured(any_run, tmp_path / "out", **options)
    assert line in str(caught.value)
    assert not (tmp_path / "out").exists()
