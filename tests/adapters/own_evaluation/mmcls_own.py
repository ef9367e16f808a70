"""mmcls evaluated by mmcls, as its tools/test.py does: its data set, pipeline, checkpoint loading, single_gpu_test.

Nothing of the harness is used. Reads a job from standard input, writes the five best classes to the file it names.
"""

import json
import os
import sys
from pathlib import Path

import mmcls
import mmcv
import numpy as np
from mmcls.apis import single_gpu_test
from mmcls.datasets import build_dataloader, build_dataset
from mmcls.models import build_classifier
from mmcv.runner import load_checkpoint


def main() -> None:
    job = json.load(sys.stdin)
    configurations = Path(mmcls.__file__).parent / ".mim" / "configs"
    cfg = mmcv.Config.fromfile(str(next(configurations.rglob(f"{job['model']}.py"))))
    out = Path(job["out"])
    root = os.path.commonpath(job["files"])
    annotations = out.with_suffix(".ann")
    annotations.write_text("".join(f"{os.path.relpath(file, root)} 0\n" for file in job["files"]))
    cfg.data.test.data_prefix, cfg.data.test.ann_file = root, str(annotations)
    dataset = build_dataset(cfg.data.test, {"test_mode": True})
    loader = build_dataloader(
        dataset,
        samples_per_gpu=job["batch_size"],
        workers_per_gpu=0,
        dist=False,
        shuffle=False,
        round_up=False,
        persistent_workers=False,
    )
    model = build_classifier(cfg.model)
    load_checkpoint(model, job["checkpoint"], map_location="cpu")
    scores = np.vstack(single_gpu_test(model.cpu(), loader))
    out.write_text(json.dumps(np.argsort(-scores, axis=1, kind="stable")[:, :5].tolist()))


main()
