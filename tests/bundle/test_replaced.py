"""A bundle that is replaced while others load it, and whatever moment that is interrupted at."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from convworks.bundle.bundle import Bundle, load_bundle, save_bundle
from convworks.bundle.description import waiting
from convworks.errors import InputError


@pytest.fixture(scope="module")
def bundles(any_run: Path) -> list[Bundle]:
    """Give two bundles; the record of each says the sum of its first weights."""
    first, second = load_bundle(any_run), load_bundle(any_run)
    with torch.no_grad():
        next(second.network.parameters()).add_(1)
    return [replace(each, record={**each.record, "first": check(each)}) for each in (first, second)]


def check(bundle: Bundle) -> float:
    return float(next(bundle.network.parameters()).detach().sum())


def test_whoever_loads_gets_the_old_one_or_the_new_one(bundles: list[Bundle], tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    save_bundle(folder, bundles[0])
    writing = True

    def load_repeatedly() -> set[float]:
        seen = set()
        while writing:
            bundle = load_bundle(folder)
            assert check(bundle) == bundle.record["first"]
            seen.add(check(bundle))
        return seen

    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load_repeatedly) for _ in range(2)]
        try:
            for number in range(1, 31):
                save_bundle(folder, bundles[number % 2])
        finally:
            writing = False
        assert set().union(*(each.result() for each in loads)) <= {each.record["first"] for each in bundles}
    assert {path.name for path in folder.iterdir()} == {"README.md", "bundle.json", "weights.safetensors"}


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_an_interrupted_replacement_leaves_one_that_loads(
    moment: int, bundles: list[Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first change of names the new weights are there, before the third the new description as well."""
    save_bundle(tmp_path, bundles[0])
    rename, left = os.replace, moment

    def stop(*names: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        rename(*names)

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        save_bundle(tmp_path, bundles[1])
    monkeypatch.undo()
    bundle = load_bundle(tmp_path)
    assert check(bundle) == bundle.record["first"] == bundles[moment > 2].record["first"]
    save_bundle(tmp_path, bundles[1])
    assert check(load_bundle(tmp_path)) == bundles[1].record["first"]
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "bundle.json", "weights.safetensors"}


def test_new_weights_that_are_damaged_are_refused(bundles: list[Bundle], tmp_path: Path) -> None:
    save_bundle(tmp_path, bundles[0])
    checksum = json.loads((tmp_path / "bundle.json").read_text())["weights_sha256"]
    (tmp_path / "weights.safetensors").rename(waiting(tmp_path, checksum))
    assert check(load_bundle(tmp_path)) == bundles[0].record["first"]
    with waiting(tmp_path, checksum).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    with pytest.raises(InputError, match="is missing or does not have the checksum"):
        load_bundle(tmp_path)
