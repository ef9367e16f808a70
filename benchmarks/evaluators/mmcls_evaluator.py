"""mmcls as its tools/test.py evaluates on a CPU: the wheel's configuration, build_dataset, build_dataloader,
load_checkpoint, MMDataParallel without a device, single_gpu_test and the data set's own evaluate().

Runs in mmcls's environment, started by serve.py, with nothing of the harness on its path. The model is the stem of a
configuration file. A job may have "input_size" (pixels) and "workers" (the configuration's where it says nothing).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import mmcls
import mmcv
import numpy as np
import torch
from mmcls.apis import single_gpu_test
from mmcls.datasets import ImageNet, build_dataloader, build_dataset
from mmcls.models import build_classifier
from mmcls.utils import setup_multi_processes
from mmcv.parallel import MMDataParallel
from mmcv.runner import load_checkpoint


class Evaluator:
    """See serve.py."""

    def __init__(self, job: dict[str, Any]) -> None:
        configurations = Path(mmcls.__file__).parent / ".mim" / "configs"
        self.cfg = mmcv.Config.fromfile(str(next(configurations.rglob(f"{job['model']}.py"))))
        self.cfg.data.samples_per_gpu = job["batch_size"]
        self.cfg.data.workers_per_gpu = job.get("workers", self.cfg.data.workers_per_gpu)
        if size := job.get("input_size"):
            resize(self.cfg.data.test.pipeline, size)
        setup_multi_processes(self.cfg)
        self.cfg.model.pretrained = None
        model = build_classifier(self.cfg.model)
        load_checkpoint(model, job["checkpoint"], map_location="cpu")
        self.model = MMDataParallel(model, device_ids=[0])
        self.model.CLASSES = ImageNet.CLASSES
        self.model.register_forward_pre_hook(self._forward_begins)
        self._first_forward: float | None = None
        self.about = {"threads": torch.get_num_threads()}

    def _forward_begins(self, *_: Any) -> None:
        self._first_forward = self._first_forward or time.perf_counter()

    def evaluate(self, images: list[tuple[str, int]]) -> dict[str, Any]:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as annotations:
            annotations.write("".join(f"{path.lstrip('/')} {label}\n" for path, label in images))
            annotations.flush()
            self.cfg.data.test.data_prefix, self.cfg.data.test.ann_file = "/", annotations.name
            self._first_forward = None
            began = time.perf_counter()
            dataset = build_dataset(self.cfg.data.test, default_args={"test_mode": True})
            loading = {k: v for k, v in self.cfg.data.items() if k not in ("train", "val", "test")}
            loader = build_dataloader(
                dataset, num_gpus=1, dist=False, round_up=True, shuffle=False, sampler_cfg=None, **loading
            )
            scores = single_gpu_test(self.model, loader)
            metrics = dataset.evaluate(results=scores, metric="accuracy")
            seconds = time.perf_counter() - began
        assert self._first_forward is not None
        return {
            "seconds": seconds,
            "first_batch": self._first_forward - began,
            "top1": round(float(metrics["accuracy_top-1"]) * len(images) / 100),
            "top5": round(float(metrics["accuracy_top-5"]) * len(images) / 100),
            "best": np.argsort(-np.vstack(scores), axis=1, kind="stable")[:, :5].tolist(),
        }


def resize(pipeline: list[dict[str, Any]], size: int) -> None:
    """Another crop, in pixels, with the short side in the configuration's proportion to it."""
    crop = next(step for step in pipeline if step["type"] == "CenterCrop")
    short = next(step for step in pipeline if step["type"] == "Resize")
    short["size"] = (size * short["size"][0] // crop["crop_size"], -1)
    crop["crop_size"] = size
