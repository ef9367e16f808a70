"""FLOPs and parameters: right figures are found under their convention, wrong ones are not explained away."""

import dataclasses
import math
import random
from collections.abc import Sequence

import pytest
from builders import claim, measured, row, static

from harness.checks.counts.judge import judge as judge_columns
from harness.checks.counts.judge import left_out_types
from harness.checks.counts.matching import Judgement, Measured, paddings
from harness.checks.counts.misplaced import belongs_to, is_told
from harness.core.records import Outcome, Static

REPRODUCED, EXPLAINED, CONTRADICTED = Outcome.REPRODUCED, Outcome.EXPLAINED, Outcome.CONTRADICTED
DOUBTFUL = Outcome.DOUBTFUL

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


def judge(items: Sequence[Measured]) -> list[Judgement]:
    """The claims of one table."""
    return judge_columns([items])[0]


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


def test_an_explanation_tells_its_digits_and_how_likely_it_is_wrong() -> None:
    judged = alone(measured("6.9171", static(at_256=4.5173e9)))
    assert judged.evidence["value_under_convention"] == "6.9171"
    assert judged.evidence["digits_explained"] == 5
    assert judged.evidence["rows_of_this_source_explained"] == 1
    assert judged.evidence["probability_wrong"] < 0.05


def test_of_conventions_that_agree_the_plainest_is_named_and_the_others_are_listed() -> None:
    judged = alone(measured("6.917", static("", at_256=4.5173e9, counters={"plain": 1.0, "other": 1.0})))
    assert judged.convention == "2 x multiply-adds by plain, at 224 pixels"
    assert judged.evidence["explained_as_well_by"][0] == "2 x multiply-adds by other, at 224 pixels"


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
    beside = counted(6.1234e9, 7.7777e9, factor=2)
    judged, *_ = judge([measured(text, static(at_256=4.5173e9), 9), *beside])
    assert judged.outcome is CONTRADICTED
    assert judged.cause is not None
    assert "it is one digit away from 9.035, which is 2 x multiply-adds by plain" in judged.cause


def test_a_figure_that_is_printed_as_nothing_is_judged() -> None:
    assert alone(measured("0.0", static(at_256=0.02e9))).outcome is not CONTRADICTED
    assert alone(measured("0.00", static(at_256=4.5173e9))).outcome is CONTRADICTED
    rows = [*counted(4.5173e9, 6.1234e9, 0.02e9, decimals=1), measured("0.0", static("other", at_256=7.7777e9), 4)]
    assert outcomes(judge(rows)) == [EXPLAINED, EXPLAINED, REPRODUCED, CONTRADICTED]


def test_a_single_figure_a_thousandth_off_may_be_by_a_tool_that_is_not_known() -> None:
    judged = alone(measured("9.045", static(at_256=4.5173e9)))
    assert judged.outcome is DOUBTFUL
    assert judged.evidence["expected"] == "9.035"


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


def test_a_ratio_between_a_long_and_a_short_figure_is_no_evidence() -> None:
    """Some ratio fits a figure of two digits easily, however many digits the other one has."""
    first, second = RATIO[0][0], RATIO[2][0]
    judged = judge([measured("11.7193", first, 1), measured("17", second, 2)])
    assert 2 * second.multiply_adds[256]["plain"] * 11.7193 / 9.0346 == pytest.approx(17e9, abs=0.5e9)
    assert all(one.outcome in (CONTRADICTED, DOUBTFUL) for one in judged)


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


def test_three_digits_are_enough_where_other_rows_count_the_same_way() -> None:
    networks = [(n, size, f"{n.multiply_adds[size]['thop'] / 1e9:.2f}") for n, size, _ in RATIO]
    assert alone(group(networks)[0]).outcome is not CONTRADICTED
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
    assert judge(padded("14.561"))[0].outcome is not EXPLAINED
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


# --- several tables of a source

BY_PLAIN = "multiply-adds by plain, at the row's input size"


def test_a_short_figure_holds_by_the_convention_of_the_sources_other_tables() -> None:
    others = counted(4.5173e9, 6.1234e9, 7.7777e9, 5.4321e9)
    small = measured("0.06", static("small", at_256=0.0585e9), 9)
    _, [judged] = judge_columns([others, [small]])
    assert (judged.outcome, judged.convention) == (EXPLAINED, BY_PLAIN)
    _, [wrong_one] = judge_columns([others, [measured("0.0685", small.static, 9)]])
    assert (wrong_one.outcome, wrong_one.evidence["expected"]) == (CONTRADICTED, "0.0585")


def test_a_table_of_its_own_convention_is_not_judged_by_the_others() -> None:
    others = counted(4.5173e9, 6.1234e9, 7.7777e9, 5.4321e9)
    twice = counted(3.3333e9, 6.7777e9, 9.1111e9, factor=2)
    first, second = judge_columns([others, twice])
    assert outcomes(first) == [EXPLAINED] * 4
    assert outcomes(second) == [REPRODUCED] * 3


# --- what cannot be decided


def test_a_short_figure_near_the_count_is_doubtful_alone_and_right_or_wrong_beside_others() -> None:
    network = static("", at_256=1.81e9, counters={"plain": 1.0})
    judged = alone(measured("1.9", network))
    assert judged.outcome is DOUBTFUL
    assert str(judged.cause).startswith("this cannot be decided: ")
    assert "What would settle it is " in str(judged.cause)
    others = counted(4.5173e9, 6.1234e9, 7.7777e9, 5.4321e9)
    *_, beside = judge([*others, measured("1.9", network, 9)])
    assert beside.evidence["expected"] == "1.8"
    assert beside.evidence["probability_wrong"] > judged.evidence["probability_wrong"]
    *_, right = judge([*others, measured("1.8", network, 9)])
    assert right.outcome is EXPLAINED


def test_figures_that_are_all_near_are_by_an_unknown_tool_and_not_all_wrong() -> None:
    networks = [(n, size, f"{2 * n.multiply_adds[size]['plain'] * 1.05231 / 1e9:.4f}") for n, size, _ in RATIO]
    judged = judge(group(networks))
    assert outcomes(judged) == [DOUBTFUL] * 3
    assert "counted by a tool that is not known here" in str(judged[0].cause)


def test_right_figures_are_right_next_to_many_that_are_of_something_else() -> None:
    counts = (9_108_968, 14_092_264, 28_210_000, 15_820_000, 57_420_000, 45_780_000, 39_970_000, 89_020_000)
    texts = ("9.11", "14.09", "5.70", "3.42", "13.16", "9.82", "8.15", "20.42")
    networks = [static(f"p{i}", learnable=count) for i, count in enumerate(counts)]
    judged = judge([measured(t, n, i, metric="params") for i, (t, n) in enumerate(zip(texts, networks, strict=True))])
    assert outcomes(judged) == [REPRODUCED] * 2 + [CONTRADICTED] * 6


def test_a_column_by_an_unknown_tool_in_another_unit_is_told_as_that() -> None:
    off = (1.0012, 0.9991, 1.0023)  # no constant, and no slip of a hand
    networks = [
        (network, size, f"{2 * network.multiply_adds[size]['plain'] * share / 1e6:.1f}")
        for (network, size, _), share in zip(RATIO, off, strict=True)
    ]
    judged = judge(group(networks))
    assert outcomes(judged) == [CONTRADICTED] * 3
    for one in judged:
        assert str(one.cause).startswith("the unit of the column is wrong: it is ")
        assert " M, not G (by a tool that is not known, near 2 x multiply-adds by plain" in str(one.cause)


def test_a_figure_that_is_not_padded_is_as_precise_as_it_is_printed() -> None:
    counts = (11_689_512, 21_797_672, 25_557_032, 44_549_160)
    networks = [static(f"p{i}", learnable=count) for i, count in enumerate(counts)]
    texts = ("11.700", "21.800", "25.600", "21.830")  # the last is near the second, and not its figure
    *_, last = judge([measured(t, n, i, metric="params") for i, (t, n) in enumerate(zip(texts, networks, strict=True))])
    assert last.outcome is CONTRADICTED
    assert "the figure of row" not in str(last.cause)


def test_one_row_alone_is_not_explained_by_a_constant() -> None:
    network, size, text = RATIO[0]
    assert alone(measured(text, network, size=size)).outcome is DOUBTFUL


# --- several cells, one cause


def parameters(*texts: str) -> list[Measured]:
    counts = (11_689_512, 21_797_672, 25_557_032, 44_549_160)
    return [
        measured(text, static(f"p{i}", learnable=count), i + 1, metric="params")
        for i, (text, count) in enumerate(zip(texts, counts, strict=True))
    ]


def test_two_rows_that_are_exchanged_are_named() -> None:
    judged = judge(parameters("21.798", "11.690", "25.557", "44.549"))
    assert outcomes(judged) == [CONTRADICTED] * 2 + [REPRODUCED] * 2
    assert "are exchanged: it is 11.690" in str(judged[0].cause)
    assert [one.evidence["expected"] for one in judged[:2]] == ["11.690", "21.798"]


def test_a_column_in_another_unit_is_wrong_and_named_once() -> None:
    judged = judge(parameters("11690", "21798", "25557", "44549"))
    assert outcomes(judged) == [CONTRADICTED] * 4
    assert str(judged[0].cause).startswith("the unit of the column is wrong: it is 11690 K, not M")
    assert judged[0].evidence["expected"] == "11.690"


def test_bytes_are_no_parameters() -> None:
    judged = judge(parameters("44.59", "83.15", "97.49", "169.94"))
    assert outcomes(judged) == [CONTRADICTED] * 4
    assert "it is the size of the parameters in MiB, 4 bytes each, not their number" in str(judged[0].cause)
    assert [one.evidence["expected"] for one in judged] == ["11.69", "21.80", "25.56", "44.55"]


def test_counts_of_a_batch_are_wrong() -> None:
    judged = judge(
        [
            measured(f"{16 * value / 1e9:.3f}", static(f"b{i}", at_256=value), i + 1, multiply_adds=True)
            for i, value in enumerate((1.814e9, 3.664e9, 4.089e9))
        ]
    )
    assert outcomes(judged) == [CONTRADICTED] * 3
    assert "it is counted for a batch of 16 images" in str(judged[0].cause)


def test_batch_normalisation_that_is_folded_is_a_convention() -> None:
    networks = [static(f"p{i}", learnable=count) for i, count in enumerate((11_689_512, 21_797_672, 25_557_032))]
    texts = [f"{(n.parameters.learnable - n.parameters.running_statistics // 2) / 1e6:.4f}" for n in networks]
    judged = judge(
        [measured(text, n, i + 1, metric="params") for i, (text, n) in enumerate(zip(texts, networks, strict=True))]
    )
    assert outcomes(judged) == [EXPLAINED] * 3
    assert judged[0].convention == "parameters, BatchNorm folded into the convolutions"


def test_a_row_that_counts_twice_what_the_others_count_is_wrong() -> None:
    rows = counted(4.5173e9, 6.1234e9, 7.7777e9, 5.4321e9)
    twice = counted(4.5173e9, 6.1234e9, 7.7777e9, 5.4321e9, factor=2)
    judged = judge([*rows[:3], twice[3]])
    assert outcomes(judged) == [EXPLAINED] * 3 + [CONTRADICTED]
    assert judged[3].evidence["expected"] == "5.432"


@pytest.mark.parametrize("decimals", [1, 2, 3])
def test_rows_of_two_factors_are_right_by_two_conventions_and_told(decimals: int) -> None:
    values = (4.5173e9, 6.1234e9, 7.7777e9, 5.4321e9, 9.2897e9)
    rows = [*counted(*values, decimals=decimals)[:3], *counted(*values, factor=2, decimals=decimals)[3:]]
    judged = judge(rows)
    assert outcomes(judged) == [EXPLAINED] * 3 + [REPRODUCED] * 2
    assert [one.evidence["other_rows"]["rows"] for one in judged[3:]] == [3, 3]
    assert all("other_rows" not in one.evidence for one in judged[:3])


def test_a_row_that_is_counted_at_another_size_is_right_and_told_what_it_would_be() -> None:
    rows = counted(4.5173e9, 6.1234e9, 7.7777e9, 5.4321e9)
    at_224 = measured(f"{rows[3].static.multiply_adds[224]['plain'] / 1e9:.4f}", rows[3].static, 4)
    judged = judge([*rows[:3], at_224])
    assert outcomes(judged) == [EXPLAINED] * 4
    assert judged[3].evidence["other_rows"]["value"] == "5.4321"
    assert judged[3].evidence["other_rows"]["rows"] == 3
    assert all("other_rows" not in one.evidence for one in judged[:3])


def test_a_runner_up_is_told() -> None:
    judged = alone(measured("22.5", static(learnable=22_050_664), metric="params"))
    assert judged.outcome is CONTRADICTED
    assert "; less likely (" in str(judged.cause)


@pytest.mark.parametrize("text", ["9134.6", "7.77"])
def test_any_other_figure_has_not_slipped(text: str) -> None:
    assert "slipped" not in alone(measured(text, static(at_256=4.5173e9))).evidence


# --- parameters


def test_learnable_parameters_are_reproduced() -> None:
    judged = alone(measured("21.616", static(learnable=21_616_168), metric="params"))
    assert (judged.outcome, judged.plain, judged.convention) == (REPRODUCED, 21_616_168, "learnable parameters")


@pytest.mark.parametrize(
    ("value", "convention"),
    [
        (21_616_168 + 46_848 + 61, "all stored tensors"),
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


# --- random figures, seeded


def wrong(near: float, digits: int, chosen: random.Random) -> str:
    """A random figure within a factor of three of a value in its unit, printed with so many digits."""
    value = near * math.exp(chosen.uniform(-math.log(3), math.log(3)))
    return f"{value:.{digits - 1 - math.floor(math.log10(value))}f}"


@pytest.mark.parametrize("digits", [4, 5])
def test_random_parameters_in_a_single_row_are_hardly_ever_right(digits: int) -> None:
    chosen = random.Random(digits)
    network = static(learnable=21_616_168)
    texts = [wrong(21.6, digits, chosen) for _ in range(60)]
    missed = sum(alone(measured(text, network, metric="params")).outcome in (REPRODUCED, EXPLAINED) for text in texts)
    assert missed <= 2


def test_a_random_figure_among_three_rows_is_told_from_the_two_right_ones() -> None:
    chosen = random.Random(5)
    missed = blamed = 0
    for i in range(30):
        values = [2 * network.multiply_adds[size]["plain"] / 1e9 for network, size, _ in RATIO]
        texts = [f"{value:.3f}" for value in values]
        texts[i % 3] = wrong(values[i % 3], 4, chosen)
        judged = judge(group([(network, size, text) for (network, size, _), text in zip(RATIO, texts, strict=True)]))
        missed += judged[i % 3].outcome is not CONTRADICTED
        blamed += any(one.outcome is CONTRADICTED for j, one in enumerate(judged) if j != i % 3)
    assert missed <= 3
    assert blamed == 0


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
    assert chance > 0
    assert is_told(found)


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
    assert is_told(belongs_to([claim("41.61", "params")], NEIGHBOURS))  # one try, four digits
    assert not is_told(belongs_to([claim("42", "params")], NEIGHBOURS))
    assert not is_told(belongs_to([claim("19")], NEIGHBOURS))


def test_each_candidate_that_was_tried_makes_a_match_likelier_by_chance() -> None:
    claims = [claim("41.6", "params")]
    first = belongs_to(claims, NEIGHBOURS)
    later = belongs_to(claims, [*NEIGHBOURS[1:], NEIGHBOURS[0]])
    assert first is not None
    assert later is not None
    assert later[2] == pytest.approx(3 * first[2])
    many = [static(f"network{i}", learnable=1_000_000 + i) for i in range(8)]
    assert not is_told(belongs_to(claims, [*many, NEIGHBOURS[0]]))


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
        found["both"] += is_told(belongs_to([flops, params], networks))
        found["flops"] += is_told(belongs_to([flops], networks))
        found["params"] += is_told(belongs_to([params], networks))
    assert max(found.values()) <= 0.02 * 300, found
