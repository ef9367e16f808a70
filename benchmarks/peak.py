"""The machine's convolution peak: the best rate of a 3x3 convolution in float32 and, where the CPU has it, bfloat16.

`python peak.py` in an environment with PyTorch, or with PyTorch and OpenVINO, with all cores to itself. Prints

    {"gflops": float32 peak, "by": {library: {"gflops", "shape", "primitive", "algorithm"}},
     "bf16": the same two for bfloat16 or null, "threads": of PyTorch}

GFLOP/s of the direct convolution, where one multiply-add is 2 operations; 3x3, stride 1, padded by 1, as many channels
out as in. `shape` is the input, N x C x H x W. Whole calls are timed: for PyTorch one convolution in channels_last,
its weights reordered in every call; for OpenVINO a chain of them between two changes of layout.

Winograd's algorithm does 2.25 to 4 times fewer operations than are counted here, so its rate is no rate of arithmetic.
`primitive` is what the library says it ran, `algorithm` what follows; a Winograd primitive is told but is never the
peak at the top. PyTorch asks oneDNN for the direct algorithm. A 1x1 convolution or a matrix product may be faster.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

BATCH = 16
#: channels, side of the map in pixels
SHAPES = ((64, 64), (128, 32), (256, 32), (256, 16), (512, 16), (512, 8), (1024, 8))
#: convolutions one after the other, for OpenVINO
CHAIN = 4
#: a shape is repeated for this long, in seconds, and this often at least
SECONDS, REPEATS = 1.0, 5
#: mallopt: never take single pages from the kernel, never give any back
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1


def main() -> None:
    libc = ctypes.CDLL(None)
    # the peak is to be of the arithmetic, not of how the kernel hands out memory
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    single = rates(torch.float32)
    half = rates(torch.bfloat16) if has_bfloat16() else None
    print(json.dumps({**peak(single), "bf16": half and peak(half), "threads": torch.get_num_threads()}))


def rates(dtype: torch.dtype) -> dict[str, list[dict[str, Any]]]:
    """Library -> a measurement per shape."""
    measured = {"torch": [torch_rate(dtype, *shape) for shape in SHAPES]}
    with contextlib.suppress(ImportError):
        import openvino  # noqa: F401

        measured["openvino"] = [openvino_rate(dtype, *shape) for shape in SHAPES]
    return measured


def peak(measured: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The best of every library, and of all that did as many operations as are counted."""
    every = [one for some in measured.values() for one in some if one["algorithm"] != "winograd"]
    best = {library: max(some, key=lambda one: one["gflops"]) for library, some in measured.items()}
    return {"gflops": max((one["gflops"] for one in every), default=None), "by": best}


def torch_rate(dtype: torch.dtype, channels: int, side: int) -> dict[str, Any]:
    images = torch.randn(BATCH, channels, side, side).to(dtype).to(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3).to(dtype).to(memory_format=torch.channels_last)
    with torch.no_grad():

        def convolve() -> None:
            torch.nn.functional.conv2d(images, weight, padding=1)

        with printed() as lines, torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
            convolve()
        # onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx512_core,...,alg:convolution_direct,...
        said = "\n".join(line for line in lines if ",exec," in line)
        primitive = re.search(r",convolution,([^,]+),", said)
        named = re.search(r",alg:convolution_(\w+)", said)
        name = primitive[1] if primitive else "unknown"
        return described(convolve, channels, side, 1, name, named[1] if named else algorithm(name))


def openvino_rate(dtype: torch.dtype, channels: int, side: int) -> dict[str, Any]:
    import openvino
    from openvino import opset13

    given = opset13.parameter([BATCH, channels, side, side], openvino.Type.f32)
    held = given
    for _ in range(CHAIN):
        # so that the values neither vanish nor overflow along the chain
        weight = torch.randn(channels, channels, 3, 3).numpy() / (9 * channels) ** 0.5
        held = opset13.convolution(held, opset13.constant(weight), [1, 1], [1, 1], [1, 1], [1, 1])
    compiled = openvino.Core().compile_model(
        openvino.Model([held], [given]),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "bf16" if dtype is torch.bfloat16 else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        },
    )
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(torch.randn(BATCH, channels, side, side).numpy()))
    ran = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    primitive = next(str(info["primitiveType"].value) for info in ran if info["layerType"].value == "Convolution")
    return described(request.infer, channels, side, CHAIN, primitive, algorithm(primitive))


def described(
    run: Callable[[], Any], channels: int, side: int, convolutions: int, primitive: str, how: str
) -> dict[str, Any]:
    operations = 2 * BATCH * side * side * 9 * channels * channels * convolutions
    return {
        "gflops": round(operations / best_seconds(run) / 1e9, 1),
        "shape": f"{BATCH}x{channels}x{side}x{side}",
        "primitive": primitive,
        "algorithm": how,
    }


def best_seconds(run: Callable[[], Any]) -> float:
    run()
    best = float("inf")
    repeats, began = 0, time.perf_counter()
    while repeats < REPEATS or time.perf_counter() - began < SECONDS:
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
        repeats += 1
    return best


def algorithm(primitive: str) -> str:
    """What the name of a primitive says; "not Winograd" where it names another way that does as many operations."""
    name = primitive.lower()
    if "wino" in name:
        return "winograd"
    return "not Winograd" if any(part in name for part in ("brg", "jit", "gemm", "ref")) else "unknown"


def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 itself; libraries also emulate it."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return bool({"avx512_bf16", "amx_bf16"} & set(flags))


@contextlib.contextmanager
def printed() -> Iterator[list[str]]:
    """The lines that are written to file descriptor 1 meanwhile, there once it is over; not all go by sys.stdout."""
    lines: list[str] = []
    kept = os.dup(1)
    with tempfile.TemporaryFile("w+") as file:
        os.dup2(file.fileno(), 1)
        try:
            yield lines
        finally:
            ctypes.CDLL(None).fflush(None)
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            lines += file.read().splitlines()


if __name__ == "__main__":
    main()
