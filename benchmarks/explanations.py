"""Which maps depend on what a network has learned: `python -m benchmarks.explanations --out FOLDER [NAME...]`.

    resnet20, resnet44   trained on CIFAR-10 by others ($CONVWORKS_DATA/weights), on photographs as small as those
    mnist                convnet_fast as mnist/fast trains it, which takes seconds, on the first test images

Each network is explained twice, with its own weights and with random ones, which are not among those that the test
draws. The table of docs/explain.md is printed, and FOLDER/explanations.json holds its numbers; bundles and runs that
are there already are used again. Networks with random weights that are declared related, or others that are not, are
marked.

With --rates, how often the test errs: each of 32 networks with random weights is tested against 24 of the others, the
trained one against 24 of them, twelve times. FOLDER/rates.json has the numbers.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import convworks
from convworks.bundle.bundle import Bundle, load_bundle, save_bundle
from convworks.bundle.foreign import import_bundle
from convworks.errors import InputError
from convworks.explain.attribution.explained import read_subject, target_of
from convworks.explain.attribution.methods import METHODS as ALL_METHODS
from convworks.explain.attribution.passes import outputs_of
from convworks.explain.attribution.randomised import randomised
from convworks.explain.attribution.verdict import (
    DRAWS,
    MEASURES,
    RELATED,
    UNRELATED,
    Weights,
    compared,
    maps_of,
    weight_tests,
)

METHODS = ("gradient", "gradient-x-input", "integrated-gradients", "deconvnet", "guided-backpropagation")
#: Those whose rates of error are measured: all that have no map for each image by chance.
RATED = (*METHODS, "smoothgrad", "cam", "occlusion")
RANDOM, TRIALS = 32, 12
IMAGES = 8
#: That of the random weights; the test draws from 0.
SEED = 100
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
WEIGHTS = {"resnet20": "resnet20-12fca82f.th", "resnet44": "resnet44-014dd654.th"}


def photographs(data: Path) -> list[Any]:
    """Return paths of photographs; the bundle's preprocessing makes them small."""
    return sorted((data / "photos").iterdir())[:IMAGES]


def digits(data: Path) -> list[Any]:
    """Return test images of MNIST, as arrays."""
    from convworks.data.column import Arrays
    from convworks.data.sources.open import open_source

    inputs = open_source("mnist").splits["test"].inputs
    assert isinstance(inputs, Arrays)
    return [np.asarray(image) for image in inputs.values[:IMAGES]]


def published(name: str) -> Callable[[Path, Path], Bundle]:
    """Return what makes a bundle of the weights that others trained."""
    return lambda _, data: import_bundle(data / "weights" / WEIGHTS[name], name, classes=CIFAR)


def trained(folder: Path, _: Path) -> Bundle:
    """Train mnist/fast, unless that has been done."""
    run = folder / "mnist-fast"
    if not (run / "bundle" / "bundle.json").exists():
        convworks.train("mnist/fast", out=run)
    return load_bundle(run / "bundle")


NETWORKS: dict[str, tuple[str, Callable[[Path, Path], Bundle], Callable[[Path], list[Any]]]] = {
    "resnet20": ("ResNet-20, CIFAR-10", published("resnet20"), photographs),
    "resnet44": ("ResNet-44, CIFAR-10", published("resnet44"), photographs),
    "mnist": ("convnet_fast, MNIST", trained, digits),
}


def measured(folder: Path, name: str, data: Path) -> dict[str, Any]:
    """Explain a network with its own weights and with random ones; return the tests of the weights by method."""
    _, make, images = NETWORKS[name]
    bundle, shown = make(folder, data), images(data)
    results = {}
    for kind, network in (("trained", bundle.network), ("random", randomised(bundle.network, SEED))):
        at = folder / f"{name}-{kind}"
        if not at.exists():
            save_bundle(at, replace(bundle, network=network))
        subject = read_subject(predictor := convworks.load(at, device="cpu"), shown)
        chosen = {method: ALL_METHODS[method] for method in METHODS}
        tests = weight_tests(subject.network, subject.images, target_of(predictor, subject), chosen)
        results[kind] = {method: _plain(weights) for method, weights in tests.items()}
    return results


def _plain(weights: Weights) -> dict[str, Any]:
    measures = {name: getattr(weights, name)._asdict() for name in MEASURES}
    return {**measures, "distance": weights.distance, "verdict": weights.verdict}


def rates(folder: Path, name: str, data: Path) -> dict[str, Any]:
    """Return by method how often the test calls trained and random networks related."""
    _, make, images = NETWORKS[name]
    save_bundle(at := folder / f"{name}-trained", make(folder, data))
    subject = read_subject(predictor := convworks.load(at, device="cpu"), images(data))
    draw = np.random.default_rng(0)
    networks = (subject.network, *(randomised(subject.network, SEED + number) for number in range(RANDOM)))
    maps: dict[str, list[Any]] = {method: [] for method in RATED}
    for network in networks:
        own = replace(subject, network=network, outputs=outputs_of(network, subject.images))
        target = target_of(predictor, own)  # the class that it predicts, as in the test
        for method in RATED:
            with suppress(InputError):  # CAM needs a head of global average pooling
                maps[method].append(maps_of(network, subject.images, target, ALL_METHODS[method]))

    def related(own: Any, others: Sequence[Any]) -> bool:
        chosen = draw.choice(len(others), DRAWS, replace=False)
        return compared(own, [others[index] for index in chosen]).verdict == RELATED

    result = {}
    for method, (trained, *random) in ((method, each) for method, each in maps.items() if each):
        errors = [related(own, random[:index] + random[index + 1 :]) for index, own in enumerate(random)]
        hits = [related(trained, random) for _ in range(TRIALS)]
        result[method] = {"trained": float(np.mean(hits)), "random": float(np.mean(errors))}
    return result


def rates_table(results: dict[str, Any]) -> str:
    """Write the shares in Markdown."""
    rows = [["called related: trained; random", *(NETWORKS[name][0] for name in results)]]
    rows.append(["---"] * len(rows[0]))
    for method in RATED:
        cells = [each.get(method) for each in results.values()]
        rows.append([f"`{method}`", *(f"{c['trained']:.0%}; {c['random']:.0%}" if c else "-" for c in cells)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def table(results: dict[str, Any]) -> str:
    """Write the table in Markdown: a row a method, a column a network."""
    header = ["distance with trained; random weights", *(NETWORKS[name][0] for name in results)]
    rows = [header, ["---"] * len(header)]
    for method in METHODS:
        rows.append([f"`{method}`", *(_cell(each, method) for each in results.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(result: dict[str, Any], method: str) -> str:
    own, random = result["trained"][method], result["random"][method]
    texts = [f"{each['distance']:.1f}" for each in (own, random)]
    for index, (each, right) in enumerate([(own, RELATED), (random, UNRELATED)]):
        if each["verdict"] != right:
            texts[index] += f" ({each['verdict'].removesuffix(' to the trained weights')})"
    return "; ".join(texts)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.explanations", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"{', '.join(NETWORKS)} (default: all)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--rates", action="store_true", help="how often the test errs")
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in NETWORKS]:
        parser.error(f"there is no network {unknown[0]!r}; there are: {', '.join(NETWORKS)}")
    data = Path(os.environ.get("CONVWORKS_DATA", ""))
    if not (data / "weights").is_dir():
        parser.error("set CONVWORKS_DATA to the folder of real data sets")
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / ("rates.json" if args.rates else "explanations.json")
    measure, show = (rates, rates_table) if args.rates else (measured, table)
    results = json.loads(file.read_text()) if file.exists() else {}
    for name in args.names or NETWORKS:
        results[name] = measure(args.out, name, data)
        file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(show({name: results[name] for name in NETWORKS if name in results}))


if __name__ == "__main__":
    main()
