"""ppcls as its tools/eval.py evaluates: Engine in mode "eval" with its loader, operators, loss and metric.

Runs in ppcls's environment, started by serve.py, with nothing of the harness on its path. The wheel carries no
configuration, so CSPDarkNet53's stands here, and no other model is taken. A job may have "workers" (2 where it says
nothing).

Engine's evaluation of this release fails with Paddle 3, where a loss and an accuracy are scalars and no longer arrays
of one element; they are given as such here, and nothing else of it is changed. A plain environment leaves Paddle with
one thread on a CPU; OMP_NUM_THREADS in it gives it more.
"""

from __future__ import annotations

import copy
import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, importlib.util.find_spec("paddleclas").submodule_search_locations[0])

import paddle
from ppcls.data import build_dataloader
from ppcls.engine.engine import Engine
from ppcls.utils.config import AttrDict

MODEL = "CSPDarkNet53"
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


def configuration(job: dict[str, Any], labels: str, output: str) -> AttrDict:
    """The same file's sections that an evaluation reads."""
    return AttrDict(
        Global=AttrDict(
            checkpoints=None,
            pretrained_model=job["checkpoint"].removesuffix(".pdparams"),
            output_dir=output,
            device="cpu",
            eval_during_train=True,
            print_batch_step=10,
            use_visualdl=False,
        ),
        Arch=AttrDict(name=job["model"], class_num=1000),
        Loss=AttrDict(Eval=[{"CELoss": {"weight": 1.0}}]),
        DataLoader=AttrDict(Eval=AttrDict(
            dataset=AttrDict(name="ImageNetDataset", image_root="/", cls_label_path=labels, transform_ops=OPERATORS),
            sampler=AttrDict(
                name="DistributedBatchSampler", batch_size=job["batch_size"], drop_last=False, shuffle=False
            ),
            loader=AttrDict(num_workers=job.get("workers", 2), use_shared_memory=True),
        )),
        Metric=AttrDict(Eval=[{"TopkAcc": {"topk": [1, 5]}}]),
    )  # fmt: skip


def arrays_of_one_element(engine: Engine) -> None:
    """A loss and an accuracy as Paddle 2 gave them."""
    losses, accuracy = engine.eval_loss_func, paddle.metric.accuracy
    engine.eval_loss_func = lambda *given: {name: loss.reshape([1]) for name, loss in losses(*given).items()}
    paddle.metric.accuracy = lambda *given, **named: accuracy(*given, **named).reshape([1])


class Evaluator:
    """See serve.py."""

    def __init__(self, job: dict[str, Any]) -> None:
        if job["model"] != MODEL:
            raise ValueError(f"{job['model']}: the one configuration here is that of {MODEL}")
        self.about: dict[str, Any] = {}
        self.folder = tempfile.TemporaryDirectory()
        self.labels = Path(self.folder.name) / "val_list.txt"
        self._list(job["images"][:1])  # Engine makes a data set at once
        config = configuration(job, str(self.labels), self.folder.name)
        self.loading = copy.deepcopy(config["DataLoader"])
        self.engine = Engine(config, mode="eval")
        arrays_of_one_element(self.engine)
        self.outputs: list[paddle.Tensor] = []
        self._first_forward: float | None = None
        self.engine.model.register_forward_pre_hook(self._forward_begins)
        self.engine.model.register_forward_post_hook(self._forward_ended)

    def _list(self, images: list[tuple[str, int]]) -> None:
        self.labels.write_text("".join(f"{path.lstrip('/')} {label}\n" for path, label in images))

    def _forward_begins(self, *_: Any) -> None:
        self._first_forward = self._first_forward or time.perf_counter()

    def _forward_ended(self, _layer: Any, _inputs: Any, output: paddle.Tensor) -> None:
        self.outputs.append(output)

    def evaluate(self, images: list[tuple[str, int]]) -> dict[str, Any]:
        engine = self.engine
        self._list(images)
        self.outputs.clear()
        self._first_forward = None
        began = time.perf_counter()
        # building takes entries out of what it is given
        loading = copy.deepcopy(self.loading)
        engine.eval_dataloader = build_dataloader(loading, "Eval", engine.device, False)
        engine.eval()
        seconds = time.perf_counter() - began
        engine.eval_dataloader = None
        [metric] = engine.eval_metric_func.metric_func_list
        return {
            "seconds": seconds,
            "first_batch": self._first_forward - began,
            "top1": round(float(metric.avg_meters["top1"].sum)),
            "top5": round(float(metric.avg_meters["top5"].sum)),
            "best": paddle.topk(paddle.concat(self.outputs), 5, axis=1)[1].numpy().tolist(),
        }
