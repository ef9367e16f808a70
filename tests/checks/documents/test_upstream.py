"""What the sources publish, beside a table: equal, another's, or different; upstream is read like any other table."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from builders import TIMM, claim, row, verdict
from harness.adapters.base import Document

from harness.checks.documents.upstream import (
    Published,
    UpstreamComparison,
    compare,
    findings,
    is_of,
    published,
    same,
    sheets,
    with_upstream,
)
from harness.core.records import Claim, Metric, Outcome, Row
from harness.tables.claims import claims_of

HEADING = ("Name", "Top 1 Accuracy", "Top 5 Accuracy", "FLOPs", "Parameters")
DOCUMENT: dict[str, Any] = {
    "file": "configs/net/metafile.yml",
    "heading": HEADING,
    "rows": [
        (7, ["a_1xb1_in1k", "70.10", "90.20", "1820000000", "11690000"]),
        (19, ["b_1xb1_in1k", "71.30", "91.40", "3680000000", "21800000"]),
        (31, ["c_1xb1_in1k", "74.90", "92.60", "4120000000", "25560000"]),
        (43, ["d_1xb1_in1k", "78.00", "95.00", "7850000000", "44550000"]),
    ],
}
OWN = {name: name for name in ("a_1xb1_in1k", "b_1xb1_in1k", "c_1xb1_in1k", "d_1xb1_in1k")}


def upstream(*documents: Mapping[str, Any], own: Mapping[str, str] = OWN) -> list[Published]:
    table = claims_of(sheets([Document(**fields) for fields in documents or [DOCUMENT]], TIMM))
    assert table.problems == ()
    return published(table, "timm", own)


def beside(of: Row, own: str, *claims: Claim, documents: list[Published] | None = None) -> list[UpstreamComparison]:
    return compare({(of, TIMM): claims}, {(of, TIMM): own}, {TIMM: documents or upstream()})


def one(text: str, metric: Metric = "top1", own: str = "a_1xb1_in1k", **fields: Any) -> UpstreamComparison:
    of = row(1, "a", **fields)
    (found,) = beside(of, own, claim(text, metric, of))
    return found


def test_a_document_of_a_package_is_a_table_like_any_other() -> None:
    (sheet,) = sheets([Document(**DOCUMENT)], TIMM)
    read = claims_of([sheet])
    assert read.problems == ()
    assert [(one.text, one.unit) for one in read.claims[:4]] == [
        ("70.10", "%"), ("90.20", "%"), ("1.82", "G"), ("11.69", "M"),
    ]  # fmt: skip
    assert {(one.file, one.source, one.version) for one in read.rows} == {
        ("timm==0.6.5/configs/net/metafile.yml", "timm", "0.6.5")
    }
    assert [one.line for one in read.rows] == [7, 19, 31, 43]
    assert sheets([Document(**{**DOCUMENT, "rows": []})], TIMM) == []


def test_rows_of_unknown_models_are_left_out_and_what_cannot_be_read_is_said() -> None:
    broken = {**DOCUMENT, "rows": [(7, ["a_1xb1_in1k", "about 70", "90.20", "1820000000", "11690000"])]}
    table = claims_of(sheets([Document(**broken)], TIMM))
    assert published(table, "timm", {}) == []
    assert [(one.line, "about 70" in one.text) for one in table.problems] == [(7, True)]


@pytest.mark.parametrize(
    ("text", "metric"),
    [("70.10", "top1"), ("70.1", "top1"), ("70.102", "top1"), ("90.2", "top5"), ("11.69", "params"), ("11.7", "params"),
     ("1.82", "flops"), ("3.64", "flops")],
)  # fmt: skip
def test_a_figure_is_upstreams_to_the_digits_of_the_shorter_one(text: str, metric: Metric) -> None:
    found = one(text, metric)
    assert (found.status, found.owner) == ("equal", None)
    assert found.upstream.row.line == 7


@pytest.mark.parametrize(
    ("text", "metric"), [("70.11", "top1"), ("70.2", "top1"), ("11.70", "params"), ("3.66", "flops")]
)
def test_any_other_figure_is_different(text: str, metric: Metric) -> None:
    assert one(text, metric).status == "different"


def test_a_percentage_is_never_twice_another() -> None:
    assert same(claim("35.05", "top1"), claim("70.10", "top1")) is False
    assert same(claim("3.63"), claim("1.81")), "1.8149 is both"
    assert not same(claim("3.66"), claim("1.82"))


def test_a_figure_of_another_model_is_named() -> None:
    found = one("71.30")
    assert found.status == "other_model"
    assert found.owner is not None
    assert (found.owner.own, found.owner.row.place) == ("b_1xb1_in1k", "timm==0.6.5/configs/net/metafile.yml:19")
    assert one("71").status == "different", "two digits are another model's by chance"


def test_of_several_weights_the_ones_that_the_row_agrees_with_are_meant() -> None:
    rows = [(7, ["a.V1", "70.10", "90.20"]), (9, ["a.V2", "74.50", "92.10"]), (11, ["b.V1", "60.00", "80.00"])]
    document = {**DOCUMENT, "heading": HEADING[:3], "rows": rows}
    documents = upstream(document, own={"a.V1": "a.V1", "a.V2": "a.V2", "b.V1": "b.V1"})
    of = row(1, "a")
    first, second = beside(of, "a", claim("74.50", "top1", of), claim("90.20", "top5", of), documents=documents)
    assert {first.status, second.status} == {"equal", "other_weights"}
    both = beside(of, "a", claim("74.50", "top1", of), claim("92.10", "top5", of), documents=documents)
    assert [one.status for one in both] == ["equal", "equal"]
    (tagged,) = beside(of, "a.V1", claim("74.50", "top1", of), documents=documents)
    assert (tagged.status, tagged.upstream.text) == ("other_model", "70.10"), "V2 is not what a.V1 means"


def test_a_figure_at_another_size_is_named_so() -> None:
    heading = (*HEADING[:3], "resolution")
    rows = [(7, ["a.s", "70.10", "90.20", "224"]), (9, ["a.l", "74.50", "92.10", "384"])]
    documents = upstream({**DOCUMENT, "heading": heading, "rows": rows}, own={"a.s": "a.s", "a.l": "a.l"})
    of = row(1, "a", input_size=224)
    found = beside(of, "a", claim("74.50", "top1", of), claim("90.20", "top5", of), documents=documents)
    assert [one.status for one in found] == ["other_size", "equal"]


def test_a_prefix_of_a_name_is_another_model() -> None:
    assert is_of("a.V1", "a")
    assert is_of("a", "a")
    assert not is_of("ab", "a")
    assert not is_of("a", "a.V1")


def test_what_upstream_does_not_have_is_not_compared() -> None:
    of = row(1, "a")
    short = upstream({**DOCUMENT, "heading": HEADING[:2], "rows": [(7, ["a_1xb1_in1k", "70.10"])]})
    assert [one.claim.metric for one in beside(of, "a_1xb1_in1k", claim("70.1", "top1", of), claim("9", "top5", of),
                                               documents=short)] == ["top1"]  # fmt: skip
    assert beside(of, "e", claim("70.1", "top1", of)) == []
    assert compare({(of, TIMM): [claim("70.1", "top1", of)]}, {}, {TIMM: upstream()}) == []


# --- what is said of it


def test_what_differs_is_a_finding_with_upstreams_figure_as_the_correction() -> None:
    of = row(1, "a")
    compared = beside(of, "a_1xb1_in1k", claim("70.01", "top1", of), claim("90.20", "top5", of))
    (found,) = findings(compared, [])
    assert (found.kind, found.severity, found.row) == ("upstream_different", "error", of)
    assert "is 70.01 %; upstream has 70.10 % (timm==0.6.5/configs/net/metafile.yml:7)" in found.text
    assert "The row's other accuracy is upstream's" in found.text
    assert [(one.claim.text, one.corrected) for one in found.suspects] == [("70.01", "70.10")]


def test_an_accuracy_that_may_be_of_other_weights_is_a_warning() -> None:
    of = row(1, "a")
    found = findings(beside(of, "a_1xb1_in1k", claim("72.22", "top1", of), claim("91.11", "top5", of)), [])
    assert [one.severity for one in found] == ["warning", "warning"]


def test_the_correction_has_no_more_digits_than_upstream() -> None:
    of = row(1, "a")
    (found,) = findings(beside(of, "a_1xb1_in1k", claim("70.012", "top1", of)), [])
    assert [one.corrected for one in found.suspects] == [None]


def test_counts_that_the_network_was_asked_for_are_left_to_it() -> None:
    of = row(1, "a")
    wrong = claim("12.34", "params", of)
    compared = beside(of, "a_1xb1_in1k", wrong)
    assert findings(compared, [wrong]) == []
    assert [one.kind for one in findings(compared, [])] == ["upstream_different"]


def test_verdicts_get_upstreams_figure_as_evidence() -> None:
    of = row(1, "a")
    top1 = claim("71.30", "top1", of)
    judged = verdict(Outcome.NOT_MEASURED, top1)
    (found,) = with_upstream([judged], beside(of, "a_1xb1_in1k", top1))
    assert found.evidence["upstream"] == {
        "status": "other_model",
        "figure": "70.10 %",
        "document": "timm==0.6.5/configs/net/metafile.yml:7",
        "owner": "b_1xb1_in1k",
        "owner_document": "timm==0.6.5/configs/net/metafile.yml:19",
    }
    assert with_upstream([judged], []) == [judged]
    assert found == dataclasses.replace(judged, upstream=found.upstream)


def test_weights_that_the_row_names_are_those_that_are_meant() -> None:
    rows = [(1, ["a.a1_in1k", "80.21", "94.70", "", ""]), (2, ["a.tv_in1k", "76.13", "92.86", "", ""])]
    documents = upstream({**DOCUMENT, "rows": rows}, own={"a.a1_in1k": "a", "a.tv_in1k": "a"})
    of = row(1, "a.a1_in1k")
    right = [claim("80.21", "top1", of), claim("94.70", "top5", of)]
    assert {one.status for one in beside(of, "a", *right, documents=documents)} == {"equal"}
    others = [claim("76.13", "top1", of), claim("92.86", "top5", of)]
    assert {one.status for one in beside(of, "a", *others, documents=documents)} == {"other_weights"}
