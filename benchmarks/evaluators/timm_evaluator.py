"""timm as its validate.py evaluates: create_model, load_checkpoint, create_loader, its meters and accuracy().

Runs in timm's environment, started by serve.py, with nothing of the harness on its path. The wheel carries no
validate.py, so its steps stand here, those for a GPU left out: no prefetcher, which is for CUDA alone, and none of
its options. A job may have "input_size" (pixels) and "workers" (2 where it says nothing).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import ImageDataset, create_loader, resolve_data_config
from timm.data.parsers.parser import Parser
from timm.models import load_checkpoint
from timm.utils import AverageMeter, accuracy


class Listed(Parser):
    """Given files in the given order, opened as timm's own parser of a folder opens them."""

    def __init__(self, images: list[tuple[str, int]]) -> None:
        super().__init__()
        self.samples = images

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, label = self.samples[index]
        return Path(path).open("rb"), label

    def __len__(self) -> int:
        return len(self.samples)

    def _filename(self, index: int, basename: bool = False, absolute: bool = False) -> str:  # noqa: ARG002
        return self.samples[index][0]


class Evaluator:
    """See serve.py."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.batch_size = job["batch_size"]
        self.workers = job.get("workers", 2)
        self.model = timm.create_model(job["model"], pretrained=False)
        load_checkpoint(self.model, job["checkpoint"])
        size = job.get("input_size")
        asked = {"input_size": (3, size, size)} if size else {}
        self.config = resolve_data_config(asked, model=self.model, use_test_size=True)
        self.criterion = torch.nn.CrossEntropyLoss()
        self.model.eval()
        with torch.no_grad():  # validate.py warms the network up with one batch of noise
            self.model(torch.randn((self.batch_size, *self.config["input_size"])))
        self.about = {"threads": torch.get_num_threads()}

    def evaluate(self, images: list[tuple[str, int]]) -> dict[str, Any]:
        batch_time, losses, top1, top5 = AverageMeter(), AverageMeter(), AverageMeter(), AverageMeter()
        first_batch = None
        outputs = []
        began = end = time.perf_counter()
        loader = create_loader(
            ImageDataset("", parser=Listed(images)),
            input_size=self.config["input_size"],
            batch_size=self.batch_size,
            use_prefetcher=False,
            interpolation=self.config["interpolation"],
            mean=self.config["mean"],
            std=self.config["std"],
            num_workers=self.workers,
            crop_pct=self.config["crop_pct"],
        )
        with torch.no_grad():
            for batch, target in loader:
                first_batch = first_batch or time.perf_counter() - began
                output = self.model(batch)
                loss = self.criterion(output, target)
                acc1, acc5 = accuracy(output.detach(), target, topk=(1, 5))
                losses.update(loss.item(), batch.size(0))
                top1.update(acc1.item(), batch.size(0))
                top5.update(acc5.item(), batch.size(0))
                batch_time.update(time.perf_counter() - end)
                end = time.perf_counter()
                outputs.append(output)
        seconds = time.perf_counter() - began
        return {
            "seconds": seconds,
            "first_batch": first_batch,
            "top1": round(top1.sum / 100),
            "top5": round(top5.sum / 100),
            "best": torch.cat(outputs).topk(5, dim=1).indices.tolist(),
        }
