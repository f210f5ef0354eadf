"""Tiles against the whole image, and images that are never held whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convworks.errors import InputError
from convworks.inference.tiles import (
    Tiling,
    classes,
    probabilities,
    reach,
    strips,
    tiling_of,
    tiling_of_one_size,
)
from convworks.layers.network import Network
from convworks.models.catalogue import Shape, create

Compute = Callable[[Tensor], Tensor]


def network(name: str, size: tuple[int, int], table: dict[str, Any] | None = None, channels: int = 1) -> Network:
    torch.manual_seed(0)
    made = create(name, Shape(classes=3, channels=channels, size=size), table=table).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training: running statistics of its own
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return made


def computing(module: nn.Module) -> Compute:
    def compute(images: Tensor) -> Tensor:
        with torch.inference_mode():
            scores: Tensor = module(images.float() / 255 - 0.5).softmax(1)
        return scores

    return compute


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def whole(compute: Compute, pixels: np.ndarray) -> np.ndarray:
    """Return the scores [h, w, k] of an image computed at once."""
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return compute(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0].movedim(0, -1).numpy()


def tiled(compute: Compute, pixels: np.ndarray, tiling: Tiling) -> np.ndarray:
    return np.concatenate(list(strips(compute, pixels, tiling, probabilities)))


NETWORKS: list[tuple[str, dict[str, Any], int, int]] = [
    ("unet_padded", {"widths": (4, 4, 4)}, 23, 4),
    ("unet_resnet18", {"widths": (4, 4, 4, 4, 4)}, 0, 32),
    ("unet_vgg16", {"widths": (4,)}, 0, 32),
    ("fcn8s_resnet18", {}, 0, 32),
]


@pytest.mark.parametrize(("name", "table", "margin", "step"), NETWORKS[:1])
def test_tiles_with_the_margin_that_a_score_looks_at_equal_the_whole_image(
    name: str, table: dict[str, Any], margin: int, step: int
) -> None:
    module = network(name, (64, 64), table)
    known = reach(module, 1, (64, 64))
    assert (known.margin, known.lost, known.step) == (margin, 0, step)
    tiling = tiling_of(module, 1, (64, 64), tile=96)
    assert (tiling.side, tiling.before, tiling.blended) == (48, 24, False)
    compute, pixels = computing(module), image(203, 149)
    np.testing.assert_allclose(tiled(compute, pixels, tiling), whole(compute, pixels), atol=1e-5)
    few = tiled(compute, pixels, Tiling(side=48, before=8, after=8))
    assert np.abs(few - whole(compute, pixels)).max() > 1e-4, "a margin too small is seen"


@pytest.mark.parametrize(("name", "table", "margin", "step"), NETWORKS[1:])
def test_networks_on_classifiers_with_any_size(name: str, table: dict[str, Any], margin: int, step: int) -> None:
    small: dict[str, Any] = {"encoder_table": {"widths": (4, 4, 4, 4, 4)[: 5 if "vgg" in name else 4]}}
    if "vgg" in name:
        small["encoder_table"] |= {"hidden": (), "side": 1}
    module = network(name, (256, 256), table | small, channels=3)
    known = reach(module, 3, (256, 256))
    assert (known.lost, known.step) == (0, step)
    assert known.margin is not None
    around = -(-known.margin // step) * step
    compute, pixels = computing(module), image(2 * around + 133, 2 * around + 45, 3)
    tiling = tiling_of(module, 3, (256, 256), tile=2 * around + 8 * step, margin=around)
    assert tiling.side == 8 * step
    np.testing.assert_allclose(tiled(compute, pixels, tiling), whole(compute, pixels), atol=1e-5)
    assert tiling_of(module, 3, (256, 256)).blended, "by default, the margin would be most of a tile"


def test_overlap_tile_of_a_network_without_padding_equals_the_whole_mirrored_image() -> None:
    module = network("unet", (60, 60), {"widths": (4, 4, 4)})
    known = reach(module, 1, (60, 60))
    assert (known.margin, known.lost, known.step) == (20, 20, 4)
    compute, pixels = computing(module), image(130, 97)
    mirrored = np.pad(pixels, ((20, 22), (20, 23)), "reflect")  # the smallest size that it takes
    expected = whole(compute, mirrored)[:130, :97]
    for tile in (60, 84):
        tiling = tiling_of(module, 1, (60, 60), tile=tile)
        assert tiling.before + tiling.side + tiling.after == tile
        np.testing.assert_allclose(tiled(compute, pixels, tiling), expected, atol=1e-5)
    with pytest.raises(InputError, match=r"61x61 pixels do not fit"):
        tiling_of(module, 1, (60, 60), tile=61)
    with pytest.raises(InputError, match=r"margin: is -1; give 0 or more"):
        tiling_of(module, 1, (60, 60), margin=-1)


class Downward:
    """An image that is read from the top down: no request begins above an earlier one."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.shape, self.first = pixels, pixels.shape, 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        assert self.first <= rows.start < rows.stop <= self.shape[0]
        self.first = rows.start
        return self.pixels[rows]


@pytest.mark.parametrize("remainder", range(1, 17))
@pytest.mark.parametrize(("widths", "tile", "lost", "step"), [((4,) * 3, 60, 20, 4), ((4,) * 5, 252, 92, 16)])
def test_the_last_tile_reads_what_is_mirrored_of_all_the_image(
    widths: tuple[int, ...], tile: int, lost: int, step: int, remainder: int
) -> None:
    """Some scores of the last tile look farther than `lost` rows beyond the image, and so farther back inside it."""
    module = network("unet", (tile, tile), {"widths": widths})
    tiling = tiling_of(module, 1, (tile, tile), tile=tile)
    double = module.double()

    def compute(images: Tensor) -> Tensor:
        with torch.inference_mode():
            scores: Tensor = double(images.double() / 255 - 0.5)
        return scores

    def as_array(values: Tensor) -> np.ndarray:
        kept: np.ndarray = values.movedim(0, -1).numpy()
        return kept

    long = 2 * tiling.side + remainder
    for pixels in (image(long, step + 2), image(step + 2, long)):
        after = [-(-(side + 2 * lost - tile) // step) * step + tile - side - lost for side in pixels.shape]
        mirrored = np.pad(pixels, [(lost, each) for each in after], "reflect")  # the smallest size that it takes
        expected = whole(compute, mirrored)[: pixels.shape[0], : pixels.shape[1]]
        made = np.concatenate(list(strips(compute, Downward(pixels), tiling, as_array)))
        np.testing.assert_allclose(made, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_tiles_of_the_one_size_that_an_exported_file_reads_equal_the_whole_mirrored_image() -> None:
    compute, pixels = computing(network("unet", (60, 60), {"widths": (4, 4, 4)})), image(132, 100)
    tiling = tiling_of_one_size((60, 60), (20, 20))
    assert tiling == Tiling(side=16, before=20, after=24, lost=20)
    np.testing.assert_allclose(tiled(compute, pixels, tiling), whole(compute, np.pad(pixels, 20, "reflect")), atol=1e-5)
    for size, scored in (((60, 60), (60, 60)), ((60, 84), (20, 44))):
        with pytest.raises(InputError, match="takes images of no other size than its input"):
            tiling_of_one_size(size, scored)


def test_blended_tiles_change_linearly_and_add_up() -> None:
    seen: list[tuple[int, ...]] = []

    def brightness(images: Tensor) -> Tensor:
        """Score every pixel of a tile with the mean of the tile: what no margin makes equal."""
        seen.append(tuple(images.shape[2:]))
        return images.float().mean((1, 2, 3), keepdim=True).expand(-1, 2, *images.shape[2:])

    pixels = np.full((70, 40), 7, np.uint8)
    tiling = Tiling(side=16, before=4, after=4, blended=True)
    np.testing.assert_allclose(tiled(brightness, pixels, tiling), 7, rtol=1e-6)
    assert max(seen) == (24, 24), "one size inside, smaller at the borders of the image"
    steep = np.repeat(np.arange(70, dtype=np.uint8)[:, None], 40, 1)
    rows = tiled(brightness, steep, tiling)[:, 0, 0]
    assert np.abs(np.diff(rows)).max() < 16 / 8 + 1e-5, "16 rows apart, over 8 rows"
    # A network without a border gives the same as the whole image.
    module = network("unet_padded", (32, 32), {"widths": (3, 3)})
    compute, noise = computing(module), image(90, 61)
    tiling = tiling_of(module, 1, (32, 32), tile=64)
    assert not tiling.blended
    double = Tiling(side=tiling.side, before=2 * tiling.before, after=2 * tiling.after, blended=True)
    difference = np.abs(tiled(compute, noise, double) - whole(compute, noise))
    assert difference[tiling.before : -tiling.before, tiling.before : -tiling.before].max() < 0.2


def test_classes_are_the_largest_scores() -> None:
    module = network("unet_padded", (32, 32), {"widths": (4, 3)})
    compute, pixels = computing(module), image(64, 96)
    numbers = np.concatenate(list(strips(compute, pixels, tiling_of(module, 1, (32, 32), tile=40))))
    assert numbers.dtype == np.uint8
    assert (numbers == whole(compute, pixels).argmax(2)).all()
    assert classes(torch.tensor([[[0.2, 0.9]], [[0.8, 0.1]]])).tolist() == [[1, 0]]


def test_what_sees_the_whole_map_is_blended_and_what_fits_no_tile_is_refused() -> None:
    everywhere = network("prior_unet", (64, 64), {"widths": (4, 4, 4)})
    known = reach(everywhere, 1, (64, 64))
    assert known.margin is None
    assert tiling_of(everywhere, 1, (64, 64)).blended
    module = network("unet_padded", (64, 64), {"widths": (4, 4, 4)})
    with pytest.raises(
        InputError, match=r"tile: of 48 pixels is too small for a margin of 24 on each side; give at least 52"
    ):
        tiling_of(module, 1, (64, 64), tile=48, margin=24)
    with pytest.raises(InputError, match=r"tile: of 60 pixels is too small for a margin of 16 .* at least 64"):
        tiling_of(module, 1, (64, 64), tile=60, margin=16)
    with pytest.raises(InputError, match=r"network: makes vectors of 64x64 pixels"):
        reach(create("resnet20"), 3, (64, 64))


@pytest.mark.slow
def test_tiles_equal_a_large_whole_image() -> None:
    module = network("unet_padded", (64, 64), {"widths": (4, 6, 8)})
    compute, pixels = computing(module), image(2000, 2000)
    np.testing.assert_allclose(
        tiled(compute, pixels, tiling_of(module, 1, (64, 64))), whole(compute, pixels), atol=1e-5
    )


STREAM = """
import sys
from pathlib import Path
import numpy as np, torch
sys.path.insert(0, {tests!r})
from test_tiles import computing, network
from convworks.data.decode.rows import open_rows
from convworks.data.decode.write_rows import writing_mask
from convworks.inference.tiles import strips, tiling_of
torch.set_num_threads(1)
module = network("unet_padded", (64, 64), {{"widths": (4, 4)}})
source, out, colours = Path({source!r}), Path({out!r}), [(0, 0, 0), (255, 0, 0), (0, 255, 0)]
with open_rows(source, 1) as image, writing_mask(out, *image.shape[:2], colours) as mask:
    for rows in strips(computing(module), image, tiling_of(module, 1, (64, 64)), pixels=1 << 18):
        mask.write(rows)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def streamed(source: Path, out: Path) -> float:
    """Segment a file in a process of its own; return its peak of resident memory in MB."""
    code = STREAM.format(tests=str(Path(__file__).parent), source=str(source), out=str(out))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout) / 1024


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks of memory are read from /proc")
@pytest.mark.parametrize("suffix", [".npy", ".png"])
def test_a_huge_image_streams_through(suffix: str, tmp_path: Path) -> None:
    from convworks.data.decode.write_rows import writing_mask

    side, source, strip = 20_000, tmp_path / f"large{suffix}", image(100, 20_000)
    if suffix == ".npy":
        array = np.lib.format.open_memmap(source, mode="w+", dtype=np.uint8, shape=(side, side))
        for top in range(0, side, 100):
            array[top : top + 100] = strip
        del array
    else:
        with writing_mask(source, side, side) as grey:
            for _ in range(0, side, 100):
                grey.write(strip)
    assert streamed(source, tmp_path / "mask.png") < 700
