"""ppcls: PaddleClas, distributed as paddleclas."""

from __future__ import annotations

import contextlib
import importlib.util
import pickle
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from harness.adapters import safe_pickle
from harness.adapters.base import (
    Alterations,
    Array,
    CheckpointError,
    Inference,
    LayerCall,
    Match,
    Parameters,
    Precision,
    Preprocessing,
    Runtime,
    Steps,
    UndecodableImage,
    fit,
)
from harness.adapters.paddle import altered as paddle_altered
from harness.adapters.paddle import export as paddle_export
from harness.adapters.paddle import inference as paddle_inference
from harness.adapters.paddle import trace as paddle_trace
from harness.adapters.quiet import quiet
from harness.adapters.streaming import stream
from paddle import nn

# `import paddleclas` prints, parses arguments and can fail; the package inside it is what its tools use
_FOLDER = importlib.util.find_spec("paddleclas").submodule_search_locations[0]
sys.path.insert(0, _FOLDER)
with quiet():
    from ppcls.arch import backbone
    from ppcls.data import preprocess as operators

STAND_IN = "parity_stand_in"
PLAIN = "paddle.flops, convolutions and linear layers"
NORMALISATIONS = (nn.layer.norm._BatchNormBase, nn.LayerNorm, nn.GroupNorm, nn.BatchNorm)
BATCH_NORMALISATIONS = (nn.layer.norm._BatchNormBase, nn.BatchNorm)
COUNTED = (
    nn.Conv1D,
    nn.Conv2D,
    nn.Conv3D,
    nn.Conv1DTranspose,
    nn.Conv2DTranspose,
    nn.Conv3DTranspose,
    nn.Linear,
)
RECIPES = tomllib.loads(Path(__file__).with_name("ppcls_recipes.toml").read_text(encoding="utf-8"))
DISTILLED = "_ssld"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Adapter:
    """See harness.adapters.base.AdapterClass."""

    checkpoint_suffix = ".pdparams"

    def __init__(self, device: str = "cpu") -> None:
        paddle.set_device("gpu" if device == "cuda" else device)

    def models(self) -> Sequence[str]:
        return sorted(
            name
            for name in dir(backbone)
            if name[0].isupper() and callable(getattr(backbone, name)) and not isinstance(getattr(backbone, name), type)
        )

    def aliases(self) -> Mapping[str, str]:
        """Distilled weights of a network are documented under its name and a suffix, and are no model of their own."""
        return {f"{model}{DISTILLED}": f"{model}{DISTILLED}" for model in self.models()}

    def checkpoint_url(self, model: str) -> str | None:
        name = self._builder(model)
        module = sys.modules[getattr(backbone, name).__module__]
        url = getattr(module, "MODEL_URLS", {}).get(name)
        # as ppcls.utils.save_load.load_dygraph_pretrain_from_url does where it is asked for use_ssld
        return url.replace("_pretrained", "_ssld_pretrained") if url and name != model else url

    def _builder(self, model: str) -> str:
        """The function that builds a model or the one whose distilled weights are meant; some have one of their own."""
        offered = self.models()
        name = model if model in offered else model.removesuffix(DISTILLED)
        if name not in offered:
            raise KeyError(model)
        return name

    def stand_in(self, checkpoint: Path) -> str | None:
        mark = safe_pickle.load(checkpoint).get(STAND_IN)
        return mark if isinstance(mark, str) and mark else None

    def build(
        self,
        model: str,
        checkpoint: Path | None = None,
        match: Match = "name",
        seed: int = 0,
        input_size: int | None = None,
    ) -> PaddleNetwork:
        name = self._builder(model)
        paddle.seed(seed)
        # some networks name their parameters by hand, and Paddle refuses a name that it has seen in this process
        with paddle.base.unique_name.guard():
            module = getattr(backbone, name)()
        network = PaddleNetwork(module, *_preparation(name, input_size))
        if checkpoint:
            state = safe_pickle.arrays(safe_pickle.load(checkpoint))
            if not state:
                raise CheckpointError(f"{checkpoint}: no arrays in it; expected a state dict")
            network.load_state(state, match, str(checkpoint))
        return network


class PaddleNetwork:
    """See harness.adapters.base.Network."""

    plain_counter = PLAIN

    def __init__(
        self, module: nn.Layer, preprocessing: Preprocessing, preprocessing_steps: Callable[[bytes], Steps]
    ) -> None:
        module.eval()
        self.module = module
        self.preprocessing = preprocessing
        self.input_size = preprocessing.crop
        self.preprocessing_steps = preprocessing_steps
        self._alterations = Alterations()

    # -- forward ---------------------------------------------------------------------------------

    def preprocess(self, image: bytes) -> Array:
        return self.preprocessing_steps(image)["normalise"]

    def forward(self, batch: Array) -> Array:
        with paddle.no_grad(), self._alterations.applied():
            logits = self.module(paddle.to_tensor(np.ascontiguousarray(batch)))
        return logits.astype("float32").numpy()

    def altered(self, alteration: Mapping[str, Any]) -> contextlib.AbstractContextManager[None]:
        return self._alterations.holding(paddle_altered.applying(alteration))

    def features(self, batch: Array) -> Array:
        entered: list[paddle.Tensor] = []
        hook = self._classifier().register_forward_pre_hook(lambda _, args: entered.append(args[0]))
        try:
            self.forward(batch)
        finally:
            hook.remove()
        return entered[-1].astype("float32").numpy()

    def trace(self, batch: Array, values: bool = True) -> Iterator[LayerCall]:
        def run(emit: Callable[[LayerCall], None]) -> None:
            with paddle.no_grad(), paddle_trace.recording(self.module, emit, values):
                self.module(paddle.to_tensor(np.ascontiguousarray(batch)))

        return stream(run)

    # -- other ways to run it --------------------------------------------------------------------

    def inference(self, precision: Precision, example: Array) -> Inference:
        return paddle_inference.fastest(self.module, self.input_size, self.forward, precision, example)

    def export(self, runtime: Runtime, folder: Path) -> Path:
        exporting = paddle_export.EXPORTERS.get(runtime)
        if exporting is None:
            raise NotImplementedError(f"runtime {runtime}: Paddle networks go to {', '.join(paddle_export.EXPORTERS)}")
        try:
            return exporting(self.module, self.input_size, folder)
        except Exception as error:  # a converter may raise anything
            reason = paddle_inference.reason(error)
            raise NotImplementedError(f"runtime {runtime}: the network cannot be converted. {reason}") from error

    # -- counts ----------------------------------------------------------------------------------

    def parameters(self) -> Parameters:
        by_type: dict[str, int] = {}
        affine = running = other = 0
        for layer in self.module.sublayers(include_self=True):
            for name, tensor in layer.named_parameters(include_sublayers=False):
                # the layer named BatchNorm keeps its running statistics among the parameters
                if name in ("_mean", "_variance"):
                    running += tensor.size
                elif tensor.trainable:
                    kind = type(layer).__name__
                    by_type[kind] = by_type.get(kind, 0) + tensor.size
                    affine += tensor.size if isinstance(layer, NORMALISATIONS) else 0
                else:
                    other += tensor.size
            for name, tensor in layer.named_buffers(include_sublayers=False):
                if name in ("_mean", "_variance"):
                    running += tensor.size
                else:
                    other += tensor.size
        linear = self._linears()
        return Parameters(
            learnable=int(sum(by_type.values())),
            normalisation_affine=int(affine),
            running_statistics=int(running),
            other_buffers=int(other),
            classifier=int(sum(p.size for p in linear[-1].parameters())) if linear else 0,
            by_type={kind: int(count) for kind, count in by_type.items()},
            by_counter={},
            biases=int(
                sum(
                    one.bias.size
                    for one in self.module.sublayers()
                    if isinstance(one, COUNTED) and one.bias is not None
                )
            ),
        )

    def multiply_adds(self, size: int) -> Mapping[str, int | str]:
        # paddle.flops takes rules per layer type; a rule that adds nothing leaves that type out
        others = {
            type(layer): lambda *_: None
            for layer in self.module.sublayers()
            if not isinstance(layer, COUNTED) and not list(layer.sublayers())
        }
        counts: dict[str, int | str] = {}
        for name, rules in (("paddle.flops", None), (PLAIN, others)):
            try:
                with quiet():
                    counts[name] = int(paddle.flops(self.module, [1, 3, size, size], custom_ops=rules))
            except Exception as error:  # a counter that breaks on this network is a fact about the counter
                counts[name] = f"{type(error).__name__}: {error}"
        self.module.eval()
        return counts

    # -- state -----------------------------------------------------------------------------------

    def state(self) -> Mapping[str, Array]:
        return {name: tensor.numpy() for name, tensor in self.module.state_dict().items()}

    def load_state(self, state: Mapping[str, Array], match: Match = "name", where: str = "the state") -> None:
        own = {name: tuple(tensor.shape) for name, tensor in self.module.state_dict().items()}
        given = {name: tuple(np.shape(array)) for name, array in state.items() if name != STAND_IN}
        pairs = fit(own, given, match, where)
        self.module.set_state_dict({ours: np.asarray(state[theirs]) for ours, theirs in pairs.items()})

    def _linears(self) -> list[nn.Linear]:
        return [layer for layer in self.module.sublayers() if isinstance(layer, nn.Linear)]

    def _classifier(self) -> nn.Linear:
        linears = self._linears()
        if not linears:
            raise NotImplementedError(f"{type(self.module).__name__} has no linear layer to end in")
        return linears[-1]

    def set_classifier(self, weight: Array, bias: Array) -> None:
        linear = self._classifier()
        linear.weight.set_value(np.ascontiguousarray(weight.T))  # Paddle keeps (in, out)
        linear.bias.set_value(bias)

    def calibrate(self, batches: Iterable[Array]) -> None:
        norms = [layer for layer in self.module.sublayers() if isinstance(layer, BATCH_NORMALISATIONS)]
        momenta = [norm._momentum for norm in norms]
        for norm in norms:
            norm.training = True
        try:
            for seen, batch in enumerate(batches, 1):
                for norm in norms:
                    norm._momentum = (seen - 1) / seen  # Paddle's momentum weighs the old value
                self.forward(batch)
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm._momentum = momentum
                norm.training = False

    def save(self, path: Path, stand_in: str | None = None) -> None:
        state = dict(self.state())
        if stand_in:
            state[STAND_IN] = stand_in
        # what paddle.save writes for a state dict: a pickle of arrays by name
        with path.open("wb") as file:
            pickle.dump(state, file, protocol=4)


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
            # cv2.imdecode answers None for what it cannot decode
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
