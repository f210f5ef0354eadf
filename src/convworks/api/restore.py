"""`convworks.restore`: one picture, with an untrained network as its prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convworks.errors import brief, visible
from convworks.hardware import refuse_torchrun
from convworks.restoration.request import Request, check

if TYPE_CHECKING:
    from convworks.data.decode.any_image import OneImage
    from convworks.restoration.result import Restored


@brief
def restore(
    image: OneImage,
    problem: str = "denoise",
    *,
    mask: OneImage | None = None,
    scale: int | None = None,
    minutes: float = 5.0,
    samples: int = 1,
    runs: int | None = None,
    model: str | None = None,
    stop: str | None = None,
    iterations: int | None = None,
    compare: OneImage | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
) -> Restored:
    """Denoise, inpaint or enlarge (superres) one picture, or remove JPEG artefacts, by the deep image prior.

    Pictures are paths, bytes, Pillow images, arrays [h, w] or [h, w, c] of uint8, or tensors; a mask may be an array
    or a tensor [h, w] of booleans, true where pixels are known. docs/restore.md explains the options, which are those
    of the command. `.image` of the result is an array of uint8 [h, w, c], `.images` are the samples, `.record` says
    what was done and `.curve` how it went.
    """
    refuse_torchrun("convworks restore")
    request = Request.of(locals())
    check(request)
    from convworks.console import say
    from convworks.restoration.material import read_material
    from convworks.restoration.memory import Memory
    from convworks.restoration.plan import Budget
    from convworks.restoration.restore import restore as run

    name, budget = _name(image), Budget(seconds=60.0 * minutes)
    material = read_material(name, image, request, mask=mask, compare=compare)
    for note in material.notes:
        say(visible(f"{name}: {note}"))
    memory = Memory(name)
    try:
        return run(material, request, memory, budget)
    finally:
        memory.progress.end()


def _name(image: Any) -> str:
    return str(image) if isinstance(image, str) or hasattr(image, "__fspath__") else "image"
