"""A source that needs NumPy alone: linear networks on pooled colours, some of which misbehave on purpose.

An image is `FAKE` and 192 bytes, which are its 8 x 8 RGB pixels; of any other file the digest stands in for
the pixels, and a file that begins with `BAD` cannot be decoded. `FAKE_LACKS` names modules that are not there.
Building takes `FAKE_BUILDING` seconds more and a forward pass `FAKE_DELAY`. Every forward pass that begins adds a line
to the file `FAKE_FORWARDS`, a JSON list: the worker's process, model and precision, a digest of each image.
The memory holds `FAKE_MEMORY` images at once, and `FAKE_NETWORKS` networks. `FAKE_NO_GPU` says why there is no GPU; a
worker whose CUDA_VISIBLE_DEVICES is `FAKE_BROKEN_GPU` dies in its first forward pass. Each adapter adds a line to the
file `FAKE_DEVICES`, a JSON list: device, CUDA_VISIBLE_DEVICES, threads.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import signal
import sys
import time
import weakref
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters.base import (
    Array,
    CheckpointError,
    Document,
    Inference,
    LayerCall,
    Match,
    Parameters,
    Preprocessing,
    Steps,
    UndecodableImage,
    fit,
)

# what a worker's interpreter happens to have decides what is tried in it
sys.modules.update(dict.fromkeys(os.environ.get("FAKE_LACKS", "").split()))

SIZE = 8  #: pixels, square
CLASSES = 1000
MARK = "stand_in"  #: entry of a checkpoint that says how it was made up
_NETWORKS: weakref.WeakSet[Any] = weakref.WeakSet()  #: that are in memory
#: cells per side of the pooled image
GRIDS = {"tiny": 4, "tiny_wide": 8, "twin": 4, "slow": 4, "killer": 4, "loud": 4, "blind": 4, "boom": 4, "tiny_boom": 4}
#: twin is tiny under other names
NAMES = {"mix": "stem.conv.weight", "mean": "stem.norm.mean", "var": "stem.norm.var", "weight": "fc.w", "bias": "fc.b"}


class FakeNetwork:
    """See harness.adapters.base.Network: colours are mixed, pooled to a grid, normalised and multiplied by a matrix."""

    plain_counter = "plain"

    def __init__(self, model: str, seed: int, input_size: int | None) -> None:
        self.model = model
        self.input_size = input_size or SIZE
        self.preprocessing = Preprocessing(
            decoder="digest",
            short_side=self.input_size,
            crop=self.input_size,
            resize="repeated pixels",
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
        )
        self.grid = GRIDS[model]
        channels = 3 * self.grid**2
        random = np.random.default_rng(seed)
        self.mix: Array = random.normal(size=(3, 3)).astype(np.float32)
        self.mean: Array = np.zeros(channels, np.float32)
        self.var: Array = np.ones(channels, np.float32)
        self.weight: Array = random.normal(size=(CLASSES, channels)).astype(np.float32)
        self.bias: Array = random.normal(size=CLASSES).astype(np.float32)
        self.epsilon = 1e-5
        self.precision = "fp32"
        self.seen = 0
        self.sets: Mapping[str, Callable[[], None]] = {}

    def preprocess(self, image: bytes) -> Array:
        return self.preprocessing_steps(image)["normalise"]

    def preprocessing_steps(self, image: bytes) -> Steps:
        if image.startswith(b"BAD"):
            raise UndecodableImage("fake: no pixels in it")
        pixels = image[4:] if image.startswith(b"FAKE") else hashlib.shake_128(image).digest(3 * SIZE**2)
        if len(pixels) != 3 * SIZE**2:
            raise UndecodableImage(f"fake: {len(pixels)} bytes of pixels")
        square = np.frombuffer(pixels, np.uint8).reshape(3, SIZE, SIZE)
        repeated = square.repeat(self.input_size // SIZE, axis=1).repeat(self.input_size // SIZE, axis=2)
        resized = repeated.transpose(1, 2, 0)
        normalised = ((repeated / 255 - 0.5) / 0.25).astype(np.float32)
        return {"decode": square.transpose(1, 2, 0), "resize": resized, "crop": resized, "normalise": normalised}

    def forward(self, batch: Array, precision: str = "fp32") -> Array:
        _note(f"{self.model} {precision}", batch)
        if len(batch) > int(os.environ.get("FAKE_MEMORY", "1000000")):
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        if os.environ.get("FAKE_BROKEN_GPU", "none") == os.environ.get("CUDA_VISIBLE_DEVICES"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ.get("FAKE_DELAY", "0")))
        if self.model == "slow":
            time.sleep(0.05)
        if self.model == "killer" and self.seen + len(batch) > int(os.environ.get("FAKE_KILL_AFTER", "1000000")):
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen += len(batch)
        features, weight = (_rounded(values, self.precision) for values in (self.features(batch), self.weight))
        logits: Array = features @ weight.T + self.bias
        return np.full_like(logits, np.nan) if self.model == "blind" else logits

    def inference(self, precision: str, example: Array) -> Inference:
        """In bf16 as `FAKE_BF16` says: off by that many logits, "refused", "killed", or "another function"."""
        how = os.environ.get("FAKE_BF16", "0.001")
        assert example.shape[1:] == (3, self.input_size, self.input_size)
        if precision == "bf16" and how == "refused":
            raise NotImplementedError("fake: it has no bf16 here")

        def forward(batch: Array) -> Array:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            logits = self.forward(batch, precision)
            if how == "another function":
                return logits[:, ::-1]
            shift: Array = logits + np.float32(how) * np.sin(1e4 * logits)
            return shift

        return Inference(f"fake {precision}", forward if precision == "bf16" else self.forward)

    @contextlib.contextmanager
    def altered(self, alteration: Mapping[str, Any]) -> Iterator[None]:
        name = alteration["factor"]
        if name not in ("epsilon", "precision"):
            raise NotImplementedError(f"fake: it has no {name}")
        own = getattr(self, name)
        setattr(self, name, alteration["value"])
        try:
            yield
        finally:
            setattr(self, name, own)

    def _pooled(self, batch: Array) -> Array:
        mixed = np.einsum("oc,nchw->nohw", self.mix, batch)
        number, _, height, width = mixed.shape
        cells = mixed.reshape(number, 3, self.grid, height // self.grid, self.grid, width // self.grid)
        pooled: Array = cells.mean(axis=(3, 5)).reshape(number, -1)
        return pooled

    def features(self, batch: Array) -> Array:
        normalised: Array = (self._pooled(batch) - self.mean) / np.sqrt(self.var + np.float32(self.epsilon))
        return normalised

    def parameters(self) -> Parameters:
        classifier = self.weight.size + self.bias.size
        return Parameters(
            learnable=self.mix.size + classifier,
            normalisation_affine=0,
            running_statistics=self.mean.size + self.var.size,
            other_buffers=0,
            classifier=classifier,
            by_type={"Mix": self.mix.size, "Linear": classifier},
            by_counter={"plain": self.mix.size + classifier},
        )

    def multiply_adds(self, size: int) -> Mapping[str, int | str]:
        return {"plain": self.mix.size * size**2 + self.weight.size, "broken": "RuntimeError: cannot count this"}

    def trace(self, batch: Array, emit: Callable[[LayerCall], None], values: bool = True) -> None:
        mixed = np.einsum("oc,nchw->nohw", self.mix, batch)
        features = self.features(batch)
        logits = features @ self.weight.T + self.bias
        names = self._names()
        statistics = {"running_mean": names["mean"], "running_var": names["var"]}
        linear = {"weight": names["weight"], "bias": names["bias"]}
        steps = [
            ("stem.mix", "Mix", "Conv2d", {}, batch, mixed, {"weight": names["mix"]}),
            ("stem.pool", "Pool", "AdaptiveAvgPool2d", {}, mixed, self._pooled(batch), {}),
            ("stem.norm", "Norm", "BatchNorm2d", {"eps": 1e-5}, self._pooled(batch), features, statistics),
            ("head", "Linear", "Linear", {"weight_layout": "out,in"}, features, logits, linear),
        ]
        for index, (name, module, kind, attributes, entered, output, tensors) in enumerate(steps):
            kept = output if values else None
            made_by = (index - 1 if index else None,)
            emit(
                LayerCall(index, name, module, kind, attributes, (entered.shape,), output.shape, kept, made_by, tensors)
            )

    def _names(self) -> dict[str, str]:
        """Attribute -> entry of the state."""
        return {own: NAMES[own] if self.model == "twin" else own for own in NAMES}

    def state(self) -> Mapping[str, Array]:
        return {entry: getattr(self, own) for own, entry in self._names().items()}

    def load_state(self, state: Mapping[str, Array], match: Match = "name", where: str = "the state") -> None:
        expected = {name: array.shape for name, array in self.state().items()}
        pairs = fit(expected, {name: array.shape for name, array in state.items()}, match, where)
        for own, entry in self._names().items():
            setattr(self, own, np.asarray(state[pairs[entry]], np.float32))

    def states(self) -> Mapping[str, Callable[[], None]]:
        return self.sets

    def calibrate(self, batches: Iterable[Array]) -> None:
        pooled = np.concatenate([self._pooled(batch) for batch in batches])
        self.mean, self.var = pooled.mean(axis=0), pooled.var(axis=0)

    def set_classifier(self, weight: Array, bias: Array) -> None:
        self.weight, self.bias = weight, bias

    def save(self, path: Path, stand_in: str | None = None) -> None:
        marks = {MARK: np.array(stand_in)} if stand_in else {}
        with path.open("wb") as file:  # NumPy would append its own suffix to a name
            np.savez(file, **self.state(), **marks)


class Adapter:
    """See harness.adapters.base.AdapterClass."""

    checkpoint_suffix = ".bin"

    def __init__(self, device: str = "cpu") -> None:
        if device != "cpu" and (why := os.environ.get("FAKE_NO_GPU")):
            raise RuntimeError(why)
        self.device = device
        if path := os.environ.get("FAKE_DEVICES"):
            told = [device, os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("OMP_NUM_THREADS")]
            _append(path, json.dumps(told))

    def models(self) -> Sequence[str]:
        return sorted(GRIDS)

    def aliases(self) -> Mapping[str, str]:
        return {"tiny53": "tiny"}

    def checkpoint_url(self, model: str) -> str | None:  # noqa: ARG002 (publishes none)
        return None

    def documents(self) -> list[Document]:
        """What the JSON of `FAKE_DOCUMENTS` says, rows of name, top1, top5, FLOPs and parameters."""
        rows = json.loads(os.environ.get("FAKE_DOCUMENTS", "[]"))
        heading = ("Name", "Top 1 Accuracy", "Top 5 Accuracy", "FLOPs", "Parameters")
        return [Document("fake/metafile.yml", heading, [(10 * i + 1, row) for i, row in enumerate(rows)])]

    def stand_in(self, checkpoint: Path) -> str | None:
        mark = _read(checkpoint).get(MARK)
        return None if mark is None else str(mark)

    def build(
        self,
        model: str,
        checkpoint: Path | None = None,
        match: Match = "name",
        seed: int = 0,
        input_size: int | None = None,
    ) -> FakeNetwork:
        if model not in GRIDS:
            raise KeyError(model)
        if model.endswith("boom"):
            raise RuntimeError(f"{model} cannot be built")
        time.sleep(float(os.environ.get("FAKE_BUILDING", "0")))
        if model == "loud":
            print("a framework says hello on standard output", flush=True)
            os.write(1, b'{"event": "static", "task": 0}\n')
        if len(_NETWORKS) >= int(os.environ.get("FAKE_NETWORKS", "1000000")):
            raise RuntimeError("CUDA out of memory. Tried to allocate 98.00 MiB")
        network = FakeNetwork(model, seed, input_size)
        _NETWORKS.add(network)
        if checkpoint:
            load(network, checkpoint, match)
        return network


def load(network: FakeNetwork, checkpoint: Path, match: Match) -> None:
    """Loads a checkpoint; entries that begin with `ema/` are a second set of weights in it."""
    entries = {name: array for name, array in _read(checkpoint).items() if name != MARK}
    averaged = {name.removeprefix("ema/"): array for name, array in entries.items() if name.startswith("ema/")}
    sets = {"the file itself": {name: array for name, array in entries.items() if not name.startswith("ema/")}}
    sets |= {"ema": averaged} if averaged else {}
    own = {name: functools.partial(network.load_state, state, match, str(checkpoint)) for name, state in sets.items()}
    own["the file itself"]()
    network.sets = own


def _note(network: str, batch: Array) -> None:
    if path := os.environ.get("FAKE_FORWARDS"):
        digests = [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in batch]
        _append(path, json.dumps([os.getpid(), network, digests]))


def _append(path: str, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (line + "\n").encode())  # whole, whoever else writes
    os.close(file)


def _rounded(values: Array, precision: str) -> Array:
    if precision == "bf16":
        return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    return values.astype(np.float16).astype(np.float32) if precision == "fp16" else values


def _read(checkpoint: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(checkpoint, allow_pickle=False) as entries:
            return dict(entries)
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{checkpoint}: not a NumPy archive of arrays alone ({error})") from error
