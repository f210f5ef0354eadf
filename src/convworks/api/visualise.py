"""What layers respond to, in Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.console import downloading
from convworks.data.source import Source
from convworks.data.sources.open import open_source
from convworks.errors import brief, naming
from convworks.explain.features.views.options import Options, check_options
from convworks.files import path_of

if TYPE_CHECKING:
    from convworks.explain.features.views.view import Shown


@brief
def visualise(
    bundle: str | Path,
    show: str,
    *,
    images: Any = (),
    data: str | Path | Source | None = None,
    split: str | None = None,
    tap: str | None = None,
    channels: Sequence[int] | None = None,
    unit: Sequence[int] | None = None,
    steps: int | None = None,
    seed: int | None = None,
    max_pixels: int | None = None,
    device: str = "auto",
) -> list[Shown]:
    """Show what a layer of a bundle responds to (docs/features.md): drawings, with their numbers.

    `show` is kernels, gabor or maximise (of the network alone), maps, field or invert (of `images`: any input of
    `predict`), patches or embedding (of `data`), or history (kernels, or maps of `images`, over a run). `tap` is a tap
    or any layer, `channels` are those that are shown, `unit` is a position (row, column). Images of more than
    `max_pixels` pixels are refused, by default those that the bundle refuses. Raises InputError for an option that the
    view does not take, an unknown layer, and channels and units outside it.
    """
    options = Options(
        data=data,
        split=split,
        tap=tap,
        channels=None if channels is None else tuple(channels),
        unit=None if unit is None else tuple(unit),
        steps=steps,
        seed=seed,
    )
    return list(shown(bundle, show, options, images=images, device=device, max_pixels=max_pixels))


def shown(
    bundle: str | Path,
    show: str,
    options: Options,
    *,
    images: Any,
    names: Sequence[str] | None = None,
    device: str = "auto",
    max_pixels: int | None = None,
) -> Iterator[Shown]:
    """Yield what `visualise` returns, one image after another; `names` are those of the images."""
    some = not isinstance(images, list | tuple) or len(images) > 0
    check_options(show, options, images=some)
    data = options.data
    source = open_source(data, report=downloading()) if isinstance(data, str | Path) else data
    from convworks.data.decode.any_image import list_images
    from convworks.explain.features.views.table import DRAW
    from convworks.explain.features.views.view import Request, Sample
    from convworks.inference.load import load

    predictor = load(bundle, device=device, max_pixels=max_pixels)
    listed = list_images(images)
    called = names or [Path(name).stem for name in listed.names]
    samples = [
        Sample(name=each, pixels=predictor.input.stack([predictor.input.read(name, image)])[0])
        for each, name, image in zip(called, listed.names, listed.images, strict=True)
    ]
    request = Request(path=path_of(bundle), predictor=predictor, images=samples, source=source, options=options)
    with naming("--tap", "tap"):
        yield from DRAW[show](request)
