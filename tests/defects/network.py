"""Plants defects in a small network and tells what is found; run inside an environment that has torch.

Arguments: the relative difference of logits that rounding explains, and a folder. One JSON line per defect and per
undamaged pair.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from harness.adapters.base import Preprocessing
from harness.adapters.pytorch.network import TorchNetwork
from torch import nn
from torch.nn import functional

from harness.checks.equivalence import divergence, graph, layer_matching, trace
from harness.worker import traces as conditioning

SIZE = 48
ROUNDING, FOLDER = float(sys.argv[1]), Path(sys.argv[2])
PREPROCESSING = Preprocessing("none", SIZE, SIZE, "none", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


class Block(nn.Module):
    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.act = nn.LeakyReLU(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.norm(self.conv(x)))


class Network(nn.Module):
    """A little of everything that classifiers are made of; each step is its own method, so that it can be damaged."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Block(3, 16, 3, stride=2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.widen = Block(16, 32, 3)
        self.left = Block(16, 16, 3)
        self.right = Block(16, 16, 3, groups=4)
        self.merge = Block(32, 32, 1)
        self.residual = Block(32, 32, 3)
        self.biased = nn.Conv2d(32, 32, 3, padding=1)
        self.act = nn.LeakyReLU(0.1)
        self.average = nn.AvgPool2d(2)
        self.hidden = nn.Linear(32, 32)
        self.hidden_act = nn.LeakyReLU(0.1)
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.widen(self.pool(self.stem(self.image(x))))
        left, right = self.halves(x)
        x = self.merge(self.join(self.left(left), self.right(right)))
        x = self.add(self.residual(x), x)
        x = self.average(self.act(self.biased(x)))
        x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.logits(self.head(self.hidden_act(self.hidden(x))))

    def image(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def halves(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x[:, :16], x[:, 16:]

    def join(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return torch.cat([left, right], 1)

    def add(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return x + skip

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return x


class OtherStyle(nn.Module):
    """The same function as somebody else would write it: other names, functional calls, branches the other way."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(32, 10)  # registered in another order, too
        self.matrix = nn.Parameter(torch.randn(32, 32))  # kept in, out and multiplied by hand
        self.offset = nn.Parameter(torch.randn(32))
        self.c1, self.b1 = nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16)
        self.c2, self.b2 = nn.Conv2d(16, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32)
        self.grouped, self.b3 = nn.Conv2d(16, 16, 3, 1, 1, groups=4, bias=False), nn.BatchNorm2d(16)
        self.dense, self.b4 = nn.Conv2d(16, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.c5, self.b5 = nn.Conv2d(32, 32, 1, bias=False), nn.BatchNorm2d(32)
        self.c6, self.b6 = nn.Conv2d(32, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32)
        self.c7 = nn.Conv2d(32, 32, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def act(x: torch.Tensor) -> torch.Tensor:
            return functional.leaky_relu(x, 0.1, inplace=True)

        x = functional.max_pool2d(act(self.b1(self.c1(x))), 3, stride=2, padding=1)
        one, two = act(self.b2(self.c2(x))).chunk(2, dim=1)
        two = act(self.b3(self.grouped(two)))
        one = act(self.b4(self.dense(one)))
        skip = act(self.b5(self.c5(torch.cat((one, two), dim=1))))
        x = skip + act(self.b6(self.c6(skip)))
        x = functional.avg_pool2d(act(self.c7(x)), 2).mean((2, 3))
        return self.head(act(x @ self.matrix + self.offset))


# -- defects in how a network is built ---------------------------------------------------------------


class InHalfPrecision(nn.Module):
    """A sum of squares or a large scale is all that it takes to leave the range of float16."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.inner(x) * 1e6).half().float() / 1e6


def relu(net: Network) -> None:
    net.widen.act = nn.ReLU()


def slope(net: Network) -> None:
    net.residual.act = nn.LeakyReLU(0.01)


def epsilon_larger(net: Network) -> None:
    net.merge.norm.eps = 1e-3


def epsilon_smaller(net: Network) -> None:
    net.residual.norm.eps = 1e-6


def missing_activation(net: Network) -> None:
    net.hidden_act = nn.Identity()


def additional_activation(net: Network) -> None:
    net.average = nn.Sequential(nn.AvgPool2d(2), nn.LeakyReLU(0.1))


def activation_after_addition(net: Network) -> None:
    net.add = lambda x, skip: functional.leaky_relu(x + skip, 0.1)


def concatenation_swapped(net: Network) -> None:
    net.join = lambda left, right: torch.cat([right, left], 1)


def halves_swapped(net: Network) -> None:
    net.halves = lambda x: (x[:, 16:], x[:, :16])


def interleaved_halves(net: Network) -> None:
    net.halves = lambda x: (x[:, ::2], x[:, 1::2])


def padding_reflected(net: Network) -> None:
    net.left.conv.padding_mode = "reflect"
    net.left.conv._reversed_padding_repeated_twice = [1, 1, 1, 1]


def padding_one_sided(net: Network) -> None:
    net.stem.conv = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 16, 3, 2, bias=False))


def stride_moved(net: Network) -> None:
    net.stem.conv.stride, net.widen.conv.stride = (1, 1), (2, 2)


def dilated(net: Network) -> None:
    net.residual.conv.dilation, net.residual.conv.padding = (2, 2), (2, 2)


def fewer_groups(net: Network) -> None:
    net.right.conv = nn.Conv2d(16, 16, 3, 1, 1, groups=2, bias=False)


def ceil_mode(net: Network) -> None:
    net.pool.ceil_mode = True


def maximum_for_average(net: Network) -> None:
    net.average = nn.MaxPool2d(2)


def average_for_maximum(net: Network) -> None:
    net.pool = nn.AvgPool2d(3, 2, 1)


def addition_missing(net: Network) -> None:
    net.add = lambda x, _skip: x


def multiplied_instead_of_added(net: Network) -> None:
    net.add = lambda x, skip: x * skip


def half_precision(net: Network) -> None:
    net.biased = InHalfPrecision(net.biased)


def layer_twice(net: Network) -> None:
    once = net.residual.forward
    net.residual.forward = lambda x: once(once(x))


def layer_missing(net: Network) -> None:
    net.merge = nn.Identity()


def repeated_layer_missing(net: Network) -> None:
    net.residual.norm = nn.Identity()


def no_bias(net: Network) -> None:
    net.biased = nn.Conv2d(32, 32, 3, padding=1, bias=False)


def softmax(net: Network) -> None:
    net.logits = lambda x: x.softmax(1)


def channels_reversed(net: Network) -> None:
    net.image = lambda x: x.flip(1)


def flattened_differently(net: Network) -> None:
    net.average = nn.Sequential(nn.AvgPool2d(2), Turned())


class Turned(nn.Module):
    """Channels in another order, as where what comes last was taken for the channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, 4, 8, *x.shape[2:]).transpose(1, 2).reshape(x.shape)


BUILT = (
    relu, slope, epsilon_larger, epsilon_smaller, missing_activation, additional_activation, activation_after_addition,
    concatenation_swapped, halves_swapped, interleaved_halves, padding_reflected, padding_one_sided, stride_moved,
    dilated, fewer_groups, ceil_mode, maximum_for_average, average_for_maximum, addition_missing,
    multiplied_instead_of_added, half_precision, layer_twice, layer_missing, repeated_layer_missing, no_bias, softmax,
    channels_reversed, flattened_differently,
)  # fmt: skip


# -- defects that come with the weights --------------------------------------------------------------


def linear_transposed(net: Network) -> None:
    net.hidden.weight.copy_(net.hidden.weight.t().clone())


def another_layers_weights(net: Network) -> None:
    net.biased.weight.copy_(net.residual.conv.weight)


def statistics_not_moved(net: Network) -> None:
    net.left.norm.reset_running_stats()


def affine_pairs_swapped(net: Network) -> None:
    for one, other in zip(net.merge.norm.parameters(), net.residual.norm.parameters(), strict=True):
        kept = one.clone()
        one.copy_(other)
        other.copy_(kept)


def scale_and_shift_exchanged(net: Network) -> None:
    norm = net.residual.norm
    norm.weight.data, norm.bias.data = norm.bias.data, norm.weight.data


def bias_dropped(net: Network) -> None:
    net.biased.bias.zero_()


def training_mode(net: Network) -> None:
    net.merge.norm.train()


def filters_turned(net: Network) -> None:
    net.widen.conv.weight.copy_(net.widen.conv.weight.flip(2, 3))


LOADED = (
    linear_transposed, another_layers_weights, statistics_not_moved, affine_pairs_swapped, scale_and_shift_exchanged,
    bias_dropped, training_mode, filters_turned,
)  # fmt: skip


# -- the comparison, as equivalence.numerics makes it ------------------------------------------------------------


def network(kind: type[nn.Module], seed: int, damage: Callable[[nn.Module], None] | None = None) -> TorchNetwork:
    torch.manual_seed(seed)
    module = kind()
    if damage:
        damage(module)
    return TorchNetwork(module, PREPROCESSING, lambda _image: {}, "cpu")


def structure(net: TorchNetwork, folder: Path) -> tuple[trace.Trace, dict[str, tuple[int, ...]]]:
    conditioning.write_trace(net, np.zeros((1, 3, SIZE, SIZE), np.float32), folder, values=False)
    return trace.read(folder), {name: v.shape for name, v in net.state().items() if v.dtype.kind == "f"}


def with_values(net: TorchNetwork, folder: Path) -> trace.Trace:
    conditioning.write_trace(net, BATCHES[0][:1], folder, values=True)
    return trace.read(folder)


def compare(name: str, other: TorchNetwork, after: Callable[[nn.Module], None] | None = None) -> None:
    folder = FOLDER / name
    b, shapes = structure(other, folder / "structure")
    found: dict[str, object] = {"name": name, "detected": True, "wiring": []}
    try:
        pairs = layer_matching.match(CLEAN, b, CLEAN_SHAPES, shapes)
    except layer_matching.CorrespondenceError as error:
        print(json.dumps({**found, "said": str(error)}))
        return
    own = {entry: value for entry, value in other.state().items() if value.dtype.kind not in "fc"}
    other.load_state({**own, **layer_matching.transfer(pairs, clean.state())})
    if after:
        with torch.no_grad():
            after(other.module)
    apart = divergence.relative(LOGITS, conditioning.forward(other, BATCHES))
    found["detected"] = apart > ROUNDING
    found["difference"] = str(apart)
    rewired = graph.wiring_differences(CLEAN, b, pairs)
    found["wiring"] = [f"{w.layer_a}: {w.text_a} against {w.layer_b}: {w.text_b}" for w in rewired]
    said = "the same function"
    if found["detected"]:
        first = divergence.first_divergence(CLEAN_VALUES, with_values(other, folder / "values"), pairs)
        said = f"{first.layer_a} against {first.layer_b}: {first.why}" if first else "no operation parts"
    print(json.dumps({**found, "said": said}))


torch.set_num_threads(1)  # too small a network for more
rng = np.random.default_rng(0)
BATCHES = [rng.standard_normal((16, 3, SIZE, SIZE)).astype(np.float32) for _ in range(3)]
clean = network(Network, 0)
conditioning.condition(clean, BATCHES, 0)
LOGITS = conditioning.forward(clean, BATCHES)
CLEAN, CLEAN_SHAPES = structure(clean, FOLDER / "clean" / "structure")
CLEAN_VALUES = with_values(clean, FOLDER / "clean" / "values")

compare("undamaged, seed 1", network(Network, 1))
compare("undamaged, seed 2", network(Network, 2))
compare("undamaged, another style", network(OtherStyle, 3))
for defect in BUILT:
    compare(defect.__name__.replace("_", " "), network(Network, 1, defect))
for defect in LOADED:
    compare(defect.__name__.replace("_", " "), network(Network, 1), defect)
