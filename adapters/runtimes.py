"""A network as the source's own framework or another runtime runs it.

For another runtime the source's own network is converted once, in fp32, and the conversion is kept. Runtimes are
imported only when they are asked for, because an environment has none or one of them.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters.base import ROUNDING, Array, Inference, Precision, Runtime, deviation

#: says which file of a conversion load() takes and how large each file is, in bytes; written last
_COMPLETE = "complete.json"


def inference(network: Any, runtime: Runtime, precision: Precision, folder: Path, example: Array) -> Inference:
    """The network as `runtime` runs it, in its present state; `example` is a batch (N, 3, H, W) to try it on.

    `folder` is where the conversion for another runtime is kept. It stands for this network with these weights: a
    complete conversion in it is taken for that of this network.
    Raises NotImplementedError, saying why, for what the adapter or the runtime does not have.
    """
    if runtime == "native":
        found: Inference = network.inference(precision, example)
        return found
    if runtime not in _LOADERS:
        raise NotImplementedError(f"runtime {runtime}: known are native, {', '.join(_LOADERS)}")
    _require(runtime, precision)
    return load(converted(network, runtime, folder, example), runtime, precision)


def converted(network: Any, runtime: Runtime, folder: Path, example: Array) -> Path:
    """The file of the conversion that is kept in `folder`, made if it is not there or not complete.

    Raises NotImplementedError where the network cannot be converted or the conversion computes something else.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f"{folder.name}.lock")):
        found = _complete(folder)
        if found is not None:
            return found
        partial = folder.with_name(f"{folder.name}.partial")
        for left_over in (folder, partial):
            shutil.rmtree(left_over, ignore_errors=True)
        partial.mkdir()
        try:
            file = network.export(runtime, partial)
            _certify(network, runtime, file, example)
            written = [path for path in partial.rglob("*") if path.is_file()]
            name = str(file.relative_to(partial))
            mark = {"file": name, "sizes": {str(path.relative_to(partial)): path.stat().st_size for path in written}}
            (partial / _COMPLETE).write_text(json.dumps(mark), encoding="utf-8")
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder / name


def _certify(network: Any, runtime: Runtime, file: Path, example: Array) -> None:
    """Raises NotImplementedError where a conversion does not give the network's own logits, of any number of images."""
    for images in (example[:2], example[:1]):
        expected = network.forward(images)
        try:
            apart = deviation(expected, load(file, runtime, "fp32").forward(images))
        except Exception as error:  # a runtime may raise anything at what it cannot run
            raise NotImplementedError(f"runtime {runtime}: the conversion cannot be run. {reason(error)}") from error
        if not apart < ROUNDING:
            raise NotImplementedError(
                f"runtime {runtime}: the conversion computes something else. "
                f"Logits differ by {apart:.2g} of their range"
            )


def reason(error: BaseException) -> str:
    """The line of a message that says what is wrong; OpenVINO's begin with where it was noticed."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line and not line.startswith("Exception from")), type(error).__name__)


def _complete(folder: Path) -> Path | None:
    """The file to load in a folder that holds a whole conversion."""
    try:
        mark = json.loads((folder / _COMPLETE).read_text(encoding="utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in mark["sizes"].items())
    except (OSError, ValueError):
        return None
    return folder / mark["file"] if whole else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process converts a network; the others wait and find it there."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def load(file: Path, runtime: Runtime, precision: Precision) -> Inference:
    """What an adapter's export() wrote, as the runtime runs it on the CPU.

    Raises NotImplementedError, saying why, for a precision that the runtime does not have.
    """
    _require(runtime, precision)
    return _LOADERS[runtime](file, precision)


def _require(runtime: Runtime, precision: Precision) -> None:
    if precision == "tf32":
        raise NotImplementedError(f"precision tf32: GPUs alone have it, and {runtime} runs on the CPU")
    if (runtime, precision) == ("onnxruntime", "bf16"):
        raise NotImplementedError("precision bf16: ONNX Runtime computes convolutions only in fp32 on the CPU")


def threads() -> int:
    """How many threads a forward pass may have, as for any library that uses OMP_NUM_THREADS."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(asked) if asked.isdecimal() and int(asked) else len(os.sched_getaffinity(0))


def _openvino(file: Path, precision: Precision) -> Inference:
    import openvino

    options = {
        # the plugin's own choice is bf16 wherever the processor has it
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": threads(),
        "NUM_STREAMS": 1,
        # processes that run side by side would all be tied to the same cores
        "ENABLE_CPU_PINNING": False,
    }
    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise NotImplementedError("precision bf16: this processor does not have it, OpenVINO would compute in fp32")
    compiled = core.compile_model(str(file), "CPU", options)

    def forward(batch: Array) -> Array:
        # read in place, while the results are copied out of memory that the next call overwrites
        results = compiled(np.ascontiguousarray(batch), share_inputs=True, share_outputs=False)
        return np.asarray(results[0], np.float32)

    return Inference(_engine("OpenVINO", "openvino", precision), forward)


def _onnxruntime(file: Path, precision: Precision) -> Inference:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    (name,) = (entry.name for entry in session.get_inputs())

    def forward(batch: Array) -> Array:
        (logits,) = session.run(None, {name: np.ascontiguousarray(batch)})
        return np.asarray(logits, np.float32)

    return Inference(_engine("ONNX Runtime", "onnxruntime", precision), forward)


def _engine(name: str, distribution: str, precision: Precision) -> str:
    words = f"{name} {importlib.metadata.version(distribution)}"
    return words if precision == "fp32" else f"{words}, {precision}"


_LOADERS: dict[str, Callable[[Path, Precision], Inference]] = {"openvino": _openvino, "onnxruntime": _onnxruntime}
