"""Runs inside a PyTorch source's environment: what is counted of a network, with values and without."""

import copy
import dataclasses
import sys

import numpy as np
import timm
import torch
from harness.adapters.base import Preprocessing
from harness.adapters.pytorch import counters
from harness.adapters.pytorch.network import TorchNetwork, outline
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

# an outline is counted by what needs no values, to the same figures
WITHOUT = ("fvcore", "ptflops")


class Rates(nn.Module):
    """Takes rates and widths out of tensors, as many constructors do."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        widths = (torch.arange(3) * 8 + 8).int().tolist()
        layers = [
            nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.GroupNorm(2, width)) for width in widths
        ]
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(48, 1000)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        pooled = [layer(batch).mean((2, 3)) * (1 - rate) for layer, rate in zip(self.layers, self.rates, strict=True)]
        return self.head(torch.cat(pooled, 1))


class LooksAtValues(Rates):
    """Its forward pass cannot run without values."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return super().forward(batch * (1.0 if batch.abs().max().item() > 1 else 0.5))


MODULES = {
    "resnet18": lambda: timm.create_model("resnet18"),
    "vit": lambda: timm.create_model("vit_tiny_patch16_224"),
    "rates": Rates,
    "looks": LooksAtValues,
}


class Adapter:
    """Builds them where it is told."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def build(self, model: str) -> TorchNetwork:
        described = Preprocessing("", 256, 224, "", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        return TorchNetwork(MODULES[model](), described, lambda _: {}, self.device)


own_batch_norm = nn.functional.batch_norm
for model in ("resnet18", "vit", "rates"):
    outlined, built = outline(Adapter, model), Adapter().build(model)
    assert outlined.device == "meta", model
    counted, whole = outlined.multiply_adds(224), built.multiply_adds(224)
    assert counted == {name: count for name, count in whole.items() if name not in WITHOUT}, (model, counted, whole)
    assert list(outlined.left_out()) == list(WITHOUT)
    assert outlined.parameters() == built.parameters(), model
    assert outlined.bare_parameters() == dataclasses.replace(built.parameters(), by_counter={}), model
    assert not built.left_out()
assert nn.functional.batch_norm is own_batch_norm

# one that cannot be run without values is counted with them
looking, built = outline(Adapter, "looks"), Adapter().build("looks")
assert looking.device == "meta", "its constructor does not look at values"
assert looking.multiply_adds(224) == built.multiply_adds(224)
assert not looking.left_out()
assert looking.parameters() == built.parameters()

# what is known is not counted again
asked: list[str] = []
for name, counter in list(counters.COUNTERS.items()):
    counters.COUNTERS[name] = lambda module, size, name=name, counter=counter: (
        asked.append(name),
        counter(module, size),
    )[1]
again = Adapter().build("resnet18")
again.take_counts(224, {counters.PLAIN: 1, "thop": 2})
found = again.multiply_adds(224)
assert list(found) == list(whole), "in the same order"
assert (found[counters.PLAIN], found["thop"]) == (1, 2)
assert asked == ["fvcore", "ptflops", "torchinfo"]
