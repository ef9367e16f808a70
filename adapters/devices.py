"""The device of a worker: whether the frameworks that its source has imported can use it, and how they compute there.

fp32 means fp32: a framework that rounds float32 to TF32, or chooses kernels that give other bits the next time, is told
not to. No framework is imported here.
"""

from __future__ import annotations

import gc
import importlib
import sys
from dataclasses import dataclass
from typing import Any

#: framework -> what prepares it: prepare() -> name of the GPU, or an exception that says why it has none; free()
_FRAMEWORKS = {"torch": "harness.adapters.pytorch.device", "paddle": "harness.adapters.paddle.device"}
#: by which an exception says that the memory does not suffice, of a GPU or of the machine
_OUT_OF_MEMORY = (
    "out of memory",
    "outofmemory",
    "out_of_memory",
    "can't allocate memory",
    "cannot allocate memory",
    "alloc_failed",
    "resourceexhausted",
    "bad_alloc",
    "memoryerror",
)


@dataclass(frozen=True)
class Used:
    """What a worker computes on."""

    device: str  #: "cpu" or "cuda"
    name: str = ""  #: of the GPU, as the framework calls it
    refused: str = ""  #: why it is not what was asked for


def settle(asked: str) -> Used:
    """Has every framework that is imported compute on `asked`; on the CPU, with the reason, where one cannot."""
    if asked == "cpu":
        return Used("cpu")
    name = ""
    for framework, module in _FRAMEWORKS.items():
        if framework not in sys.modules:
            continue
        try:
            name = importlib.import_module(module).prepare()
        except Exception as error:  # a driver may make a framework raise anything
            return Used("cpu", refused=reason(error))
    return Used(asked, name)


def reason(error: BaseException) -> str:
    """What an exception says, on one line and without where the framework noticed it."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith(("-", "Hint", "[Hint", "C++ Traceback"))]
    return said[0][:300] if said else type(error).__name__


def is_out_of_memory(error: BaseException | str) -> bool:
    """Whether it says that the memory does not suffice, which is no property of what was run."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return any(words in text.lower() for words in _OUT_OF_MEMORY)


def free() -> None:
    """Gives what is not used any more back to the device."""
    gc.collect()
    for framework, module in _FRAMEWORKS.items():
        prepared: Any = sys.modules.get(module)
        if framework in sys.modules and prepared is not None:
            prepared.free()
