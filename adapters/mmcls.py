"""mmcls: OpenMMLab's MMClassification, before it became mmpretrain."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import mmcls
import mmcv
import numpy as np
import torch
import yaml
from harness.adapters.base import AdapterClass, Document, Match, Preprocessing, Steps, UndecodableImage
from harness.adapters.pytorch.loading import How
from harness.adapters.pytorch.network import STAND_IN, Logits, TorchNetwork, outline, stand_in_mark
from harness.adapters.quiet import quiet
from mmcls.datasets.pipelines import Compose
from mmcls.models import build_classifier
from mmcv.cnn import get_model_complexity_info

ROOT = Path(mmcls.__file__).parent / ".mim"
_HEADING = ("Name", "Top 1 Accuracy", "Top 5 Accuracy", "FLOPs", "Parameters")
#: class name of a transform -> the step that it ends
_STEPS = {"LoadImageFromFile": "decode", "Resize": "resize", "CenterCrop": "crop"}
#: the counter with which the figures of the metafiles were made
_MMCV = "mmcv get_model_complexity_info, backbone and neck"
#: pixels of images that are not resized, those of CIFAR
_OWN_SIZE = 32


class Adapter(AdapterClass):
    """See harness.adapters.base.AdapterClass.

    The name of a model is the stem of its configuration file. Where just one ImageNet configuration builds a backbone,
    documents may also mean it by that backbone's type and depth, because a file name can say something else
    (configs/cspnet/cspdarknet50_8xb32_in1k.py builds CSPDarkNet of depth 53). The name in the metafile means it, too.
    """

    checkpoint_suffix = ".pth"

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    @cached_property
    def _all_entries(self) -> Sequence[dict[str, Any]]:
        """Every entry of a metafile whose configuration is there."""
        found = []
        for metafile in sorted(ROOT.glob("configs/*/metafile.yml")):
            for entry in yaml.safe_load(metafile.read_text(encoding="utf-8")).get("Models", []):
                # the wheel's metafiles name a few configurations that the wheel does not carry
                if entry.get("Config") and (ROOT / entry["Config"]).is_file():
                    found.append(entry)
        return found

    @cached_property
    def _entries(self) -> Sequence[dict[str, Any]]:
        """Those with ImageNet results."""
        return [entry for entry in self._all_entries if _is_on_imagenet(entry)]

    @cached_property
    def _others(self) -> Mapping[str, dict[str, Any]]:
        """Stem of the configuration -> entry of a network for other images, which is meant by that name alone."""
        others = {Path(entry["Config"]).stem: entry for entry in self._all_entries if not _is_on_imagenet(entry)}
        return {stem: entry for stem, entry in others.items() if stem not in self._published}

    @cached_property
    def _published(self) -> Mapping[str, dict[str, Any]]:
        """Stem of the configuration -> the first entry that has it."""
        return {Path(entry["Config"]).stem: entry for entry in reversed(self._entries)}

    @cached_property
    def _aliases(self) -> Mapping[str, str]:
        """Name in a metafile, or backbone type and depth, where it is one stem's alone.

        A stem's first entry is meant by the stem; others have weights of their own and stand for themselves.
        """
        stems: dict[str, list[str]] = {}
        for stem, entry in self._published.items():
            if backbone := _architecture(self._configuration(entry["Config"]).get("model", {})):
                stems.setdefault(backbone, []).append(stem)
        found = {alias: own[0] for alias, own in stems.items() if len(own) == 1}
        for entry in self._entries:
            stem = Path(entry["Config"]).stem
            found[str(entry["Name"])] = stem if entry is self._published[stem] else str(entry["Name"])
        found |= {stem: stem for stem in self._others}
        return {alias: own for alias, own in found.items() if alias not in self._published}

    @staticmethod
    def _configuration(relative: str) -> mmcv.Config:
        return mmcv.Config.fromfile(str(ROOT / relative))

    def models(self) -> Sequence[str]:
        return sorted(self._published)

    def aliases(self) -> Mapping[str, str]:
        return self._aliases

    def documents(self) -> Sequence[Document]:
        """The metafiles, in which a plain number has no unit."""
        found = []
        for metafile in sorted(ROOT.glob("configs/*/metafile.yml")):
            top = yaml.compose(metafile.read_text(encoding="utf-8"))
            rows = [row for entry in _field(top, "Models") for row in _rows(entry)]
            if rows:
                found.append(Document(str(metafile.relative_to(ROOT)), _HEADING, rows))
        return found

    def _entry(self, model: str) -> dict[str, Any]:
        named = (entry for entry in self._entries if entry["Name"] == model)
        entry = self._published.get(model) or self._others.get(model) or next(named, None)
        if entry is None:
            raise KeyError(model)
        return entry

    def checkpoint_url(self, model: str) -> str | None:
        return self._entry(model).get("Weights")

    def stand_in(self, checkpoint: Path) -> str | None:
        return stand_in_mark(checkpoint, "meta")

    def build(
        self,
        model: str,
        checkpoint: Path | None = None,
        match: Match = "name",
        seed: int = 0,
        input_size: int | None = None,
    ) -> TorchNetwork:
        config = self._configuration(self._entry(model)["Config"])
        torch.manual_seed(seed)
        with quiet():
            module = build_classifier(copy.deepcopy(config.model))
        preprocessing, preprocessing_steps = _preparation(config.data.test.pipeline, input_size)
        network = MmclsNetwork(
            module,
            preprocessing,
            preprocessing_steps,
            self.device,
            forward=lambda module, batch: module.simple_test(batch, softmax=False, post_process=False),
            counters={_MMCV: _mmcv_counter},
            without_values=(_MMCV,),
        )
        if checkpoint:
            how = How(("state_dict",), others=self.models, outline=self.outline)
            network.load_checkpoint(checkpoint, match, how, model)
        return network

    def outline(self, model: str) -> TorchNetwork:
        return outline(Adapter, model)


class MmclsNetwork(TorchNetwork):
    """Checkpoints as mmcv writes them."""

    def checkpoint_layout(self, state: dict[str, torch.Tensor], stand_in: str | None) -> dict[str, Any]:
        meta = {"mmcls_version": mmcls.__version__, **({STAND_IN: stand_in} if stand_in else {})}
        return {"state_dict": state, "meta": meta}


def _field(node: yaml.Node | None, *names: str) -> Any:
    """The value under these keys: the items of a list, the text of a scalar, else the node; empty if missing."""
    for name in names:
        entries = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for key, value in entries if key.value == name), None)
    return node.value if isinstance(node, yaml.ScalarNode | yaml.SequenceNode) else node or ""


def _is_on_imagenet(entry: Mapping[str, Any]) -> bool:
    return any("ImageNet-1k" in str(result.get("Dataset")) for result in entry.get("Results") or [])


def _rows(entry: yaml.Node) -> Iterator[tuple[int, list[str]]]:
    """An entry of a metafile with results on ImageNet, as a line of a table."""
    for result in _field(entry, "Results"):
        if "ImageNet-1k" in _field(result, "Dataset"):
            accuracies = [_field(result, "Metrics", f"Top {n} Accuracy") for n in (1, 5)]
            counts = [_field(entry, "Metadata", name) for name in ("FLOPs", "Parameters")]
            yield entry.start_mark.line + 1, [_field(entry, "Name"), *accuracies, *counts]


def _architecture(model: Mapping[str, Any]) -> str | None:
    backbone = model.get("backbone") or {}
    depth = backbone.get("depth")
    return f"{backbone['type']}{depth}".lower() if depth is not None else None


def _mmcv_counter(module: Logits, size: int) -> int:
    """As tools/get_flops.py of mmcls counts: the features' forward pass, so the head is left out."""
    network = module.network
    network.forward = network.extract_feat
    with quiet():
        return int(get_model_complexity_info(network, (3, size, size), print_per_layer_stat=False, as_strings=False)[0])


class _BytesAreTheFile:
    """Stands in for mmcv's file client: the pipeline's 'file name' is the content."""

    def get(self, content: bytes) -> bytes:
        return content


def _preparation(pipeline: Sequence[Mapping[str, Any]], input_size: int | None):
    """mmcls's own test pipeline for this configuration, and its description."""
    steps = [dict(step) for step in pipeline]
    # some configurations resize to the input size, others crop and resize in one
    crop = next((step for step in steps if step["type"] == "CenterCrop"), None)
    resize = next((step for step in steps if step["type"] == "Resize"), None)
    normalise = next(step for step in steps if step["type"] == "Normalize")
    sized = crop or resize
    size = _side(sized["crop_size"] if crop else sized["size"]) if sized else _OWN_SIZE
    if input_size and input_size != size:
        if resize:
            side = input_size * _side(resize["size"]) // size
            resize["size"] = (side, -1) if crop else side
        if crop:
            crop["crop_size"] = input_size
        size = input_size
    compose = Compose(steps)
    compose.transforms[0].file_client = _BytesAreTheFile()

    def preprocessing_steps(image: bytes) -> Steps:
        results = {}
        held = {"img_info": {"filename": image}, "img_prefix": None}
        try:
            for step in compose.transforms:
                held = step(held)
                if name := _STEPS.get(type(step).__name__):
                    results[name] = held["img"][:, :, ::-1]  # BGR until it is normalised, which works on a copy
        except (OSError, AttributeError, ValueError, SyntaxError) as error:
            # mmcv.imfrombytes returns None for what OpenCV cannot decode
            raise UndecodableImage(f"mmcv: {error}") from error
        results.setdefault("resize", results.get("crop"))
        results.setdefault("crop", results["resize"])
        return {**results, "normalise": np.asarray(held["img"], dtype=np.float32)}

    resizing = resize or crop or {}
    channels = slice(None) if normalise.get("to_rgb", True) else slice(None, None, -1)
    description = Preprocessing(
        decoder="OpenCV, BGR, EXIF orientation applied",
        short_side=_side(resize["size"]) if resize else size + (crop.get("crop_padding", 32) if crop else 0),
        crop=size,
        resize=f"{resizing.get('backend', 'cv2')} {resizing.get('interpolation', 'bilinear')}",
        mean=tuple(round(value / 255, 6) for value in normalise["mean"][channels]),
        std=tuple(round(value / 255, 6) for value in normalise["std"][channels]),
    )
    return description, preprocessing_steps


def _side(size: int | Sequence[int]) -> int:
    return size if isinstance(size, int) else size[0]
