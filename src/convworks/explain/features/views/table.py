"""The function of each view."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from convworks.explain.features.views.of_images import draw_field, draw_inversion, draw_maps
from convworks.explain.features.views.of_runs import draw_history
from convworks.explain.features.views.of_sources import draw_embedding, draw_patches
from convworks.explain.features.views.of_units import draw_preferred
from convworks.explain.features.views.of_weights import draw_gabor, draw_kernels
from convworks.explain.features.views.view import Request, Shown

DRAW: Mapping[str, Callable[[Request], Iterator[Shown]]] = {
    "kernels": draw_kernels,
    "history": draw_history,
    "gabor": draw_gabor,
    "maps": draw_maps,
    "field": draw_field,
    "invert": draw_inversion,
    "patches": draw_patches,
    "maximise": draw_preferred,
    "embedding": draw_embedding,
}
