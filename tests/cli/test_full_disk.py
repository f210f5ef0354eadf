"""A disk without room: one line that names the file, and nothing half-written."""

from __future__ import annotations

import subprocess
import sys

import pytest
from workplace import NOTES, Place, check_line, environment, snapshot, train

from convworks.cli.main import run


def test_a_file_that_grows_too_large(place: Place) -> None:
    """The checkpoint is the first file above 100 kB; the system refuses it as it refuses one on a full disk."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, 10**5))"
    arguments = train(place.folder())
    before = snapshot(place.root)
    done = subprocess.run(
        [sys.executable, "-c", f"{limit}; from convworks.cli.main import main; main()", *arguments],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert (done.returncode, done.stdout) == (1, "")
    check_line(done.stderr, ["out/checkpoints/step-", "File too large", "allows larger files", "ulimit -f"])
    assert snapshot(place.root) == before


@pytest.mark.parametrize("size", [4, 100, 780, 950])
def test_full_disk(size: int, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """At 4 kB not even the record fits, at 100 no checkpoint, at 780 no bundle, at 950 no report."""
    disk = place.root / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a disk")
    try:
        assert run(train(place.folder(), "--out", "disk/run")) == 1
        _, text = capsys.readouterr()
        *progress, line = text.splitlines()
        check_line(line, ["disk/run", "No space left on device", "free some space"])
        epochs = [each for each in progress if not each.startswith(NOTES)]
        assert len(epochs) == (1 if size > 500 else 0)
        left = snapshot(disk)
        assert not [name for name in left if ".partial" in name]
        if size < 500:
            assert not left
            return
        subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
        assert run(["train", "--resume", "disk/run"]) == 0
        assert run(["predict", "disk/run", "data/a"]) == 0
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
