"""The usual server: FastAPI, a Pillow image, one torch forward pass a request. BUNDLE PORT"""

import asyncio
import io
import sys

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image

import convworks

predictor = convworks.load(sys.argv[1], device="cpu", precision="float32")
preprocessing = predictor.bundle.preprocessing
height, width = preprocessing.size
mean, std = (torch.tensor(values)[:, None, None] for values in (preprocessing.mean, preprocessing.std))
network = predictor.bundle.network
app = FastAPI()


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


def answer(content: bytes) -> dict[str, object]:
    image = Image.open(io.BytesIO(content)).convert("RGB").resize((width, height))
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    with torch.inference_mode():
        probabilities = network(((pixels - mean) / std)[None]).softmax(1)[0]
    top = probabilities.topk(min(5, len(probabilities)))
    return {"labels": [predictor.classes[i] for i in top.indices], "probabilities": top.values.tolist()}


@app.post("/predict")
async def predict(request: Request) -> dict[str, object]:
    content = await request.body()
    return await asyncio.to_thread(answer, content)


uvicorn.run(app, port=int(sys.argv[2]), access_log=False)
