"""Whether kernels are more like Gabor functions than controls: those of an untrained network, and shuffled ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import mannwhitneyu

from convworks.explain.gabor.fit import Gabor, fit_gabor, principal_colour

TRAINED, UNTRAINED, SHUFFLED = "trained", "untrained", "shuffled"


@dataclass(frozen=True, kw_only=True)
class Fits:
    """The fits of the kernels of each set; `energy` is the fraction of each trained kernel in its main colour.

    `p` are the probabilities that a control is as good by chance: Mann and Whitney's test, one-sided.
    """

    fits: Mapping[str, tuple[Gabor, ...]]
    energy: tuple[float, ...]
    p: Mapping[str, float]

    def median(self, name: str) -> float:
        """The median R2 of a set."""
        return float(np.median([fit.r2 for fit in self.fits[name]]))


def fits(
    trained: Float[np.ndarray, "o i h w"], untrained: Sequence[Float[np.ndarray, "o i h w"]], *, seed: int = 0
) -> Fits:
    """Fit the kernels of a layer, those of untrained networks of the same kind, and the trained with pixels shuffled.

    The pixels of all channels of a kernel move together.
    """
    sets = {
        TRAINED: list(trained),
        UNTRAINED: [kernel for kernels in untrained for kernel in kernels],
        SHUFFLED: [shuffled(kernel, seed + number) for number, kernel in enumerate(trained)],
    }
    patterns = {name: [principal_colour(kernel) for kernel in kernels] for name, kernels in sets.items()}
    fitted = {name: tuple(fit_gabor(pattern) for pattern, _ in each) for name, each in patterns.items()}
    r2 = {name: [fit.r2 for fit in each] for name, each in fitted.items()}
    p = {name: float(mannwhitneyu(r2[TRAINED], r2[name], alternative="greater").pvalue) for name in sets}
    return Fits(
        fits=fitted,
        energy=tuple(energy for _, energy in patterns[TRAINED]),
        p={name: value for name, value in p.items() if name != TRAINED},
    )


def shuffled(kernel: Float[np.ndarray, "i h w"], seed: int) -> Float[np.ndarray, "i h w"]:
    """Return a kernel with its pixels in a random order."""
    order = np.random.default_rng(seed).permutation(kernel[0].size)
    return np.asarray(kernel.reshape(len(kernel), -1)[:, order].reshape(kernel.shape))
