"""Holds what runs a network to its contract; run inside the source's environment: source, model, runtime, folder.

Where the source's own framework runs it, what it cannot take is tried as well: it is to fall back on the plain way.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters import runtimes
from harness.adapters.base import ROUNDING, Array, Inference, Network, Preprocessing, deviation

SIZE = 64
TIGHT = 1e-5  #: deviation of logits in fp32
BF16 = 0.05  #: deviation that rounding to eight bits explains
HAS_BF16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text()
EVERYWHERE = [("native", "timm"), ("native", "mmcls")]  #: PyTorch computes in bf16 on any processor

source, model, runtime, given = sys.argv[1:]
kept = Path(given) / "kept" / "conversion"
adapter = importlib.import_module(f"harness.adapters.{source}").Adapter()
random = np.random.default_rng(0)


def batch(images: int) -> Array:
    return random.standard_normal((images, 3, SIZE, SIZE)).astype(np.float32)


def attempt(call: Callable[[], Any]) -> Any:
    """What it returns, or why it was refused."""
    try:
        return call()
    except NotImplementedError as error:
        return str(error)


def refused(call: Callable[[], Any]) -> str:
    why = attempt(call)
    assert isinstance(why, str), "it was accepted"
    return why


network: Network = adapter.build(model, seed=1, input_size=SIZE)
network.calibrate([batch(4) for _ in range(2)])
images, others = batch(3), batch(3)
expected, after = network.forward(images), network.forward(others)
assert deviation(expected, after) > 0.1, "the network hardly looks at its images"


def run(precision: str = "fp32") -> Inference:
    return runtimes.inference(network, runtime, precision, kept, images)


def same(ran: Inference, tolerance: float = TIGHT) -> None:
    results = ran.forward(images)
    copied = results.copy()
    assert results.dtype == np.float32
    assert results.shape == expected.shape
    one = ran.forward(others[1:2])
    later = ran.forward(others)
    assert np.array_equal(results, copied), "the next call changed the results"
    for name, own, theirs in (
        ("three images", expected, results),
        ("one image", after[1:2], one),
        ("other images", after, later),
    ):
        assert deviation(own, theirs) < tolerance, (ran.engine, name, deviation(own, theirs))
    strided = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert deviation(results, ran.forward(strided)) < tolerance, "images that lie otherwise in memory"


first = run()
print(first.engine)
same(first)
assert np.array_equal(network.forward(images), expected), "the network itself was changed"

rounded = attempt(lambda: run("bf16"))
if isinstance(rounded, str):
    assert "bf16" in rounded
    assert runtime == "onnxruntime" or (not HAS_BF16 and (runtime, source) not in EVERYWHERE), rounded
else:
    print(rounded.engine)
    assert runtime != "onnxruntime"
    assert "bf16" in rounded.engine
    same(rounded, BF16)
    assert deviation(expected, rounded.forward(images)) > ROUNDING, "it computes in fp32"

# -- another network is seen -------------------------------------------------------------------------

own_state = {name: np.array(value) for name, value in network.state().items()}
weight = next(name for name, value in reversed(own_state.items()) if value.ndim == 2)
changed = {name: value.copy() for name, value in own_state.items()}
changed[weight][0, 0] += 10 * np.ptp(changed[weight])
network.load_state(changed)
expected_of_changed = network.forward(images)
assert deviation(expected_of_changed, first.forward(images)) > ROUNDING, "one weight more or less is not seen"


PREPROCESSING = Preprocessing("none", SIZE, SIZE, "none", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def leaky() -> Any:
    """A Paddle network whose slope the engines and the converters may read wrongly."""
    from harness.adapters.ppcls import PaddleNetwork
    from paddle import nn

    layers = (nn.Conv2D(3, 8, 3, stride=16), nn.BatchNorm2D(8), nn.LeakyReLU(0.3), nn.Flatten(), nn.Linear(128, 10))
    return PaddleNetwork(nn.Sequential(*layers), PREPROCESSING, lambda _image: {})


# -- conversions -------------------------------------------------------------------------------------


def counted() -> list[int]:
    """Counts how often the network is exported."""
    exports: list[int] = []
    export = type(network).export
    network.export = lambda *arguments: exports.append(1) or export(network, *arguments)
    return exports


if runtime != "native":
    exports = counted()
    again = run()
    assert not exports, "what was kept was not used"
    assert again.engine == first.engine
    assert deviation(expected, again.forward(images)) < TIGHT
    assert deviation(expected_of_changed, again.forward(images)) > ROUNDING

    largest = max((path for path in kept.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    assert deviation(expected_of_changed, run().forward(images)) < TIGHT, "half a conversion was used"
    assert len(exports) == 1
    assert sorted(path.name for path in kept.parent.iterdir()) == ["conversion", "conversion.lock"]

    if runtime == "openvino":
        import openvino

        assert first.engine.startswith("OpenVINO 20")
        openvino.Core.get_property = lambda *_: ["FP32", "FP16"]  # as of a processor without it
    else:
        assert first.engine.startswith("ONNX Runtime 1")
    assert "bf16" in refused(lambda: run("bf16"))
    assert "tensorrt" in refused(lambda: network.export("tensorrt", Path(given)))
    if source == "ppcls":
        other = leaky()
        ran = runtimes.inference(other, runtime, "fp32", Path(given) / "kept" / "leaky", images)
        assert deviation(other.forward(others), ran.forward(others)) < TIGHT
    sys.exit()


# -- the source's own framework, where its fastest way does not serve --------------------------------

fresh = run()
assert deviation(expected_of_changed, fresh.forward(images)) < TIGHT, "the network's state is not its present one"


def plain(other: Any, words: str) -> None:
    """It falls back to a way that gives the network's own logits, and says so."""
    ran = other.inference("fp32", images)
    assert ran.engine.endswith(words), ran.engine
    for given in (images, images[:1], others[:2]):
        assert deviation(other.forward(given), ran.forward(given)) < TIGHT, ran.engine


if source == "ppcls":
    from harness.adapters.paddle import inference

    assert "paddle.inference with oneDNN" in first.engine
    assert "eager" not in first.engine
    plain(leaky(), "paddle.inference with oneDNN")
    tried, interpreter = inference.tried_program, sys.executable
    for script, words in (
        ("echo first >&2; echo the reason >&2; exit 1", "it failed: the reason"),
        ("exit 1", "it failed: it said nothing"),
        ("kill -SEGV $$", "it died by SIGSEGV"),
    ):
        broken = Path(given) / "broken"
        broken.write_text(f"#!/bin/sh\n{script}\n")
        broken.chmod(0o755)
        sys.executable = str(broken)
        plain(network, words)
    assert words in refused(lambda: network.inference("bf16", images))
    sys.executable = interpreter
    for factor, precision, words in (
        (1 + 10 * ROUNDING, "fp32", "of their range"),
        (np.nan, "fp32", "differ by inf of their range"),
        (2, "bf16", "of their range"),
        (1, "bf16", "it still computes in fp32"),
    ):

        def altered(*_arguments: Any, factor: float = factor) -> dict[str, Array]:
            return {"batch": network.forward(images) * factor, "one": network.forward(images[:1])}

        inference.tried_program = altered
        if precision == "fp32":
            plain(network, words)
        else:
            assert words in refused(lambda: network.inference("bf16", images))
    inference.tried_program = tried
else:
    import torch
    from harness.adapters.pytorch.network import TorchNetwork
    from torch import nn

    class Body(nn.Module):
        def __init__(self, look: Callable[[torch.Tensor], torch.Tensor]) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 8, 3, padding=1, stride=16)
            self.normalisation = nn.BatchNorm2d(8)
            self.linear = nn.Linear(8 * (SIZE // 16) ** 2, 10)
            self.look = look

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(self.look(self.normalisation(self.convolution(x))))

    def body(look: Callable[[torch.Tensor], torch.Tensor]) -> TorchNetwork:
        return TorchNetwork(Body(look), PREPROCESSING, lambda _image: {}, "cpu")

    def by_number(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) * (2 if len(x) == 1 else 1)  # of a trace one of the two remains

    version = f"torch {torch.__version__}"
    plain(body(lambda x: x.flatten(1)), f"{version}, channels_last, traced and frozen")
    plain(body(by_number), f"{version}, channels_last")
    plain(body(lambda x: x.view(len(x), -1)), version)  # refuses what is not contiguous
    assert "traced" not in body(lambda x: x.flatten(1)).inference("bf16", images).engine
