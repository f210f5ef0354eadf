"""Fit a Gabor function to a kernel (Jones and Palmer 1987): the model of simple cells in the primary visual cortex.

    g(x, y) = A exp(-u^2 / (2 s^2) - v^2 / (2 t^2)) cos(2 pi f u + p)

with u and v the coordinates about the centre (x0, y0), turned by the orientation. For given s, t, f, orientation and
centre, g is linear in A cos p and A sin p, so only these six are searched for (variable projection).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from scipy.optimize import least_squares

#: Parameters of a Gabor function: kernels of hardly more values are fitted by any.
PARAMETERS = 8
STARTS = 3
NARROWEST = 0.4  # pixels


@dataclass(frozen=True, kw_only=True)
class Gabor:
    """A fit: orientation and phase in radians, frequency in cycles per pixel, centre and widths in pixels.

    The orientation, in [0, pi), is that in which the wave travels, from the x axis towards y (downwards); the centre is
    counted from the middle of the kernel. `r2` is the fraction of the variance of the kernel that the fit explains.
    """

    amplitude: float
    orientation: float
    frequency: float
    phase: float
    x: float
    y: float
    width: float
    length: float
    r2: float


def gabor(fit: Gabor, size: tuple[int, int]) -> Float64[np.ndarray, "h w"]:
    """Return the values of a Gabor function on the pixels of a kernel."""
    shape = np.array([fit.x, fit.y, fit.orientation, fit.frequency, fit.width, fit.length])
    even, odd = _waves(shape, *_pixels(size)).T
    amplitude, phase = fit.amplitude, fit.phase
    return np.asarray(amplitude * (math.cos(phase) * even - math.sin(phase) * odd)).reshape(size)


def fit_gabor(kernel: Float[np.ndarray, "h w"]) -> Gabor:
    """Return the Gabor function nearest to a kernel in squares, the best from several beginnings."""
    values = kernel.astype(np.float64).ravel()
    scale = float(np.abs(values).max()) or 1.0
    values = values / scale
    x, y = _pixels(kernel.shape)
    reach = max(kernel.shape) / 2
    low = np.array([-reach, -reach, -np.inf, 0.0, NARROWEST, NARROWEST])
    high = np.array([reach, reach, np.inf, 0.5, 2 * reach, 2 * reach])

    def residual(shape: Float64[np.ndarray, " 6"]) -> Float64[np.ndarray, " n"]:
        waves = _waves(shape, x, y)
        return np.asarray(waves @ _weights(waves, values) - values)

    results = [
        least_squares(residual, np.clip(start, low + 1e-6, high - 1e-6), bounds=(low, high), max_nfev=40)
        for start in _starts(kernel.astype(np.float64) / scale, x, y)
    ]
    best = min(results, key=lambda result: float(result.cost)).x
    waves = _waves(best, x, y)
    cosine, sine = _weights(waves, values)
    error = float(((waves @ (cosine, sine) - values) ** 2).sum())
    total = float(((values - values.mean()) ** 2).sum())
    orientation, phase = float(best[2]), math.atan2(-sine, cosine)
    if math.floor(orientation / math.pi) % 2:
        phase = -phase  # half a turn is the same wave seen from behind
    return Gabor(
        amplitude=scale * math.hypot(cosine, sine),
        orientation=orientation % math.pi,
        frequency=float(best[3]),
        phase=phase,
        x=float(best[0]),
        y=float(best[1]),
        width=float(best[4]),
        length=float(best[5]),
        r2=1 - error / total if total else 0.0,
    )


def principal_colour(kernel: Float[np.ndarray, "i h w"]) -> tuple[Float64[np.ndarray, "h w"], float]:
    """Return the pattern that the input channels of a kernel share most, and the fraction of its energy.

    It is the first component of the kernel as a matrix of channels and pixels: for one channel, the kernel itself.
    """
    _, h, w = kernel.shape
    left, values, right = np.linalg.svd(kernel.reshape(len(kernel), -1).astype(np.float64), full_matrices=False)
    sign = 1.0 if left[:, 0].sum() >= 0 else -1.0
    return sign * values[0] * right[0].reshape(h, w), float(values[0] ** 2 / ((values**2).sum() or 1.0))


def _pixels(size: tuple[int, int]) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Return the coordinates of the pixels, from the middle of a kernel."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    return x.ravel() - (size[1] - 1) / 2, y.ravel() - (size[0] - 1) / 2


def _waves(
    shape: Float64[np.ndarray, " 6"], x: Float64[np.ndarray, " n"], y: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "n 2"]:
    """Return the even and the odd wave in their envelope."""
    x0, y0, orientation, frequency, width, length = shape
    cosine, sine = math.cos(orientation), math.sin(orientation)
    u, v = (x - x0) * cosine + (y - y0) * sine, (y - y0) * cosine - (x - x0) * sine
    envelope = np.exp(-(u**2) / (2 * width**2) - v**2 / (2 * length**2))
    angle = 2 * math.pi * frequency * u
    return np.stack([envelope * np.cos(angle), envelope * np.sin(angle)], 1)


def _weights(waves: Float64[np.ndarray, "n 2"], values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " 2"]:
    """Return the best weights of the two waves; slightly damped, as at frequency 0 there is only one."""
    products = waves.T @ waves + 1e-12 * np.eye(2)
    return np.asarray(np.linalg.solve(products, waves.T @ values))


def _starts(
    kernel: Float64[np.ndarray, "h w"], x: Float64[np.ndarray, " n"], y: Float64[np.ndarray, " n"]
) -> list[Float64[np.ndarray, " 6"]]:
    """Return beginnings: the strongest frequencies of the spectrum, about the centre of the energy."""
    energy = (kernel**2).ravel()
    energy = energy / (energy.sum() or 1.0)
    x0, y0 = float(energy @ x), float(energy @ y)
    spread = max(NARROWEST * 1.5, math.sqrt(float(energy @ ((x - x0) ** 2 + (y - y0) ** 2)) / 2))
    n = 4 * max(kernel.shape)
    spectrum = np.abs(np.fft.fft2(kernel, (n, n)))[:, : n // 2 + 1]
    fy, fx = np.meshgrid(np.fft.fftfreq(n), np.fft.rfftfreq(n), indexing="ij")
    starts = []
    for number in range(STARTS):
        peak = np.unravel_index(spectrum.argmax(), spectrum.shape)
        frequency = min(0.49, math.hypot(fx[peak], fy[peak]))
        orientation = math.atan2(fy[peak], fx[peak])
        wide = spread * (1.0, 1.6)[number % 2]
        starts.append(np.array([x0, y0, orientation, frequency, wide, wide]))
        spectrum = np.where(np.hypot(fx - fx[peak], fy - fy[peak]) < 0.12, 0.0, spectrum)
    return starts
