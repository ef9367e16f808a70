"""timm evaluated by timm: its transform, its checkpoint loading, its model. Nothing of the harness is used.

Reads a job from standard input, writes the five best classes per image to the file it names.
"""

import json
import sys
from pathlib import Path

import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from timm.models.helpers import load_checkpoint


def main() -> None:
    job = json.load(sys.stdin)
    model = timm.create_model(job["model"])
    if job["by_order"]:
        state = torch.load(job["checkpoint"], map_location="cpu", weights_only=True)
        model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
    else:
        load_checkpoint(model, job["checkpoint"])
    model.eval()
    transform = create_transform(**resolve_data_config({}, model=model))
    best = []
    for start in range(0, len(job["files"]), job["batch_size"]):
        files = job["files"][start : start + job["batch_size"]]
        batch = torch.stack([transform(Image.open(file).convert("RGB")) for file in files])
        with torch.no_grad():
            best += model(batch).topk(5, dim=1).indices.tolist()
    Path(job["out"]).write_text(json.dumps(best))


main()
