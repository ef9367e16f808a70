"""How PyTorch is told to compute float32, before and after; and which kernels are named as not repeatable."""

import warnings

import torch
from harness.adapters.pytorch import device, inference


def said() -> list[bool]:
    return [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32]


warnings.simplefilter("error")
found = [said()]
device.allow_tf32(False)
found.append(said())
with device._tf32():
    found.append(said())
found.append(said())
with inference._unrepeatable() as kernels:
    warnings.warn("cumsum_cuda_kernel does not have a deterministic implementation, but you set", stacklevel=1)
print(found, kernels)
