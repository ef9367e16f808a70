"""What a run comes to: totals of zoos, files and tables, and how often each kind of finding was made."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
from builders import claim, row, verdict

from harness.checks.issues import issues
from harness.checks.totals import Kind, Summary, by_file, by_table, by_zoo, kinds, total, zoos_of
from harness.core.findings import Finding, Suspect
from harness.core.records import Claim, Failure, Outcome, Row, Verdict
from harness.tables.cells import Problem
from harness.tables.claims import Table


def in_file(file: str, number: int, heading: int = 3) -> Row:
    return dataclasses.replace(row(number), file=file, table=heading)


def wrong(of: Claim) -> Verdict:
    return verdict(Outcome.CONTRADICTED, of, cause="no convention")


def table() -> tuple[Table, list[Claim]]:
    rows = [in_file("a.md", 1), in_file("a.md", 2), dataclasses.replace(in_file("a.md", 2), source="mmcls")]
    rows.append(in_file("b.md", 3))
    claims = [claim("10.038", of=one) for one in rows]
    problems = (Problem("b.md", 9, "?"), Problem("c.md", 1, "?"), Problem("b.md", 10, "?"))
    return Table(("b.md", "a.md", "c.md"), tuple(rows), tuple(claims), problems), claims


def of_row(of: Row, kind: str = "upstream_different") -> Finding:
    return Finding(kind, "timm==0.6.5", "network", "It cannot be.", row=of)


def test_every_file_is_summed_up_in_its_order() -> None:
    read, claims = table()
    judged = [
        verdict(Outcome.REPRODUCED, claims[0]),
        wrong(claims[1]),
        verdict(Outcome.REPRODUCED, claims[2]),
        wrong(claims[3]),
    ]
    found = issues(judged, [of_row(in_file("b.md", 3))])
    outcomes = Counter({Outcome.REPRODUCED: 2, Outcome.CONTRADICTED: 1})
    assert by_file(read, judged, found) == [
        Summary("b.md", 1, 1, Counter({Outcome.CONTRADICTED: 1}), Counter({"error": 1, "warning": 1}), 2),
        Summary("a.md", 2, 3, outcomes, Counter({"error": 1}), 0),
        Summary("c.md", 0, 0, Counter(), Counter(), 1),
    ]
    assert total(by_file(read, judged, found)) == Summary(
        *("3 files", 3, 4, Counter({Outcome.REPRODUCED: 2, Outcome.CONTRADICTED: 2})),
        *(Counter({"error": 2, "warning": 1}), 3),
    )


def test_no_file_at_all_comes_to_nothing() -> None:
    assert total([]) == Summary("0 files", 0, 0, Counter(), Counter(), 0)
    assert zoos_of([]) == {}


def test_a_table_is_summed_up_apart_from_the_others_of_its_file() -> None:
    rows = (in_file("a.md", 1, 3), in_file("a.md", 2, 9), in_file("a.md", 3, 9))
    claims = tuple(claim("10.038", of=one) for one in rows)
    judged = [verdict(Outcome.REPRODUCED, claims[0]), wrong(claims[1]), wrong(claims[2])]
    first, second = by_table(Table(("a.md",), rows, claims, ()), judged, issues(judged, []))
    assert (first.line, first.rows, first.is_clean) == (3, 1, True)
    assert (second.line, second.rows, second.severities["error"], second.is_clean) == (9, 2, 2, False)


def test_zoos_are_the_folders_below_the_one_that_holds_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    files = ("zoos/timm/a.csv", "zoos/timm/old/b.csv", "zoos/mm/resnet/metafile.yml", "zoos/README.md")
    assert list(zoos_of(files).values()) == ["zoos/timm", "zoos/timm", "zoos/mm", "zoos"]
    assert set(zoos_of(files[:1]).values()) == {"zoos/timm"}
    rows = tuple(in_file(file, number) for number, file in enumerate(files[:3]))
    claims = tuple(claim("10.038", of=one) for one in rows)
    judged = [verdict(Outcome.REPRODUCED, claims[0]), wrong(claims[1]), wrong(claims[2])]
    timm, other = by_zoo(Table(files, rows, claims, ()), judged, issues(judged, []))
    assert (timm.file, timm.rows, timm.cells, timm.severities["error"]) == ("zoos/timm", 2, 2, 1)
    assert (other.file, other.rows, other.cells, other.severities["error"]) == ("zoos/mm", 1, 1, 1)


def test_kinds_are_counted_once_each_with_their_zoos_the_gravest_first() -> None:
    rows = tuple(in_file(file, number) for number, file in enumerate(("x/a.md", "x/a.md", "y/b.md")))
    claims = tuple(claim("10.038", of=one) for one in rows)
    read = Table(("x/a.md", "y/b.md"), rows, claims, (Problem("y/b.md", 7, "?"),))
    several = Finding("column_unit", "timm", "network", "All are.", suspects=tuple(map(Suspect, claims[:2])))
    placed = Finding("assumed_unit", "", "", "M.", {"file": "x/a.md", "line": 3})
    judged = [wrong(claims[2])]
    made = kinds(read, issues(judged, []), [several, placed, of_row(rows[0])], [Failure("timm", None, "static", "no")])
    assert made == [
        Kind("column_unit", "error", Counter({"x": 1}), "x/a.md:4"),
        Kind("contradicted_flops", "error", Counter({"y": 1}), "y/b.md:6"),
        Kind("failure", "error", Counter({"": 1}), ""),
        Kind("unreadable", "error", Counter({"y": 1}), "y/b.md:7"),
        Kind("upstream_different", "warning", Counter({"x": 1}), "x/a.md:4"),
        Kind("assumed_unit", "note", Counter({"x": 1}), "x/a.md:3"),
    ]
