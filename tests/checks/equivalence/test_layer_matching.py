"""Which parameter is which is found from how two networks run, or it is said why it cannot be told."""

from __future__ import annotations

import numpy as np
import pytest
from written_traces import Written

from harness.checks.equivalence.layer_matching import CorrespondenceError, match, transfer


def pairs(a: Written, b: Written) -> list[tuple[str, str]]:
    return [(x.call.name, y.call.name) for x, y in match(a.trace, b.trace, a.shapes, b.shapes)]


def complaint(a: Written, b: Written) -> str:
    with pytest.raises(CorrespondenceError) as caught:
        pairs(a, b)
    return str(caught.value)


def straight(*names: str) -> Written:
    """Convolutions of equal shape, each with its normalisation."""
    net = Written()
    before: int | None = None
    for name in names:
        before = net.run("ReLU", net.norm(f"{name}.norm", net.conv(name, before)))
    return net


def test_names_decide_nothing_where_the_order_of_execution_does() -> None:
    found = pairs(straight("b", "a"), straight("first", "another"))
    assert found == [("b", "first"), ("b.norm", "first.norm"), ("a", "another"), ("a.norm", "another.norm")]


def test_a_weight_kept_the_other_way_and_a_bias_added_in_its_own_call_are_one_linear_layer() -> None:
    a, b = Written(), Written()
    a.linear("head", a.conv("conv", None), 3, 2)
    product = b.run(
        "MatMul", b.conv("conv", None), name="fc", tensors={"weight": ("fc.w", (2, 3))}, weight_layout="in,out"
    )
    b.run("Add", product, name="fc", tensors={"bias": ("fc.b", (3,))})
    assert [layer.output for layer in b.trace.layers] == [0, 2]
    weight, bias = np.arange(6.0).reshape(3, 2), np.arange(3.0)
    kernel = np.ones((4, 4, 3, 3))
    matched = match(a.trace, b.trace, a.shapes, b.shapes)
    moved = transfer(matched, {"conv.weight": kernel, "head.weight": weight, "head.bias": bias})
    assert set(moved) == {"conv.weight", "fc.w", "fc.b"}
    assert np.array_equal(moved["fc.w"], weight.T)
    assert np.array_equal(moved["fc.b"], bias)
    back = transfer([(y, x) for x, y in matched], moved)
    assert np.array_equal(back["head.weight"], weight)


def parallel(*names: str) -> Written:
    """Convolutions that nothing but their names tells apart, run in this order."""
    net = Written()
    stem = net.conv("stem", None, 4, 3, 3, 3)
    net.run("Add", *[net.conv(name, stem) for name in names])
    return net


def test_interchangeable_layers_whose_names_and_order_agree_are_matched() -> None:
    assert pairs(parallel("branch.2", "branch.10"), parallel("left", "right"))[1:] == [
        ("branch.2", "left"),
        ("branch.10", "right"),
    ]


def test_interchangeable_layers_whose_names_contradict_the_order_are_ambiguous() -> None:
    said = complaint(parallel("branch1", "branch2"), parallel("branch2", "branch1"))
    assert "2 layers are interchangeable" in said
    assert "branch1" in said
    assert "branch2" in said


def branches(dense_first: bool, *names: str) -> Written:
    net = Written()
    stem = net.conv("stem", None, 4, 3, 3, 3)

    def dense() -> int:
        return net.conv(names[0], net.run("Slice", stem, axis=1, start=0, stop=4))

    def grouped() -> int:
        return net.conv(names[1], net.run("Slice", stem, axis=1, start=4, stop=8), 4, 2, 3, 3)

    ends = [dense(), grouped()] if dense_first else [grouped(), dense()][::-1]
    net.linear("head", net.run("Concat", *ends, axis=1), 3, 8)
    return net


def test_layers_that_run_in_another_order_are_matched_by_their_place() -> None:
    found = pairs(branches(True, "left", "right"), branches(False, "x", "y"))
    assert found == [("stem", "stem"), ("left", "x"), ("right", "y"), ("head", "head")]


def test_layers_of_one_shape_that_run_in_another_order_are_matched_by_what_follows() -> None:
    def net(first: str) -> Written:
        written = Written()
        stem = written.conv("stem", None, 4, 3, 3, 3)
        ends = {}
        for name in ("deep", "flat") if first == "deep" else ("flat", "deep"):
            ends[name] = written.conv(name, stem)
            if name == "deep":
                ends[name] = written.norm("norm", ends[name])
        written.run("Concat", ends["deep"], ends["flat"], axis=1)
        return written

    assert ("deep", "deep") in pairs(net("deep"), net("flat"))
    assert ("flat", "flat") in pairs(net("deep"), net("flat"))


def test_an_entry_that_no_operation_uses_is_named() -> None:
    a, b = straight("a"), straight("a")
    b.shapes["relative_position_table"] = (7, 7)
    said = complaint(a, b)
    assert "1 entries of the state are used by no recorded operation" in said
    assert "relative_position_table" in said


def test_a_layer_too_many_is_named_with_its_place() -> None:
    a, b = Written(), Written()
    a.linear("head", a.conv("point", a.conv("stem", None), 4, 4, 1, 1), 3, 4)
    b.linear("fc", b.conv("stem", None), 3, 4)
    said = complaint(a, b)
    assert "3 against 2 layers" in said
    assert "number 1: point (Conv2d weight(4, 4, 1, 1)) against fc" in said
    assert "without a counterpart: point (Conv2d weight(4, 4, 1, 1)) against nothing" in said


def test_of_layers_alike_it_is_said_how_many_are_too_many() -> None:
    said = complaint(straight("a", "b", "c"), straight("a", "b"))
    assert "6 against 4 layers" in said
    assert "nothing after its 4 layers" in said
    assert "1 of a, b, c (Conv2d weight(4, 4, 3, 3))" in said


def test_another_shape_is_told_whatever_the_order_of_execution() -> None:
    a, b = branches(True, "left", "right"), branches(False, "x", "y")
    b.shapes["y.weight"] = (4, 1, 3, 3)
    said = complaint(a, b)
    assert "without a counterpart: right (Conv2d weight(4, 2, 3, 3)) against y (Conv2d weight(4, 1, 3, 3))" in said


def test_a_layer_that_runs_twice_is_one_layer() -> None:
    a, b = straight("a", "b"), straight("a", "b")
    b.norm("b.norm", b.conv("b", 5))
    assert len(b.trace.layers) == 4
    assert pairs(a, b)[-1] == ("b.norm", "b.norm")
