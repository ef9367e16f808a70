"""ppcls evaluated by ppcls: its data set with its operators, Paddle's own checkpoint loading, its model.

Nothing of the harness is used. Reads a job from standard input, writes the five best classes to the file it names.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, importlib.util.find_spec("paddleclas").submodule_search_locations[0])

import paddle
from ppcls.arch import backbone
from ppcls.data.dataloader.imagenet_dataset import ImageNetDataset

#: ppcls/configs/ImageNet/CSPNet/CSPDarkNet53.yaml of v2.4.0, DataLoader.Eval.dataset.transform_ops
OPERATORS = [
    {"DecodeImage": {"to_rgb": True, "channel_first": False}},
    {"ResizeImage": {"resize_short": 288}},
    {"CropImage": {"size": 256}},
    {
        "NormalizeImage": {
            "scale": 1.0 / 255.0,
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "order": "",
        }
    },
]


def main() -> None:
    job = json.load(sys.stdin)
    out = Path(job["out"])
    root = os.path.commonpath(job["files"])
    labels = out.with_suffix(".list")
    labels.write_text("".join(f"{os.path.relpath(file, root)} 0\n" for file in job["files"]))
    dataset = ImageNetDataset(root, str(labels), OPERATORS)
    model = getattr(backbone, job["model"])()
    state = paddle.load(job["checkpoint"])
    state.pop("parity_stand_in", None)
    missing, unexpected = model.set_state_dict(state)
    assert not missing, missing
    assert not unexpected, unexpected
    model.eval()
    best = []
    loader = paddle.io.DataLoader(dataset, batch_size=job["batch_size"], shuffle=False, drop_last=False)
    for images, _ in loader:
        with paddle.no_grad():
            best += paddle.topk(model(images), 5, axis=1)[1].numpy().tolist()
    out.write_text(json.dumps(best))


main()
