"""PyTorch on a GPU: whether it can be used, and how it computes there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import torch

#: the first compute capability with TF32
_TF32 = (8, 0)


def prepare() -> str:
    """Has PyTorch compute in float32 and by deterministic kernels on its first GPU, whose name it returns.

    Raises RuntimeError, saying why, where it cannot use it.
    """
    if torch.version.cuda is None and torch.version.hip is None:
        raise RuntimeError(f"its PyTorch {torch.__version__} is a build for CPUs")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before the first product, or they are not repeatable
    torch.cuda.init()
    allow_tf32(False)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    # a build without kernels for this GPU says so only when one is started
    images, weights = torch.ones(1, 3, 8, 8, device="cuda"), torch.ones(4, 3, 3, 3, device="cuda")
    with torch.inference_mode():
        (torch.nn.functional.conv2d(images, weights).flatten(1) @ torch.ones(144, 2, device="cuda")).cpu()
    return torch.cuda.get_device_name(0)


def allow_tf32(allowed: bool) -> None:
    """Whether float32 may be rounded to TF32, ten bits of mantissa, in convolutions and matrix products."""
    # The names of before 2.9: beside the new ones, code that reads these, as sources do, would fail. cuDNN's default is
    # true.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


@contextlib.contextmanager
def _tf32() -> Iterator[None]:
    allow_tf32(True)
    try:
        yield
    finally:
        allow_tf32(False)


def tf32(device: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """What makes the context in which float32 is rounded to TF32. NotImplementedError where the device has none."""
    if device != "cuda":
        raise NotImplementedError(f"precision tf32: GPUs alone have it, and this runs on the {device.upper()}")
    if torch.cuda.get_device_capability() < _TF32:
        raise NotImplementedError(f"precision tf32: {torch.cuda.get_device_name()} does not have it")
    return _tf32


def free() -> None:
    """Gives the memory that PyTorch keeps for later back to the GPU."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
