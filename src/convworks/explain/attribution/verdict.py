"""The verdict on a map: whether it keeps its promise, ranks pixels better than chance, and depends on the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from convworks.explain.attribution.cam import map_taps
from convworks.explain.attribution.curves import Areas, areas
from convworks.explain.attribution.methods import Method, with_taps
from convworks.explain.attribution.passes import answers_of
from convworks.explain.attribution.randomised import complexity, order, randomise, ranked, repetition
from convworks.explain.attribution.target import Target
from convworks.explain.attribution.vanished import why_empty

#: Errors up to which a promise counts as kept.
KEPT = {"completeness": 1e-3, "sensitivity": 0.05}
#: Random networks of the weight-randomisation test, the fewest that must give maps, and images that it takes.
DRAWS, FEWEST_DRAWS, TESTED = 24, 8, 8
#: By how many standard deviations maps must differ from those with random weights. The test is uninformative for maps
#: of fewer pixels; and against a map beyond this spread of the complexity, a fraction, and from fewer images.
DEVIATIONS, FEWEST_PIXELS, WIDEST, FEWEST_IMAGES = 3.5, 256, 0.1, 4
#: The largest correlation that is told from 1, which maps of rounded numbers have; the least spread of other numbers.
CLOSEST, LEAST_SPREAD = 0.9999, 1e-3
#: What is measured of maps, of trained and of random weights.
MEASURES = ("complexity", "order", "repetition", "similarity")
RELATED, UNRELATED, UNDECIDED = "related to the trained weights", "not related to the trained weights", "undecided"

Images = Float[Tensor, "b c *size"]
Map = Float[Tensor, "b *size"]


class Measured(NamedTuple):
    """A measure of maps with the trained weights, its mean with random ones, and its standard deviation over those.

    `above`: by how many standard deviations the trained weights are above the random ones. Correlations, which crowd
    near 1, are compared by Fisher's z.
    """

    trained: float
    random: float
    spread: float
    above: float


#: Of maps that are all empty.
NOTHING = Measured(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The weight-randomisation test of a method, over some images: maps with trained against those with random weights.

    `complexity` is that of eMPRT, `order` the correlation of neighbouring pixels, `repetition` the rank correlation of
    the maps of different images; `similarity` is the mean rank correlation with the maps of random weights (the plain
    test), beside that of these among themselves. There are so many `images` of so many `pixels`, and `draws` of random
    weights; empty maps, as simple as can be, are uninformative and left out. A `coarse` map has few numbers.
    """

    complexity: Measured
    order: Measured
    repetition: Measured
    similarity: Measured
    images: int
    pixels: int
    draws: int
    coarse: bool = False

    @property
    def distance(self) -> float:
        """How far the maps are from those of random weights, in standard deviations.

        Learned maps are simpler; they are smoother where the weights are, and rougher where contributions of both signs
        alternate; what a network looks at, it may look at in all images; and they are less like those of random weights
        than these are like each other.
        """
        simpler, unlike = min(self.complexity.above, 0.0), min(self.similarity.above, 0.0)
        return math.hypot(simpler, self.order.above, self.repetition.above, unlike)

    @property
    def verdict(self) -> str:
        """Whether the maps depend on what was learned.

        Where random weights give no maps, or images are tiny, the test cannot tell; nor, where it finds nothing, of few
        images, coarse maps, and where random weights give maps of very different complexity.
        """
        if self.pixels < FEWEST_PIXELS or not self.images or self.draws < FEWEST_DRAWS:
            return UNDECIDED
        if self.distance > DEVIATIONS:
            return RELATED
        wide = self.complexity.spread > WIDEST * self.complexity.random
        weak = self.images < FEWEST_IMAGES or self.coarse or wide
        return UNDECIDED if weak else UNRELATED


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What speaks for and against the map of one image.

    `error` is that of what the method promises (None: nothing); areas are mean scores during insertion and deletion, in
    the order of the map, and the best ones in random orders. `empty` says why a map is zero, or not finite.
    """

    promised: str = ""
    error: float | None = None
    insertion: float = 0.0
    deletion: float = 0.0
    random_insertion: float = 0.0
    random_deletion: float = 0.0
    empty: str = ""

    @property
    def kept(self) -> bool | None:
        """Whether the promise is kept; None without one."""
        return None if self.error is None else self.error <= KEPT[self.promised]

    @property
    def inserts(self) -> bool:
        """Whether the order of the map beats all random ones by insertion; an empty map has no order."""
        return self.insertion > self.random_insertion and not self.empty

    @property
    def deletes(self) -> bool:
        """Whether it beats them by deletion."""
        return self.deletion < self.random_deletion and not self.empty

    @property
    def ranks(self) -> bool:
        """Whether it beats them both ways."""
        return self.inserts and self.deletes

    def values(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        promise = (
            {} if self.error is None else {"promise": self.promised, "error": finite(self.error), "kept": self.kept}
        )
        names = ("insertion", "deletion", "random_insertion", "random_deletion")
        return {
            **promise,
            **{name: finite(getattr(self, name)) for name in names},
            "better_than_random": self.ranks,
            **({"empty": self.empty} if self.empty else {}),
        }


def finite(number: float) -> float | None:
    """Return a number, or None for one that JSON has no word for."""
    return number if math.isfinite(number) else None


def verdicts(
    network: nn.Module,
    measured: nn.Module,
    images: Images,
    target: Target,
    method: Method,
    values: Tensor,
    chance: Areas,
) -> Iterator[Verdict]:
    """Yield the verdict on each image. `measured` is the network whose scores insertion and deletion follow."""
    errors = None if method.promise is None else method.promise(network, images, target, values)
    maps = method.pixels(values, images)
    ranked, told = areas(measured, images, target, maps), _varied(maps)
    for index, row in enumerate(maps):
        one = torch.tensor([index])
        empty = ""
        if not bool(row.isfinite().all()) or not row.any():
            taps = (method.taps or map_taps(network, images, target)) if method.mapped else ()
            empty = why_empty(network, images[one], target.rows(one), rule=method.rule, taps=taps)
        elif not bool(told[index]):
            empty = "every pixel has the same value"
        yield Verdict(
            promised=method.promised,
            error=None if errors is None else float(errors[index]),
            insertion=float(ranked.insertion[index]),
            deletion=float(ranked.deletion[index]),
            random_insertion=float(chance.insertion[index]),
            random_deletion=float(chance.deletion[index]),
            empty=empty,
        )


def weight_tests(
    network: nn.Module,
    images: Images,
    target: Target,
    methods: Mapping[str, Method],
    *,
    report: Callable[[], None] = lambda: None,
) -> dict[str, Weights]:
    """Return the weight-randomisation test of each method, on the first images; the same random networks for all.

    Where the target is a class, each explains that of the same rank in its own output: what a network is most sure of
    stands out in its maps, too, whatever its weights. `report` is called after each random network.
    """
    few = images[:TESTED]
    chosen = target.rows(torch.arange(len(few)))
    if any(method.mapped and not method.taps for method in methods.values()):
        methods = with_taps(methods, map_taps(network, few, chosen))  # found once
    outputs = None if target.tap else answers_of(network, few)
    trained = {name: maps_of(network, few, chosen, method) for name, method in methods.items()}
    random: dict[str, list[Map]] = {name: [] for name in methods}
    control = deepcopy(network)  # once: of small networks, that takes longer than new weights
    for seed in range(DRAWS):
        randomise(control, network, seed)
        own = chosen if outputs is None else chosen.in_place_of(outputs, answers_of(control, few))
        for name, method in methods.items():
            random[name].append(maps_of(control, few, own, method))
        report()
    return {name: compared(trained[name], random[name], coarse=method.coarse) for name, method in methods.items()}


def maps_of(network: nn.Module, images: Images, target: Target, method: Method) -> Map:
    """Return the maps of a method that are compared; where it has a quick way, by that."""
    compute = method.quick or method.attribute
    return method.pixels(compute(network, images, target), images)


def compared(trained: Map, random: Sequence[Map], *, coarse: bool = False) -> Weights:
    """Compare maps with those of random networks; empty ones are left out, and networks that have no others."""
    varied = _varied(trained)
    images, controls, pixels = trained[varied], [maps[varied] for maps in random], trained[0].numel()
    controls = [maps for maps in controls if bool(_varied(maps).any())]
    if not len(images) or len(controls) < FEWEST_DRAWS:
        return replace(undecided(pixels), images=len(images), draws=len(controls))
    return Weights(
        complexity=_measured(complexity, images, controls),
        order=_measured(order, images, controls, pixels=pixels),
        repetition=_measured(repetition, images, controls, pixels=pixels),
        similarity=_similarities(images, controls),
        images=len(images),
        pixels=pixels,
        draws=len(controls),
        coarse=coarse,
    )


def undecided(pixels: int) -> Weights:
    """Return what stands for the test where it could only be undecided."""
    return Weights(
        complexity=NOTHING,
        order=NOTHING,
        repetition=NOTHING,
        similarity=NOTHING,
        images=0,
        pixels=pixels,
        draws=0,
    )


def _similarities(trained: Map, random: Sequence[Map]) -> Measured:
    """Return how like the maps are to those of random weights, and how like these are to each other."""
    everything = torch.stack([trained, *random])
    varied = torch.stack([_varied(maps) for maps in everything])
    ranks = torch.stack([ranked(maps.nan_to_num()) for maps in everything])
    alike = torch.einsum("iab,jab->ija", ranks, ranks)
    alike[~(varied[:, None] & varied[None])] = torch.nan
    alike = alike.nanmean(2).fill_diagonal_(torch.nan)
    among = alike[1:, 1:].nanmean(1)
    return _beside(alike[0, 1:].nanmean(), among[among.isfinite()], trained[0].numel())


def _varied(maps: Map) -> Bool[Tensor, " b"]:
    """Say of each map whether it is finite and has more than one value."""
    flat = maps.flatten(1)
    return flat.isfinite().all(1) & (flat.amax(1) > flat.amin(1))


def _measured(measure: Callable[[Tensor], Tensor], trained: Map, random: Sequence[Map], *, pixels: int = 0) -> Measured:
    """Return a measure of maps, the mean over the images whose map is not empty; `pixels`: of those it correlates."""
    controls = torch.stack([measure(maps[_varied(maps)]).mean() for maps in random])
    return _beside(measure(trained).mean(), controls, pixels)


def _beside(trained: Tensor, random: Float[Tensor, " n"], pixels: int = 0) -> Measured:
    """Return a number of the trained weights beside those of random ones; of so many pixels, if it correlates them.

    Fisher's z of a correlation has a standard error, below which nothing is told apart.
    """
    own, controls, least = trained.double(), random.double(), LEAST_SPREAD
    if pixels:
        own, controls = (values.clamp(-CLOSEST, CLOSEST).atanh() for values in (own, controls))
        least = 1 / math.sqrt(max(1, pixels - 3))
    above = float(own - controls.mean()) / max(float(controls.std()), least)
    return Measured(float(trained), float(random.mean()), float(random.std()), above)
