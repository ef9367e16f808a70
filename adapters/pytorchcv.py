"""pytorchcv: the networks of imgclsmob's tables, in PyTorch.

The package builds networks and has no code that prepares images. How they are evaluated is in osmr/imgclsmob:
pytorch/datasets/imagenet1k_cls_dataset.py (imagenet_val_transform: the short side to ceil(size / scale), PIL bilinear,
centre crop, ImageNet's mean and deviation), with the sizes and scales of the package's model_metainfos.csv.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import inspect
import io
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness.adapters.base import AdapterClass, CheckpointError, Document, Match, Preprocessing, Steps, UndecodableImage
from harness.adapters.pytorch import measure_model
from harness.adapters.pytorch.checkpoints import packed, unpacked
from harness.adapters.pytorch.loading import How
from harness.adapters.pytorch.network import TorchNetwork, outline, stand_in_mark
from PIL import Image
from pytorchcv import model_provider
from pytorchcv.models.common import model_store
from torchvision import transforms

SIZE, SCALE, MEAN, STD = "224", "0.875", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_NOT_SAID = "NA"


class Adapter(AdapterClass):
    """See harness.adapters.base.AdapterClass."""

    checkpoint_suffix = ".pth"

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def models(self) -> Sequence[str]:
        """Those that the package documents for ImageNet, and those with a class for 1,000 classes in their module."""
        known = _documented()
        return [name for name, builder in model_provider._models.items() if name in known or _of_imagenet(builder)]

    def aliases(self) -> Mapping[str, str]:
        """The captions that imgclsmob's tables have as names, where they are of one network."""
        captions = {name: row["model_caption"] for name, row in _documented().items()}
        times = Counter(captions.values())
        return {caption: name for name, caption in captions.items() if times[caption] == 1}

    def checkpoint_url(self, model: str) -> str | None:
        row = _documented().get(model)
        if row is None or row["checksum"] == _NOT_SAID:
            return None
        folder = f"{model_store.imgclsmob_repo_url}/releases/download/{row['repo_release_tag']}"
        return f"{folder}/{model}-{row['error_value']}-{row['checksum'][:8]}.pth.zip"

    def documents(self) -> Sequence[Document]:
        """What they count. The errors there are of PyTorch's weights, and imgclsmob's tables are of others', too."""
        named = {"net_weights": "Params", "img_size": "Input size"}
        rows = [
            (int(row["line"]), [model, *(row[cell].replace(_NOT_SAID, "") for cell in named)])
            for model, row in _documented().items()
            if row["net_weights"] != _NOT_SAID
        ]
        return [Document("pytorchcv/models/common/model_metainfos.csv", ("Model", *named.values()), rows)]

    def stand_in(self, checkpoint: Path) -> str | None:
        return None if packed(checkpoint) else stand_in_mark(checkpoint)

    def build(
        self,
        model: str,
        checkpoint: Path | None = None,
        match: Match = "name",
        seed: int = 0,
        input_size: int | None = None,
    ) -> TorchNetwork:
        if model not in self.models():
            raise KeyError(model)
        torch.manual_seed(seed)
        asked = {"in_size": (input_size, input_size)} if input_size else {}
        module = model_provider._models[model](**asked)
        row = _documented().get(model, {})
        scale = row.get("img_scale", _NOT_SAID).replace(_NOT_SAID, SCALE)
        prepared = _preparation(module.in_size[0], float(scale))
        own = measure_model.COUNTERS
        network = TorchNetwork(module, *prepared, self.device, counters=own, without_values=tuple(own))
        if checkpoint:
            how = How(("state_dict",), others=self.models, outline=self.outline, shown=checkpoint)
            with _published(checkpoint, row, network.state()) as file:
                network.load_checkpoint(file, match, how, model)
        return network

    def outline(self, model: str) -> TorchNetwork:
        return outline(Adapter, model)


@functools.cache
def _documented() -> Mapping[str, Mapping[str, str]]:
    """What the package says about each of its networks for ImageNet, with the line."""
    with Path(model_store.get_model_metainfos_file_path()).open(encoding="utf-8", newline="") as file:
        rows = [{**row, "line": str(line)} for line, row in enumerate(csv.DictReader(file), 2)]
    return {row["model_name"]: row for row in rows if row["test_dataset"] == "in1k"}


@functools.cache
def _of_imagenet(builder: Callable[..., Any]) -> bool:
    classes = [one for one in vars(sys.modules[builder.__module__]).values() if inspect.isclass(one)]
    own = [inspect.signature(one).parameters for one in classes if one.__module__ == builder.__module__]
    return any("num_classes" in arguments and arguments["num_classes"].default == 1000 for arguments in own)


def _preparation(size: int, scale: float) -> tuple[Preprocessing, Callable[[bytes], Steps]]:
    resize, crop = transforms.Resize(math.ceil(size / scale)), transforms.CenterCrop(size)  # bilinear
    normalise = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def steps(image: bytes) -> Steps:
        try:
            decoded = Image.open(io.BytesIO(image)).convert("RGB")  # as torchvision.datasets.ImageFolder does
        except (OSError, ValueError, SyntaxError) as error:
            raise UndecodableImage(f"PIL: {error}") from error
        cropped = crop(resized := resize(decoded))
        images = {"decode": decoded, "resize": resized, "crop": cropped}
        return {**{step: np.asarray(one) for step, one in images.items()}, "normalise": normalise(cropped).numpy()}

    decoder, filter_ = "PIL, RGB, EXIF orientation ignored", "PIL bilinear, antialiased"
    return Preprocessing(decoder, resize.size, size, filter_, MEAN, STD), steps


@contextlib.contextmanager
def _published(checkpoint: Path, row: Mapping[str, str], own: Mapping[str, Any]) -> Iterator[Path]:
    """A checkpoint, or the one in the archive that is published, of which the package says the SHA-1."""
    most = sum(2 * array.nbytes + 1024 for array in own.values())  # in double precision, with its name
    with unpacked(checkpoint, most) as file:
        digest = hashlib.sha1(file.read_bytes()).hexdigest()
        if file != checkpoint and row.get("checksum", _NOT_SAID) not in (_NOT_SAID, digest):
            raise CheckpointError(f"{checkpoint}: SHA-1 of the file in it is {digest}, not {row['checksum']}")
        yield file
