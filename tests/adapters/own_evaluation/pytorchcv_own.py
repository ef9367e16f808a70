"""pytorchcv evaluated as osmr/imgclsmob does it: its transform, its loading, its model. Nothing of the harness is used.

Reads a job from standard input, writes the five best classes per image to the file it names.
"""

import json
import math
import sys
from pathlib import Path

import torch
from PIL import Image
from pytorchcv.model_provider import get_model
from torchvision import transforms


def main() -> None:
    job = json.load(sys.stdin)
    model = get_model(job["model"])
    model.load_state_dict(torch.load(job["checkpoint"], map_location="cpu", weights_only=True)["state_dict"])
    model.eval()
    size = model.in_size[0]
    transform = transforms.Compose(
        [
            transforms.Resize(size=math.ceil(float(size) / 0.875), interpolation=Image.BILINEAR),
            transforms.CenterCrop(size=(size, size)),
            transforms.ToTensor(),
            transforms.Normalize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        ]
    )
    best = []
    for start in range(0, len(job["files"]), job["batch_size"]):
        files = job["files"][start : start + job["batch_size"]]
        batch = torch.stack([transform(Image.open(file).convert("RGB")) for file in files])
        with torch.no_grad():
            best += model(batch).topk(5, dim=1).indices.tolist()
    Path(job["out"]).write_text(json.dumps(best))


main()
