"""A convention turns counts into a figure; which ones there are, and in what order they are tried."""

import dataclasses
import math
from fractions import Fraction

import pytest
from builders import COUNTERS, claim, measured, static

from harness.checks.counts.candidates import SIMPLE, flops_conventions, params_conventions, simple_fractions
from harness.checks.counts.conventions import FOLDED, FlopsConvention, parameter_counts, ratio_text
from harness.checks.counts.matching import figure

# --- FLOPs


def test_the_plain_meaning_is_two_operations_per_multiply_add_of_the_plain_counter_at_the_rows_size() -> None:
    network = static(at_256=4.5e9, input_size=224)
    first, *others = flops_conventions([network], multiply_adds=False)
    assert first == FlopsConvention("plain", plain_counter=True)
    assert first.value(network, 256) == 9.0e9
    assert first.value(network, 224) == 2 * 4.5e9 * (224 / 256) ** 2
    assert first.departures == 0
    assert min(other.departures for other in others) == 1


def test_under_a_heading_in_macs_the_plain_meaning_is_one_per_multiply_add() -> None:
    network = static(at_256=4.5e9)
    first = flops_conventions([network], multiply_adds=True)[0]
    assert (first.factor, first.departures, first.value(network, 256)) == (1, 0, 4.5e9)


@pytest.mark.parametrize(
    ("convention", "value", "text"),
    [
        (FlopsConvention("thop", False), 2 * 4.03e9, "2 x multiply-adds by thop, at the row's input size"),
        (FlopsConvention("thop", False, factor=1), 4.03e9, "multiply-adds by thop, at the row's input size"),
        (FlopsConvention("plain", True, size=224), 2 * 3.0625e9, "2 x multiply-adds by plain, at 224 pixels"),
        (
            FlopsConvention("plain", True, size=224, decimals=2),
            2 * 3.06e9,
            "2 x multiply-adds by plain, at 224 pixels, the multiply-adds rounded to 2 decimals of a G first",
        ),
        (
            FlopsConvention("plain", True, binary=True),
            8e9 * 1e9 / 2**30,
            "2 x multiply-adds by plain, at the row's input size, G = 2^30",
        ),
        (
            FlopsConvention("plain", True, ratio=Fraction(10, 9)),
            8e9 * 10 / 9,
            "2 x multiply-adds by plain, at the row's input size, times the constant 10/9",
        ),
    ],
)
def test_a_flops_convention_says_what_it_computes(convention: FlopsConvention, value: float, text: str) -> None:
    network = static(model="", at_256=4e9, counters={"plain": 1.0, "thop": 1.0075})
    assert convention.value(network, 256) == pytest.approx(value, rel=1e-12)
    assert convention.text == text


def test_an_intermediate_is_rounded_before_it_is_doubled() -> None:
    network = static(at_256=3.4835e9)
    rounded = FlopsConvention("plain", True, decimals=2).value(network, 256)
    exact = FlopsConvention("plain", True).value(network, 256)
    assert rounded is not None
    assert exact is not None
    assert (claim("6.96").printed(rounded), claim("6.96").printed(exact)) == ("6.96", "6.97")


def test_what_was_not_counted_has_no_value() -> None:
    network = static(sizes=(224,))
    assert FlopsConvention("plain", True).value(network, 256) is None
    assert FlopsConvention("nobody", False).value(network, 224) is None
    assert FlopsConvention("plain", True, size=224).value(network, 256) is not None


def test_conventions_are_all_choices_once_with_the_fewest_departures_first() -> None:
    found = flops_conventions([static()], multiply_adds=False)
    # counters, factor 1 or 2, the row's size or 224 or 256, exact or rounded to 3, 2 or 1 or binary or cut off
    assert len(found) == len(set(found))
    assert {c.counter for c in found} == set(COUNTERS)
    assert {c.size for c in found} == {None, 224, 256}
    assert {c.fault for c in found if c.batch == 16} == {"it is counted for a batch of 16 images"}
    departures = [convention.departures for convention in found]
    assert departures == sorted(departures)


def test_every_departure_from_the_plain_meaning_costs() -> None:
    plain = FlopsConvention("plain", True)
    assert plain.departures == 0
    for other in (
        FlopsConvention("thop", False),
        FlopsConvention("plain", True, factor=1),
        FlopsConvention("plain", True, size=224),
        FlopsConvention("plain", True, decimals=2),
        FlopsConvention("plain", True, binary=True),
        FlopsConvention("plain", True, ratio=Fraction(10, 9)),
    ):
        assert other.departures > 0, other


def test_of_equally_plain_counters_the_one_that_the_source_lists_first_is_tried_first() -> None:
    network = static(counters={"zeta": 1.1, "plain": 1.0, "alpha": 1.2})
    found = [convention.counter for convention in flops_conventions([network], multiply_adds=False)]
    assert list(dict.fromkeys(found)) == ["plain", "zeta", "alpha"]


# --- parameters


def test_the_plain_meaning_of_parameters_is_what_is_learnable() -> None:
    network = static(learnable=21_616_168)
    first = params_conventions([network])[0]
    assert (first.counted, first.departures) == ("learnable parameters", 0)
    assert first.value(network, 256) == 21_616_168


def test_parameters_are_counted_in_every_way_that_tables_do() -> None:
    network = static(learnable=21_616_168, parameters={"by_counter": {"thop": 21_569_320}, "biases": 1_000})
    assert parameter_counts(network) == {
        "learnable parameters": 21_616_168,
        "parameters by thop": 21_569_320,
        FOLDED: 21_616_168 - 23_424,
        "learnable parameters and running statistics": 21_616_168 + 46_848,
        "all stored tensors": 21_616_168 + 46_848 + 61,
        "learnable parameters without the classifier": 21_616_168 - 2_049_000,
        "learnable parameters without normalisation": 21_616_168 - 46_848,
        "learnable parameters without biases": 21_616_168 - 1_000,
    }


def test_a_binary_million_is_tried_for_every_way_to_count() -> None:
    network = static(learnable=21_616_168)
    by_text = {convention.text: convention for convention in params_conventions([network])}
    assert by_text["learnable parameters, M = 2^20"].value(network, 256) == pytest.approx(21_616_168e6 / 2**20)
    assert set(parameter_counts(network)) <= set(by_text)
    mebibytes = by_text["learnable parameters, 4 bytes each, M = 2^20"]
    assert mebibytes.value(network, 256) == pytest.approx(4 * 21_616_168e6 / 2**20)
    assert mebibytes.fault is not None


def test_a_count_that_one_network_lacks_has_no_value_for_it() -> None:
    with_thop = static(parameters={"by_counter": {"thop": 7}})
    without = static()
    (by_thop,) = [c for c in params_conventions([with_thop, without]) if c.text == "parameters by thop"]
    assert (by_thop.value(with_thop, 256), by_thop.value(without, 256)) == (7, None)


# --- fractions


def test_a_ratio_is_written_as_a_fraction() -> None:
    assert ratio_text(Fraction(10, 9)) == "10/9"
    assert ratio_text(Fraction(SIMPLE, SIMPLE - 1)) == f"{SIMPLE}/{SIMPLE - 1}"


def test_simple_fractions_within_a_factor_of_four_are_counted_once() -> None:
    by_hand = {(p // math.gcd(p, q), q // math.gcd(p, q)) for p in range(1, 13) for q in range(1, 13)}
    within = {Fraction(p, q) for p, q in by_hand if q < 4 * p and p < 4 * q and p != q}
    assert simple_fractions() == within - {Fraction(2), Fraction(1, 2)}


# --- how a figure is printed


def test_digits_are_padded_or_cut_off_where_a_convention_says_so() -> None:
    network = static(at_256=6.9187e6)
    plain = FlopsConvention("plain", True, 1, 1)
    item = dataclasses.replace(
        measured("6.910", network), claim=dataclasses.replace(claim("6.910"), unit="M", step=1e3)
    )
    assert figure(plain, item) == pytest.approx(6.9187e6)
    assert figure(dataclasses.replace(plain, padding=1), item) == pytest.approx(6.92e6)
    assert figure(dataclasses.replace(plain, padding=1, cut=True), item) == pytest.approx(6.91e6)
    assert figure(dataclasses.replace(plain, cut=True), item) == pytest.approx(6.918e6)
    assert dataclasses.replace(plain, padding=2).text.endswith(", the last 2 digits printed as 0")
    assert dataclasses.replace(plain, cut=True).text.endswith(", cut off instead of rounded")
    twice = dataclasses.replace(plain, twice=True)
    assert twice.text.endswith(", rounded twice")
    assert figure(twice, dataclasses.replace(item, static=static(at_256=6.9145e6))) == pytest.approx(6.915e6)
    assert figure(twice, dataclasses.replace(item, static=static(at_256=6.91446e6))) == pytest.approx(6.915e6)
    assert figure(plain, dataclasses.replace(item, static=static(at_256=6.91446e6))) == pytest.approx(6.91446e6)


def test_the_form_in_which_a_network_is_deployed_is_counted_where_it_has_one() -> None:
    network = static(learnable=9_108_968, parameters={"fused": 8_309_384, "fused_biases": 5_496})
    counts = parameter_counts(network)
    assert counts["parameters, branches fused for deployment"] == 8_309_384
    assert counts["parameters, branches fused for deployment, without biases"] == 8_303_888
    assert not any("fused" in name for name in parameter_counts(static()))


def test_frozen_parameters_are_left_out_by_a_convention_of_its_own() -> None:
    counts = parameter_counts(static(learnable=11_915_176, parameters={"frozen": 9_472}))
    assert (counts["learnable parameters"], counts["learnable parameters without the frozen ones"]) == (
        11_915_176,
        11_905_704,
    )
    assert not any("frozen" in name for name in parameter_counts(static()))


def test_another_number_of_classes_changes_the_classifier_alone() -> None:
    network = static(at_256=4.5e9, learnable=21_616_168, parameters={"classifier": 2_049_000})
    by_text = {convention.text: convention for convention in params_conventions([network])}
    count = by_text["learnable parameters, with a classifier of 100 classes"].value(network, 256)
    assert count == pytest.approx(21_616_168 - 900 * 2_049)
    plain = FlopsConvention("plain", True, 1, 1)
    assert dataclasses.replace(plain, classes=0).value(network, 256) == pytest.approx(4.5e9 - 1000 * 2_048)
    assert dataclasses.replace(plain, classes=0).value(static(parameters={"classifier": 0}), 256) is None


def test_a_slipped_unit_is_a_fault() -> None:
    network = static(at_256=4.5e9)
    slipped = dataclasses.replace(FlopsConvention("plain", True), power=3)
    assert slipped.value(network, 256) == pytest.approx(9e12)
    assert slipped.fault == "the unit has slipped by 10^3"
    assert FlopsConvention("plain", True).fault is None
