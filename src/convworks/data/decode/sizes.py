"""Masks whose size differs from that of their image: fitted alone, they would not lie over it."""

from __future__ import annotations

from convworks.data.column import Arrays, Files
from convworks.data.config import MAX_PIXELS
from convworks.data.decode.decode import probe
from convworks.data.decode.load_files import Damage, each, summarise
from convworks.data.location import Location, container
from convworks.data.source import Split
from convworks.errors import InputError


def mismatched(split: Split, max_pixels: int | None = MAX_PIXELS) -> list[Damage]:
    """Return the masks of a split whose size is not that of their image; headers that cannot be read do not count.

    Remote files are not looked at: each header would be a request, and they were compared when they were packed.
    """
    images, masks = split.inputs, split.targets
    if masks.spatial is None or not masks.spatial.nearest:
        return []
    if not isinstance(images, Files) or not isinstance(masks, Files):
        return _of_arrays(split)
    if any(isinstance(container(file), str) for file in images.files[:1]):
        return []

    def check(index: int) -> None:
        image, mask = (_size(files[index], max_pixels) for files in (images.files, masks.files))
        if image is not None and mask is not None and image != mask:
            raise _wrong(masks.files[index], mask, image)

    return each(check, len(split))


def refuse_mismatched(split: Split) -> None:
    """Raise one InputError that names the masks of other sizes than their images."""
    damages = mismatched(split)
    if damages:
        raise summarise(damages, len(split))


def _size(file: Location, max_pixels: int | None) -> tuple[int, int] | None:
    try:
        header = probe(file, max_pixels=max_pixels)
    except InputError:
        return None
    return header.width, header.height


def _of_arrays(split: Split) -> list[Damage]:
    if not isinstance(split.inputs, Arrays) or not isinstance(split.targets, Arrays):
        return []
    image, mask = ((column.values.shape[2], column.values.shape[1]) for column in (split.inputs, split.targets))
    if image == mask or not len(split):
        return []
    error = _wrong(split.names[0], mask, image)
    return [Damage(index=0, where=error.where, reason=error.reason, remedy=error.remedy)]


def _wrong(where: object, mask: tuple[int, int], image: tuple[int, int]) -> InputError:
    written = ["x".join(map(str, size)) for size in (mask, image)]
    return InputError(where, f"is a mask of {written[0]} pixels, but its image has {written[1]}", "give both one size")
