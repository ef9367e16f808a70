"""ppcls: PaddleClas, distributed as paddleclas."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from harness.adapters.base import AdapterClass, Match, Preprocessing, Steps, UndecodableImage
from harness.adapters.paddle.network import PaddleNetwork, load_checkpoint, seeded, stand_in_mark, use_device
from harness.adapters.quiet import quiet

# `import paddleclas` prints, parses arguments and can fail; the package inside it is what its tools use
_FOLDER = importlib.util.find_spec("paddleclas").submodule_search_locations[0]
sys.path.insert(0, _FOLDER)
with quiet():
    from ppcls.arch import backbone
    from ppcls.arch.backbone.model_zoo import gvt
    from ppcls.data import preprocess as operators

RECIPES = tomllib.loads(Path(__file__).with_name("ppcls_recipes.toml").read_text(encoding="utf-8"))
DISTILLED = "_ssld"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _FormerPaddle:
    """Paddle as ppcls 2.4 knew it: each value of a range is an array of one dimension."""

    def __getattr__(self, name: str) -> Any:
        return getattr(paddle, name)

    @staticmethod
    def linspace(*args: Any) -> list[Any]:
        return [value.reshape([1]) for value in paddle.linspace(*args)]


gvt.paddle = _FormerPaddle()


class Adapter(AdapterClass):
    """See harness.adapters.base.AdapterClass."""

    checkpoint_suffix = ".pdparams"

    def __init__(self, device: str = "cpu") -> None:
        use_device(device)

    def models(self) -> Sequence[str]:
        return sorted(
            name
            for name, one in vars(backbone).items()
            if inspect.isfunction(one) and (name[0].isupper() or "pretrained" in inspect.signature(one).parameters)
        )

    def aliases(self) -> Mapping[str, str]:
        """Distilled weights of a network are documented under its name and a suffix, and are not separate models."""
        return {f"{model}{DISTILLED}": f"{model}{DISTILLED}" for model in self.models()}

    def checkpoint_url(self, model: str) -> str | None:
        name = self._builder(model)
        module = sys.modules[getattr(backbone, name).__module__]
        url = getattr(module, "MODEL_URLS", {}).get(name)
        # as ppcls.utils.save_load.load_dygraph_pretrain_from_url does where it is asked for use_ssld
        return url.replace("_pretrained", "_ssld_pretrained") if url and name != model else url

    def _builder(self, model: str) -> str:
        """The function that builds a model or the one whose distilled weights are meant; some have their own."""
        offered = self.models()
        name = model if model in offered else model.removesuffix(DISTILLED)
        if name not in offered:
            raise KeyError(model)
        return name

    def stand_in(self, checkpoint: Path) -> str | None:
        return stand_in_mark(checkpoint)

    def build(
        self,
        model: str,
        checkpoint: Path | None = None,
        match: Match = "name",
        seed: int = 0,
        input_size: int | None = None,
    ) -> PaddleNetwork:
        name = self._builder(model)
        with seeded(seed):
            module = getattr(backbone, name)()
        network = PaddleNetwork(module, *_preparation(name, input_size))
        if checkpoint:
            load_checkpoint(network, checkpoint, match)
        return network


def _preparation(model: str, input_size: int | None) -> tuple[Preprocessing, Callable[[bytes], Steps]]:
    """PaddleClas's evaluation operators with this model's sizes, and their description."""
    recipe = {**RECIPES["default"], **RECIPES["models"].get(model, {})}
    short_side, crop = recipe["resize_short"], recipe["crop"]
    if input_size and input_size != crop:
        short_side, crop = input_size * short_side // crop, input_size
    resize = operators.ResizeImage(
        resize_short=short_side,
        interpolation=recipe.get("interpolation"),
        backend=recipe.get("backend", "cv2"),
    )
    normalise = operators.NormalizeImage(scale=1.0 / 255.0, mean=list(MEAN), std=list(STD), order="")
    steps = {
        "decode": [operators.DecodeImage(to_rgb=True)],
        "resize": [resize],
        "crop": [operators.CropImage(size=crop)],
        "normalise": [normalise, operators.ToCHWImage()],
    }

    def preprocessing_steps(image: bytes) -> Steps:
        results = {}
        held = image
        try:
            for name, step in steps.items():
                for operator in step:
                    held = operator(held)
                results[name] = held  # no operator changes an array that it was given
        except (TypeError, AttributeError, AssertionError, ValueError) as error:
            # cv2.imdecode returns None for what it cannot decode
            raise UndecodableImage(f"OpenCV: {error}") from error
        return {**results, "normalise": np.asarray(held, dtype=np.float32)}

    description = Preprocessing(
        decoder="OpenCV, RGB, EXIF orientation applied",
        short_side=short_side,
        crop=crop,
        resize=f"{recipe.get('backend', 'cv2')} {recipe.get('interpolation', 'bilinear')}",
        mean=MEAN,
        std=STD,
    )
    return description, preprocessing_steps
