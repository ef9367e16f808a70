"""Weights are found under whatever keys and prefixes a trainer leaves, and those of another network are not."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from harness.adapters import keys

NETWORK = {
    "conv1.weight": (8, 3, 3, 3),
    "bn1.weight": (8,),
    "bn1.running_mean": (8,),
    "bn1.num_batches_tracked": (),
    "layer1.0.conv1.weight": (8, 8, 3, 3),
    "layer1.1.conv1.weight": (8, 8, 3, 3),
    "fc.weight": (1000, 8),
    "fc.bias": (1000,),
}


def state(*, prefix: str = "", fill: float = 0.0, without: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    found = {f"{prefix}{name}": np.full(shape, fill) for name, shape in NETWORK.items() if name not in without}
    return {**found, **more}


def read(content: Mapping[str, Any], *first: str) -> dict[str, dict[str, Any]]:
    """What each set of weights in a file is called, and its entries under the network's names."""
    return {
        label: found
        for name, arrays in keys.sets(content, first)
        for label, found in keys.readings(NETWORK, name, arrays)
    }


WRAPPED = {
    "alone": state(),
    "DataParallel": state(prefix="module."),
    "torch.compile": state(prefix="_orig_mod."),
    "both": state(prefix="_orig_mod.module."),
    "Lightning": {"state_dict": {**state(prefix="model."), "criterion.weight": np.zeros(1000)}, "epoch": 3},
    "a key that nobody knows": {"weights of my network": state(), "accuracy": np.float64(0.8)},
    "net": {"net": state(), "acc": 91.5, "epoch": 3},
    "two keys": {"checkpoint": {"model": state()}},
    "no counters": state(without=("bn1.num_batches_tracked",)),
    "parts in modules of their own": {
        **{f"backbone.{name}": np.zeros(shape) for name, shape in NETWORK.items() if not name.startswith("fc.")},
        **{f"head.{name}": np.zeros(shape) for name, shape in NETWORK.items() if name.startswith("fc.")},
    },
    "wrappers within": {
        name.replace("layer1.0.", "layer1._fsdp_wrapped_module.0._checkpoint_wrapped_module."): np.zeros(shape)
        for name, shape in NETWORK.items()
    },
    "AveragedModel": {"model_ema": {"n_averaged": np.array(3), **state(prefix="module.")}},
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_whatever_is_around_the_weights_is_taken_off(kind: str) -> None:
    (found,) = read(WRAPPED[kind]).values()
    assert set(keys.required(NETWORK)) <= found.keys() <= NETWORK.keys()


OTHERS = {
    "a deeper network": state(**{"layer1.2.conv1.weight": np.zeros((8, 8, 3, 3))}),
    "a deeper network, wrapped": state(prefix="m.", **{"m.layer1.2.conv1.weight": np.zeros((8, 8, 3, 3))}),
    "other classes": {**state(), "fc.weight": np.zeros((10, 8)), "fc.bias": np.zeros(10)},
    "wider": {name: np.zeros([2 * side for side in shape]) for name, shape in NETWORK.items()},
    "without the last layer": state(without=("fc.weight", "fc.bias")),
    "capitals": {name.upper(): np.zeros(shape) for name, shape in NETWORK.items()},
    "two into one": {**state(without=("fc.bias",)), "a.fc.bias": np.zeros(1000), "b.fc.bias": np.zeros(1000)},
    "nothing": {"epoch": 3},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_weights_of_another_network_are_not_taken_for_it(kind: str) -> None:
    assert read(OTHERS[kind]) == {}


def test_averaged_weights_are_offered_beside_those_that_were_trained() -> None:
    content = {"state_dict": state(fill=1), "state_dict_ema": state(prefix="module.", fill=2), "epoch": 3}
    found = read(content, "state_dict_ema", "model_ema", "state_dict")
    assert {name: one["fc.bias"][0] for name, one in found.items()} == {"state_dict_ema": 2, "state_dict": 1}
    assert list(found) == ["state_dict_ema", "state_dict"], "the source's own order"


def test_two_sets_under_one_key_are_told_apart_by_their_prefix() -> None:
    content = {"state_dict": {**state(prefix="student.", fill=1), **state(prefix="teacher.", fill=2)}}
    found = read(content)
    assert {name: one["fc.bias"][0] for name, one in found.items()} == {
        "state_dict: student": 1,
        "state_dict: teacher": 2,
    }


def test_weights_at_the_top_have_a_name() -> None:
    assert list(read({**state(), "ema": state()})) == [keys.WHOLE, "ema"]


def test_a_file_that_holds_itself_is_read_once() -> None:
    content: dict[str, Any] = {"net": state()}
    content["net"]["again"] = content
    assert list(read(content)) == ["net"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            state(prefix="model.net."),
            r"^all 8 names begin with `model\.net\.`; without it 8 of them are among the netw",
        ),
        ({f"encoder.{n}.w": np.zeros(1) for n in range(244)}, "all 244 names begin with `encoder.`; without it 0 of"),
        (
            {"a.weight": np.zeros(1), "b.weight": np.zeros(1)},
            "^none of its 2 names is one of the network's 8; they are",
        ),
        (state(without=("fc.weight", "fc.bias")), "^the network has 2 entries that the file has not, all of .* `fc.`$"),
        (OTHERS["a deeper network"], r"^the file has 1 entry that the network has not, the first `layer1\.2\.conv1\.w"),
        (OTHERS["other classes"], "^`fc` has 10 outputs, the network's 1000: it is made for other classes$"),
        (OTHERS["wider"], r"^7 have other shapes, the first `conv1.weight`: \(16, 6, 6, 6\), expected \(8, 3, 3, 3\)$"),
    ],
    ids=["prefix", "244", "none", "lacking", "unknown", "classes", "shapes"],
)
def test_what_does_not_fit_is_said_as_a_pattern(given: dict[str, Any], said: str) -> None:
    assert re.search(said, keys.pattern(NETWORK, keys.shapes(given)))


def test_a_hundred_thousand_names_take_seconds() -> None:
    given = {
        f"{'a.' * 60}{n}.{name}": np.broadcast_to(0, shape) for n in range(12_500) for name, shape in NETWORK.items()
    }
    started = time.monotonic()
    assert len(read(given)) == 12_500, "each is a whole network"
    assert read({f"{name}.more": value for name, value in given.items()}) == {}
    assert keys.pattern(NETWORK, keys.shapes(given))
    assert time.monotonic() - started < 20
