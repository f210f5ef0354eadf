"""JSON with its own checksum: a round trip succeeds, and any change is refused."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import repeats

from convworks.errors import InputError
from convworks.signed import Kind, is_sealed, read_signed, sealed, signed, write_signed

KIND = Kind(name="a thing", formats=(1, 2), unsigned=(1,), fields={"what": str}, damaged="mend it", changed="undo it")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(st.text().filter(lambda name: name not in ("format", "sha256", "what")), VALUES, max_size=4)


@pytest.fixture(scope="module")
def file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder, "a.json")


@given(values=OBJECTS, chance=st.randoms(use_true_random=False))
@settings(max_examples=repeats(25, 100))
def test_what_is_written_is_read_and_a_flipped_bit_is_not(
    file: Path, values: dict[str, Any], chance: random.Random
) -> None:
    whole = {"format": 2, "what": "x", **values}
    write_signed(file, whole)
    read = read_signed(file, KIND)
    assert {name: read[name] for name in read if name != "sha256"} == whole
    content = bytearray(file.read_bytes())
    bit = chance.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    with suppress(InputError):
        assert read_signed(file, KIND) == read  # it is laid out in another way, no more


@given(values=OBJECTS)
@settings(max_examples=repeats(20, 50))
def test_any_layout_is_read(file: Path, values: dict[str, Any]) -> None:
    whole = signed({"format": 2, "what": "x", **values})
    file.write_text(json.dumps(dict(sorted(whole.items())), indent=7, separators=(" , ", " :")))
    assert read_signed(file, KIND) == whole


BROKEN: dict[str, tuple[Any, str]] = {
    "a list": ([1], "cannot be read as a thing: it has no format; mend it"),
    "no format": ({"what": "x"}, "cannot be read as a thing: it has no format; mend it"),
    "another format": ({"format": 3}, "has format 3, this version reads 1 and 2; use the version .*, or mend it"),
    "a format that is true": ({"format": True, "what": "x"}, "has format True"),
    "no checksum": ({"format": 2, "what": "x"}, "was modified .*; undo it"),
    "another checksum": ({**signed({"format": 2, "what": "x"}), "what": "y"}, "was modified"),
    "no field": ({"format": 1}, "has no what, or one of the wrong kind; mend it"),
    "a field of another kind": (signed({"format": 2, "what": 7}), "has no what, or one of the wrong kind"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    values, words = BROKEN[name]
    (tmp_path / "a.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match=words):
        read_signed(tmp_path / "a.json", KIND)


def test_formats_from_before_there_were_checksums(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"format": 1, "what": "x"}')
    assert read_signed(tmp_path / "a.json", KIND) == {"format": 1, "what": "x"}


def test_every_bit_of_a_sealed_text_counts() -> None:
    content = sealed({"format": 2, "labels": [0, 1, 2], "name": "a"})
    assert is_sealed(content)
    assert {name: json.loads(content)[name] for name in ("labels", "name")} == {"labels": [0, 1, 2], "name": "a"}
    for bit in range(8 * (len(content) - 1)):  # all but the end of the line
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        assert not is_sealed(bytes(changed)), bit
    for other in (b"", b"{}", content[:-20], content.replace(b"sha256", b"sha1"), content * 2):
        assert not is_sealed(other)
