"""keras: Keras Applications, run by Keras on PyTorch.

A network is the one that `weights="imagenet"` stands for: some builders put in a layer for it alone. Images are
prepared as in the usage examples of keras.io/api/applications: `load_img(target_size=...)`, which resizes to the square
by the nearest pixel, then the module's `preprocess_input`. The accuracies on that page were measured otherwise: short
side 256, bicubic, centre crop (keras-team/keras-applications issue 88), for which the package has no code.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

os.environ["KERAS_BACKEND"] = "torch"  # read at the import

import keras
import numpy as np
from harness.adapters.base import AdapterClass, Match, Preprocessing, Steps, UndecodableImage
from harness.adapters.pytorch.keras import KerasNetwork, entries_of, stand_in_mark
from keras.src.applications import imagenet_utils
from keras.src.utils import file_utils

SIZE = 224  #: of networks that say no size: MobileNetV3 takes any, and its documentation says 224


class Adapter(AdapterClass):
    """See harness.adapters.base.AdapterClass."""

    checkpoint_suffix = ".h5"

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self._urls: dict[str, str] = {}
        keras.config.set_image_data_format("channels_last")
        keras.config.set_floatx("float32")

    def models(self) -> Sequence[str]:
        return [name for name, one in vars(keras.applications).items() if callable(one)]

    def aliases(self) -> Mapping[str, str]:
        return {}

    def checkpoint_url(self, model: str) -> str | None:
        if model not in self._urls:
            self.build(model)
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
    ) -> KerasNetwork:
        if model not in self.models():
            raise KeyError(model)
        builder = getattr(keras.applications, model)
        keras.utils.clear_session()  # layers without a name are numbered from the first
        keras.utils.set_random_seed(seed)
        shape = (input_size, input_size, 3) if input_size else None
        with keras.device(self.device), _as_published(input_size) as found:
            try:
                built = builder(input_shape=shape, classifier_activation=None)
            except ValueError as error:  # NASNet is not available on PyTorch
                raise NotImplementedError(f"{model}: {error}") from error
        self._urls[model] = found["url"]
        size = built.input_shape[1] or input_size or SIZE
        prepare = sys.modules[builder.__module__].preprocess_input
        preprocessing, steps, is_bgr = _preparation(prepare, size)

        def at(other: int) -> KerasNetwork:
            return self.build(model, input_size=other)

        network = KerasNetwork(built, preprocessing, steps, self.device, is_bgr, at)
        if checkpoint:
            state = entries_of(checkpoint, network.layout(), match)
            network.load_state(state, match, str(checkpoint))
        return network


@contextlib.contextmanager
def _as_published(size: int | None) -> Iterator[dict[str, str]]:
    """While it holds, builders make the networks of published weights, at any size, and say where the weights are.

    Nothing is downloaded, and what is built has random weights.
    """
    found: dict[str, str] = {}

    def shape(_asked: Any, default_size: int, **_: Any) -> tuple[int, int, int]:
        return (size or default_size, size or default_size, 3)

    def file(_name: str, url: str, **_: Any) -> str:
        found["url"] = url
        return ""

    with (
        mock.patch.object(imagenet_utils, "obtain_input_shape", shape),
        mock.patch.object(file_utils, "get_file", file),
        mock.patch.object(keras.Model, "load_weights", return_value=None),
    ):
        yield found


def _preparation(
    prepare: Callable[[np.ndarray], np.ndarray], size: int
) -> tuple[Preprocessing, Callable[[bytes], Steps], bool]:
    """How images are prepared, and whether the network takes BGR; what is handed out is RGB."""

    def of(pixel: Sequence[int]) -> np.ndarray:
        return np.array(prepare(np.array([[pixel]], np.float32)), np.float64)[0, 0]  # it may change what it is given

    dark, light, red = of((0, 0, 0)), of((255, 255, 255)), of((255, 0, 0))
    is_bgr = red[0] == dark[0]
    order = slice(None, None, -1) if is_bgr else slice(None)
    std = 1 / (light - dark)[order]
    mean = -dark[order] * std

    def steps(image: bytes) -> Steps:
        try:
            decoded = keras.utils.load_img(io.BytesIO(image))
            resized = keras.utils.load_img(io.BytesIO(image), target_size=(size, size))
        except (OSError, ValueError, SyntaxError) as error:
            raise UndecodableImage(f"PIL: {error}") from error
        prepared = np.array(prepare(keras.utils.img_to_array(resized)))[..., order]
        square = np.asarray(resized)  # nothing is cropped
        normalised = np.ascontiguousarray(prepared.transpose(2, 0, 1), np.float32)
        return {"decode": np.asarray(decoded), "resize": square, "crop": square, "normalise": normalised}

    decoder, resize = "PIL, RGB, EXIF orientation ignored", "PIL nearest, to the square"
    exact = [tuple(float(f"{value:.6g}") for value in values) for values in (mean, std)]
    return Preprocessing(decoder, size, size, resize, *exact), steps, bool(is_bgr)
