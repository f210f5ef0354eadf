"""Commands as they are printed: what a shell reads is what was meant."""

from __future__ import annotations

import subprocess

import pytest

from convworks.commands import repeated
from convworks.errors import visible

HIDDEN = ("\u202etxt", "\udcff")
NAMES = (
    *HIDDEN,
    "$(x)",
    "a b",
    "-d",
    "it's",
    "Übung",
    "a\nb",
    "tab\t'quoted'",
    "back\\slash\n",
    "\x1b[31m",
    "a\x85b",
    "\u202etxt",
    "$(x)",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_reads_the_name(name: str) -> None:
    line = repeated(["explain", name], {"--out": name})
    assert visible(line) == line  # one line, which shows what it does
    script = f"convworks() {{ printf '%s\\0' \"$@\"; }}; {line}"
    read = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    parts = read.decode(errors="surrogateescape").split("\0")
    path = f"./{name}" if name.startswith("-") else name
    assert parts[:2] == ["explain", path]
    assert parts[2:4] == ["--out", name]
