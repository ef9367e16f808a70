"""Where two networks part, by their values and by how they are wired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from written_traces import Written

from harness.checks.equivalence.divergence import Divergence, attribute_differences, first_divergence, profile, relative
from harness.checks.equivalence.graph import WiringDifference, inventory, wiring_differences
from harness.checks.equivalence.layer_matching import match
from harness.checks.equivalence.trace import Array

IMAGE = np.random.default_rng(0).standard_normal((1, 4, 4, 4)).astype(np.float32)


def leaky(x: Array, slope: float = 0.1) -> Array:
    return np.where(x > 0, x, np.float32(slope) * x)


def first(a: Written, b: Written) -> Divergence | None:
    return first_divergence(a.trace, b.trace, match(a.trace, b.trace, a.shapes, b.shapes))


def wiring(a: Written, b: Written) -> list[WiringDifference]:
    return wiring_differences(a.trace, b.trace, match(a.trace, b.trace, a.shapes, b.shapes))


class Chain(Written):
    """Operations one after the other, each with its value."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.last: int | None = None
        self.value = IMAGE

    def then(self, kind: str, value: Array, name: str = "", **attributes: Any) -> Chain:
        self.value = value
        if kind == "Conv2d":
            self.last = self.conv(name, self.last, value=value, **attributes)
        elif kind == "BatchNorm2d":
            assert self.last is not None
            self.last = self.norm(name, self.last, value=value, **attributes)
        else:
            self.last = self.run(kind, self.last, name=name, value=value, **attributes)
        return self


def test_networks_that_agree_part_nowhere(tmp_path: Path) -> None:
    a = Chain(tmp_path / "a").then("Conv2d", 2 * IMAGE, "conv").then("ReLU", leaky(IMAGE))
    b = Chain(tmp_path / "b").then("Conv2d", 2 * IMAGE * (1 + 1e-6), "conv").then("ReLU", leaky(IMAGE))
    assert first(a, b) is None


def test_the_same_input_goes_through_two_kinds(tmp_path: Path) -> None:
    a = Chain(tmp_path / "a").then("Conv2d", IMAGE, "conv").then("LeakyReLU", leaky(IMAGE), "act", negative_slope=0.1)
    b = Chain(tmp_path / "b").then("Conv2d", IMAGE, "conv").then("ReLU", leaky(IMAGE, 0), "relu")
    for net in (a, b):
        net.then("Conv2d", 3 * net.value, "next")
    found = first(a, b)
    assert found is not None
    assert (found.layer_a, found.layer_b, found.kind_a, found.kind_b) == ("act", "relu", "LeakyReLU", "ReLU")
    assert found.why == "the same input goes through LeakyReLU (negative_slope 0.1) and ReLU"
    assert found.difference == pytest.approx(relative(leaky(IMAGE), leaky(IMAGE, 0)))


def test_every_layer_with_weights_has_its_difference_and_the_logits_theirs(tmp_path: Path) -> None:
    a, b = Chain(tmp_path / "a"), Chain(tmp_path / "b")
    for net, slope in ((a, 0.1), (b, 0.0)):
        net.then("Conv2d", IMAGE, "stem").then("LeakyReLU", leaky(IMAGE, slope), "act", negative_slope=slope)
        net.then("Conv2d", 3 * net.value, "next").then("ReLU", 4 * net.value, "last")
    found = profile(a.trace, b.trace, match(a.trace, b.trace, a.shapes, b.shapes))
    apart = relative(leaky(IMAGE), leaky(IMAGE, 0))
    assert [name for name, _ in found] == ["stem", "next", "logits"]
    assert [difference for _, difference in found] == [0.0, pytest.approx(apart), pytest.approx(apart)]
    ends = Chain(tmp_path / "c").then("Conv2d", IMAGE, "stem")
    same = Chain(tmp_path / "d").then("Conv2d", IMAGE, "stem")
    assert profile(ends.trace, same.trace, match(ends.trace, same.trace, ends.shapes, same.shapes)) == [("stem", 0.0)]


def test_an_activation_that_one_runs_alone(tmp_path: Path) -> None:
    a = Chain(tmp_path / "a").then("Conv2d", IMAGE, "conv").then("Conv2d", 3 * IMAGE, "next")
    b = Chain(tmp_path / "b").then("Conv2d", IMAGE, "conv").then("ReLU", leaky(IMAGE, 0), "act")
    b.then("Conv2d", 3 * b.value, "next")
    found = first(a, b)
    assert found is not None
    assert (found.layer_b, found.why) == ("act", "ReLU is run by the second only")
    found = first(b, a)
    assert found is not None
    assert (found.layer_a, found.why) == ("act", "ReLU is run by the first only")


def test_layers_that_one_runs_once_more(tmp_path: Path) -> None:
    nets = []
    for name, times in (("a", 1), ("b", 2)):
        net = Chain(tmp_path / name).then("Conv2d", IMAGE, "stem")
        for _ in range(times):
            net.then("Conv2d", net.value[..., ::-1] + 1, "again").then("ReLU", leaky(net.value, 0), "act")
        nets.append(net.then("ReLU6", 3 * net.value))
    found = first(*nets)
    assert found is not None
    assert found.layer_b == "again"
    assert found.why == "Conv2d, ReLU are run once more by the second only"


def test_the_same_inputs_in_another_order(tmp_path: Path) -> None:
    nets = []
    for name, order in (("a", (0, 1)), ("b", (1, 0))):
        net = Chain(tmp_path / name)
        values = [IMAGE, IMAGE + 1]
        for index, value in enumerate(values):
            net.last = None
            net.then("Conv2d", value, f"conv{index}")
        joined = np.concatenate([values[i] for i in order], axis=1)
        net.last = net.run("Concat", *order, value=joined, axis=1)
        nets.append(net.then("Conv2d", 2 * joined, "merge"))
    found = first(*nets)
    assert found is not None
    assert found.why == "Concat takes the same inputs in another order"
    assert found.layer_a == "(operation 2, after conv0)"
    assert found.layer_b == "(operation 2, after conv1)"


def test_an_attribute_that_differs(tmp_path: Path) -> None:
    nets = []
    for name, eps in (("a", {"eps": 1e-5}), ("b", {"epsilon": 1e-3})):
        net = Chain(tmp_path / name).then("Conv2d", IMAGE, "conv")
        nets.append(net.then("BatchNorm2d", IMAGE / np.float32(np.sqrt(1 + 100 * max(eps.values()))), "norm", **eps))
    found = first(*nets)
    assert found is not None
    assert (found.layer_a, found.why) == ("norm", "BatchNorm2d: eps 1e-05 against 0.001")


@pytest.mark.parametrize("values", [2 * IMAGE, IMAGE + np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1)])
def test_the_same_attributes_with_other_parameters(values: Array, tmp_path: Path) -> None:
    a = Chain(tmp_path / "a").then("Conv2d", IMAGE, "stem").then("Conv2d", IMAGE, "conv")
    b = Chain(tmp_path / "b").then("Conv2d", IMAGE, "stem").then("Conv2d", values, "conv")
    found = first(a, b)
    assert found is not None
    assert found.layer_a == "conv"
    assert "its parameters, or an attribute that is not recorded, differ" in found.why
    assert ("a different bias" in found.why) == (values[0, 0, 0, 0] == IMAGE[0, 0, 0, 0])


def test_reshaping_in_between_is_no_difference(tmp_path: Path) -> None:
    a = Chain(tmp_path / "a").then("Conv2d", IMAGE, "conv").then("Flatten", IMAGE.reshape(1, -1))
    b = Chain(tmp_path / "b").then("Conv2d", IMAGE, "conv")
    b.then("reshape", IMAGE.reshape(1, 4, 16)).then("squeeze", IMAGE.reshape(1, -1))
    a.then("ReLU", leaky(a.value, 0), "one")
    b.then("LeakyReLU", leaky(b.value), "two")
    found = first(a, b)
    assert found is not None
    assert (found.layer_a, found.layer_b) == ("one", "two")
    assert found.why == "the same input goes through ReLU and LeakyReLU"


def test_reshaping_that_moves_values_is_one(tmp_path: Path) -> None:
    a = Chain(tmp_path / "a").then("Conv2d", IMAGE, "conv").then("Flatten", IMAGE.reshape(1, -1), "flat")
    b = Chain(tmp_path / "b").then("Conv2d", IMAGE, "conv").then("permute", IMAGE.transpose(0, 2, 3, 1))
    b.then("Flatten", b.value.reshape(1, -1), "flat")
    for net in (a, b):
        net.then("ReLU", 2 * net.value)
    found = first(a, b)
    assert found is not None
    assert (found.layer_a, found.layer_b, found.why) == ("flat", "flat", "the same values are laid out differently")


def test_the_image_changed_before_the_first_layer(tmp_path: Path) -> None:
    a = Chain(tmp_path / "a").then("Conv2d", IMAGE, "conv")
    b = Chain(tmp_path / "b").then("flip", IMAGE[:, ::-1], axes=1).then("Conv2d", 2 * IMAGE, "conv")
    found = first(a, b)
    assert found is not None
    assert (found.layer_a, found.kind_b) == ("conv", "flip")
    assert found.why == "the first reads the image itself, the second the output of flip (axes 1)"


def test_what_overflows_is_said(tmp_path: Path) -> None:
    a = Chain(tmp_path / "a").then("Conv2d", IMAGE, "conv")
    b = Chain(tmp_path / "b").then("Conv2d", np.full_like(IMAGE, np.inf), "conv")
    found = first(a, b)
    assert found is not None
    assert found.why.endswith("the output of the second is not finite")
    assert found.difference == float("inf")
    assert relative(b.value, b.value) == float("inf")


# -- wiring ------------------------------------------------------------------------------------------


def wired(order: int = 1, swapped: bool = False, slope: float = 0.1, **norm: float) -> Written:
    net = Written()
    stem = net.norm("norm", net.conv("stem", None, 8, 3, 3, 3), **(norm or {"eps": 1e-5}))
    halves = [net.run("Slice", stem, axis=1, start=start, stop=start + 4) for start in (0, 4)]
    left, right = reversed(halves) if swapped else halves
    ends = [net.conv("left", left), net.conv("right", right, 4, 2, 3, 3)]
    act = net.run("LeakyReLU", net.run("Concat", *ends[::order], axis=1), negative_slope=slope)
    net.linear("head", net.run("Flatten", act), 3, 8)
    return net


def test_the_same_wiring_shows_no_difference() -> None:
    assert wiring(wired(), wired(epsilon=1e-5)) == []


def test_a_concatenation_in_another_order_shows_at_the_layer_that_it_feeds() -> None:
    (found,) = wiring(wired(), wired(order=-1))
    assert found.layer_a == "head"
    assert "Concat(left, right)" in found.text_a
    assert "Concat(right, left)" in found.text_b


def test_swapped_halves_show_at_both_branches() -> None:
    found = wiring(wired(), wired(swapped=True))
    assert [difference.layer_a for difference in found] == ["left", "right"]
    assert "start=0" in found[0].text_a
    assert "start=4" in found[0].text_b


def test_another_slope_shows_at_the_layer_that_it_feeds() -> None:
    (found,) = wiring(wired(), wired(slope=0.01))
    assert found.layer_b == "head"
    assert "negative_slope=0.1]" in found.text_a
    assert "negative_slope=0.01]" in found.text_b


def test_another_epsilon_shows_at_its_layer() -> None:
    (found,) = wiring(wired(), wired(epsilon=1e-3))
    assert (found.layer_a, found.text_a, found.text_b) == (
        "norm",
        "BatchNorm2d with eps 1e-05",
        "BatchNorm2d with eps 0.001",
    )


def test_what_only_reshapes_or_adds_in_another_order_is_no_difference() -> None:
    a, b = wired(), wired()
    for net, order in ((a, 1), (b, -1)):
        ends = [len(net.calls) - 1, net.run("ReLU", len(net.calls) - 1)]
        net.run("Add", *ends[::order])
    b.run("reshape", len(b.calls) - 1)
    assert wiring(a, b) == []


def test_an_operation_after_the_last_layer_shows_at_the_output() -> None:
    a, b = wired(), wired()
    b.run("Softmax", len(b.calls) - 1, dim=1)
    (found,) = wiring(a, b)
    assert (found.layer_a, found.text_a, found.text_b) == ("(output)", "head", "Softmax(head)")


# -- attributes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "found"),
    [
        ("Conv2d", {"stride": 2}, {"stride": (2, 2)}, {}),
        ("Conv2d", {"stride": 2}, {"stride": (2, 1)}, {"stride": ((2, 2), (2, 1))}),
        ("Conv2d", {"groups": 4}, {"groups": 2}, {"groups": (4, 2)}),
        ("Conv2d", {"dilation": 1}, {}, {}),
        ("BatchNorm2d", {"eps": 1e-5}, {"epsilon": 9.999999747378752e-06}, {}),
        ("BatchNorm2d", {"training": False}, {"is_test": True}, {}),
        ("BatchNorm2d", {"training": True}, {"is_test": True}, {"training": (True, False)}),
        ("BatchNorm2d", {"momentum": 0.1}, {"momentum": 0.9}, {}),
        ("Concat", {"dim": 1}, {"axis": -1}, {}),
        ("Slice", {"axis": 1, "start": 0, "stop": 4}, {"axis": 1, "start": 0, "stop": 4}, {}),
        (
            "Slice",
            {"axis": 1, "start": 0, "stop": 4},
            {"axis": 1, "start": 0, "stop": 4, "step": 2},
            {"step": (1, 2)},
        ),
    ],
)
def test_attributes_are_compared_in_terms_that_frameworks_share(
    kind: str, ours: dict[str, Any], theirs: dict[str, Any], found: dict[str, Any]
) -> None:
    a, b = Written(), Written()
    a.run(kind, None, **ours)
    b.run(kind, None, **theirs)
    assert attribute_differences(a.calls[0], b.calls[0]) == found


def test_the_inventory_leaves_out_what_reshapes() -> None:
    assert inventory(wired().trace) == {
        "Conv2d": 3,
        "BatchNorm2d": 1,
        "Slice": 2,
        "Concat": 1,
        "LeakyReLU": 1,
        "Linear": 1,
    }
