"""torchvision: the classification networks of PyTorch's own package of images."""

from __future__ import annotations

import functools
import inspect
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from harness.adapters.base import AdapterClass, Document, Match, Preprocessing, Steps, UndecodableImage
from harness.adapters.pytorch.loading import How
from harness.adapters.pytorch.network import TorchNetwork, outline, stand_in_mark
from PIL import Image
from torchvision.transforms import functional
from torchvision.transforms._presets import ImageClassification

#: where the package's training reference puts the weights in its checkpoints, and where a marked stand-in has them
STATE_KEYS = ("model", "state_dict")
_HEADING = ("Weight", "Acc@1", "Acc@5", "GFLOPS", "Params", "Input size")
#: what references/classification/presets.py does where a model has no published weights that define it
_PLAIN = {"crop_size": 224, "resize_size": 256}
#: What a builder sets by itself where it is asked for weights, and which changes the function or what it is made of;
#: the initialisation is named because the builder warns where it is not.
_AS_PUBLISHED: Mapping[str, Mapping[str, bool]] = {
    "googlenet": {"aux_logits": False, "transform_input": True, "init_weights": True},
    "inception_v3": {"transform_input": True, "init_weights": True},
}
#: names in densenet's published checkpoints, which its builder renames
_OLD_DENSE_LAYER = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.\w+)$")


class Adapter(AdapterClass):
    """See harness.adapters.base.AdapterClass."""

    checkpoint_suffix = ".pth"

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def models(self) -> Sequence[str]:
        return torchvision.models.list_models(module=torchvision.models)

    def aliases(self) -> Mapping[str, str]:
        """Weights are documented under separate names, and are not separate models."""
        found: dict[str, str] = {}
        for model in self.models():
            for weights in torchvision.models.get_model_weights(model):
                found[_name(model, weights)] = found[str(weights)] = _name(model, weights)
        return found

    def checkpoint_url(self, model: str) -> str | None:
        weights = _published(model)[1]
        return weights.url if weights else None

    def documents(self) -> Sequence[Document]:
        """What goes with the published weights, a document for each module."""
        found: dict[str, list[tuple[int, list[str]]]] = {}
        for model in self.models():
            enum = torchvision.models.get_model_weights(model)
            file = Path(inspect.getfile(enum)).relative_to(Path(torchvision.__file__).parents[1])
            lines, first = inspect.getsourcelines(enum)
            for weights in enum:
                begins = re.compile(rf"\s+{weights.name} = ")
                line = first + next(i for i, text in enumerate(lines) if begins.match(text))
                found.setdefault(str(file), []).append((line, [_name(model, weights), *_figures(weights)]))
        return [Document(file, _HEADING, rows) for file, rows in found.items()]

    def stand_in(self, checkpoint: Path) -> str | None:
        return stand_in_mark(checkpoint)

    def build(
        self,
        model: str,
        checkpoint: Path | None = None,
        match: Match = "name",
        seed: int = 0,
        input_size: int | None = None,
    ) -> TorchNetwork:
        builder, weights = _published(model)
        torch.manual_seed(seed)
        module = torchvision.models.get_model(builder, weights=None, **_as_published(builder, weights))
        preset = _preset(weights, input_size)
        description = Preprocessing(
            decoder="PIL, RGB, EXIF orientation ignored",
            short_side=preset.resize_size[0],
            crop=preset.crop_size[0],
            resize=f"PIL {preset.interpolation.value}, antialiased",
            mean=tuple(preset.mean),
            std=tuple(preset.std),
        )
        network = TorchNetwork(module, description, lambda image: _steps(preset, image), self.device)
        if checkpoint:
            forms = [functools.partial(_as_loaded, builder)]
            how = How(STATE_KEYS, forms, self.models, self.outline)
            network.load_checkpoint(checkpoint, match, how, model)
        return network

    def outline(self, model: str) -> TorchNetwork:
        return outline(Adapter, model)


def _figures(weights: Any) -> list[str]:
    """What _HEADING says of published weights."""
    meta, accuracies = weights.meta, weights.meta["_metrics"]["ImageNet-1K"]
    figures = [accuracies["acc@1"], accuracies["acc@5"], meta["_ops"], meta["num_params"]]
    return [*map(str, figures), str(weights.transforms().crop_size[0])]


def _name(model: str, weights: Any) -> str:
    return f"{model}.{weights.name}"


def _published(name: str) -> tuple[str, Any]:
    """The builder of a model or of weights that are named, and the weights.

    Of a model the first that were published, which are those that its documents mean unless they give another
    name; None where there are none. Raises KeyError for an unknown name.
    """
    for model in torchvision.models.list_models(module=torchvision.models):
        enum = torchvision.models.get_model_weights(model)
        if name == model:
            return model, next(iter(enum), None)
        before, _, tag = name.partition(".")
        if before in (model, enum.__name__) and tag in enum.__members__:
            return model, enum[tag]
    raise KeyError(name)


def _as_published(builder: str, weights: Any) -> dict[str, Any]:
    """What a builder would set by itself if it were asked for these weights."""
    arguments: dict[str, Any] = dict(_AS_PUBLISHED.get(builder, {}))
    if weights and type(weights).__module__.endswith(".vision_transformer"):
        arguments["image_size"] = weights.meta["min_size"][0]
    return arguments


def _as_loaded(model: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A published checkpoint's state as the package's own builders turn it into the network's."""
    renamed = {_OLD_DENSE_LAYER.sub(r"\1\2", name): value for name, value in state.items()}
    # auxiliary heads are dropped once they are loaded
    heads = tuple(f"aux{n}." for n in (1, 2)) if model == "googlenet" else ()
    return {name: value for name, value in renamed.items() if not name.startswith(heads)}


def _preset(weights: Any, input_size: int | None) -> ImageClassification:
    """The package's evaluation transform of these weights; another input size keeps the share that is cropped."""
    preset = weights.transforms() if weights else ImageClassification(**_PLAIN)
    if input_size and input_size != preset.crop_size[0]:
        short_side = round(input_size * preset.resize_size[0] / preset.crop_size[0])
        preset.resize_size, preset.crop_size = [short_side], [input_size]
    return preset


def _steps(preset: ImageClassification, image: bytes) -> Steps:
    """What the preset's forward() does, step by step."""
    try:
        held = Image.open(io.BytesIO(image)).convert("RGB")  # as torchvision.datasets.folder.pil_loader does
    except (OSError, ValueError, SyntaxError) as error:
        raise UndecodableImage(f"PIL: {error}") from error
    resized = functional.resize(held, preset.resize_size, preset.interpolation, antialias=preset.antialias)
    cropped = functional.center_crop(resized, preset.crop_size)
    scaled = functional.convert_image_dtype(functional.pil_to_tensor(cropped), torch.float)
    return {
        "decode": np.asarray(held),
        "resize": np.asarray(resized),
        "crop": np.asarray(cropped),
        "normalise": functional.normalize(scaled, mean=preset.mean, std=preset.std).numpy(),
    }
