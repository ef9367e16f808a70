"""Paddle on a GPU: whether it can be used, and how it computes there."""

from __future__ import annotations

import contextlib
import os

import paddle

#: kernels that give the same bits every time, and none chosen by timing
_FLAGS = {"FLAGS_cudnn_deterministic": True, "FLAGS_cudnn_exhaustive_search": False}


def prepare() -> str:
    """Has Paddle compute in float32 and by deterministic kernels on its first GPU, whose name it returns.

    Raises RuntimeError, saying why, where it cannot use it.
    """
    if not paddle.is_compiled_with_cuda():
        raise RuntimeError(f"its Paddle {paddle.__version__} is a build for CPUs")
    # Paddle has no setting of its own for it; NVIDIA's libraries look when they are first used
    os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
    if not paddle.device.cuda.device_count():
        raise RuntimeError("Paddle finds no GPU")
    for name, value in _FLAGS.items():
        os.environ[name] = str(int(value))  # of the process that tries a program
        with contextlib.suppress(ValueError):  # a release may not have it
            paddle.set_flags({name: value})
    paddle.set_device("gpu:0")
    (paddle.ones([4, 4]) @ paddle.ones([4, 4])).numpy()  # a build without kernels for this GPU says so only then
    return str(paddle.device.cuda.get_device_name(0))


def free() -> None:
    """Gives the memory that Paddle keeps for later back to the GPU."""
    paddle.device.cuda.empty_cache()
