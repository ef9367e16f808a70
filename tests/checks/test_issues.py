"""What is to be mended: each cell once with all its causes, the gravest first."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import pytest
from builders import claim, row, verdict

from harness.checks.issues import Issue, issues
from harness.core.causes import Exchanged
from harness.core.evidence import NoMatch
from harness.core.findings import Finding, Suspect
from harness.core.records import Claim, Outcome, Row, Source

FLOPS = claim("10.038")
PARAMS = claim("21.62", "params")


def contradicted(of: Claim = FLOPS, expected: str | None = "9.035", cause: str | None = "no convention") -> Any:
    return verdict(Outcome.CONTRADICTED, of, cause=cause, basis=no_match(expected, 3) if expected else None)


def no_match(expected: str, rows: int, probability: float = 0.99) -> NoMatch:
    return NoMatch(20, (), expected, "by plain", rows, expected_probability=probability)


def finding(
    *suspects: Claim | Suspect,
    kind: str | None = None,
    severity: Literal["error", "warning", "note"] = "warning",
    text: str = "It cannot be.",
    of: Row | None = None,
) -> Finding:
    cells = tuple(one if isinstance(one, Suspect) else Suspect(one) for one in suspects)
    kind = kind or ("padded_digits" if severity == "note" else "upstream_different")
    return Finding(kind, "timm==0.6.5", "network", text, {}, cells, of, severity)


def test_a_contradicted_cell_is_an_error_with_what_it_should_be() -> None:
    assert issues([contradicted()], []) == [
        Issue("error", "contradicted_flops", "table.md", 5, "timm==0.6.5", "network", FLOPS, "9.035", "no convention")
    ]
    [unknown] = issues([contradicted(expected=None, cause=None)], [])
    assert (unknown.corrected, unknown.cause) == (None, "no convention reproduces it")


@pytest.mark.parametrize("outcome", [one for one in Outcome if one not in (Outcome.CONTRADICTED, Outcome.DOUBTFUL)])
def test_no_other_outcome_is_to_be_mended(outcome: Outcome) -> None:
    assert issues([verdict(outcome, FLOPS)], []) == []


def test_each_suspect_of_a_finding_is_an_entry() -> None:
    found = issues([], [finding(Suspect(FLOPS, "9.035"), PARAMS)])
    assert [(one.claim, one.corrected, one.severity, one.kind, one.line) for one in found] == [
        (FLOPS, "9.035", "warning", "upstream_different", 5),
        (PARAMS, None, "warning", "upstream_different", 5),
    ]


def test_a_finding_about_a_row_is_one_entry_and_one_about_no_place_is_none() -> None:
    [of_row] = issues([], [finding(of=row(3))])
    assert (of_row.claim, of_row.file, of_row.line, of_row.cause) == (None, "table.md", 7, "It cannot be.")
    assert issues([], [finding()]) == []


def test_a_cell_stands_there_once_with_every_cause_and_the_gravest_severity() -> None:
    found = issues(
        [contradicted(expected=None)],
        [
            finding(Suspect(FLOPS, "9.035"), severity="note", text="A note."),
            finding(FLOPS, text="A warning."),
            finding(FLOPS, text="A warning."),
        ],
    )
    assert found == [
        Issue(
            *("error", "contradicted_flops", "table.md", 5, "timm==0.6.5", "network", FLOPS, "9.035"),
            "no convention. A warning. A note.",
        )
    ]


def test_a_graver_entry_keeps_its_own_correction() -> None:
    [one] = issues([contradicted(expected="9.035")], [finding(Suspect(FLOPS, "1.000"))])
    assert one.corrected == "9.035"


def test_rows_are_told_apart_by_place_kind_and_cause() -> None:
    same = finding(of=row(1))
    others = [finding(of=row(2)), finding(of=row(1), kind="upstream_other_size"), finding(of=row(1), text="Otherwise.")]
    assert len(issues([], [same, same])) == 1
    assert len(issues([], [same, *others])) == 4


def test_the_gravest_come_first_and_then_file_and_line() -> None:
    def at(line: int, file: str = "b.md") -> Row:
        return dataclasses.replace(row(), file=file, line=line)

    given = [
        finding(of=at(1), severity="note"),
        finding(of=at(9), severity="error"),
        finding(of=at(3)),
        finding(of=at(10), severity="error"),
        finding(of=at(2)),
        finding(of=at(8, "a.md")),
    ]
    assert [(one.severity, one.file, one.line) for one in issues([], given)] == [
        ("error", "b.md", 9),
        ("error", "b.md", 10),
        ("warning", "a.md", 8),
        ("warning", "b.md", 2),
        ("warning", "b.md", 3),
        ("note", "b.md", 1),
    ]


MEASURED = (Outcome.REPRODUCED, Outcome.EXPLAINED, Outcome.KNOWN_GAP)


@pytest.mark.parametrize("outcome", MEASURED)
def test_a_ratio_of_figures_says_nothing_where_the_network_was_measured(outcome: Outcome) -> None:
    ratio = finding(FLOPS, PARAMS, kind="flops_per_parameter")
    judged = [verdict(outcome, FLOPS), verdict(Outcome.REPRODUCED, PARAMS)]
    assert issues(judged, [ratio]) == []
    assert len(issues(judged, [finding(FLOPS, PARAMS)])) == 2


@pytest.mark.parametrize("outcome", [Outcome.NOT_MEASURED, Outcome.ERROR])
def test_a_ratio_of_figures_stays_where_one_of_them_was_not_measured(outcome: Outcome) -> None:
    ratio = finding(FLOPS, PARAMS, kind="flops_per_parameter")
    assert len(issues([verdict(Outcome.REPRODUCED, FLOPS), verdict(outcome, PARAMS)], [ratio])) == 2
    assert len(issues([], [ratio])) == 2


# --- what files come to


def in_file(file: str, number: int) -> Row:
    return dataclasses.replace(row(number), file=file)


def test_names_of_files_are_as_they_were_given() -> None:
    of = dataclasses.replace(FLOPS, row=in_file(str(Path("zoo") / "a.md"), 1))
    assert issues([contradicted(of)], [])[0].file == "zoo/a.md"


def test_nothing_that_is_not_certain_is_a_correction() -> None:
    guess = verdict(Outcome.CONTRADICTED, FLOPS, cause="no", basis=no_match("9.035", 0, probability=0.94))
    [one] = issues([guess], [])
    assert one.corrected is None
    certain = dataclasses.replace(guess, basis=no_match("9.035", 0, probability=0.95))
    assert issues([certain], [])[0].corrected == "9.035"
    exchanged = dataclasses.replace(guess, causes=(Exchanged("21.6"),))
    assert issues([exchanged], [])[0].corrected == "21.6"


def test_a_doubtful_cell_is_a_warning_without_a_correction() -> None:
    doubt = verdict(Outcome.DOUBTFUL, FLOPS, cause="it may be", basis=no_match("9.035", 3))
    [one] = issues([doubt], [])
    assert (one.severity, one.kind, one.corrected) == ("warning", "doubtful_flops", None)


def test_releases_that_disagree_correct_nothing() -> None:
    newer = dataclasses.replace(contradicted(), source=Source("timm", "0.6.13"))
    assert issues([contradicted(), newer], [])[0].corrected == "9.035"
    other = dataclasses.replace(newer, basis=no_match("9.1", 3))
    assert issues([contradicted(), other], [])[0].corrected is None
    holds = dataclasses.replace(newer, outcome=Outcome.REPRODUCED, basis=None)
    assert issues([contradicted(), holds], [])[0].corrected is None
