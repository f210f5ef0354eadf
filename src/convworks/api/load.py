"""`convworks.load(...)`: a bundle or an exported file in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from convworks.errors import brief

if TYPE_CHECKING:
    from convworks.inference.predictor import Predictor


@brief
def load(
    path: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    max_pixels: int | None = None,
    runtime: str | None = None,
) -> Predictor:
    """Load a bundle, the bundle of a run folder, an exported file, or published weights by name (resnet50:imagenet).

    `precision` is float32, bfloat16, or auto: that of the training, if the hardware supports it. Images with more than
    `max_pixels` pixels are rejected; the default is the limit during training. `runtime` is torch (the
    default for a bundle), openvino, onnx, or auto: the fastest on this machine, measured once for each network. An
    exported file is computed by the library that it was exported for.
    """
    from convworks.inference.load import load as load_predictor

    if runtime is None:
        return load_predictor(path, device=device, precision=precision, max_pixels=max_pixels)
    from convworks.deploy.choice import MEASURED, with_runtime
    from convworks.deploy.runtimes import check_runtime

    check_runtime(runtime)
    predictor = load_predictor(path, device=device, precision=precision, max_pixels=max_pixels)
    return with_runtime(predictor, runtime, MEASURED)[0]
