"""From counts to an outcome, to a known gap, to an exit status. Nothing is measured here."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from builders import TIMM, claim, row, static, verdict

from harness.checks.counts.columns import judge_static
from harness.checks.counts.findings import findings
from harness.checks.counts.misplaced import attribute_to_neighbours, name_copies, name_exchanged
from harness.checks.diagnosis.attribution import DOCUMENT, NOTHING, Attribution, Swap
from harness.checks.diagnosis.attribution import Outcome as Answer
from harness.checks.diagnosis.wording import attribution_findings, with_causes
from harness.checks.results import exit_status
from harness.core.errors import InputError
from harness.core.evidence import ConventionMatch, ImagesEvaluated, PartEvaluated
from harness.core.records import Metric, Outcome, Row, Source, Static, Verdict
from harness.plan.known_gaps import KnownGap, apply_known_gaps, read_known_gaps

# --- FLOPs and parameters


def test_static_claims_are_judged_source_by_source_and_metric_by_metric() -> None:
    first, second = row(1, "a"), row(2, "b")
    newer = Source("timm", "0.6.13")
    claims = [
        claim("9.035", of=first), claim("21.616", "params", of=first), claim("13.067", of=second),
        claim("21.166", "params", of=second),
    ]  # fmt: skip
    a, b = static("a", at_256=4.5173e9), static("b", at_256=6.53355e9)
    changed = static("a", at_256=5e9, learnable=30_000_000)
    found = judge_static(
        [*((one, TIMM) for one in claims), (claims[0], newer)],
        {(first, TIMM): a, (second, TIMM): b, (first, newer): changed},
    )
    assert {(one.claim.text, one.source.version): one.outcome for one in found} == {
        ("9.035", "0.6.5"): Outcome.REPRODUCED,
        ("21.616", "0.6.5"): Outcome.REPRODUCED,
        ("13.067", "0.6.5"): Outcome.REPRODUCED,
        ("21.166", "0.6.5"): Outcome.CONTRADICTED,
        ("9.035", "0.6.13"): Outcome.DOUBTFUL,
    }
    assert [one.measured for one in found if one.source == newer] == [10e9]


def test_claims_of_networks_that_were_not_built_get_no_verdict() -> None:
    assert judge_static([(claim("9.035"), TIMM)], {}) == []


def test_a_short_figure_is_explained_as_the_sources_other_tables_are() -> None:
    networks = [static(f"n{i}", at_256=value) for i, value in enumerate((4.5173e9, 6.1234e9, 7.7777e9, 5.4321e9))]
    rows = [row(i + 1, one.model) for i, one in enumerate(networks)]
    rows[3] = dataclasses.replace(rows[3], table=40)
    claims = [
        claim(f"{one.multiply_adds[256]['plain'] / 1e9:.3f}", of=of) for one, of in zip(networks, rows, strict=True)
    ]
    claims[3] = claim("5.4", of=rows[3])
    statics = {(of, TIMM): one for of, one in zip(rows, networks, strict=True)}
    together = judge_static([(one, TIMM) for one in claims], statics)
    assert [one.outcome for one in together] == [Outcome.EXPLAINED] * 4
    (alone,) = judge_static([(claims[3], TIMM)], statics)
    assert alone.outcome is not Outcome.CONTRADICTED
    claims[3] = claim("5.732", of=rows[3])
    assert judge_static([(one, TIMM) for one in claims], statics)[3].outcome is Outcome.CONTRADICTED


def test_columns_in_macs_and_in_flops_are_not_mixed() -> None:
    first, second = row(1, "a"), row(2, "b")
    a, b = static("a", at_256=4.5173e9), static("b", at_256=6.53355e9)
    found = judge_static(
        [(claim("9.035", of=first), TIMM), (claim("6.534", of=second, multiply_adds=True), TIMM)],
        {(first, TIMM): a, (second, TIMM): b},
    )
    assert [one.outcome for one in found] == [Outcome.REPRODUCED, Outcome.REPRODUCED]


# --- figures of another network


def darknet_row() -> tuple[Row, list[Verdict], Static]:
    """A row of cspdarknet53 that prints the figures of darknet53."""
    of = row(7, "cspdarknet53")
    claims = [claim("18.58", of=of), claim("41.6", "params", of=of)]
    built = static("cspdarknet53", at_256=6.53355e9, learnable=27_642_184)
    found = judge_static([(one, TIMM) for one in claims], {(of, TIMM): built})
    assert [one.outcome for one in found] == [Outcome.CONTRADICTED] * 2
    return of, found, static("darknet53", at_256=9.28966e9, learnable=41_609_928)


def test_contradicted_figures_of_a_neighbour_are_attributed_to_it() -> None:
    of, contradicted, darknet = darknet_row()
    found = attribute_to_neighbours(contradicted, {(of, TIMM): [darknet]})
    assert [one.outcome for one in found] == [Outcome.CONTRADICTED] * 2
    assert [one.evidence["belongs_to"] for one in found] == ["darknet53"] * 2
    assert found[0].cause == (
        "the figure belongs to another network of timm: darknet53 (2 x multiply-adds by plain, at the row's input size)"
    )
    assert found[0].evidence["expected"] == contradicted[0].evidence["expected"]


def test_a_neighbour_that_explains_one_of_two_figures_gets_that_one() -> None:
    of, contradicted, _ = darknet_row()
    half = static("darknet53", at_256=9.28966e9, learnable=99_000_000)
    found = attribute_to_neighbours(contradicted, {(of, TIMM): [half]})
    assert [one.evidence.get("belongs_to") for one in found] == ["darknet53", None]
    assert found[1] == contradicted[1]


def test_figures_of_other_rows_and_releases_are_left_alone() -> None:
    _, contradicted, darknet = darknet_row()
    assert attribute_to_neighbours(contradicted, {(row(8, "other"), TIMM): [darknet]}) == contradicted
    newer = Source("timm", "0.6.13")
    assert attribute_to_neighbours(contradicted, {(contradicted[0].claim.row, newer): [darknet]}) == contradicted
    assert attribute_to_neighbours(contradicted, {}) == contradicted


def test_a_release_whose_figures_hold_is_not_blamed_for_another_release() -> None:
    of, contradicted, darknet = darknet_row()
    newer = Source("timm", "0.6.13")
    holds = [dataclasses.replace(one, source=newer, outcome=Outcome.REPRODUCED) for one in contradicted]
    both = [*contradicted, *holds]
    assert attribute_to_neighbours(both, {(of, newer): [darknet]}) == both


def test_figures_that_hold_are_attributed_to_nobody() -> None:
    of = row(1, "a")
    built = static("a", at_256=4.5173e9)
    found = judge_static([(claim("9.035", of=of), TIMM)], {(of, TIMM): built})
    assert attribute_to_neighbours(found, {(of, TIMM): [static("twin", at_256=4.5173e9)]}) == found


def test_a_contradicted_figure_that_stands_in_another_row_is_said_to_be_a_copy() -> None:
    a, b, c = row(1, "a"), row(2, "b", source=Source("mmcls", "1.0")), row(3, "c")
    wrong = verdict(Outcome.CONTRADICTED, claim("9.035", of=a), cause="wrong")
    documented = [claim("9.035", of=a), claim("9.035", of=b), claim("9.036", of=c), claim("9.035", "params", of=c)]
    (found,) = name_copies([wrong], documented)
    assert found.cause == "wrong; the same figure is in row 2 (b of mmcls)"
    assert found.evidence["same_figure"] == ["row 2 (b of mmcls)"]
    short = verdict(Outcome.CONTRADICTED, claim("9.0", of=a), cause="wrong")
    assert name_copies([short], [claim("9.0", of=b)]) == [short], "two digits are equal by chance"
    right = dataclasses.replace(wrong, outcome=Outcome.REPRODUCED)
    assert name_copies([right], documented) == [right]


def test_a_counter_that_overlooks_most_of_the_networks_is_found_once() -> None:
    cells = [
        verdict(
            Outcome.EXPLAINED,
            claim("0.016", of=row(i, f"b{i}")),
            convention="by mmcv",
            basis=ConventionMatch("0.016", 2, 5, 2, 1e-6, share_seen=share),
        )
        for i, share in ((1, 0.0427), (2, 0.0351))
    ]
    [finding] = findings([*cells, verdict(Outcome.EXPLAINED, claim("0.4", of=row(3)), convention="by mmcv")])
    assert (finding.kind, finding.severity, finding.model) == ("counter_overlooks", "warning", "b1, b2")
    assert "it finds 3.5 to 4.3 % of the multiply-adds" in finding.text
    assert finding.evidence["line"] == cells[0].claim.row.line


def test_a_figure_that_only_a_convention_explains_may_be_that_of_a_row_of_which_it_is_plainly_true() -> None:
    a, b, c = row(1, "distilled"), row(2, "plain"), row(3, "other")
    claims = [claim(text, "params", of=of) for text, of in (("5.72", a), ("5.72", b), ("5.91", c))]
    odd = verdict(Outcome.EXPLAINED, claims[0], measured=5.9108e6, convention="learnable parameters without x")
    plain = [verdict(Outcome.REPRODUCED, one, measured=one.value) for one in claims[1:]]
    found, *rest = name_copies([odd, *plain], claims)
    assert rest == plain
    [finding] = findings([found, *rest])
    assert (finding.kind, finding.severity) == ("may_be_copied", "warning")
    assert finding.text == (
        "The documented params of distilled, 5.72 M, are learnable parameters without x; but row 2 (plain of timm) "
        "has the same figure, where it is true under the plain meaning of the column."
    )
    assert [(one.claim, one.corrected) for one in finding.suspects] == [(claims[0], None)], "it may as well be right"
    # a row that is counted in the same way, or is wrong itself, says nothing
    for outcome in (Outcome.EXPLAINED, Outcome.CONTRADICTED):
        alike = [odd, dataclasses.replace(plain[0], outcome=outcome)]
        assert not findings(name_copies(alike, claims)[:1])


def test_exchanged_flops_and_parameters_are_named_so() -> None:
    of, network = row(1, "a"), static("a", at_256=4.5173e9, learnable=21_616_168)
    flops = dataclasses.replace(claim("21.616", of=of), unit="M", value=21.616e6, step=1e3)
    params = dataclasses.replace(claim("9.035", "params", of=of), unit="G", value=9.035e9, step=1e6)
    judged = judge_static([(flops, TIMM), (params, TIMM)], {(of, TIMM): network})
    assert [one.outcome for one in judged] == [Outcome.CONTRADICTED] * 2
    found = name_exchanged(judged, {(of, TIMM): network})
    assert {one.cause for one in found} == {"FLOPs and parameters of the row are exchanged"}
    in_their_columns = [claim("21.616", of=of), claim("9.035", "params", of=of)]
    judged = judge_static([(one, TIMM) for one in in_their_columns], {(of, TIMM): network})
    found = name_exchanged(judged, {(of, TIMM): network})
    assert {one.cause for one in found} == {"FLOPs and parameters of the row are exchanged"}
    other = static("a", at_256=4.6e9, learnable=21_616_168)
    judged = judge_static([(flops, TIMM), (params, TIMM)], {(of, TIMM): other})
    assert name_exchanged(judged, {(of, TIMM): other}) == judged


# --- known gaps

GAP = KnownGap("timm", "0.6.5", "network", "flops", "10.038", "9.035", "the page scales by 10/9", "https://x.y/1")


def contradicted(measured: float | None = 9.0346e9, **fields: Any) -> Verdict:
    return verdict(Outcome.CONTRADICTED, measured=measured, cause="no convention reproduces it", **fields)


def test_a_listed_contradiction_becomes_a_known_gap_with_reason_and_address() -> None:
    (found,) = apply_known_gaps([contradicted()], [GAP])
    assert found.outcome is Outcome.KNOWN_GAP
    assert found.measured == 9.0346e9
    assert found.evidence["known_gap"] == {"reason": GAP.reason, "url": GAP.url}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source", "mmcls"),
        ("version", "0.6.13"),
        ("model", "networkx"),
        ("metric", "params"),
        ("documented", "10.039"),
        ("documented", "10.0380"),
    ],
)
def test_a_known_gap_covers_its_own_cell_as_printed_and_no_other(field: str, value: str) -> None:
    before = contradicted()
    assert apply_known_gaps([before], [dataclasses.replace(GAP, **{field: value})]) == [before]


def test_a_changed_digit_in_the_table_takes_the_cell_out_of_its_known_gap() -> None:
    before = contradicted(of=claim("10.048"))
    assert apply_known_gaps([before], [GAP]) == [before]


@pytest.mark.parametrize(
    ("before", "says"),
    [
        (contradicted(measured=9.0366e9), "9.037 is measured"),
        (contradicted(measured=None), "nothing is measured"),
        (verdict(Outcome.REPRODUCED, measured=10.038e9), "the cell is reproduced and 10.038 is measured"),
        (verdict(Outcome.EXPLAINED, measured=9.0346e9), "the cell is explained and 9.035 is measured"),
    ],
)
def test_a_stale_known_gap_is_an_error_that_says_what_is_measured_now(before: Verdict, says: str) -> None:
    (found,) = apply_known_gaps([before], [GAP])
    assert found.outcome is Outcome.ERROR
    assert found.cause is not None
    assert "9.035 is measured" in found.cause
    assert says in found.cause
    assert "Correct or remove the entry" in found.cause


@pytest.mark.parametrize("outcome", [Outcome.NOT_MEASURED, Outcome.ERROR])
def test_a_known_gap_of_a_cell_that_was_not_measured_is_not_stale(outcome: Outcome) -> None:
    before = verdict(outcome, cause="no weights")
    assert apply_known_gaps([before], [GAP]) == [before]


def test_known_gaps_compare_what_the_document_would_print() -> None:
    assert apply_known_gaps([contradicted(measured=9.03549e9)], [GAP])[0].outcome is Outcome.KNOWN_GAP
    assert apply_known_gaps([contradicted(measured=9.03551e9)], [GAP])[0].outcome is Outcome.ERROR


OFF = KnownGap("timm", "0.6.5", "network", "top1", "79.58", "76.40", "another checkpoint", "https://x.y/2")


def refuted(low: float, high: float, outcome: Outcome = Outcome.CONTRADICTED) -> Verdict:
    """On a part of the images, of all of which between `low` and `high` percent are right."""
    possible = round(low * 1_000), round(high * 1_000)
    return verdict(
        outcome, claim("79.58", "top1"), measured=(low + high) / 2, cause="refuted",
        basis=ImagesEvaluated(2_000, 1_200, 256, "0" * 64, part=PartEvaluated(100_000, possible, 0.05)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (75.0, 78.0, Outcome.KNOWN_GAP),
        (76.404, 78.0, Outcome.KNOWN_GAP),
        (75.0, 76.396, Outcome.KNOWN_GAP),
        (76.406, 78.0, Outcome.ERROR),
        (75.0, 76.394, Outcome.ERROR),
    ],
)
def test_a_known_gap_may_still_be_what_a_part_of_the_images_leaves_possible(
    low: float, high: float, outcome: Outcome
) -> None:
    """76.40 stands for 76.395 to 76.405."""
    (found,) = apply_known_gaps([refuted(low, high)], [OFF])
    assert found.outcome is outcome
    if outcome is Outcome.ERROR:
        assert f"{low:.2f} to {high:.2f} is measured" in (found.cause or "")
    (worded,) = apply_known_gaps([refuted(low, high)], [dataclasses.replace(OFF, measured="about 76")])
    assert worded.outcome is Outcome.ERROR


def test_a_known_gap_is_stale_where_a_part_of_the_images_confirms_the_document() -> None:
    (found,) = apply_known_gaps([refuted(79.5, 79.6, Outcome.REPRODUCED)], [OFF])
    assert found.outcome is Outcome.ERROR
    assert "the cell is reproduced and 79.50 to 79.60 is measured" in (found.cause or "")


WHOLE_ENTRY = """
[[gap]]
source = "timm"
version = "0.6.5"
model = "network"
metric = "flops"
documented = "10.038"
measured = "9.035"
reason = "the page scales by 10/9"
url = "https://x.y/1"
"""


def known_gaps(folder: Path, text: str) -> Path:
    path = folder / "known_gaps.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_known_gaps_are_read_as_written(tmp_path: Path) -> None:
    assert read_known_gaps(known_gaps(tmp_path, WHOLE_ENTRY * 2)) == [GAP, GAP]
    assert read_known_gaps(known_gaps(tmp_path, "# none\n")) == []


@pytest.mark.parametrize(
    ("old", "new", "blamed"),
    [
        ('reason = "the page scales by 10/9"\n', "", "reason"),
        ('url = "https://x.y/1"', 'url = ""', "url"),
        ('documented = "10.038"', "documented = 10.038", "documented"),
        ('model = "network"', 'model = "network"\nmodels = "typo"', "models"),
    ],
)
def test_an_entry_that_lacks_something_is_refused_by_number_and_name(
    tmp_path: Path, old: str, new: str, blamed: str
) -> None:
    path = known_gaps(tmp_path, WHOLE_ENTRY + WHOLE_ENTRY.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_known_gaps(path)
    assert str(caught.value).startswith(f"{path}: gap 2: expected a text for each of source, version, model")
    assert str(caught.value).endswith(f"see {blamed}")


@pytest.mark.parametrize("content", [b"[[gap", b"\xff\xfe", None])
def test_a_file_of_known_gaps_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "known_gaps.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot read the known gaps"):
        read_known_gaps(path)


# --- exit status

FINE = [Outcome.REPRODUCED, Outcome.EXPLAINED, Outcome.KNOWN_GAP, Outcome.NOT_MEASURED]


@pytest.mark.parametrize(
    ("outcomes", "failures", "status"),
    [
        (FINE, 0, 0),
        ([Outcome.REPRODUCED], 0, 0),
        ([Outcome.NOT_MEASURED], 0, 0),
        ([*FINE, Outcome.CONTRADICTED], 0, 1),
        ([Outcome.CONTRADICTED, *FINE], 3, 1),
        ([Outcome.CONTRADICTED, Outcome.ERROR], 0, 1),
        ([*FINE, Outcome.DOUBTFUL], 0, 0),
        (FINE, 1, 2),
        ([*FINE, Outcome.ERROR], 0, 2),
        ([], 0, 2),
        ([], 1, 2),
    ],
)
def test_exit_status(outcomes: list[Outcome], failures: int, status: int) -> None:
    assert exit_status([verdict(outcome) for outcome in outcomes], failures) == status


def test_a_doubtful_cell_fails_a_strict_run_alone() -> None:
    judged = [verdict(Outcome.REPRODUCED), verdict(Outcome.DOUBTFUL)]
    assert (exit_status(judged, 0), exit_status(judged, 0, strict=True)) == (0, 1)
    assert exit_status(judged[:1], 0, strict=True) == 0


# --- one cause, one finding


def column(*texts: str, metric: Metric = "params") -> list[Verdict]:
    networks = [static(f"n{i}", learnable=count) for i, count in enumerate((11_689_512, 21_797_672, 25_557_032))]
    rows = [row(i + 1, one.model) for i, one in enumerate(networks)]
    claims = [claim(text, metric, of) for text, of in zip(texts, rows, strict=True)]
    statics = {(of, TIMM): one for of, one in zip(rows, networks, strict=True)}
    return judge_static([(one, TIMM) for one in claims], statics)


@pytest.mark.parametrize(
    ("texts", "kind", "cells"),
    [
        (("11690", "21798", "25557"), "column_unit", 3),
        (("44.59", "83.15", "97.49"), "column_quantity", 3),
        (("21.798", "11.690", "25.557"), "exchanged_rows", 2),
        (("11.690", "21.798", "25.557"), None, 0),
        (("11.690", "21.998", "25.557"), None, 0),
    ],
)
def test_one_cause_of_several_cells_is_one_finding(texts: tuple[str, str, str], kind: str | None, cells: int) -> None:
    found = findings(column(*texts))
    assert [one.kind for one in found] == ([kind] if kind else [])
    assert sum(len(one.suspects) for one in found) == cells


# --- findings


def at_ratio(counter: str = "plain") -> list[Verdict]:
    networks = [static("a", at_256=4.5173e9), static("b", at_256=4.0156e9), static("c", at_256=6.53355e9)]
    rows = [row(i, network.model) for i, network in enumerate(networks, start=1)]
    figures = [f"{2 * network.multiply_adds[256][counter] * 10 / 9 / 1e9:.3f}" for network in networks]
    claims = [(claim(text, of=of), TIMM) for text, of in zip(figures, rows, strict=True)]
    return judge_static(claims, {(of, TIMM): network for of, network in zip(rows, networks, strict=True)})


def test_a_constant_ratio_is_one_finding_about_the_source() -> None:
    (found,) = findings(at_ratio())
    assert (found.kind, found.severity, found.source, found.model) == (
        "constant_ratio", "warning", "timm==0.6.5", "a, b, c",
    )  # fmt: skip
    assert "flops of 3 rows of timm==0.6.5 are 10/9 of what is counted" in found.text
    assert "a: 10.038 is 10/9 of 9.035; " in found.text
    assert found.evidence["ratio"] == "10/9"


def test_a_constant_ratio_is_one_to_the_counter_that_it_was_found_with() -> None:
    (found,) = findings(at_ratio("ptflops"))
    parts = [part.split(" is 10/9 of ") for part in found.text[found.text.index("(") + 1 : -2].split("; ")]
    assert len(parts) == 3
    for left, base in parts:
        assert float(left.split(": ")[1]) / float(base) == pytest.approx(10 / 9, abs=2e-4)


def test_figures_of_another_network_are_one_finding_about_the_row() -> None:
    of, contradicted, darknet = darknet_row()
    (found,) = findings(attribute_to_neighbours(contradicted, {(of, TIMM): [darknet]}))
    assert (found.kind, found.severity, found.model) == ("figures_of_another_network", "error", "cspdarknet53")
    assert found.text.startswith(
        "Row 7 documents cspdarknet53, but flops 18.58 G, params 41.6 M are the figures of darknet53 of the same source"
    )
    assert (found.evidence["belongs_to"], found.row) == ("darknet53", of)


def test_single_cells_are_no_finding() -> None:
    assert findings([verdict(outcome) for outcome in Outcome]) == []


# --- why an accuracy differs


def attribution(answer: Answer = "named", **fields: Any) -> Attribution:
    swap = Swap("filter", "bilinear instead of bicubic", "fits", images=50_000, gained=500, lost=100)
    told = Attribution(
        "timm==0.6.5", "network", 256, DOCUMENT, answer, ("filter",), "top1 is off. The cause is the filter", 50_000,
        50_000, (swap,),
    )  # fmt: skip
    return dataclasses.replace(told, **fields)


EVALUATED = ImagesEvaluated(50_000, 39_391, 256, "0" * 64)


def off(metric: Any = "top1", **fields: Any) -> Verdict:
    """A contradicted accuracy of row 1."""
    return verdict(Outcome.CONTRADICTED, claim("79.582", metric), cause="off by 400", basis=EVALUATED, **fields)


def test_contradicted_accuracies_are_told_their_cause() -> None:
    for found in with_causes([off("top1"), off("top5")], [attribution()]):
        assert found.outcome is Outcome.CONTRADICTED
        assert found.cause == "off by 400. Top1 is off. The cause is the filter"
        assert found.basis == EVALUATED
        assert found.evidence == {**off().evidence, "attribution": {"outcome": "named", "factors": ["filter"]}}


@pytest.mark.parametrize(
    "other",
    [
        verdict(Outcome.CONTRADICTED, claim("10.038", "flops"), cause="off"),
        verdict(Outcome.CONTRADICTED, claim("21.616", "params"), cause="off"),
        verdict(Outcome.REPRODUCED, claim("79.582", "top1")),
        verdict(Outcome.EXPLAINED, claim("79.582", "top1")),
        verdict(Outcome.NOT_MEASURED, claim("79.582", "top1"), cause="no weights"),
        verdict(Outcome.CONTRADICTED, claim("79.582", "top1", of=row(2, "other")), cause="off"),
        verdict(Outcome.CONTRADICTED, claim("79.582", "top1"), cause="off", source=Source("timm", "0.6.13")),
    ],
)
def test_other_cells_are_left_as_they_are(other: Verdict) -> None:
    assert with_causes([other], [attribution()]) == [other]
    assert [one.cause for one in with_causes([other, off()], [attribution()])] == [
        other.cause,
        "off by 400. Top1 is off. The cause is the filter",
    ]


@pytest.mark.parametrize("against", [NOTHING, "mmcls==0.25.0"])
def test_what_is_not_against_the_document_causes_nothing_documented(against: str) -> None:
    assert with_causes([off()], [attribution(against=against)]) == [off()]
    both = with_causes([off()], [attribution(), attribution(against=against, text="logits differ")])
    assert both == with_causes([off()], [attribution()])


def test_each_row_is_told_its_own_cause() -> None:
    second = verdict(Outcome.CONTRADICTED, claim("79.582", "top1", of=row(2, "other")), cause="off by 9")
    found = with_causes([off(), second], [attribution(model="other", text="it is the scale"), attribution()])
    assert [one.cause for one in found] == [
        "off by 400. Top1 is off. The cause is the filter",
        "off by 9. It is the scale",
    ]


@pytest.mark.parametrize(
    ("answer", "severity"),
    [
        ("named", "warning"),
        ("together", "warning"),
        ("ambiguous", "warning"),
        ("unexplained", "warning"),
        ("cannot_tell", "warning"),
        ("nothing_to_explain", "note"),
    ],
)
@pytest.mark.parametrize("against", [DOCUMENT, NOTHING, "mmcls==0.25.0"])
def test_an_answer_is_a_finding_with_all_that_was_tried(answer: Answer, severity: str, against: str) -> None:
    (found,) = attribution_findings([attribution(answer, against=against)])
    assert (found.kind, found.severity) == ("attribution", severity)
    assert (found.source, found.model) == ("timm==0.6.5", "network")
    assert found.text == "timm==0.6.5 network at 256 pixels: top1 is off. The cause is the filter."
    assert found.evidence["against"] == against
    assert found.evidence["evidence"][0]["gained"] == 500


def test_no_question_is_no_finding() -> None:
    assert attribution_findings([]) == []
    assert len(attribution_findings([attribution(), attribution("cannot_tell")])) == 2
