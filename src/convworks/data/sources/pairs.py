"""Folders of images with their masks: images/ beside masks/, or a.jpg beside a_mask.png; splits above or below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from convworks.data.source import Source, Unpaired
from convworks.data.sources.class_table import NAMES, find_table
from convworks.data.sources.image_names import is_image
from convworks.data.sources.left_out import reasons
from convworks.data.sources.paired import Pair, paired_source, without_mask
from convworks.data.sources.split_names import ALL, split_of, splits_by_name
from convworks.data.sources.walk import children, walk
from convworks.errors import InputError

#: Folders, in lower case, that hold the inputs and the targets of dense tasks side by side, not classes.
INPUTS = frozenset(("image", "images", "img", "imgs", "input", "inputs", "photos", "jpegimages"))
TARGETS = frozenset(
    (
        *("label", "labels", "mask", "masks", "annot", "annotation", "annotations", "segmentation", "segmentations"),
        *("groundtruth", "ground_truth", "gt", "segmentationclass", "segmentationobject", "target", "targets"),
    )
)
#: The end of the stem of a mask beside its image.
SUFFIX = "_mask"
#: Why an image is in no split.
ALONE, ELSEWHERE = "masks without an image", "beside the images and masks"

Folders = tuple[str, str]


def recognise(root: Path) -> bool:
    """Return whether a folder, or one of its splits, holds images with masks."""
    if not root.is_dir():
        return False
    folders, _ = children(root)
    splits = [name for name in folders if split_of(name) is not None]
    return _holds_pairs(root) or any(_holds_pairs(root / name) for name in splits)


def open_folder(root: Path) -> Source:
    """Open a folder that `recognise` accepts; images without masks are listed in the source."""
    beside, unpaired = _side_by_side(root), list[Unpaired]()
    if beside is not None:
        parts = _below(root, beside, unpaired)
    elif _suffixed(root):
        parts = {ALL: _by_suffix(root, "", unpaired)}
    else:
        parts = {}
        for split, name in splits_by_name(root, children(root)[0]).items():
            within = _side_by_side(root / name)
            if within is None and not _suffixed(root / name):
                raise InputError(
                    root / name, "holds no masks, unlike other splits", f"add {name}/images and {name}/masks"
                )
            parts[split] = (
                _by_suffix(root, name, unpaired) if within is None else _by_folder(root, name, within, "", unpaired)
            )
    if not any(parts.values()):
        raise without_mask(unpaired[0])
    parts = {split: pairs for split, pairs in parts.items() if pairs}
    used = {
        str(path.relative_to(root)) for pairs in parts.values() for pair in pairs for path in (pair.image, pair.mask)
    }
    used |= {name for each in unpaired for name in each.names}
    names = list(walk(root))
    others = [name for name in names if name not in used and PurePosixPath(name).name not in NAMES]
    alone = {name: ALONE if _is_mask(name) else ELSEWHERE for name in others if is_image(name)}
    left_out = {**reasons(name for name in others if not is_image(name)), **alone}
    return paired_source(root, "pairs", parts, _table(root, beside, names), left_out, unpaired)


def masks_among(root: Path) -> Callable[[str], bool] | None:
    """Return what says of the path of a file below a folder whether it is a mask; None for a folder without pairs."""
    if not recognise(root):
        return None
    splits = [name for name in children(root)[0] if split_of(name) is not None]
    folders: list[str] = []  # of masks, each with a slash at its end
    files: set[str] = set()  # masks beside their images
    for above in ("", *(f"{name}/" for name in splits)):
        if (beside := _side_by_side(root / above)) is not None:
            folders.append(f"{above}{beside[1]}/")
            continue
        stems = {f"{above}{name}": _stem(name) for name in children(root / above)[1] if is_image(name)}
        known = set(stems.values())
        files |= {name for name, stem in stems.items() if stem.endswith(SUFFIX) and stem.removesuffix(SUFFIX) in known}
    return lambda name: name in files or name.startswith(tuple(folders))


def _is_mask(name: str) -> bool:
    """Return whether an image is one of masks, by its folders or by the end of its name."""
    path = PurePosixPath(name)
    return path.stem.endswith(SUFFIX) or any(part.lower() in TARGETS for part in path.parts[:-1])


def _table(root: Path, beside: Folders | None, names: Iterable[str]) -> Path | None:
    """Return the table of classes; raises InputError if `names`, all files, have one elsewhere, such as in a split."""
    table = find_table(root, *(root / name for name in beside or ()))
    hidden = next((name for name in names if PurePosixPath(name).name in NAMES), None)
    if table is None and hidden is not None:
        raise InputError(root / hidden, "is not where the table of classes is looked for", f"move it to {root}")
    return table


def _holds_pairs(folder: Path) -> bool:
    return _side_by_side(folder) is not None or _suffixed(folder)


def _side_by_side(folder: Path) -> Folders | None:
    """Return the names of the subfolders of images and of masks; None unless both hold images."""
    names, _ = children(folder)
    pair = [next((name for name in names if name.lower() in kind), None) for kind in (INPUTS, TARGETS)]
    if pair[0] is None or pair[1] is None:
        return None
    both = all(any(map(is_image, walk(folder / name))) for name in pair if name is not None)
    return (pair[0], pair[1]) if both else None


def _suffixed(folder: Path) -> bool:
    """Return whether a folder holds an image with its mask beside it."""
    stems = {PurePosixPath(name).stem for name in children(folder)[1] if is_image(name)}
    return any(f"{stem}{SUFFIX}" in stems for stem in stems)


def _below(root: Path, beside: Folders, unpaired: list[Unpaired]) -> dict[str, list[Pair]]:
    """Return the pairs of images/ and masks/, by split where all of their subfolders are splits."""
    splits = [name for name in children(root / beside[0])[0] if split_of(name) is not None]
    loose = any(map(is_image, children(root / beside[0])[1]))
    if loose or not splits or len(splits) < len(children(root / beside[0])[0]):
        return {ALL: _by_folder(root, "", beside, "", unpaired)}
    chosen = splits_by_name(root / beside[0], splits)
    return {split: _by_folder(root, "", beside, name, unpaired) for split, name in chosen.items()}


def _by_folder(root: Path, above: str, beside: Folders, below: str, unpaired: list[Unpaired]) -> list[Pair]:
    """Pair the images of ROOT/ABOVE/images/BELOW with the masks of the same names, whatever their suffixes."""
    images, masks = (root / above / name / below for name in beside)
    if not masks.is_dir():
        raise InputError(masks, "does not exist, but its images do", f"put the masks of {images} there")
    files = _by_stem(masks, walk(masks))
    names = sorted(filter(is_image, walk(images)))
    prefix = "/".join(part for part in (above, beside[0], below) if part)
    listed = [(f"{prefix}/{name}", images / name, _stem(name)) for name in names]
    return _paired(root, listed, files, masks, unpaired)


def _by_suffix(root: Path, above: str, unpaired: list[Unpaired]) -> list[Pair]:
    """Pair the images of a folder with those whose stems end in the suffix of masks."""
    folder = root / above
    names = [name for name in children(folder)[1] if is_image(name)]
    masks = [name for name in names if _stem(name).endswith(SUFFIX)]
    files = {stem.removesuffix(SUFFIX): path for stem, path in _by_stem(folder, masks).items()}
    images = [name for name in names if name not in set(masks)]
    prefix = f"{above}/" if above else ""
    return _paired(root, [(f"{prefix}{name}", folder / name, _stem(name)) for name in images], files, folder, unpaired)


def _paired(
    root: Path,
    images: Sequence[tuple[str, Path, str]],
    masks: dict[str, Path],
    folder: Path,
    unpaired: list[Unpaired],
) -> list[Pair]:
    """Return the pairs, and add images without masks to `unpaired`; raises InputError for two images of one mask."""
    alone = tuple([name for name, _, stem in images if stem not in masks])
    if alone:
        unpaired.append(Unpaired(folder, alone, len(images)))
    taken: dict[str, str] = {}
    for name, _, stem in images:
        if (other := taken.setdefault(stem, name)) != name:
            raise InputError(root, f"has {other} and {name}, but one mask for both", "keep one of them, or rename one")
    return [Pair(name, path, masks[stem]) for name, path, stem in images if stem in masks]


def _by_stem(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return the masks of a folder by path without suffix; raises InputError for two of one stem."""
    files: dict[str, Path] = {}
    for name in sorted(filter(is_image, names)):
        if (other := files.setdefault(_stem(name), folder / name)) != folder / name:
            raise InputError(folder, f"has both {other.name} and {Path(name).name}", "keep one of them")
    return files


def _stem(name: str) -> str:
    # Systems spell accents as one character or as two; an archive keeps what the one that packed it wrote.
    return normalize("NFC", str(PurePosixPath(name).with_suffix("")))
