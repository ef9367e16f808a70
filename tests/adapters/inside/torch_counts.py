"""Runs inside a PyTorch source's environment: what is frozen is counted, what is synchronised is BatchNorm here."""

import copy
import sys

import numpy as np
import timm
import torch
from harness.adapters.base import Preprocessing
from harness.adapters.pytorch import counters
from harness.adapters.pytorch.network import TorchNetwork
from torch import nn

# as for any script that runs inside: an image, a folder
_ = sys.argv


def network(module: nn.Module) -> TorchNetwork:
    described = Preprocessing("", 256, 224, "", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return TorchNetwork(module, described, lambda _: {}, "cpu")


plain = timm.create_model("resnet18")
images = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)
expected = network(copy.deepcopy(plain))
counts = expected.parameters()
assert counts.frozen == 0

# what is frozen is a parameter
stem = copy.deepcopy(plain)
for parameter in stem.conv1.parameters():
    parameter.requires_grad = False
frozen = network(stem).parameters()
assert frozen.learnable == counts.learnable
assert frozen.frozen == plain.conv1.weight.numel()

# counters that do not know it see what is synchronised between devices
synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(plain))
assert any(isinstance(module, nn.SyncBatchNorm) for module in synchronised.modules())
unseen = counters.COUNTERS["ptflops"](copy.deepcopy(synchronised).eval(), 64)
found = network(synchronised)
assert found.multiply_adds(64) == expected.multiply_adds(64)
assert unseen < expected.multiply_adds(64)["ptflops"], "nothing would be gained"
assert found.parameters() == counts
assert np.array_equal(found.forward(images), expected.forward(images))
assert found.state().keys() == expected.state().keys()
assert torch.equal(found.module.state_dict()["bn1.running_var"], plain.bn1.running_var)
