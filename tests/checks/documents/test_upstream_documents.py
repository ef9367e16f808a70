"""What sources publish, gathered from their packages and from files, and held beside a table."""

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import VERSION, Recorder, use_fakes

from harness.checks.results import Results
from harness.checks.run import execute
from harness.cli import run as command_line
from harness.cli.commands import documents
from harness.core.errors import InputError
from harness.plan.options import Options
from harness.plan.preview import preview
from harness.tables.claims import read_table

HEADING = "| model | source | top1 | top5 | flops | params | input size |\n| - | - | - | - | - | - | - |\n"
TINY = "| tiny | fake | 52.4 | 76.2 | 97.152K | 49.009K | 8 |"
TWIN = "| twin | fake | 52.4 | 76.2 | 97.152K | 49.009K | 8 |"
PUBLISHED = [
    ["tiny", "52.4", "76.2", "97.152K", "49.009K"],
    ["tiny_wide", "60.25", "80.75", "385.152K", "193.009K"],
    ["killer", "61.5", "81.5", "97.152K", "49.009K"],
]


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    monkeypatch.setenv("FAKE_DOCUMENTS", json.dumps(PUBLISHED))


def run(tmp_path: Path, *rows: str, **asked: Any) -> Results:
    table = tmp_path / "table.md"
    table.write_text(HEADING + "\n".join(rows) + "\n")
    options = {"tables": (table,), "out": tmp_path / "out", "checks": ("static",), **asked}
    return execute(preview(Options(**options)), Recorder())


def statuses(results: Results) -> dict[str, str]:
    return {v.claim.metric: v.evidence["upstream"]["status"] for v in results.verdicts if "upstream" in v.evidence}


def kinds(results: Results) -> list[tuple[str, str]]:
    return [(finding.kind, finding.severity) for finding in results.findings]


def test_a_table_that_copies_upstream_rightly_is_equal_to_it(tmp_path: Path) -> None:
    results = run(tmp_path, TINY)
    assert statuses(results) == dict.fromkeys(("top1", "top5", "flops", "params"), "equal")
    assert (kinds(results), results.exit_status) == ([], 0)


def test_an_accuracy_that_is_not_upstreams_is_an_error_of_its_row(tmp_path: Path) -> None:
    results = run(tmp_path, TINY.replace("52.4", "54.2"))
    assert kinds(results) == [("upstream_different", "error")]
    assert results.exit_status == 1
    (entry,) = results.entries
    assert (entry.line, entry.corrected) == (3, "52.4")
    assert f"fake=={VERSION}/fake/metafile.yml:1" in entry.cause


def test_what_upstream_does_not_have_is_left_out(tmp_path: Path) -> None:
    results = run(tmp_path, TWIN)
    assert (statuses(results), kinds(results)) == ({}, [])


def test_upstream_is_checked_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = [["tiny", "52.4", "76.2", "97.152K", "409.009K"], *PUBLISHED[1:]]
    monkeypatch.setenv("FAKE_DOCUMENTS", json.dumps(wrong))
    results = run(tmp_path, TINY)
    assert ("upstream_contradicted", "warning") in kinds(results)
    (finding,) = [one for one in results.findings if one.kind == "upstream_contradicted"]
    assert finding.evidence == {"file": f"fake=={VERSION}/fake/metafile.yml", "line": 1}
    assert "params of tiny in line 1, 409.009 K: no convention reproduces it" in finding.text
    assert results.exit_status == 0, "it is not the table that is wrong"


def test_counts_of_upstream_that_have_changed_places_are_said_to_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_DOCUMENTS", json.dumps([["tiny", "52.4", "76.2", "49.009K", "97.152K"], *PUBLISHED[1:]]))
    (finding,) = [one for one in run(tmp_path, TINY).findings if one.kind == "upstream_contradicted"]
    assert finding.text.count("FLOPs and parameters of the row are exchanged") == 2
    assert "flops of tiny in line 1, 49.009 K" in finding.text


def test_what_cannot_be_read_of_upstream_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAKE_DOCUMENTS", json.dumps([["tiny", "about 50", "76.2", "97.152K", "49.009K"]]))
    results = run(tmp_path, TINY)
    assert kinds(results) == [("upstream_unread", "note")]
    assert set(statuses(results)) == {"top5", "flops", "params"}


# --- files


def test_a_file_is_about_the_source_that_has_its_names(tmp_path: Path) -> None:
    results = tmp_path / "results.csv"
    results.write_text("model,top1,top5\ntwin,52.4,76.3\ntiny.tag,52.4,76.2\n")
    found = run(tmp_path, TWIN, upstream=(results,))
    assert statuses(found) == {"top1": "equal", "top5": "different"}
    assert [finding.evidence["document"] for finding in found.findings] == [f"{results}:2"]


def test_agreement_with_any_of_several_documents_is_agreement(tmp_path: Path) -> None:
    other = tmp_path / "results.csv"
    other.write_text("model,top1,top5\ntiny,54.2,76.2\n")
    assert statuses(run(tmp_path, TINY.replace("52.4", "54.2"), upstream=(other,)))["top1"] == "equal"
    assert statuses(run(tmp_path, TINY, upstream=(other,)))["top1"] == "equal"


def test_a_file_about_no_source_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "results.csv"
    other.write_text("model,top1\nvgg16,71.6\nvgg19,72.4\n")
    with pytest.raises(InputError, match="its models belong to none of fake"):
        run(tmp_path, TINY, upstream=(other,))
    with pytest.raises(InputError, match="cannot read"):
        run(tmp_path, TINY, upstream=(tmp_path / "missing.csv",))


def test_a_file_may_name_its_sources_and_have_other_tables(tmp_path: Path) -> None:
    page = tmp_path / "upstream.md"
    page.write_text(
        "| day | weather |\n| - | - |\n| 1 | rain |\n\n| model | source | top1 |\n| - | - | - |\n"
        "| twin | fake | 52.3 |\n| twin | keras | 52.9 |\n"
    )
    assert statuses(run(tmp_path, TWIN.replace("52.4", "52.9"), upstream=(page,))) == {"top1": "different"}


# --- a package's documents as a page


def test_the_documents_of_a_package_are_a_page_that_can_be_checked(tmp_path: Path) -> None:
    page = tmp_path / "fake.md"
    assert documents.main([f"fake=={VERSION}", "--out", str(page)]) == 0
    read = read_table(page)
    assert read.problems == ()
    assert [(row.model, row.source, row.version) for row in read.rows] == [
        (name, "fake", VERSION) for name in ("tiny", "tiny_wide", "killer")
    ]
    assert "| killer | 61.5 | 81.5 | 97.152K | 49.009K | fake v" in page.read_text()
    assert "metafile.yml:21" in page.read_text()
    assert command_line.main(["--table", str(page), "--checks", "static", "--out", str(tmp_path / "out")]) == 0


def test_an_unknown_source_is_a_clear_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert documents.main(["nobody", "--out", str(tmp_path / "a.md")]) == 2
    assert "unknown source 'nobody'" in capsys.readouterr().err
