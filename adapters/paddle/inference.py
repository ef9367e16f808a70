"""A Paddle network as paddle.inference runs it: saved as a program, which is optimised and run without Python.

As a script it tries a saved program and writes the results, because the engine can end the process that it runs in.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from harness.adapters.base import ROUNDING, Array, Inference, Precision, deviation
from harness.adapters.quiet import quiet
from harness.adapters.runtimes import threads
from paddle import inference as engine
from paddle.pir_utils import OldIrGuard

import harness

#: Suffix of a program -> in which context it is saved and loaded. Paddle 3 has two kinds, and neither does for all
#: networks: operations that it has rewritten cannot be saved in the old one, and some attributes that the new one
#: keeps as doubles are read as floats by the engine, which crashes.
PROGRAMS: Mapping[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    ".pdmodel": OldIrGuard,
    ".json": contextlib.nullcontext,
}
_PATIENCE = 600  #: seconds until a program that is tried is given up
_BF16 = 0.05  #: deviation that rounding to eight bits explains


def fastest(
    module: paddle.nn.Layer, size: int, plain: Callable[[Array], Array], precision: Precision, example: Array
) -> Inference:
    """The network, for images of `size` pixels; `plain` is its forward pass as Paddle runs it at once.

    Raises NotImplementedError, with the result of every try, for a precision other than fp32 that is not available.
    """
    if precision not in ("fp32", "bf16"):
        raise NotImplementedError(f"precision {precision}: Paddle's networks run in fp32 or bf16")
    device = paddle.get_device()
    expected = {"batch": plain(example), "one": plain(example[:1])}
    name = "paddle.inference" + (" with oneDNN" if device == "cpu" else "")
    rounded = [precision] if precision != "fp32" else []
    reasons = []
    for suffix in PROGRAMS:
        with tempfile.TemporaryDirectory(prefix="parity-paddle-") as folder:
            try:
                program = save(module, size, Path(folder), suffix)
                _check(expected, tried_program(program, precision, device, example), precision)
                forward = load(program, precision, device)
                return Inference(", ".join([f"paddle {paddle.__version__}", name, *rounded]), forward)
            except NotImplementedError as error:
                reasons.append(f"as {suffix} {error}")
    why = f"{name}: {'; '.join(reasons)}"
    if precision != "fp32":
        raise NotImplementedError(f"precision {precision} on {device}: {why}")
    return Inference(f"paddle {paddle.__version__}, eager; {why}", plain)


def save(module: paddle.nn.Layer, size: int, folder: Path, suffix: str) -> Path:
    """Writes the network as a program, for any number of images of `size` pixels, and its weights next to it.

    Raises NotImplementedError where it cannot be written as a program of this kind.
    """
    images = paddle.static.InputSpec([None, 3, size, size], "float32", "images")
    try:
        with quiet(), PROGRAMS[suffix]():
            paddle.jit.save(module, str(folder / "network"), input_spec=[images])
    except Exception as error:  # the network's Python is rewritten, and anything may come of it
        raise NotImplementedError(f"it cannot be saved: {reason(error)}") from error
    return folder / f"network{suffix}"


def load(program: Path, precision: Precision, device: str) -> Callable[[Array], Array]:
    """The forward pass of a saved program, which is no longer needed afterwards."""
    config = engine.Config(str(program), str(program.with_suffix(".pdiparams")))
    config.disable_glog_info()
    if program.suffix == ".pdmodel":  # there is no such pass for the other kind
        config.enable_memory_optim()  # activations share memory, which halves what a batch takes
    if device == "cpu":
        config.disable_gpu()
        config.enable_mkldnn()
        config.set_mkldnn_cache_capacity(10)  # shapes, which would be kept without a bound
        config.set_cpu_math_library_num_threads(threads())
        if precision == "bf16":
            config.enable_mkldnn_bfloat16()
    else:
        kinds = {"fp32": engine.PrecisionType.Float32, "bf16": engine.PrecisionType.Bfloat16}
        config.enable_use_gpu(256, int(device.partition(":")[2] or 0), kinds[precision])
    with PROGRAMS[program.suffix]():
        predictor = engine.create_predictor(config)
    given = predictor.get_input_handle(predictor.get_input_names()[0])
    made = predictor.get_output_handle(predictor.get_output_names()[0])

    def forward(batch: Array) -> Array:
        given.copy_from_cpu(np.ascontiguousarray(batch))
        predictor.run()
        return np.asarray(made.copy_to_cpu(), np.float32)

    return forward


def tried_program(program: Path, precision: Precision, device: str, example: Array) -> Mapping[str, Array]:
    """Logits of the batch and of its first image alone, from a separate process."""
    images, logits = program.with_name("example.npy"), program.with_name("logits.npz")
    np.save(images, example)
    here = str(Path(str(harness.__file__)).parent.parent)
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-W", "ignore", "-m", "harness.adapters.paddle.inference"]
    try:
        done = subprocess.run(
            [*command, str(program), precision, device, str(images), str(logits)],
            cwd=program.parent,
            env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise NotImplementedError(f"it took longer than {_PATIENCE} s") from None
    if done.returncode < 0:
        raise NotImplementedError(f"it died by {signal.Signals(-done.returncode).name}")
    if done.returncode:
        raise NotImplementedError(f"it failed: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    with np.load(logits) as found:
        return dict(found)


def _check(expected: Mapping[str, Array], given: Mapping[str, Array], precision: Precision) -> None:
    """Raises NotImplementedError where the engine computes something else than the network does."""
    apart = max(deviation(expected[name], given[name]) for name in expected)
    if not apart < (ROUNDING if precision == "fp32" else _BF16):
        raise NotImplementedError(f"its logits differ by {apart:.2g} of their range")
    if precision != "fp32" and apart < ROUNDING:
        raise NotImplementedError("it still computes in fp32")


def reason(error: BaseException) -> str:
    """The line of Paddle's long messages that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith("[Hint")] or [type(error).__name__]
    return said[-1].partition(" (at ")[0][:200]


def main() -> None:
    program, precision, device, images, logits = sys.argv[1:]
    example = np.load(images)
    try:
        forward = load(Path(program), precision, device)
        np.savez(logits, batch=forward(example), one=forward(example[:1]))
    except Exception as error:
        sys.exit(reason(error))


if __name__ == "__main__":
    main()
