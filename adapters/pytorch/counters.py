"""The tools with which PyTorch model tables count multiply-adds and parameters, each called as its users call it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import fvcore.nn
import ptflops
import thop
import torch
import torchinfo
from harness.adapters.quiet import quiet
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

Counter = Callable[[nn.Module, int], int]
PLAIN = "torch.utils.flop_counter"
_SMALL = 64  #: pixels


def _image(module: nn.Module, size: int) -> torch.Tensor:
    """One image where the network is; on the meta device shapes are worked out and nothing is computed."""
    return torch.zeros(1, 3, size, size, device=next(module.parameters()).device)


def _torch(module: nn.Module, size: int) -> int:
    # it knows matrix products, not the fused kernels that run attention on a CPU
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            module(_image(module, size))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    flops = counter.get_total_flops()  # 2 per multiply-add, matrix products and convolutions alone
    return flops // 2


def _thop(module: nn.Module, size: int) -> int:
    with quiet():
        counts = thop.profile(module, (_image(module, size),), verbose=False)
    module.counted_parameters = {"thop": int(counts[1])}  # type: ignore[assignment]
    return int(counts[0])


def _fvcore(module: nn.Module, size: int) -> int:
    with quiet():
        return int(fvcore.nn.FlopCountAnalysis(module, _image(module, size)).total())


def _ptflops(module: nn.Module, size: int) -> int:
    with quiet():
        return int(
            ptflops.get_model_complexity_info(
                module, (3, size, size), as_strings=False, print_per_layer_stat=False, backend="pytorch"
            )[0]
        )


def _torchinfo(module: nn.Module, size: int) -> int:
    with quiet():
        summary = torchinfo.summary(module, input_data=_image(module, size), verbose=0)
        return int(summary.total_mult_adds)


#: those that need no values and count the same on the meta device, where fvcore traces and ptflops sees a linear
#: layer twice
WITHOUT_VALUES = (PLAIN, "thop", "torchinfo")
COUNTERS: Mapping[str, Counter] = {
    PLAIN: _torch,
    "thop": _thop,
    "fvcore": _fvcore,
    "ptflops": _ptflops,
    "torchinfo": _torchinfo,
}


def parameter_counts(fresh: Callable[[], nn.Module], size: int) -> dict[str, int]:
    """What the tools report as the number of parameters, where they count on their own.

    thop adds up the parameters of the layer types that it knows and leaves the others out.
    """
    for side in (_SMALL, size):  # they are the same at every size that the network takes
        with contextlib.suppress(Exception), quiet():  # a counter that breaks on it says so in multiply_adds
            module = fresh()
            _thop(module, side)
            return counted_parameters(module)
    return {}


def counted_parameters(module: nn.Module) -> dict[str, int]:
    """What counters of multiply-adds said of the parameters of a module that they were given."""
    return dict(getattr(module, "counted_parameters", {}))
