"""The figures of the deep image prior in lectures 000 and 003, drawn from fits of untrained networks to one picture.

Run it with `python examples/image_prior.py`; it takes some seconds. `noise` fits a picture, the same with noise, its
pixels shuffled, and noise alone (figure 2 of the paper); `networks` fills a hole by networks of several depths and
kinds (figure 8). `--size` and `--iterations` make the figures worth looking at: see docs/restore.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

import convworks
from convworks.charts.curves import Chart, Series, panels
from convworks.charts.draw_file import write_drawing
from convworks.charts.drawing import Drawing, Picture, Shape, remark

TARGETS = {"image": "blue", "image + noise": "green", "shuffled pixels": "violet", "noise": "orange"}
NETWORKS = ("prior_hole2", "prior_hole4", "prior_hole6", "prior_meshgrid", "prior_unet", "prior_resnet")
TILE, GAP, LABEL = 150.0, 8.0, 22.0


def picture(path: Path | None, size: int) -> np.ndarray:
    """Return the middle of a picture, or of a photograph that scikit-learn comes with, size x size pixels."""
    image = Image.open(path).convert("RGB") if path else Image.fromarray(load_sample_image("china.jpg"))
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return np.asarray(image.resize((size, size), Image.Resampling.BOX, (left, top, left + side, top + side)))


def noise(image: np.ndarray, iterations: int) -> Drawing:
    """Draw the loss over the iterations for each target: noise is fitted later than the picture."""
    draw = np.random.default_rng(0)
    noisy = (image + draw.normal(0, 25, image.shape)).clip(0, 255).round().astype(np.uint8)
    pixels = image.reshape(-1, 3)
    targets = [
        image,
        noisy,
        draw.permutation(pixels).reshape(image.shape),
        draw.integers(0, 256, image.shape, np.uint8),
    ]
    rows: list[dict[str, float]] = [{"iteration": n} for n in range(10, iterations + 1, 10)]
    for name, target in zip(TARGETS, targets, strict=True):
        fitted = convworks.restore(target, stop="iterations", iterations=iterations, runs=1, minutes=60)
        for row, point in zip(rows, fitted.curve, strict=True):
            row[name] = point["loss"]
        print(f"{name}: loss {rows[-1][name]:.5f} after {iterations} iterations")
    series = tuple(Series(key=name, name=name, colour=colour) for name, colour in TARGETS.items())
    return panels(rows, shown=[Chart(title="Mean squared error of the output", series=series)])[0]


def networks(image: np.ndarray, iterations: int) -> Drawing:
    """Draw what networks of several depths and kinds fill a hole with."""
    side = len(image)
    mask = np.full((side, side), 255, dtype=np.uint8)
    mask[side * 3 // 8 : side * 5 // 8, side * 3 // 8 : side * 5 // 8] = 0
    shown = {"hole": np.where(mask[:, :, None] > 0, image, 0).astype(np.uint8)}
    for model in NETWORKS:
        options = {"stop": "iterations", "iterations": iterations, "minutes": 60.0}
        filled = convworks.restore(image, "inpaint", mask=mask, model=model, runs=1, compare=image, **options)
        shown[model] = filled.image
        print(f"{model}: {filled.record['psnr'][0]:.2f} dB")
    shapes: list[Shape] = []
    for column, (name, pixels) in enumerate(shown.items()):
        left = column * (TILE + GAP)
        opaque = np.dstack([pixels, np.full((side, side), 255, dtype=np.uint8)])
        shapes.append(remark(left, LABEL / 2, name, "start", size=12))
        shapes.append(Picture(x=left, y=LABEL, width=TILE, height=TILE, pixels=opaque))
    width = len(shown) * (TILE + GAP) - GAP
    return Drawing(
        width=width, height=LABEL + TILE, label=f"A hole filled by {', '.join(NETWORKS)}", shapes=tuple(shapes)
    )


FIGURES = {"noise": noise, "networks": networks}
SIZES = {"noise": 64, "networks": 144}  # of a quick look; networks with six scales need 129 pixels


def main() -> None:
    """Draw the named figures, each into its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figure", nargs="?", choices=[*FIGURES, "all"], default="all")
    parser.add_argument("--image", type=Path, help="a picture; by default one that scikit-learn comes with")
    parser.add_argument("--size", type=int, help="side in pixels that it is reduced to")
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--suffix", choices=[".png", ".svg"], default=".png")
    args = parser.parse_args()
    for name in FIGURES if args.figure == "all" else [args.figure]:
        path = Path(f"image-prior-{name}{args.suffix}")
        image = picture(args.image, args.size or SIZES[name])
        write_drawing(path, FIGURES[name](image, args.iterations))
        print(f"figure: {path}")


if __name__ == "__main__":
    main()
