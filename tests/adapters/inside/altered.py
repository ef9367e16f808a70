"""Holds Network.altered to its contract, with a real network; run inside the source's environment: source, model.

Activations that a network calls in other ways than by a module of their own are tried one by one as well.
"""

import importlib
import math
import sys
from collections.abc import Callable

import numpy as np
from harness.adapters.base import Array, Network, Preprocessing

SIZE = 64
EPSILON, SLOPE = 0.1, 0.2
ROUNDING = 1e-4  #: of logits, and of activations of numbers that are rarely above 10
BF16 = 0.1  #: relative difference of logits that rounding to eight bits explains

source, model = sys.argv[1:]
adapter = importlib.import_module(f"harness.adapters.{source}").Adapter()
random = np.random.default_rng(0)
images = random.standard_normal((4, 3, SIZE, SIZE)).astype(np.float32)
# away from 0 and 1, so that an epsilon does not cancel
calibration = [random.normal(0.3, 0.4, (4, 3, SIZE, SIZE)).astype(np.float32) for _ in range(2)]
network = adapter.build(model, seed=1)
network.calibrate(calibration)
unaltered = network.forward(images)
assert np.isfinite(unaltered).all()


# -- by hand, in each framework ----------------------------------------------------------------------


def torch_epsilon(module) -> int:
    from torch import nn

    norms = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.eps = EPSILON
    return len(norms)


def torch_leaky(module) -> int:
    from torch import nn

    named = [(layer, name) for layer in module.modules() for name, child in layer.named_children() if is_relu(child)]
    for layer, name in named:
        setattr(layer, name, nn.LeakyReLU(SLOPE))
    return len(named)


def paddle_epsilon(module) -> int:
    from paddle import nn

    kinds = (nn.layer.norm._BatchNormBase, nn.BatchNorm)
    norms = [layer for layer in module.sublayers() if isinstance(layer, kinds)]
    for norm in norms:
        norm._epsilon = EPSILON
    return len(norms)


def paddle_leaky(module) -> int:
    from paddle import nn

    layers = module.sublayers(include_self=True)
    named = [(layer, name) for layer in layers for name, child in layer.named_children() if is_relu(child)]
    for layer, name in named:
        setattr(layer, name, nn.LeakyReLU(SLOPE))
    return len(named)


def is_relu(layer: object) -> bool:
    return type(layer).__name__ == "ReLU"


in_paddle = source == "ppcls"
set_epsilon, set_leaky = (paddle_epsilon, paddle_leaky) if in_paddle else (torch_epsilon, torch_leaky)


def changed_by_hand(change: Callable[[object], int]) -> Network:
    other = adapter.build(model, seed=2)
    other.load_state(network.state())
    assert np.array_equal(other.forward(images), unaltered)
    assert change(other.module) > 1
    return other


# -- a real network ----------------------------------------------------------------------------------


def as_before() -> bool:
    return np.array_equal(network.forward(images), unaltered)


def relative(difference: Array) -> float:
    return float(np.linalg.norm(difference) / np.linalg.norm(unaltered))


def refused(alteration: dict[str, object]) -> str:
    try:
        with network.altered(alteration):
            raise AssertionError(f"{alteration} was accepted")
    except NotImplementedError as error:
        return str(error)


LEAKY = {"factor": "activation", "from": "ReLU", "to": "LeakyReLU", "negative_slope": SLOPE}
LARGE_EPSILON = {"factor": "epsilon", "value": EPSILON}
bystander = changed_by_hand(lambda _module: 2)
both = changed_by_hand(lambda module: set_epsilon(module) + set_leaky(module))
for alteration, change in ((LARGE_EPSILON, set_epsilon), (LEAKY, set_leaky)):
    expected = changed_by_hand(change).forward(images)
    with network.altered(alteration):
        given = network.forward(images)
        again = network.forward(images)
        assert np.array_equal(bystander.forward(images), unaltered), "another network was altered"
    assert np.allclose(given, expected, atol=ROUNDING, rtol=ROUNDING), (alteration, np.abs(given - expected).max())
    assert np.array_equal(again, given), f"{alteration} held for one pass alone"
    assert relative(given - unaltered) > 0.01, f"{alteration} changes nothing"
    assert as_before(), alteration
    try:
        with network.altered(alteration):
            network.forward(np.zeros((1, 5, SIZE, SIZE), np.float32))  # no network takes five channels
            raise AssertionError("five channels were accepted")
    except (RuntimeError, ValueError, OSError):
        pass
    assert as_before(), f"{alteration}, after an error in forward()"
    try:
        with network.altered(alteration):
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert as_before(), f"{alteration}, after an error between"

with network.altered(LARGE_EPSILON):
    with network.altered(LEAKY):
        assert np.allclose(network.forward(images), both.forward(images), atol=ROUNDING, rtol=ROUNDING)
    assert relative(network.forward(images) - both.forward(images)) > 0.01, "the inner one goes on"
assert as_before()

for precision in ("bf16", "fp16"):
    alteration = {"factor": "precision", "value": precision}
    if in_paddle:
        assert precision in refused(alteration)
    else:
        with network.altered(alteration):
            rounded = network.forward(images)
        assert rounded.dtype == np.float32
        assert 0 < relative(rounded - unaltered) < BF16, (precision, relative(rounded - unaltered))
    assert as_before(), precision

for alteration, named in (
    ({"factor": "weather", "value": 1}, "weather"),
    ({"factor": "precision", "value": "int8"}, "int8"),
    ({"factor": "activation", "from": "ReLU", "to": "Mish"}, "Mish"),
    ({"factor": "activation", "from": "Identity", "to": "ReLU"}, "Identity"),
):
    assert named in refused(alteration), alteration
    assert as_before(), alteration


# -- activations one by one, in whatever way they are called -----------------------------------------

EXPECTED: dict[str, Callable[[Array], Array]] = {
    "Identity": lambda x: x,
    "ReLU": lambda x: np.maximum(x, 0),
    "ReLU6": lambda x: np.clip(x, 0, 6),
    "LeakyReLU": lambda x: np.where(x > 0, x, SLOPE * x),
    "SiLU": lambda x: x / (1 + np.exp(-x)),
    "GELU": lambda x: x * np.vectorize(lambda value: 0.5 * (1 + math.erf(value / math.sqrt(2))))(x),
    "Hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
}
numbers = random.normal(0, 4, (2, 3, 8, 8)).astype(np.float32)
PREPROCESSING = Preprocessing("none", SIZE, SIZE, "none", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def in_place(call: Callable) -> Callable:
    """What is read is the tensor that was passed, not the one that was returned."""

    def called(x):
        call(x)
        return x

    return called


def not_in_place(call: Callable) -> Callable:
    """The tensor that was passed, minus itself once what was returned is changed in place."""

    def called(x):
        call(x).add_(x * 0 + 100)
        return x

    return called


def torch_calls() -> tuple[Callable, list[tuple[str, Callable]], Callable]:
    import torch
    from harness.adapters.pytorch.network import TorchNetwork
    from torch import nn
    from torch.nn import functional

    class Calls(nn.Module):
        def __init__(self, call: Callable) -> None:
            super().__init__()
            self.call = call

        def forward(self, x):
            return self.call(x * 1)  # a tensor of its own, because torch.from_numpy shares the array

    calls = [
        ("ReLU", functional.relu),
        ("ReLU", in_place(lambda x: functional.relu(x, inplace=True))),
        ("ReLU", in_place(lambda x: functional.relu(x, True))),
        ("ReLU", torch.relu),
        ("ReLU", lambda x: torch.relu(input=x)),
        ("ReLU", torch.relu_),
        ("ReLU", in_place(torch.relu_)),
        ("ReLU", lambda x: x.relu()),
        ("ReLU", lambda x: x.relu_()),
        ("ReLU", in_place(lambda x: x.relu_())),
        ("ReLU", nn.ReLU(inplace=True)),
        ("ReLU6", functional.relu6),
        ("ReLU6", in_place(lambda x: functional.relu6(x, inplace=True))),
        ("ReLU6", nn.ReLU6()),
        ("ReLU6", in_place(nn.ReLU6(inplace=True))),
        ("ReLU6", in_place(lambda x: functional.hardtanh_(x, 0.0, 6.0))),
        ("LeakyReLU", functional.leaky_relu),
        ("LeakyReLU", lambda x: functional.leaky_relu(x, 0.3)),
        ("LeakyReLU", in_place(lambda x: functional.leaky_relu_(x, 0.3))),
        ("LeakyReLU", nn.LeakyReLU(0.3, inplace=True)),
        ("SiLU", functional.silu),
        ("SiLU", in_place(nn.SiLU(inplace=True))),
        ("GELU", functional.gelu),
        ("GELU", nn.GELU("tanh")),
        ("Hardswish", functional.hardswish),
        ("Hardswish", in_place(nn.Hardswish(inplace=True))),
    ]
    return (
        lambda call: TorchNetwork(Calls(call), PREPROCESSING, lambda _image: {}, "cpu"),
        calls,
        functional.relu,
    )


def paddle_calls() -> tuple[Callable, list[tuple[str, Callable]], Callable]:
    from harness.adapters.ppcls import PaddleNetwork
    from paddle import nn
    from paddle.nn import functional

    class Calls(nn.Layer):
        def __init__(self, call: Callable) -> None:
            super().__init__()
            self.call = call

        def forward(self, x):
            return self.call(x * 1)

    calls = [
        ("ReLU", functional.relu),
        ("ReLU", functional.relu_),
        ("ReLU", in_place(functional.relu_)),
        ("ReLU", nn.ReLU()),
        ("ReLU", nn.BatchNorm(3, act="relu", epsilon=1e-7)),
        ("ReLU6", functional.relu6),
        ("ReLU6", nn.ReLU6()),
        ("LeakyReLU", functional.leaky_relu),
        ("LeakyReLU", lambda x: functional.leaky_relu(x, 0.3)),
        ("LeakyReLU", in_place(lambda x: functional.leaky_relu_(x, 0.3))),
        ("SiLU", functional.silu),
        ("SiLU", in_place(lambda x: functional.silu(x, True))),
        ("SiLU", functional.swish),
        ("SiLU", nn.Swish()),
        ("GELU", functional.gelu),
        ("GELU", lambda x: functional.gelu(x=x)),
        ("GELU", nn.GELU(approximate=True)),
        ("Hardswish", functional.hardswish),
        ("Hardswish", nn.Hardswish()),
        ("Hardswish", nn.BatchNorm(3, act="hard_swish", epsilon=1e-7)),
    ]
    return lambda call: PaddleNetwork(Calls(call), PREPROCESSING, lambda _image: {}), calls, functional.relu


def activation(old: str, new: str) -> dict[str, object]:
    return {
        "factor": "activation",
        "from": old,
        "to": new,
        **({"negative_slope": SLOPE} if new == "LeakyReLU" else {}),
    }


network_of, calls, relu = paddle_calls() if in_paddle else torch_calls()
for number, (kind, call) in enumerate(calls):
    calling = network_of(call)
    plain = calling.forward(numbers)
    for new, expected in EXPECTED.items():
        with calling.altered(activation(kind, new)):
            given = calling.forward(numbers)
        assert np.allclose(given, expected(numbers), atol=ROUNDING), f"call {number}, {kind} to {new}"
        assert np.array_equal(calling.forward(numbers), plain), f"call {number}, after {kind} to {new}"
    for other in {kind for kind, _ in calls} - {kind}:
        with calling.altered(activation(other, "Identity")):
            assert np.array_equal(calling.forward(numbers), plain), f"call {number} is {kind} and no {other}"
for new in EXPECTED:
    separate = network_of(not_in_place(relu))
    with separate.altered(activation("ReLU", new)):
        assert np.array_equal(separate.forward(numbers), numbers), f"{new} shares its output with its input"


# -- epsilon, in whatever way it is given ------------------------------------------------------------

if not in_paddle:
    import torch
    from torch.nn import functional

    mean, variance = torch.zeros(3), torch.full((3,), 0.5)
    for call in (
        lambda x: functional.batch_norm(x, mean, variance),
        lambda x: functional.batch_norm(x, mean, variance, eps=1e-3),
        lambda x: functional.batch_norm(x, mean, variance, None, None, False, 0.1, 1e-3),
        lambda x: torch.batch_norm(x, None, None, mean, variance, False, 0.1, 1e-3, False),
    ):
        calling = network_of(call)
        plain = calling.forward(numbers)
        with calling.altered(LARGE_EPSILON):
            assert np.allclose(calling.forward(numbers), numbers / np.sqrt(0.5 + EPSILON), atol=ROUNDING)
        assert np.array_equal(calling.forward(numbers), plain)
