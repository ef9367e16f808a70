"""timm: PyTorch Image Models."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import timm
import torch
from harness.adapters import timm_weights
from harness.adapters.base import AdapterClass, Match, Preprocessing, Steps, UndecodableImage
from harness.adapters.pytorch.loading import How, as_is
from harness.adapters.pytorch.network import TorchNetwork, outline, stand_in_mark
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torchvision import transforms

#: how the class name of a transform begins -> the step that it ends; newer versions have their own classes
_STEPS = {"Resize": "resize", "CenterCrop": "crop", "Normalize": "normalise"}


class Adapter(AdapterClass):
    """See harness.adapters.base.AdapterClass."""

    checkpoint_suffix = ".pth"

    _urls: ClassVar[dict[str, str | None]] = {}  #: of every model that was built, on whichever device

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def models(self) -> Sequence[str]:
        return timm.list_models()

    def aliases(self) -> Mapping[str, str]:
        """Weights are named after a dot; those that timm takes by default are of the model itself."""
        return timm_weights.tags()

    def checkpoint_url(self, model: str) -> str | None:
        if model not in self._urls:
            self.outline(model)
        return self._urls[model]

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
        if not timm.is_model(model) or ("." in model and model not in self.aliases()):
            raise KeyError(model)
        torch.manual_seed(seed)
        module, asked = timm_weights.create(model, bool(checkpoint))
        self._urls[model] = timm_weights.address(_default_config(module))
        preprocessing, preprocessing_steps = _preparation(module, input_size)
        network = TorchNetwork(module, preprocessing, preprocessing_steps, self.device)
        if checkpoint and checkpoint.suffix in timm_weights.ARRAYS:
            timm_weights.load_arrays(network.module, checkpoint, model)
        elif checkpoint:
            forms = [as_is, *([timm_weights.form(network.module, asked)] if asked else [])]
            if timm_weights.is_published(checkpoint, self._urls[model]):
                forms.reverse()  # what is published always goes through it
            how = How(timm_weights.STATE_KEYS, forms, self.models, self.outline)
            network.load_checkpoint(checkpoint, match, how, model)
        return network

    def outline(self, model: str) -> TorchNetwork:
        return outline(Adapter, model)


def _default_config(module: torch.nn.Module) -> dict:
    """The model's own configuration; newer versions keep it in an object."""
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", {})
    return config if isinstance(config, dict) else config.to_dict()


def _preparation(module: torch.nn.Module, input_size: int | None):
    """timm's evaluation transform for this model, as its validate.py makes it, and its description."""
    asked = {"input_size": (3, input_size, input_size)} if input_size else {}
    # at the size at which timm tests it, as it tests it: often without a margin around the crop
    tested = _default_config(module).get("test_input_size")
    at_test_size = {"use_test_size": True} if tested and tuple(tested) == asked.get("input_size") else {}
    config = resolve_data_config(asked, model=module, **at_test_size)
    mode = {"crop_mode": config["crop_mode"]} if config.get("crop_mode") else {}  # newer releases have it
    transform = create_transform(
        **mode,
        input_size=config["input_size"],
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        crop_pct=config["crop_pct"],
    )
    steps = transform.transforms
    resize = next(step for step in steps if isinstance(step, transforms.Resize))
    crop = next(step for step in steps if isinstance(step, transforms.CenterCrop))

    def preprocessing_steps(image: bytes) -> Steps:
        try:
            held = Image.open(io.BytesIO(image)).convert("RGB")  # as timm.data.ImageDataset does
        except (OSError, ValueError, SyntaxError) as error:
            raise UndecodableImage(f"PIL: {error}") from error
        results = {"decode": np.asarray(held)}
        for step in steps:
            held = step(held)
            if name := next((own for prefix, own in _STEPS.items() if type(step).__name__.startswith(prefix)), None):
                results[name] = np.asarray(held)
        return {**results, "normalise": np.asarray(held, dtype=np.float32)}

    description = Preprocessing(
        decoder="PIL, RGB, EXIF orientation ignored",
        short_side=_side(resize.size),
        crop=_side(crop.size),
        resize=f"PIL {config['interpolation']}, antialiased",
        mean=tuple(float(x) for x in config["mean"]),
        std=tuple(float(x) for x in config["std"]),
    )
    return description, preprocessing_steps


def _side(size: int | Sequence[int]) -> int:
    return size if isinstance(size, int) else size[0]
