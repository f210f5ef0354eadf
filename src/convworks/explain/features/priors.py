"""What makes images natural: total variation, and a basis in which coarse structure moves first."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def total_variation(images: Float[Tensor, "b c h w"], beta: float = 2.0) -> Float[Tensor, " b"]:
    """Return the mean over all pixels of (dx^2 + dy^2)^(beta / 2) (Mahendran and Vedaldi 2015, equation 5)."""
    down, right = images.new_zeros(images.shape), images.new_zeros(images.shape)
    down[..., :-1, :] = images[..., 1:, :] - images[..., :-1, :]
    right[..., :-1] = images[..., 1:] - images[..., :-1]
    squares = down**2 + right**2
    return (squares if beta == 2 else (squares + 1e-8) ** (beta / 2)).flatten(1).mean(1)


class Spectrum:
    """Images as their Fourier coefficients divided by frequency, so that gradient steps are smooth (Olah et al. 2017).

    `coefficients` are what is optimised; `images` gives values in 0 to 1.
    """

    def __init__(self, shape: tuple[int, int, int, int], generator: torch.Generator, spread: float = 0.01) -> None:
        n, c, h, w = shape
        self.size = (h, w)
        fy, fx = torch.fft.fftfreq(h)[:, None], torch.fft.rfftfreq(w)[None]
        self.scale: Float[Tensor, "h f"] = (h * w) ** 0.5 / (fy**2 + fx**2).sqrt().clamp_min(1 / max(h, w))
        self.coefficients: Float[Tensor, "n c h f 2"] = (
            spread * torch.randn(n, c, h, w // 2 + 1, 2, generator=generator)
        ).requires_grad_()

    def replaced(self, coefficients: Float[Tensor, "n c h f 2"]) -> Spectrum:
        """Return images of the same size with other coefficients."""
        other = copy.copy(self)
        other.coefficients = coefficients.detach().clone().requires_grad_()
        return other

    def to(self, device: torch.device) -> Spectrum:
        """Move to a device."""
        self.scale = self.scale.to(device)
        self.coefficients = self.coefficients.detach().to(device).requires_grad_()
        return self

    def images(self) -> Float[Tensor, "n c h w"]:
        """Return the images."""
        spectrum: Complex[Tensor, "n c h f"] = torch.view_as_complex(self.coefficients.contiguous()) * self.scale
        images: Tensor = torch.sigmoid(torch.fft.irfft2(spectrum, s=self.size))
        return images
