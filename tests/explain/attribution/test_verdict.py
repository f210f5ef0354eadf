"""The verdicts: on maps whose quality is known."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from small_bundles import small_bundle
from torch import nn

from convworks.explain.attribution import verdict as tests
from convworks.explain.attribution.attribute import STEPS, attribute
from convworks.explain.attribution.curves import areas, blurred, curve, order_of, random_areas
from convworks.explain.attribution.gradients import gradient
from convworks.explain.attribution.methods import METHODS
from convworks.explain.attribution.named import METHODS as NAMES
from convworks.explain.attribution.randomised import complexity, order, randomise, randomised, ranked, repetition
from convworks.explain.attribution.rectifiers import deconvnet
from convworks.explain.attribution.summary import Judged
from convworks.explain.attribution.target import Target
from convworks.explain.attribution.vanished import why_empty
from convworks.explain.attribution.verdict import (
    DRAWS,
    RELATED,
    UNDECIDED,
    UNRELATED,
    Measured,
    Verdict,
    Weights,
    compared,
    undecided,
    verdicts,
)
from convworks.models.catalogue import create


def first(count: int = 1) -> Target:
    return Target(name="the score", channels=torch.zeros(count, dtype=torch.long))


def measured(trained: float, random: float, spread: float) -> Measured:
    return Measured(trained, random, spread, (trained - random) / spread if spread else 0.0)


def linear(weights: torch.Tensor) -> nn.Module:
    layer = nn.Linear(weights.numel(), 1, bias=False)
    layer.weight = nn.Parameter(weights.reshape(1, -1))
    return nn.Sequential(nn.Flatten(), layer).eval()


def test_the_best_order_is_better_than_random_and_the_reverse_is_worse() -> None:
    """For a linear score, the pixels with the largest contributions to the difference of two images come first."""
    torch.manual_seed(0)
    weights, images = torch.randn(1, 8, 8), torch.rand(2, 1, 8, 8) + 0.5
    network = linear(weights)
    chance = random_areas(network, images, first(2), orders=8)
    deleted, inserted = (weights * images)[:, 0], (weights * (images - blurred(images)))[:, 0]
    best, worst = (areas(network, images, first(2), sign * deleted) for sign in (1, -1))
    assert bool((best.deletion < chance.deletion).all())
    assert bool((worst.deletion > chance.deletion).all())
    best, worst = (areas(network, images, first(2), sign * inserted) for sign in (1, -1))
    assert bool((best.insertion > chance.insertion).all())
    assert bool((worst.insertion < chance.insertion).all())


def test_noise_ranks_no_better_than_chance() -> None:
    """It beats the mean of random orders every third time, all of them seldom."""
    torch.manual_seed(0)
    images = torch.rand(200, 1, 8, 8) + 0.5
    network = linear(torch.randn(1, 8, 8))
    chance, noise = (
        find(network, images, first(200)) for find in (random_areas, partial(areas, maps=torch.rand(200, 8, 8)))
    )
    assert float(((noise.insertion > chance.insertion) & (noise.deletion < chance.deletion)).float().mean()) < 0.12


def test_a_curve_begins_at_one_image_and_ends_at_the_other() -> None:
    torch.manual_seed(0)
    network, images = linear(torch.ones(1, 4, 4)), torch.rand(1, 1, 4, 4)
    order = order_of(torch.arange(16.0).view(1, 4, 4), 0)
    assert order[0].tolist() == list(range(15, -1, -1))
    scores = curve(network, images, torch.zeros_like(images), first(), order, steps=16)[:, 0]
    removed = images.flatten()[order[0]].cumsum(0)
    left = images.sum() - torch.cat([torch.zeros(1), removed])
    assert torch.allclose(scores, (left[1:] + left[:-1]) / 2, atol=1e-5)
    assert len(set(order_of(torch.zeros(1, 4, 4), 0)[0].tolist())) == 16
    assert order_of(torch.zeros(1, 4, 4), 0)[0].tolist() != list(range(16))
    assert torch.allclose(blurred(torch.full((1, 2, 9, 9), 3.0)), torch.full((1, 2, 9, 9), 3.0))


def test_complexity_order_and_similarity() -> None:
    torch.manual_seed(0)
    assert order(torch.arange(30.0).view(1, 5, 6)).item() == pytest.approx(1)
    assert order(torch.tensor([[[1.0, -1.0], [-1.0, 1.0]]] * 2)).tolist() == pytest.approx([-1, -1])
    assert order(torch.zeros(1, 4, 4)).item() == 0
    assert complexity(torch.zeros(1, 4, 4)).item() == 0
    assert complexity(torch.linspace(0, 1, 900).view(1, 30, 30)).item() == pytest.approx(math.log2(100), abs=1e-4)
    assert complexity(torch.linspace(0, 1, 64).view(1, 8, 8)).item() == pytest.approx(3)  # fewer bins for fewer pixels
    spot = torch.zeros(1, 32, 32)
    spot[0, 3, 3] = 1
    assert complexity(spot).item() < 0.02
    assert complexity(torch.rand(1, 32, 32)) > complexity(torch.randn(1, 32, 32))
    first_map, second_map = torch.randn(2, 6, 5), torch.randn(2, 6, 5).round()
    expected = [spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(first_map, second_map, strict=True)]
    similarity = (ranked(first_map) * ranked(second_map)).sum(1)
    np.testing.assert_allclose(similarity.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("complexity", "order", "similarity", "images", "pixels", "verdict"),
    [
        ((5.0, 6.0, 0.2), (0.1, 0.1, 0.1), (0.3, 0.3, 0.1), 1, 784, RELATED),
        ((6.0, 6.0, 0.2), (0.6, 0.1, 0.1), (0.3, 0.3, 0.1), 1, 784, RELATED),
        ((6.0, 6.0, 0.2), (0.1, 0.1, 0.1), (0.3, 0.3, 0.1), 4, 784, UNRELATED),
        ((7.0, 6.0, 0.2), (0.1, 0.4, 0.1), (0.3, 0.3, 0.1), 4, 784, UNRELATED),
        ((7.0, 6.0, 0.2), (-0.1, 0.4, 0.1), (0.3, 0.3, 0.1), 4, 784, RELATED),
        ((6.0, 6.0, 0.2), (0.1, 0.1, 0.1), (0.1, 0.6, 0.1), 4, 784, RELATED),
        ((6.0, 6.0, 0.2), (0.1, 0.1, 0.1), (0.9, 0.3, 0.1), 4, 784, UNRELATED),
        ((5.5, 6.0, 0.2), (0.35, 0.1, 0.1), (0.05, 0.3, 0.1), 4, 784, RELATED),  # each for itself would not do
        ((1.0, 6.0, 0.0), (0.1, 0.1, 0.1), (0.3, 0.3, 0.1), 8, 64, UNDECIDED),
        ((4.0, 6.0, 1.5), (0.1, 0.1, 0.1), (0.3, 0.3, 0.1), 8, 784, UNDECIDED),
        ((6.0, 6.0, 0.2), (0.1, 0.1, 0.1), (0.3, 0.3, 0.1), 3, 784, UNDECIDED),
    ],
)
def test_the_verdict_on_weights(
    complexity: tuple[float, ...],
    order: tuple[float, ...],
    similarity: tuple[float, ...],
    images: int,
    pixels: int,
    verdict: str,
) -> None:
    weights = Weights(
        complexity=measured(*complexity),
        order=measured(*order),
        similarity=measured(*similarity),
        repetition=measured(0.2, 0.2, 0.1),
        images=images,
        pixels=pixels,
        draws=24,
    )
    assert weights.verdict == verdict
    assert replace(weights, coarse=True).verdict == (UNDECIDED if verdict == UNRELATED else verdict)
    assert replace(weights, draws=7).verdict == UNDECIDED
    assert replace(weights, pixels=784, repetition=measured(0.9, 0.2, 0.1)).verdict == RELATED


def test_each_random_network_explains_what_has_the_rank_that_the_target_has() -> None:
    """The class that one network predicts stands for the class that another predicts, pixel by pixel, too."""
    values, others = torch.randn(5, 4), torch.randn(5, 4)
    best = Target(name="predicted", channels=values.argmax(1))
    assert best.in_place_of(values, others).channels.tolist() == others.argmax(1).tolist()
    worst = Target(name="the class", channels=values.argmin(1))
    assert worst.in_place_of(values, others).channels.tolist() == others.argmin(1).tolist()
    any_class = Target(name="the class", channels=torch.tensor([0, 1, 2, 3, 0]))
    assert any_class.in_place_of(values, values).channels.tolist() == [0, 1, 2, 3, 0]
    maps, pixel = torch.randn(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.bool)
    pixel[:, 1, 2] = True
    there = Target(name="at a pixel", channels=maps[:, :, 1, 2].argmax(1), where=pixel)
    found = there.in_place_of(maps, -maps)
    assert found.channels.tolist() == maps[:, :, 1, 2].argmin(1).tolist()
    assert found.where is pixel


@pytest.mark.parametrize("masked", [False, True])
def test_a_channel_has_the_same_rank_however_its_map_lies_in_memory(masked: bool) -> None:
    """Means of channels-last maps are rounded otherwise one by one than all at once."""
    torch.manual_seed(0)
    values = torch.randn(8, 64, 16, 16).relu().contiguous(memory_format=torch.channels_last)
    where = torch.rand(8, 16, 16) > 0.3 if masked else None
    for channel in range(64):
        target = Target(name="a channel", channels=torch.full((8,), channel), where=where)
        assert target.in_place_of(values, values).channels.tolist() == [channel] * 8


@pytest.mark.parametrize("count", [8, 13, 24])
def test_numbers_that_do_not_spread_are_not_divided_by_rounding(count: int) -> None:
    place = torch.rand(1, 20, 20).expand(4, 20, 20)
    weights = compared(place + 0.2 * torch.rand(4, 20, 20), [place] * count)
    assert all(abs(getattr(weights, name).above) < 1000 for name in ("complexity", "order", "repetition", "similarity"))
    same = compared(place, [place] * count)
    assert same.distance == pytest.approx(0, abs=1e-3)


def test_what_maps_of_all_images_share_counts() -> None:
    """Two networks that look at one place in each image, and one that looks anywhere."""
    torch.manual_seed(0)
    place = torch.rand(20, 20)
    anywhere, there = torch.rand(4, 20, 20), place + 0.01 * torch.rand(4, 20, 20)
    assert repetition(there).item() > 0.99
    assert abs(repetition(anywhere).item()) < 0.1
    assert repetition(anywhere[:1]).item() == 0
    pairs = [spearmanr(anywhere[a].flatten(), anywhere[b].flatten()).statistic for a, b in combinations(range(4), 2)]
    assert repetition(anywhere).item() == pytest.approx(np.mean(pairs), abs=1e-6)
    weights = compared(there, [torch.rand(4, 20, 20) for _ in range(12)])
    assert weights.repetition.above > 10
    assert weights.verdict == RELATED


def test_correlations_near_one_are_compared_by_what_they_leave() -> None:
    """Random networks that name one class for all images repeat their maps; one that names another once is no wonder.

    Correlations of 0.999 to 0.9999 spread by almost nothing; what they leave to 1 spreads tenfold.
    """
    torch.manual_seed(0)
    place = torch.rand(20, 20)

    def maps(other: float) -> torch.Tensor:
        return place + other * torch.rand(4, 20, 20)

    controls = [maps(other) for other in np.geomspace(0.02, 0.3, 12)]
    weights = compared(one := maps(0.5), controls)
    expected = [np.arctanh(repetition(each).item()) for each in controls]
    above = (np.arctanh(repetition(one).item()) - np.mean(expected)) / np.std(expected, ddof=1)
    assert weights.repetition.above == pytest.approx(above, abs=0.01)
    assert -3 < above < 0


def test_random_networks_without_maps_are_left_out() -> None:
    """Of one that overflows nothing is known; empty maps among others would count as the simplest."""
    torch.manual_seed(0)
    maps, random = torch.rand(4, 20, 20), [torch.rand(4, 20, 20) for _ in range(12)]
    empty, overflowing = torch.zeros(4, 20, 20), torch.full((4, 20, 20), torch.nan)
    expected = compared(maps, random)
    assert compared(maps, [empty, *random, overflowing]) == expected
    assert (expected.draws, expected.verdict) == (12, UNRELATED)
    none = compared(maps, [overflowing] * 24)
    assert (none.draws, none.verdict) == (0, UNDECIDED)
    partly = compared(maps, [torch.cat([each[:3], empty[:1]]) for each in random])
    assert partly.complexity.random == pytest.approx(expected.complexity.random, rel=0.01)
    assert partly.similarity.random == pytest.approx(expected.similarity.random, abs=0.05)


def test_similarity_is_that_of_maps_beside_that_of_random_ones_among_themselves() -> None:
    """Where random weights all give one map, and the trained ones another, the map depends on the weights."""
    torch.manual_seed(0)
    shared, other = torch.rand(4, 20, 20), torch.rand(4, 20, 20)
    controls = [shared + 1e-3 * torch.rand(4, 20, 20) for _ in range(8)]
    weights = compared(other, controls)
    assert abs(weights.similarity.trained) < 0.1
    assert weights.similarity.random > 0.99
    assert weights.verdict == RELATED
    assert compared(shared, controls).similarity.trained == pytest.approx(weights.similarity.random, abs=1e-3)


def test_random_weights_are_new_and_the_network_stays() -> None:
    network = small_bundle("resnet20", 32).network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    other, again = randomised(network, 1), randomised(network, 1)
    changed = [name for name, value in other.state_dict().items() if not torch.equal(value, before[name])]
    assert {name for name, _ in network.named_parameters() if name.endswith("weight")} - set(changed) <= {
        name for name in before if torch.equal(before[name], torch.ones_like(before[name]))
    }
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in other.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert bool(other(torch.randn(2, 3, 32, 32)).isfinite().all())


def test_parameters_of_any_layer_become_random() -> None:
    """Those of subsampling in LeNet-5, too, which no initialiser knows."""
    network = create("lenet5").eval()
    other = randomised(network, 1)
    kept = [name for name, value in network.named_parameters() if torch.equal(value, other.get_parameter(name))]
    assert [name for name in kept if not name.endswith("bias")] == []


@pytest.mark.parametrize("name", ["resnet20", "lenet5"])
def test_random_weights_do_not_depend_on_those_before(name: str) -> None:
    network = create(name)
    measure = network.train()(torch.randn(4, *{"resnet20": (3, 32, 32), "lenet5": (1, 32, 32)}[name]))
    assert bool(measure.isfinite().all())  # normalisation has statistics of its own
    expected, copied = randomised(network, 1).state_dict(), randomised(network, 2)
    randomise(copied, network, 1)
    assert all(torch.equal(value, expected[name]) for name, value in copied.state_dict().items())


def dead(part: str) -> nn.Sequential:
    """Two convolutions with ReLUs and logits, one of which passes nothing, if any."""
    torch.manual_seed(0)
    network = nn.Sequential(
        OrderedDict(
            first=nn.Conv2d(1, 4, 3),
            relu1=nn.ReLU(),
            second=nn.Conv2d(4, 4, 3),
            relu2=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            logits=nn.Linear(4, 2),
        )
    )
    with torch.no_grad():
        if part == "logits":
            network.get_parameter("logits.weight").zero_()
        elif part:
            network.get_parameter(f"{part}.bias").fill_(-100.0)
    return network.eval()


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("second", "the gradient vanishes between relu2 and second: every unit of relu2 is 0"),
        ("first", "the gradient vanishes between relu1 and first: every unit of relu1 is 0"),
        ("logits", "the gradient vanishes between logits and flat"),
    ],
)
def test_an_empty_map_says_what_vanished_and_where(part: str, reason: str) -> None:
    network = dead(part)  # which also seeds the image
    image = torch.rand(1, 1, 9, 9)
    method = METHODS["gradient"]
    values = method.attribute(network, image, first())
    assert not values.any()
    chance = random_areas(network, image, first())
    (judged,) = verdicts(network, network, image, first(), method, values, chance)
    assert judged.empty == reason
    assert not judged.ranks


def test_an_empty_class_activation_map_says_so() -> None:
    network, image = dead("logits"), torch.rand(1, 1, 9, 9)
    with torch.no_grad():
        network.get_parameter("logits.weight").fill_(-1.0)
    reason = why_empty(network, image, first(), taps=["relu2"])
    assert reason == "the weighted maps of relu2 are negative everywhere: nothing there speaks for the score"
    unit = Target(name="unit", channels=torch.zeros(1, dtype=torch.long), tap="relu2")
    assert why_empty(dead("second"), image, unit).endswith("every unit of relu2 is 0")
    with torch.no_grad():
        network.get_parameter("second.weight").fill_(float("nan"))
    assert why_empty(network, image, first()) == "the score is not finite: second is the first activation that is not"
    assert "vanishes" in why_empty(dead("logits"), image, first(), rule=deconvnet)


def test_without_maps_nothing_is_said_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty map is as simple as can be, and its pixels come in random order: neither speaks for or against it."""
    monkeypatch.setattr(tests, "randomise", lambda *_: pytest.fail("a random network, which could tell nothing"))
    network, images = dead("second"), torch.rand(4, 1, 20, 20)
    chosen = {name: METHODS[name] for name in ("gradient", "occlusion")}
    attributions = attribute(network, images, first(4), chosen)
    assert attributions.untested == dict.fromkeys(chosen, "all maps are empty")
    for each in attributions.by_method.values():
        assert each.weights.verdict == UNDECIDED
        assert each.weights.images == 0
        assert not any(row.ranks for row in each.verdicts)
    nowhere = Verdict(insertion=2.0, deletion=0.0, random_insertion=1.0, random_deletion=1.0, empty="for a reason")
    assert not nowhere.ranks


class Mixed(nn.Module):
    """A module that is called twice, one that is not called, one that gives a tuple; and steps, which have no slope."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.idle = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 3), nn.Linear(1, 1)
        self.relu, self.rows = nn.ReLU(), nn.GRU(7, 3, batch_first=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the scores of images [b 1 9 9]."""
        scores: torch.Tensor = self.relu(self.second(self.relu(self.first(images)))).mean((2, 3))
        return scores + self.rows(images[:, 0, :7, :7])[0].sum()  # type: ignore[no-any-return]


class Steps(nn.Module):
    """A score that changes, but has no slope, in a network without parts."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return one score."""
        return images.flatten(1).sum(1, keepdim=True).round()


def test_networks_of_any_make_say_why_their_maps_are_empty() -> None:
    network, image = Mixed().eval(), torch.rand(1, 1, 9, 9)
    for parameter in network.rows.parameters():
        nn.init.zeros_(parameter)
    for layer, reason in (("second", "between relu[2] and second: every unit of relu[2] is 0"), ("first", "relu[1]")):
        nn.init.constant_(network.get_parameter(f"{layer}.bias"), -100.0)
        assert reason in why_empty(network, image, first())
        nn.init.constant_(network.get_parameter("second.bias"), 1.0)
    assert why_empty(Steps(), image, first()) == "the gradient vanishes between the score and the image"
    assert why_empty(linear(torch.ones(1, 9, 9)), torch.zeros_like(image), first()).startswith("the image is the mean")


def test_a_dead_branch_is_not_the_reason_where_another_is_alive() -> None:
    """Both ways end in the stem, whose own rectifier is what passes nothing."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
            self.across, self.down = nn.Conv2d(2, 2, 1), nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU())

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            x = self.stem(images)
            return (self.across(x) + self.down(x)).mean((2, 3))  # type: ignore[no-any-return]

    torch.manual_seed(0)
    network, image = Branches().eval(), torch.rand(1, 1, 9, 9)
    nn.init.constant_(network.get_parameter("stem.0.bias"), -100.0)
    nn.init.constant_(network.get_parameter("down.0.bias"), -100.0)
    assert (
        why_empty(network, image, first())
        == "the gradient vanishes between stem and the image: every unit of stem is 0"
    )


def test_grad_cam_asks_only_for_what_lies_behind_its_maps() -> None:
    """What is dead before them is no reason for its empty map."""
    network, image = dead("first"), torch.rand(1, 1, 9, 9)
    with torch.no_grad():
        network.get_parameter("second.bias").fill_(1.0)
        network.get_parameter("logits.weight").fill_(-1.0)
    assert why_empty(network, image, first(), taps=["relu2"]).startswith("the weighted maps of relu2 are negative")


def test_methods_for_rectifiers_say_where_there_is_none() -> None:
    chosen = {name: METHODS[name] for name in ("gradient", "deconvnet")}
    image = torch.rand(1, 1, 9, 9)
    notes = [
        [each.note for each in attribute(network, image, first(), chosen).by_method.values()]
        for network in (dead("logits"), linear(torch.ones(1, 9, 9)))
    ]
    assert notes == [["", ""], ["", "no ReLU is on the way back, so this is the gradient"]]


def test_methods_have_the_names_that_users_give() -> None:
    assert tuple(METHODS) == NAMES
    network, image = dead("logits"), torch.rand(1, 1, 9, 9)
    assert gradient(network, image, first()).shape == image.shape


@pytest.mark.parametrize("name", ["gradient", "integrated-gradients"])
def test_a_score_that_is_not_a_number_keeps_no_promise(name: str) -> None:
    network, image = dead("logits"), torch.rand(1, 1, 9, 9)
    nn.init.constant_(network.get_parameter("logits.bias"), float("nan"))
    nn.init.constant_(network.get_parameter("logits.weight"), 1.0)
    (judged,) = attribute(network, image, first(), {name: METHODS[name]}).by_method[name].verdicts
    values = judged.values()
    assert values["error"] is None
    assert values["kept"] is False


def test_progress_covers_values_verdicts_and_random_networks() -> None:
    steps: list[int] = []
    chosen = {name: METHODS[name] for name in ("gradient", "deconvnet")}
    network, images = dead(""), torch.rand(1, 1, 20, 20)
    attribute(network, images, first(), chosen, report=lambda: steps.append(1))
    assert len(steps) == 2 * STEPS + DRAWS


def test_insertion_and_deletion_are_judged_apart() -> None:
    """A map may beat random orders by one of them alone; an empty one by none."""
    one_way = Verdict(insertion=2.0, deletion=2.0, random_insertion=1.0, random_deletion=1.0)
    assert (one_way.inserts, one_way.deletes, one_way.ranks) == (True, False, False)
    assert not replace(one_way, empty="for a reason").inserts
    judged = Judged(title="", signed=True, promised="", verdicts=(one_way, one_way), weights=undecided(400), note="")
    assert judged.chance == "better than random orders by insertion, not by deletion"
    assert replace(judged, verdicts=(Verdict(),)).chance == "no better than random orders"
    both_ways = replace(one_way, deletion=0.0)
    assert replace(judged, verdicts=(both_ways, one_way)).chance == ""


def test_a_promise_is_kept_within_a_bound_that_holds() -> None:
    """No error is "within 0.00%", and rounding makes no bound smaller than the error."""
    kept = Judged(title="", signed=True, promised="completeness", verdicts=(), weights=undecided(400), note="")
    for error, bound in ((0.0, "0.01%"), (2e-7, "0.01%"), (1e-3, "0.10%"), (0.00141, "0.15%"), (0.25, "25.00%")):
        judged = replace(kept, verdicts=(Verdict(promised="completeness", error=error),))
        assert judged.promise == f"completeness within {bound}"


def test_most_is_not_half() -> None:
    """A method that ranks one of two images is not said to fail on most of them."""
    good = Verdict(insertion=2.0, deletion=0.0, random_insertion=1.0, random_deletion=1.0)
    half = Judged(title="", signed=True, promised="", verdicts=(good, Verdict()), weights=undecided(400), note="")
    assert half.chance == ""
    assert replace(half, verdicts=(good, Verdict(), Verdict())).chance == "no better than random orders"
