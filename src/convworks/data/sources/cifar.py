"""CIFAR-10 as distributed by its authors: Python batches (untrusted pickles, read safely) or binary batches."""

from __future__ import annotations

import gzip
import io
import pickle
import re
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from convworks.data.column import COLOURS, Arrays
from convworks.data.shards.tar_members import tar_members
from convworks.data.source import Source, Split, number_names
from convworks.errors import InputError
from convworks.files import is_there, open_regular, read_bytes

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDERS = ("", "cifar-10-batches-py", "cifar-10-batches-bin")
ARCHIVES = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
SIDE, RECORD = 32, 1 + 3 * 32 * 32
BATCH = re.compile(r"(data_batch_(\d)|test_batch)(\.bin)?")
META = "batches.meta"
LARGEST = 1 << 26  # bytes of a batch; 10,000 images take half of it


def recognise(folder: Path) -> bool:
    """Return whether the folder holds CIFAR-10 batches (directly or in the usual subfolder) or an archive."""
    return _locate(folder) is not None


def is_archive(path: Path) -> bool:
    """Return whether the file has the name of a CIFAR-10 archive."""
    return path.name in ARCHIVES


def open_folder(folder: Path, *, name: str | None = None) -> Source:
    """Open the batches in a folder accepted by `recognise`."""
    root = _locate(folder) or folder
    if is_archive(root):
        return open_archive(root, name=name)
    contents: dict[str, bytes] = {}
    for path in sorted(root.iterdir()):
        if BATCH.fullmatch(path.name) or path.name == META:
            contents[path.name] = read_bytes(path)
    return _assemble(root, contents, name or folder.resolve().name)


def open_archive(path: Path, *, name: str | None = None) -> Source:
    """Open cifar-10-python.tar.gz or cifar-10-binary.tar.gz without unpacking it to disk."""
    contents: dict[str, bytes] = {}
    with open_regular(path, buffering=-1) as file:
        try:
            with gzip.open(file) as archive:
                for member in tar_members(path, archive):
                    base = member.name.rpartition("/")[2]
                    if member.isfile() and (BATCH.fullmatch(base) or base == META):
                        contents[base] = _read_member(path, archive, member)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(path, f"is damaged or cannot be read ({error})", "fetch it again") from None
    return _assemble(path, contents, name or "cifar10")


def _read_member(path: Path, archive: gzip.GzipFile, member: tarfile.TarInfo) -> bytes:
    if member.size > LARGEST:
        raise InputError(path, f"has {member.size:,} bytes in {member.name}, which is no batch", "fetch it again")
    return archive.read(member.size)


def _locate(folder: Path) -> Path | None:
    for name in FOLDERS:
        if any(
            is_there(folder / name / f"{batch}{end}")
            for batch in ("data_batch_1", "test_batch")
            for end in ("", ".bin")
        ):
            return folder / name
    return next((folder / name for name in ARCHIVES if is_there(folder / name)), None)


def _assemble(path: Path, contents: dict[str, bytes], name: str) -> Source:
    """Join the batches into the splits train and test."""
    classes = _read_classes(path / META, contents[META]) if META in contents else CLASSES
    batches: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    numbers = []
    for file in sorted(contents):
        match = BATCH.fullmatch(file)
        if match:
            read = _read_binary if match[3] else _read_pickle
            split = "train" if match[2] else "test"
            numbers += [int(match[2])] if match[2] else []
            batches.setdefault(split, []).append(read(path / file, contents[file], len(classes)))
    if numbers != list(range(1, len(numbers) + 1)) or not batches:
        reason = f"has data_batch {', '.join(map(str, numbers)) or 'none'}, without a gap-free start at 1"
        raise InputError(path, reason, "fetch it again")
    splits = {}
    for split, parts in sorted(batches.items(), reverse=True):
        labels = np.concatenate([labels for labels, _ in parts])
        planes = np.concatenate([pixels for _, pixels in parts]).reshape(-1, 3, SIDE, SIDE)
        arrays = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        splits[split] = Split(
            names=number_names(split, len(labels)), inputs=Arrays(arrays, COLOURS), targets=Arrays(labels)
        )
    return Source(name=name, kind="cifar", path=path, classes=classes, splits=splits)


def _read_binary(path: Path, content: bytes, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Read records of one label byte and 3,072 pixel bytes."""
    if not content or len(content) % RECORD:
        raise InputError(path, f"has {len(content)} bytes, not a multiple of {RECORD}", "fetch it again")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD)
    return _check_labels(path, records[:, 0].astype(np.int64), classes), records[:, 1:]


def _read_pickle(path: Path, content: bytes, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a pickled dictionary with data [n, 3072] and labels."""
    batch = _unpickle(path, content)
    data, labels = batch.get("data"), batch.get("labels")
    if not (isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 2 and data.shape[1] == RECORD - 1):
        raise InputError(path, f"has no uint8 data of shape [n, {RECORD - 1}]", "fetch it again")
    if not (isinstance(labels, list) and all(type(label) is int and abs(label) < 2**31 for label in labels)):
        raise InputError(path, "has no list of whole numbers as labels", "fetch it again")
    if len(labels) != len(data):
        raise InputError(path, f"has {len(labels)} labels for {len(data)} images", "fetch it again")
    return _check_labels(path, np.array(labels, dtype=np.int64), classes), data


def _read_classes(path: Path, content: bytes) -> tuple[str, ...]:
    names = _unpickle(path, content).get("label_names")
    if not (isinstance(names, list) and len(names) > 1 and all(isinstance(name, str) for name in names)):
        raise InputError(path, "has no list label_names", "fetch it again")
    return tuple(names)


def _check_labels(path: Path, labels: np.ndarray, classes: int) -> np.ndarray:
    invalid = labels[(labels < 0) | (labels >= classes)]
    if len(invalid):
        raise InputError(
            path, f"has label {invalid[0]}, outside 0..{classes - 1}", "the file is damaged: fetch it again"
        )
    return labels


def _unpickle(path: Path, content: bytes) -> dict[str, Any]:
    """Unpickle a dictionary of arrays and plain values; a pickle that requests other code is refused, not run."""
    try:
        value = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises almost anything
        raise InputError(path, f"is not a CIFAR batch ({error})", "fetch it again") from None
    if not isinstance(value, dict):
        raise InputError(path, f"is not a CIFAR batch (holds a {type(value).__name__})", "fetch it again")
    return value


def _dtype(spec: str, align: int = 0, copy: int = 0) -> np.dtype[Any]:
    """Make a dtype from an old pickle, whose flags are integers; NumPy 2.4 warns about these."""
    dtype: np.dtype[Any] = np.dtype(spec, bool(align), bool(copy))
    return dtype


def _reconstruct(kind: type[np.ndarray], shape: tuple[int, ...], code: str | bytes) -> np.ndarray:
    """Make the empty array that a pickle then fills, as NumPy's function of that name does."""
    return np.ndarray.__new__(np.ndarray, shape, np.dtype(code.decode() if isinstance(code, bytes) else code))


def _frombuffer(buffer: bytes | bytearray, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> np.ndarray:
    """Make an array from bytes, as NumPy's function of that name does (pickle protocol 5)."""
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order="F" if order == "F" else "C")


def _encode(text: str, encoding: str) -> bytes:
    """Encode text as bytes; protocol 2 pickles written by Python 3 store bytes this way."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that can make NumPy arrays and plain values, and call nothing else."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return one of the few harmless functions that rebuild arrays."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not run")
        return ALLOWED[module, name]


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}
