"""`convworks.explain(...)`: how much each pixel counted for an answer, and whether the map can be believed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convworks.bundle.pretrained import locate
from convworks.console import downloading, stepping
from convworks.errors import brief
from convworks.explain.attribution.named import ALL, named_methods, parse_unit

if TYPE_CHECKING:
    from convworks.explain.attribution.explained import Explained

DEFAULT = "grad-cam"


@brief
def explain(
    bundle: str | Path,
    images: Any,
    *,
    method: str | Iterable[str] = DEFAULT,
    class_name: str | int | None = None,
    unit: str | None = None,
    pixel: Sequence[int] | None = None,
    taps: str | Iterable[str] = (),
    max_pixels: int | None = None,
    device: str = "auto",
) -> Explained:
    """Explain what a bundle answers for one or more images (any input of `predict`) by one or more methods.

    `method` names methods (docs/explain.md), or is "all": those that the network can do. Explained is the score of the
    predicted class, or of `class_name`, or of a `unit` such as "stage1.conv:12,3,5", whose channel may stand alone; for
    a network that segments, the mean score of a class over the pixels that are predicted as it, or at a `pixel` (row,
    column) of the mask in the network's size. `taps` are the layers whose maps Grad-CAM weighs. Images of more than
    `max_pixels` pixels are refused, by default those that the bundle refuses.

    In the result, `attributions.by_method[name]` has the `values` [b c h w] or [b h w], `pixels` [b h w], and the
    verdict on each image. Raises InputError for what is not there, and for a method that the network cannot do.
    """
    wanted = [method] if isinstance(method, str) else list(method)
    names = named_methods(wanted)
    if unit is not None:
        parse_unit(unit)
    path = locate(bundle, downloading())
    from convworks.explain.attribution.explained import Request, explain_images, steps
    from convworks.inference.load import load

    request = Request(
        methods=names,
        class_name=None if class_name is None else str(class_name),
        unit=unit,
        pixel=pixel,
        taps=(taps,) if isinstance(taps, str) else tuple(taps),
        required=tuple(name for name in wanted if name != ALL),
    )
    with stepping("explaining", steps(len(names))) as report:
        return explain_images(load(path, device=device, max_pixels=max_pixels), images, request, report=report)
