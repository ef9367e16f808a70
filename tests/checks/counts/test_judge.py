"""FLOPs and parameters: right figures are found under their convention, wrong ones are not explained away."""

import dataclasses
import math
import random
from collections.abc import Callable, Sequence

import pytest
from builders import claim, measured, row, static

from harness.checks.counts.column_convention import CHANCE_ACCEPTED_AGAINST_COLUMN, CommonConvention
from harness.checks.counts.judge import judge, left_out_types
from harness.checks.counts.matching import CHANCE_ACCEPTED, Judgement, Measured, paddings
from harness.checks.counts.misplaced import belongs_to
from harness.core.records import Outcome, Static

REPRODUCED, EXPLAINED, CONTRADICTED = Outcome.REPRODUCED, Outcome.EXPLAINED, Outcome.CONTRADICTED

#: three networks, and multiply-adds such that ten ninths of twice them are the figures beside
RATIO = [
    (static("cspresnet50", at_256=4.5173e9), 256, "10.038"),
    (static("cspresnext50", at_256=3.07441e9 * (256 / 224) ** 2, input_size=224), 224, "6.832"),
    (static("cspdarknet53", at_256=6.53355e9), 256, "14.519"),
]
#: three networks whose multiply-adds at 224 were rounded to two decimals of a G and then doubled
ROUNDED = [
    (static("cspresnet50", at_256=3.4835e9 * (256 / 224) ** 2), 256, "6.96"),
    (static("cspresnext50", at_256=3.1139e9 * (256 / 224) ** 2, input_size=224), 224, "6.22"),
    (static("cspdarknet53", at_256=5.0362e9 * (256 / 224) ** 2), 256, "10.08"),
]


def group(networks: Sequence[tuple[Static, int, str]], *changed: tuple[int, str]) -> list[Measured]:
    """The claims of one source, with some figures replaced."""
    texts = {**{i: text for i, (_, _, text) in enumerate(networks)}, **dict(changed)}
    return [measured(texts[i], network, i + 1, size) for i, (network, size, _) in enumerate(networks)]


def outcomes(judged: Sequence[Judgement]) -> list[Outcome]:
    return [one.outcome for one in judged]


def alone(item: Measured) -> Judgement:
    (judged,) = judge([item])
    return judged


# --- a claim against a value


@pytest.mark.parametrize(
    ("value", "agrees"),
    [(10.0374, False), (10.03751, True), (10.038, True), (10.03849, True), (10.0386, False), (-10.038, False)],
)
def test_a_claim_agrees_with_half_a_step_either_way(value: float, agrees: bool) -> None:
    assert claim("10.038").agrees(value * 1e9) is agrees


def test_a_trailing_zero_is_a_digit() -> None:
    assert claim("10.0").agrees(10.04e9)
    assert not claim("10.00").agrees(10.04e9)
    assert (claim("10.00").digits, claim("0.050").digits) == (4, 2)


# --- one row


def test_the_plain_count_is_reproduced() -> None:
    judged = alone(measured("9.035", static(at_256=4.5173e9)))
    assert (judged.outcome, judged.plain) == (REPRODUCED, pytest.approx(9.0346e9))
    assert judged.convention == "2 x multiply-adds by plain, at the row's input size"
    assert judged.evidence["digits_explained"] == 4


def test_the_rows_size_counts_and_not_the_networks_own() -> None:
    network = static(at_256=4.5173e9, input_size=224)
    assert alone(measured("9.035", network, size=256)).outcome is REPRODUCED
    assert alone(measured("6.917", network, size=224)).outcome is REPRODUCED


def test_without_a_size_in_the_row_the_networks_own_counts() -> None:
    assert alone(measured("6.917", static(at_256=4.5173e9, input_size=224), size=None)).outcome is REPRODUCED


def test_multiply_adds_under_a_heading_in_flops_are_explained() -> None:
    judged = alone(measured("4.5173", static(at_256=4.5173e9)))
    assert (judged.outcome, judged.plain) == (EXPLAINED, pytest.approx(9.0346e9))
    assert judged.convention == "multiply-adds by plain, at the row's input size"
    assert judged.cause == f"counted as {judged.convention}"


def test_multiply_adds_under_a_heading_in_macs_are_reproduced_and_twice_that_is_explained() -> None:
    network = static(at_256=4.5173e9)
    assert alone(measured("4.517", network, multiply_adds=True)).outcome is REPRODUCED
    twice = alone(measured("9.0346", network, multiply_adds=True))
    assert (twice.outcome, twice.plain) == (EXPLAINED, pytest.approx(4.5173e9))
    assert twice.convention == "2 x multiply-adds by plain, at the row's input size"


def test_a_count_at_224_in_a_row_of_256_is_explained() -> None:
    judged = alone(measured("6.9171", static(at_256=4.5173e9)))
    assert (judged.outcome, judged.convention) == (EXPLAINED, "2 x multiply-adds by plain, at 224 pixels")


def test_a_binary_giga_is_explained() -> None:
    judged = alone(measured(f"{9.0346e9 / 2**30:.5f}", static(at_256=4.5173e9)))
    assert judged.outcome is EXPLAINED
    assert judged.convention is not None
    assert judged.convention.endswith("G = 2^30")


def test_an_explanation_tells_its_digits_tries_and_chance() -> None:
    judged = alone(measured("6.9171", static(at_256=4.5173e9)))
    assert judged.evidence["value_under_convention"] == "6.9171"
    assert judged.evidence["digits_explained"] == 5
    assert judged.evidence["rows_of_this_source_explained"] == 1
    # by plain or by one of four other counters, times two or one, at this size or at 224: those that change
    # one thing are six beside the plain one, and two that only round
    assert 7 <= judged.evidence["conventions_tried"] <= 10
    chance = judged.evidence["conventions_tried"] * 0.0001 / 6.9171
    assert judged.evidence["chance"] == pytest.approx(chance)
    assert chance <= CHANCE_ACCEPTED


def test_of_conventions_that_agree_the_plainest_is_named_and_the_others_are_listed() -> None:
    judged = alone(measured("6.917", static("", at_256=4.5173e9, counters={"plain": 1.0, "other": 1.0})))
    assert judged.convention == "2 x multiply-adds by plain, at 224 pixels"
    assert judged.evidence["explained_as_well_by"] == ["2 x multiply-adds by other, at 224 pixels"]


def test_a_convention_is_named_for_enough_digits_and_called_a_coincidence_for_too_few() -> None:
    network = static("", at_256=4.5173e9, counters={"plain": 1.0, "ptflops": 1.0107})
    assert alone(measured("4.5656", network)).convention == "multiply-adds by ptflops, at the row's input size"
    judged = alone(measured("4.6", network))
    assert judged.outcome is CONTRADICTED
    assert judged.cause is not None
    assert "it is multiply-adds by ptflops" in judged.cause
    assert judged.cause.startswith("no convention reproduces it better than chance")


def test_a_wrong_figure_is_contradicted_with_what_was_expected_and_what_is_nearest() -> None:
    judged = alone(measured("12.345", static(at_256=4.5173e9)))
    assert (judged.outcome, judged.plain) == (CONTRADICTED, pytest.approx(9.0346e9))
    assert judged.evidence["expected"] == "9.035"
    assert len(judged.evidence["nearest"]) == 3
    distances = [abs(float(near["value"]) - 12.345) for near in judged.evidence["nearest"]]
    assert distances == sorted(distances)
    assert judged.evidence["conventions_tried"] > 20


@pytest.mark.parametrize("text", ["9.045", "9.305"])
def test_one_changed_digit_or_two_swapped_ones_are_named(text: str) -> None:
    judged = alone(measured(text, static(at_256=4.5173e9)))
    assert judged.outcome is CONTRADICTED
    assert judged.cause is not None
    assert "it is one digit away from 9.035, which is 2 x multiply-adds by plain" in judged.cause


@pytest.mark.parametrize("text", ["9.345", "9.853"])
def test_two_digits_that_are_not_swapped_are_more_than_one_digit_away(text: str) -> None:
    cause = alone(measured(text, static(at_256=4.5173e9))).cause
    assert cause == "no convention reproduces it; expected 9.035 (2 x multiply-adds by plain, at the row's input size)"


def test_nothing_to_judge_is_no_judgement() -> None:
    assert judge([]) == []


def test_a_network_that_no_counter_could_count_is_an_error_and_no_contradiction() -> None:
    uncounted = static("resnet50", sizes=(), failed_counters={"plain": "no such operator"})
    judged = judge([measured("9.035", uncounted), measured("9.035", static(at_256=4.5173e9), 2)])
    assert outcomes(judged) == [Outcome.ERROR, REPRODUCED]
    assert judged[0].cause == "no counter could count resnet50 at 256 pixels (plain: no such operator)"
    assert alone(measured("9.035", uncounted)).outcome is Outcome.ERROR


def test_where_the_plain_counter_failed_no_other_one_stands_in_for_it() -> None:
    network = static("", at_256=4.5173e9, counters={"thop": 1.0})
    judged = alone(measured("9.0346", network))
    assert (judged.outcome, judged.plain) == (EXPLAINED, None)
    assert judged.convention == "2 x multiply-adds by thop, at the row's input size"


# --- the rows of a source together


def test_a_rounded_intermediate_is_found_over_three_rows() -> None:
    judged = judge(group(ROUNDED))
    assert outcomes(judged) == [EXPLAINED] * 3
    assert {one.convention for one in judged} == {
        "2 x multiply-adds by plain, at 224 pixels, the multiply-adds rounded to 2 decimals of a G first"
    }
    assert [one.evidence["value_under_convention"] for one in judged] == ["6.96", "6.22", "10.08"]
    # doubled first and rounded then, it would have been another figure
    assert f"{2 * ROUNDED[0][0].multiply_adds[224]['plain'] / 1e9:.2f}" == "6.97"


@pytest.mark.parametrize(
    ("index", "wrong"), [(0, "6.76"), (0, "6.69"), (1, "6.32"), (1, "2.62"), (2, "10.68"), (2, "11.08")]
)
def test_a_wrong_digit_among_rounded_figures_is_the_only_contradiction(index: int, wrong: str) -> None:
    judged = judge(group(ROUNDED, (index, wrong)))
    expected = [EXPLAINED] * 3
    expected[index] = CONTRADICTED
    assert outcomes(judged) == expected
    assert judged[index].evidence["expected"] == ROUNDED[index][2]
    assert f"one digit away from {ROUNDED[index][2]}" in (judged[index].cause or "")


def test_choosing_which_rows_to_explain_counts_against_the_explanation() -> None:
    _, first, second = judge(group(ROUNDED, (0, "6.76")))
    tried = first.evidence["conventions_tried"]
    two_of_three, sizes = 3, 3
    assert first.evidence["chance"] == pytest.approx(tried * two_of_three * sizes * (0.01 / 6.22) * (0.01 / 10.08))
    assert second.evidence["chance"] == first.evidence["chance"]


def test_a_constant_ratio_that_nothing_names_is_found_over_three_rows() -> None:
    judged = judge(group(RATIO))
    assert outcomes(judged) == [EXPLAINED] * 3
    for one, plain in zip(judged, (9.0346e9, 6.14882e9, 13.0671e9), strict=True):
        assert one.plain == pytest.approx(plain, rel=1e-6)
        assert one.evidence["ratio"] == "10/9"
        assert one.evidence["rows_of_this_source_explained"] == 3
        assert one.convention == "2 x multiply-adds by plain, at the row's input size, times the constant 10/9"
    assert [one.evidence["ratio_of"] for one in judged] == ["9.035", "6.149", "13.067"]


@pytest.mark.parametrize(
    ("index", "wrong"),
    [(0, "10.938"), (0, "10.083"), (0, "10.036"), (1, "6.882"), (1, "6.831"), (2, "14.159"), (2, "41.519")],
)
def test_a_wrong_digit_among_figures_at_a_ratio_is_the_only_contradiction(index: int, wrong: str) -> None:
    judged = judge(group(RATIO, (index, wrong)))
    expected = [EXPLAINED] * 3
    expected[index] = CONTRADICTED
    assert outcomes(judged) == expected
    assert {one.evidence["ratio"] for i, one in enumerate(judged) if i != index} == {"10/9"}
    assert judged[index].evidence["expected"] == RATIO[index][2]


def test_a_simple_ratio_between_two_rows_is_preferred_to_an_odd_one_that_a_wrong_third_row_suggests() -> None:
    judged = judge(group(RATIO, (1, "6.831")))  # the first row shares 1.11102 with it, and 10/9 with the third
    assert [one.evidence.get("ratio") for one in judged] == ["10/9", None, "10/9"]


def test_a_ratio_of_no_simple_fraction_is_given_as_a_decimal() -> None:
    networks = [(n, size, f"{2 * n.multiply_adds[size]['plain'] * 1.05231 / 1e9:.4f}") for n, size, _ in RATIO]
    judged = judge(group(networks))
    assert outcomes(judged) == [EXPLAINED] * 3
    assert all(float(one.evidence["ratio"]) == pytest.approx(1.05231, abs=2e-5) for one in judged)


def test_one_row_alone_never_has_a_constant_ratio() -> None:
    network, size, text = RATIO[0]
    assert alone(measured(text, network, size=size)).outcome is CONTRADICTED


def test_a_ratio_between_a_long_and_a_short_figure_is_no_evidence() -> None:
    """Some ratio fits a figure of two digits easily, however many digits the other one has."""
    first, second = RATIO[0][0], RATIO[2][0]
    judged = judge([measured("11.7193", first, 1), measured("17", second, 2)])
    assert 2 * second.multiply_adds[256]["plain"] * 11.7193 / 9.0346 == pytest.approx(17e9, abs=0.5e9)
    assert outcomes(judged) == [CONTRADICTED] * 2


def test_reproduced_rows_stay_reproduced_beside_wrong_ones() -> None:
    networks = [(n, size, f"{2 * n.multiply_adds[size]['plain'] / 1e9:.3f}") for n, size, _ in RATIO]
    judged = judge(group(networks, (1, "6.419")))
    assert outcomes(judged) == [REPRODUCED, CONTRADICTED, REPRODUCED]
    assert judged[1].evidence["expected"] == "6.149"


def test_what_most_rows_count_is_what_a_wrong_one_should_have_been() -> None:
    networks = [(n, size, f"{2 * n.multiply_adds[size]['plain'] / 1e9:.3f}") for n, size, _ in RATIO]
    by_thop = (RATIO[0][0], 256, f"{RATIO[0][0].multiply_adds[256]['thop'] / 1e9:.6f}")
    judged = judge(group([*networks, by_thop], (1, "6.419")))
    assert outcomes(judged) == [REPRODUCED, CONTRADICTED, REPRODUCED, EXPLAINED]
    assert judged[1].evidence["expected_convention"] == "2 x multiply-adds by plain, at the row's input size"


def test_one_row_beside_agreeing_ones_needs_more_digits_for_a_convention_of_its_own() -> None:
    networks = [(n, size, f"{2 * n.multiply_adds[size]['plain'] / 1e9:.3f}") for n, size, _ in RATIO]
    digits = {}
    for decimals in (3, 6):
        by_thop = (RATIO[0][0], 256, f"{RATIO[0][0].multiply_adds[256]['thop'] / 1e9:.{decimals}f}")
        digits[decimals] = outcomes(judge(group([*networks[1:], by_thop])))[-1]
    assert digits == {3: CONTRADICTED, 6: EXPLAINED}


def test_a_simple_fraction_comes_before_a_constant_that_fits_a_wrong_digit_too() -> None:
    judged = judge(group(RATIO, (0, "10.039")))
    assert outcomes(judged) == [CONTRADICTED, EXPLAINED, EXPLAINED]
    assert judged[1].evidence["ratio"] == "10/9"


def test_as_many_rows_as_agree_otherwise_are_believed_as_if_they_stood_alone() -> None:
    networks = [static(f"network{i}", at_256=n) for i, n in enumerate((3e9, 4e9, 1.05e9, 1.2e9))]
    texts = [f"{2 * n.multiply_adds[256]['plain'] / 1e9:.3f}" for n in networks[:2]]
    texts += [f"{2 * n.multiply_adds[224]['plain'] / 1e9:.2f}" for n in networks[2:]]
    judged = judge([measured(text, n, i) for i, (text, n) in enumerate(zip(texts, networks, strict=True), start=1)])
    assert outcomes(judged) == [REPRODUCED, REPRODUCED, EXPLAINED, EXPLAINED]
    assert judged[2].evidence["chance"] > CHANCE_ACCEPTED_AGAINST_COLUMN


def test_of_two_explanations_for_as_many_rows_the_one_by_the_sources_own_tool_is_taken() -> None:
    """A wrong digit can be right by another tool; then each tool explains two of three rows."""
    counters = {"own": 1.01, "other": 1.012, "plain": 1.0}
    networks = [static(f"network{i}", at_256=n, counters=counters) for i, n in enumerate((3e9, 4e9, 5e9))]
    own, other = ([n.multiply_adds[256][tool] / 1e9 for n in networks] for tool in ("own", "other"))
    texts = [f"{own[0]:.1f}", f"{own[1]:.3f}", f"{other[2]:.3f}"]
    assert f"{other[0]:.1f}" == texts[0]
    judged = judge([measured(text, n, i) for i, (text, n) in enumerate(zip(texts, networks, strict=True), start=1)])
    assert [one.convention for one in judged[:2]] == ["multiply-adds by own, at the row's input size"] * 2
    assert judged[2].outcome is CONTRADICTED


def test_three_digits_are_enough_where_other_rows_count_the_same_way() -> None:
    networks = [(n, size, f"{n.multiply_adds[size]['thop'] / 1e9:.2f}") for n, size, _ in RATIO]
    assert alone(group(networks)[0]).outcome is CONTRADICTED
    judged = judge(group(networks))
    assert outcomes(judged) == [EXPLAINED] * 3
    assert {one.convention for one in judged} == {"multiply-adds by thop, at the row's input size"}


def test_two_conventions_in_one_source_are_both_found() -> None:
    by_thop = [(n, size, f"{n.multiply_adds[size]['thop'] / 1e9:.4f}") for n, size, _ in RATIO]
    at_224 = [(n, 256, f"{2 * n.multiply_adds[224]['plain'] / 1e9:.4f}") for n, _, _ in (RATIO[0], RATIO[2])]
    judged = judge(group([*by_thop, *at_224]))
    assert [one.convention for one in judged] == (
        ["multiply-adds by thop, at the row's input size"] * 3 + ["2 x multiply-adds by plain, at 224 pixels"] * 2
    )


# --- a table's own way of counting


def counted(*at_256: float, factor: int = 1, decimals: int = 3) -> list[Measured]:
    """Networks of which a table prints so many times their multiply-adds."""
    networks = [static(f"net{i}", at_256=value) for i, value in enumerate(at_256)]
    return [
        measured(f"{factor * one.multiply_adds[256]['plain'] / 1e9:.{decimals}f}", one, i + 1)
        for i, one in enumerate(networks)
    ]


def test_a_row_that_counts_otherwise_than_the_others_is_told_what_it_would_be() -> None:
    rows = counted(4.5173e9, 6.1234e9, 7.7777e9, 5.4321e9)
    twice = counted(4.5173e9, 6.1234e9, 7.7777e9, 5.4321e9, factor=2)
    judged = judge([*rows[:3], twice[3]])
    assert outcomes(judged) == [EXPLAINED] * 3 + [REPRODUCED]
    assert judged[3].evidence["other_rows"] == {
        "value": "5.432",
        "convention": "multiply-adds by plain, at the row's input size",
        "rows": 3,
    }
    assert all("other_rows" not in one.evidence for one in judged[:3])


def test_two_rows_make_no_custom() -> None:
    rows, twice = counted(4.5173e9, 6.1234e9, 7.7777e9), counted(4.5173e9, 6.1234e9, 7.7777e9, factor=2)
    assert all("other_rows" not in one.evidence for one in judge([*rows[:2], twice[2]]))
    half = [*counted(4.5e9, 6.1e9, 7.7e9, decimals=4), *counted(5.4e9, 6.6e9, 3.3e9, factor=2, decimals=4)]
    assert all("other_rows" not in one.evidence for one in judge(half)), "three against three"


def test_a_wrong_figure_was_probably_counted_like_the_rows_to_which_it_comes_nearest() -> None:
    macs = counted(4.5173e9, 6.1234e9, 7.7777e9)
    flops = counted(5.4321e9, 6.6666e9, factor=2)
    wrong = measured("17.281", static("net9", at_256=8.6405e9), 9)  # 2 x 8.6405 = 17.281; a digit of it is changed
    judged = judge([*macs, *flops, measured("17.291", wrong.static, 9)])
    assert judged[5].outcome is CONTRADICTED
    assert judged[5].evidence["expected"] == "17.281"
    assert "one digit away from 17.281" in str(judged[5].cause)


# --- digits that are padding

PADDED = ("14.560", "22.600", "46.020", "63.670")


def padded(*texts: str) -> list[Measured]:
    """Networks whose multiply-adds were rounded to two decimals of an M before they were printed with three."""
    items = []
    for i, (text, value) in enumerate(zip(texts, (14.5637e6, 22.6012e6, 46.0176e6, 63.6741e6), strict=False)):
        item = measured(text, static(f"p{i}", at_256=value), i + 1, multiply_adds=True)
        claimed = dataclasses.replace(item.claim, unit="M", value=item.claim.value / 1e3, step=item.claim.step / 1e3)
        items.append(Measured(claimed, item.static))
    return items


def test_padded_figures_are_explained_by_the_digits_that_they_have() -> None:
    judged = judge(padded(*PADDED))
    assert outcomes(judged) == [EXPLAINED] * 4
    assert {one.convention for one in judged} == {
        "multiply-adds by plain, at the row's input size, the last digit printed as 0"
    }
    assert judged[0].evidence["value_under_convention"] == "14.560"


@pytest.mark.parametrize("index", range(4))
def test_a_wrong_digit_among_padded_figures_is_contradicted(index: int) -> None:
    texts = list(PADDED)
    texts[index] = texts[index][:-2] + f"{(int(texts[index][-2]) + 1) % 10}0"
    judged = judge(padded(*texts))
    assert [i for i, one in enumerate(judged) if one.outcome is CONTRADICTED] == [index]


def test_a_single_zero_is_a_digit() -> None:
    assert judge(padded("14.560"))[0].outcome is CONTRADICTED
    assert paddings([item.claim for item in padded("14.560", "22.600")]) == []
    assert paddings([item.claim for item in padded(*PADDED)]) == [1]


# --- digits that are cut off


def cut(*endings: str) -> list[Measured]:
    """Parameters of 8.309, 12.789, 25.499 and 14.313 M, printed with these two decimals."""
    learnable = (8_309_384, 12_789_864, 25_499_944, 14_313_072)
    numbers = zip(learnable, (8, 12, 25, 14), endings, strict=True)
    return [
        measured(f"{whole}.{ending}", static(f"r{i}", learnable=count), i + 1, metric="params")
        for i, (count, whole, ending) in enumerate(numbers)
    ]


def test_digits_that_are_cut_off_in_every_row_are_explained() -> None:
    judged = judge(cut("30", "78", "49", "31"))
    assert outcomes(judged) == [EXPLAINED] * 3 + [REPRODUCED]
    assert {one.convention for one in judged[:3]} == {"learnable parameters, cut off instead of rounded"}


def test_digits_that_are_cut_off_in_some_rows_and_rounded_in_others_are_wrong() -> None:
    judged = judge(cut("30", "78", "50", "31"))
    assert outcomes(judged) == [CONTRADICTED, CONTRADICTED, REPRODUCED, REPRODUCED]
    assert "one digit away from 8.31" in str(judge(cut("30", "79", "50", "31"))[0].cause)


# --- slips of a power of ten


@pytest.mark.parametrize(
    ("text", "right", "said"),
    [
        ("9034.6", "9.0346", "the unit is wrong: it is 9034.6 M, not G"),
        ("0.0090346", "9.0346", "the unit is wrong: it is 0.0090346 T, not G"),
        ("90.346", "9.0346", "the decimal point is misplaced: it is 9.0346 G"),
        ("0.90346", "9.0346", "the decimal point is misplaced: it is 9.0346 G"),
    ],
)
def test_a_power_of_ten_is_named_with_the_figure_in_the_unit_of_the_column(text: str, right: str, said: str) -> None:
    judged = alone(measured(text, static(at_256=4.5173e9)))
    assert judged.outcome is CONTRADICTED
    assert str(judged.cause).startswith(said)
    assert (judged.evidence["expected"], judged.evidence["slipped"]) == (right, True)


def test_a_slip_of_few_digits_is_named_where_the_usual_convention_has_them() -> None:
    network = static(learnable=21_797_672)
    judged = alone(measured("2.18", network, metric="params"))
    assert judged.outcome is CONTRADICTED
    assert judged.cause == "the decimal point is misplaced: it is 21.8 M (learnable parameters)"


# --- a counter that does not know some layers


def test_a_counter_that_finds_a_part_of_the_network_is_said_to() -> None:
    network = static(at_256=0.3858e9, counters={"plain": 1.0, "mmcv": 0.0427, "thop": 0.9})
    judged = alone(measured(f"{network.multiply_adds[256]['mmcv'] / 1e9:.6f}", network))
    assert (judged.outcome, judged.convention) == (EXPLAINED, "multiply-adds by mmcv, at the row's input size")
    assert judged.evidence["share_seen"] == pytest.approx(0.0427, rel=1e-2)
    most = alone(measured(f"{network.multiply_adds[256]['thop'] / 1e9:.5f}", network))
    assert most.outcome is EXPLAINED
    assert "share_seen" not in most.evidence


# --- the custom of the source's other tables

BY_PLAIN = "multiply-adds by plain, at the row's input size"


def test_a_figure_of_one_digit_holds_by_the_custom_of_the_sources_other_tables() -> None:
    item = measured("0.06", static(at_256=0.0585e9))
    [judged] = judge([item], {BY_PLAIN}, CommonConvention(BY_PLAIN, 40))
    assert (judged.outcome, judged.convention) == (EXPLAINED, BY_PLAIN)
    assert judged.evidence["chance"] == pytest.approx(0.01 / 0.06)
    assert judge([item], {BY_PLAIN})[0].outcome is CONTRADICTED
    assert judge([measured("0.07", item.static)], {BY_PLAIN}, CommonConvention(BY_PLAIN, 40))[0].outcome is CONTRADICTED


def test_a_figure_that_misses_the_custom_is_told_what_it_should_be_by_it() -> None:
    [judged] = judge([measured("0.149", static(at_256=0.15162e9))], {BY_PLAIN}, CommonConvention(BY_PLAIN, 40))
    assert judged.outcome is CONTRADICTED
    assert judged.evidence["expected"] == "0.152"
    assert (judged.evidence["expected_convention"], judged.evidence["expected_as_in_rows"]) == (BY_PLAIN, 40)


def test_rows_that_agree_on_another_convention_are_no_matter_of_custom() -> None:
    small = static("small", at_256=0.0585e9)
    others = [(static(f"n{i}", at_256=value), 256, f"{2 * value / 1e9:.4f}") for i, value in enumerate((4.5173e9, 6e9))]
    judged = judge(group([*others, (small, 256, "0.06")]), {BY_PLAIN}, CommonConvention(BY_PLAIN, 40))
    assert outcomes(judged) == [REPRODUCED, REPRODUCED, CONTRADICTED]


@pytest.mark.parametrize("text", ["9134.6", "90", "7.77"])
def test_any_other_figure_has_not_slipped(text: str) -> None:
    assert "slipped" not in alone(measured(text, static(at_256=4.5173e9))).evidence


# --- parameters


def test_learnable_parameters_are_reproduced() -> None:
    judged = alone(measured("21.616", static(learnable=21_616_168), metric="params"))
    assert (judged.outcome, judged.plain, judged.convention) == (REPRODUCED, 21_616_168, "learnable parameters")


@pytest.mark.parametrize(
    ("value", "convention"),
    [
        (21_616_168 + 46_848, "learnable parameters and running statistics"),
        (21_616_168 - 2_049_000, "learnable parameters without the classifier"),
        (21_616_168 - 46_848, "learnable parameters without normalisation"),
        (21_616_168e6 / 2**20, "learnable parameters, M = 2^20"),
    ],
)
def test_other_ways_to_count_parameters_are_explained(value: float, convention: str) -> None:
    judged = alone(measured(f"{value / 1e6:.3f}", static(learnable=21_616_168), metric="params"))
    assert (judged.outcome, judged.convention) == (EXPLAINED, convention)


def test_a_counter_that_leaves_a_layer_type_out_is_named_with_the_type() -> None:
    network = static(learnable=21_616_168, parameters={"by_counter": {"thop": 21_616_168 - 46_848}})
    judged = alone(measured("21.569", network, metric="params"))
    assert (judged.outcome, judged.convention) == (EXPLAINED, "parameters by thop")
    assert judged.evidence["left_out"] == ["BatchNormAct2d"]
    assert judged.cause == (
        "counted as parameters by thop, which leaves out the 46,848 parameters held by BatchNormAct2d"
    )
    assert judged.evidence["explained_as_well_by"] == ["learnable parameters without normalisation"]


def test_the_types_left_out_are_the_fewest_that_add_up() -> None:
    network = static(parameters={"by_type": {"A": 10, "B": 25, "C": 35, "D": 100, "E": 0}})
    assert left_out_types(network, 35) == ["C"]
    assert left_out_types(network, 110) == ["A", "D"]
    assert left_out_types(network, 36) == []
    assert left_out_types(network, 0) == []
    assert left_out_types(network, -10) == []


def test_wrong_parameters_are_contradicted() -> None:
    judged = alone(measured("21.166", static(learnable=21_616_168), metric="params"))
    assert (judged.outcome, judged.plain, judged.evidence["expected"]) == (CONTRADICTED, 21_616_168, "21.616")


# --- chance: random figures, seeded


def wrong(near: float, digits: int, chosen: random.Random) -> str:
    """A random figure within a factor of three of a value in its unit, printed with so many digits."""
    value = near * math.exp(chosen.uniform(-math.log(3), math.log(3)))
    return f"{value:.{digits - 1 - math.floor(math.log10(value))}f}"


@pytest.mark.parametrize("digits", [3, 4, 5])
def test_random_flops_in_a_single_row_are_hardly_ever_explained(digits: int) -> None:
    chosen = random.Random(digits)
    network = static(at_256=4.5173e9)
    missed = sum(alone(measured(wrong(9.03, digits, chosen), network)).outcome is not CONTRADICTED for _ in range(500))
    assert missed <= 0.02 * 500


@pytest.mark.parametrize("digits", [3, 4, 5])
def test_random_parameters_in_a_single_row_are_hardly_ever_explained(digits: int) -> None:
    chosen = random.Random(digits)
    network = static(learnable=21_616_168)
    texts = [wrong(21.6, digits, chosen) for _ in range(500)]
    missed = sum(alone(measured(text, network, metric="params")).outcome is not CONTRADICTED for text in texts)
    assert missed <= 0.02 * 500


@pytest.mark.parametrize("digits", [4, 5])
@pytest.mark.parametrize(
    "way",
    [
        lambda network, size: 2 * network.multiply_adds[size]["plain"],
        lambda network, size: network.multiply_adds[size]["thop"],
        lambda network, size: 2 * network.multiply_adds[size]["plain"] * 10 / 9,
    ],
    ids=["plain", "multiply-adds by thop", "ratio"],
)
def test_a_random_figure_among_three_rows_is_told_from_the_two_right_ones(
    digits: int, way: Callable[[Static, int], float]
) -> None:
    chosen = random.Random(digits)
    missed = blamed = 0
    for i in range(500):
        values = [way(network, size) / 1e9 for network, size, _ in RATIO]
        texts = [f"{value:.{digits - 1 - math.floor(math.log10(value))}f}" for value in values]
        texts[i % 3] = wrong(values[i % 3], digits, chosen)
        judged = judge(group([(network, size, text) for (network, size, _), text in zip(RATIO, texts, strict=True)]))
        missed += judged[i % 3].outcome is not CONTRADICTED
        blamed += any(one.outcome is CONTRADICTED for j, one in enumerate(judged) if j != i % 3)
    assert missed <= 0.02 * 500
    assert blamed <= 0.01 * 500


@pytest.mark.parametrize("digits", [(5, 3), (5, 5, 3), (4, 4, 4), (3,) * 7, (5,) * 7])
def test_rows_that_are_all_random_are_hardly_ever_explained_together(digits: tuple[int, ...]) -> None:
    chosen = random.Random(len(digits))
    networks = [static(f"network{i}", at_256=3e9 * 1.17**i) for i in range(len(digits))]
    cells = 0
    for _ in range(200):
        texts = [
            wrong(2 * n.multiply_adds[256]["plain"] / 1e9, d, chosen) for n, d in zip(networks, digits, strict=True)
        ]
        judged = judge([measured(text, n, i) for i, (text, n) in enumerate(zip(texts, networks, strict=True))])
        cells += sum(one.outcome is not CONTRADICTED for one in judged)
    assert cells <= 0.02 * 200 * len(digits)


# --- figures of another network


NEIGHBOURS = [
    static("darknet53", at_256=9.28966e9, learnable=41_609_928),
    static("cspdarknet53", at_256=6.53355e9, learnable=27_642_184),
    static("cspresnet50", at_256=4.5173e9, learnable=21_616_168),
]


def test_a_neighbour_is_found_from_flops_and_parameters_together() -> None:
    of = row(7, "cspdarknet53")
    found = belongs_to([claim("18.58", of=of), claim("41.6", "params", of=of)], NEIGHBOURS)
    assert found is not None
    network, texts, chance = found
    assert network.model == "darknet53"
    assert texts == {
        "flops": "2 x multiply-adds by plain, at the row's input size",
        "params": "learnable parameters",
    }
    assert 0 < chance <= CHANCE_ACCEPTED


def test_a_neighbour_that_rounded_before_doubling_is_found() -> None:
    network = static("darknet53", at_256=9.2874e9, learnable=41_609_928)  # 18.5748 if doubled exactly
    found = belongs_to([claim("18.58"), claim("41.6", "params")], [network])
    assert found is not None
    assert found[1]["flops"] == (
        "2 x multiply-adds by plain, at the row's input size, the multiply-adds rounded to 2 decimals of a G first"
    )


def test_a_neighbour_must_explain_all_figures_of_the_row() -> None:
    assert belongs_to([claim("18.58"), claim("44.4", "params")], NEIGHBOURS) is None
    assert belongs_to([claim("19.85"), claim("41.6", "params")], NEIGHBOURS) is None


def test_a_short_figure_that_fits_a_neighbour_is_a_coincidence() -> None:
    assert belongs_to([claim("41.6", "params")], NEIGHBOURS) is not None  # one try, three digits
    assert belongs_to([claim("42", "params")], NEIGHBOURS) is None
    assert belongs_to([claim("19")], NEIGHBOURS) is None


def test_each_candidate_that_was_tried_makes_a_match_likelier_by_chance() -> None:
    claims = [claim("41.6", "params")]
    first = belongs_to(claims, NEIGHBOURS)
    later = belongs_to(claims, [*NEIGHBOURS[1:], NEIGHBOURS[0]])
    assert first is not None
    assert later is not None
    assert later[2] == pytest.approx(3 * first[2])
    many = [static(f"network{i}", learnable=1_000_000 + i) for i in range(8)]
    assert belongs_to(claims, [*many, NEIGHBOURS[0]]) is None


def test_without_candidates_nothing_belongs_anywhere() -> None:
    assert belongs_to([claim("18.58")], []) is None


def test_random_figures_hardly_ever_belong_to_a_neighbour() -> None:
    chosen = random.Random(0)
    networks = [
        static(f"network{i}", at_256=5e9 * 1.1 ** (i - 4), learnable=int(21.6e6 * 1.08 ** (i - 4))) for i in range(8)
    ]
    found = {"both": 0, "flops": 0, "params": 0}
    for _ in range(300):
        flops, params = claim(wrong(10, 4, chosen)), claim(wrong(21.6, 4, chosen), "params")
        found["both"] += belongs_to([flops, params], networks) is not None
        found["flops"] += belongs_to([flops], networks) is not None
        found["params"] += belongs_to([params], networks) is not None
    assert max(found.values()) <= 0.02 * 300, found
