"""One cause is one correction: a heading's unit, two rows or two columns that are exchanged; the page is right then."""

import itertools
from collections.abc import Mapping

import pytest
from builders import TIMM, static

from harness.checks.counts.columns import judge_static
from harness.checks.counts.misplaced import name_exchanged
from harness.checks.issues import Issue, issues
from harness.core.records import Outcome, Static, Verdict
from harness.report.corrected_copies import corrected
from harness.tables import readers
from harness.tables.claims import claims_of

#: multiply-adds and learnable parameters
NETWORKS: Mapping[str, Static] = {
    name: static(name, at_256=multiply_adds, learnable=learnable)
    for name, multiply_adds, learnable in (
        ("a", 30_853_000, 2_831_504),
        ("b", 67_313_000, 3_249_184),
        ("c", 123_742_000, 3_866_376),
        ("d", 4_517_300_000, 25_060_768),
        ("e", 6_533_550_000, 25_718_416),
        ("f", 9_289_660_000, 45_218_152),
    )
}


def page(*rows: tuple[str, str, str], flops: str = "MACs (G)", params: str = "params (M)") -> str:
    lines = [f"| {name} | timm v0.6.5 | {first} | {second} | 256 |\n" for name, first, second in rows]
    return f"| model | source | {flops} | {params} | input size |\n| - | - | - | - | - |\n{''.join(lines)}"


def audited(text: str, file: str = "page.md") -> tuple[list[Verdict], list[Issue]]:
    """The verdicts on a page, and what is to fix in it."""
    claims = claims_of(readers.parse(file, text)[0]).claims
    statics = {(claim.row, TIMM): NETWORKS[claim.row.model] for claim in claims}
    verdicts = name_exchanged(judge_static([(claim, TIMM) for claim in claims], statics), statics)
    return verdicts, issues(verdicts, [])


def fixed(text: str, file: str = "page.md") -> str:
    """The corrected page, in which nothing is wrong."""
    changed, left = corrected(text, audited(text, file)[1])
    assert left == []
    assert {one.outcome for one in audited(changed, file)[0]} <= {Outcome.REPRODUCED, Outcome.EXPLAINED}
    return changed


IN_M = (("a", "30.853", "2.832"), ("b", "67.313", "3.249"), ("c", "123.742", "3.866"))


@pytest.mark.parametrize(
    ("heading", "becomes"),
    [
        ("MACs (G)", "MACs (M)"),
        ("MACs(G)", "MACs(M)"),
        ("GMACs", "MMACs"),
        ("MACs (g)", "MACs (m)"),
        ("MACs (B)", "MACs (M)"),
        ("Multiply-adds, G", "Multiply-adds, M"),
    ],
)
def test_a_column_in_another_unit_is_repaired_in_its_heading(heading: str, becomes: str) -> None:
    wrong = page(*IN_M, flops=heading)
    assert fixed(wrong) == page(*IN_M, flops=becomes)


def test_a_heading_in_html_is_repaired() -> None:
    rows = "".join(f"<tr><td>{a}</td><td>{b}</td><td>{c}</td><td>256</td></tr>\n" for a, b, c in IN_M)
    head = "<tr><th>model</th><th>{}</th><th>params (M)</th><th>input size</th></tr>"
    wrong = f"<table>\n{head.format('MACs (G)')}\n{rows}</table>\n"
    assert fixed(wrong) == wrong.replace("MACs (G)", "MACs (M)")


def test_a_heading_of_separated_values_is_repaired() -> None:
    wrong = "model,macs_g,params_m,input size\n" + "".join(f"{a},{b},{c},256\n" for a, b, c in IN_M)
    assert fixed(wrong, "page.csv") == wrong.replace("macs_g", "macs_m")


def test_a_wrong_digit_in_a_column_in_another_unit_is_corrected_in_that_unit() -> None:
    rows = [*IN_M, ("d", "4517.300", "25.061"), ("e", "6533.550", "25.718"), ("f", "9286.660", "45.218")]
    right = [*rows[:5], ("f", "9289.660", "45.218")]
    assert fixed(page(*rows)) == page(*right, flops="MACs (M)")


def test_where_a_row_of_the_column_is_in_its_unit_the_figures_are_corrected() -> None:
    rows = [("d", "4.517", "25.061"), ("e", "6.534", "25.718"), ("f", "9289.660", "45.218")]
    assert fixed(page(*rows)) == page(*rows[:2], ("f", "9.290", "45.218"))


def test_rows_that_are_exchanged_are_exchanged() -> None:
    rows = [("d", "4.517", "25.72"), ("e", "6.534", "25.061"), ("f", "9.290", "45.218")]
    assert fixed(page(*rows)) == page(("d", "4.517", "25.06"), ("e", "6.534", "25.718"), rows[2])
    rows = [("d", "4.517", "25.720"), ("e", "6.534", "25.060"), ("f", "9.290", "45.220")]
    assert fixed(page(*rows)) == page(("d", "4.517", "25.060"), ("e", "6.534", "25.720"), rows[2])


def test_of_two_exchanged_cells_not_one_alone_is_corrected() -> None:
    wrong = page(("d", "4.517", "25.718"), ("e", "6.534", "25.061"), ("f", "9.290", "45.218"))
    first, second = audited(wrong)[1]
    assert first.together == (first.claim, second.claim)
    changed, left = corrected(wrong, [first])
    assert (changed, left) == (wrong, [first])


def test_columns_that_are_exchanged_are_exchanged() -> None:
    rows = [("d", "25.061", "4.517"), ("e", "25.718", "6.534"), ("f", "9.290", "45.218")]
    assert fixed(page(*rows)) == page(*((name, b, a) for name, a, b in rows[:2]), rows[2])


def test_two_causes_on_one_page_are_two_corrections() -> None:
    rows = [("d", "4.520", "25.720"), ("e", "6.530", "25.060"), ("f", "9.290", "45.220")]
    wrong = page(*rows, flops="MACs (M)")
    assert fixed(wrong) == page(("d", "4.520", "25.060"), ("e", "6.530", "25.720"), rows[2])


def test_under_a_heading_without_a_sign_for_its_unit_the_page_says_what_it_should() -> None:
    wrong = page(*IN_M, flops="MACs (10^9)")
    changed, _ = corrected(wrong, audited(wrong)[1])
    values = [one.claim.value for one in audited(changed)[0] if one.claim.metric == "flops"]
    counts = [NETWORKS[name].multiply_adds[256]["plain"] for name, _, _ in IN_M]
    for value, count in itertools.zip_longest(values, counts):
        assert value == pytest.approx(count, rel=0.02)
