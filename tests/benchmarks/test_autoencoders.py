"""The studies of lecture 001's autoencoders in small, on digits: that they run, go on, and measure what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from benchmarks import autoencoders

SHORT = ["training.epochs=1", "data.validation_limit=100"]


def test_components_and_angles_are_those_of_others() -> None:
    draw = np.random.default_rng(0)
    pixels = draw.normal(size=(80, 12)).astype(np.float32) * np.arange(1, 13, dtype=np.float32)
    components, error = autoencoders.principal(pixels, 4)
    theirs = PCA(4).fit(pixels)
    assert autoencoders.angle(components, theirs.components_.T.astype(np.float64)) < 0.01
    back = theirs.inverse_transform(theirs.transform(pixels))
    assert error == pytest.approx(((back - pixels) ** 2).mean(), rel=1e-3)
    columns = draw.normal(size=(12, 4))
    assert autoencoders.angle(components, columns) == pytest.approx(
        float(np.degrees(subspace_angles(components, columns).max())), abs=1e-6
    )


def test_the_linear_study(tmp_path: Path) -> None:
    found = autoencoders.linear(tmp_path, "digits", [0], SHORT)
    assert found["units"] == 30
    assert 0 < found["degrees"][0] <= 90
    assert autoencoders.linear(tmp_path, "digits", [0], SHORT) == found  # what is finished is not made again


def test_the_denoising_study(tmp_path: Path) -> None:
    found = autoencoders.denoising(tmp_path, "digits", [0], SHORT)
    assert found["5 %"]["psnr_read"] > found["10 %"]["psnr_read"]
    assert (tmp_path / "denoising.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_stacked_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoders, "LABELS", ((100, 1), (None, 1)))
    monkeypatch.setattr(autoencoders, "UNITS", (16, 12))
    found = autoencoders.stacked(tmp_path, "digits", [0, 1], ["training.pretraining.epochs=1"])
    assert set(found) == {"100", "all"}
    assert all(len(found[labels][kind]["errors"]) == 2 for labels in found for kind in ("pretrained", "random"))
