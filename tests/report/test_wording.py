"""One verdict in the words of each surface."""

from pathlib import Path

import pytest
from builders import claim, row, verdict

from harness.checks.issues import Issue
from harness.core.records import Outcome
from harness.report import wording

CELL = claim("10.038", of=row(1, "network"))
HOLDS = verdict(Outcome.REPRODUCED, CELL, measured=10.038e9)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_verdict_on_every_surface() -> None:
    at = f"{CELL.row.file}:{CELL.row.line}"
    said = "network of timm==0.6.5, flops: documented 10.038 G; measured 10.038 G; reproduced"
    assert wording.line(HOLDS) == said
    assert wording.junit_message(HOLDS) == said
    assert wording.junit_message(HOLDS, ["top5 below top1", "twice"]) == "top5 below top1; twice"
    assert wording.markdown_cell(HOLDS) == "10.038 G ✓ reproduced"
    paragraph = wording.paragraph([HOLDS])
    assert paragraph.heading == "timm==0.6.5 network flops: reproduced."
    assert paragraph.text == f"Documented 10.038 G ({at}); measured under the plain meaning: 10.038 G."
    issue = Issue("error", "contradicted_flops", "t.md", 5, "timm==0.6.5", "network", CELL, "10.083", "one digit off")
    expected = "network of timm==0.6.5: flops documented as 10.038 G, should be 10.083 G: one digit off"
    assert wording.annotation(issue) == expected


def test_what_was_not_measured_has_no_figure() -> None:
    nothing = verdict(Outcome.NOT_MEASURED, CELL)
    assert wording.measured(nothing) == "nothing"
    assert wording.line(nothing) == "network of timm==0.6.5, flops: documented 10.038 G; not measured"


def test_cells_of_a_column_share_a_paragraph() -> None:
    cells = [
        verdict(Outcome.REPRODUCED, claim("10.038", of=row(n, name)), measured=1e10) for n, name in ((1, "a"), (2, "b"))
    ]
    paragraph = wording.paragraph(cells)
    assert paragraph.heading == "timm==0.6.5 flops of 2 rows: reproduced."
    assert "a 10.038 G, 10.000 G; b 10.038 G, 10.000 G (" in paragraph.text


def test_the_name_of_a_model_is_never_capitalised() -> None:
    assert wording.sentence_case("the figure is wrong") == "The figure is wrong"
    assert wording.sentence_case("tiny has a top5 of 26.2", "tiny") == "tiny has a top5 of 26.2"
    assert wording.sentence_case("no convention", "") == "No convention"
