"""LitServe with its own batching, torch in float32. BUNDLE PORT"""

import base64
import io
import sys

import litserve
import numpy as np
import torch
from PIL import Image

import convworks


class Classifier(litserve.LitAPI):
    def setup(self, device: str) -> None:
        predictor = convworks.load(sys.argv[1], device="cpu", precision="float32")
        preprocessing = predictor.bundle.preprocessing
        self.size = preprocessing.size[::-1]
        self.mean, self.std = (torch.tensor(v)[:, None, None] for v in (preprocessing.mean, preprocessing.std))
        self.network, self.classes = predictor.bundle.network, predictor.classes

    def decode_request(self, request: dict) -> torch.Tensor:  # type: ignore[type-arg]
        image = Image.open(io.BytesIO(base64.b64decode(request["image"]))).convert("RGB").resize(self.size)
        return (torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 - self.mean) / self.std

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(inputs)

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return self.network(batch).softmax(1)

    def unbatch(self, output: torch.Tensor) -> list[torch.Tensor]:
        return list(output)

    def encode_response(self, output: torch.Tensor) -> dict[str, object]:
        top = output.topk(min(5, len(output)))
        return {"labels": [self.classes[i] for i in top.indices], "probabilities": top.values.tolist()}


if __name__ == "__main__":
    api = Classifier(max_batch_size=16, batch_timeout=0.002)
    server = litserve.LitServer(api, accelerator="cpu", timeout=10)
    server.run(port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
