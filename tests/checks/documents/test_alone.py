"""`--checks documents`: pages are judged by themselves, and nobody is asked anything."""

import json
import resource
import time
from pathlib import Path

import pytest
from fakes import Recorder, use_fakes
from folders import ROOT

from harness.checks.run import execute
from harness.cli import main
from harness.core.errors import InputError
from harness.core.findings import Finding
from harness.core.records import Outcome
from harness.execution import environments
from harness.plan.options import Options
from harness.plan.preview import preview

HEADING = "| model | top1 | top5 | params |\n| - | - | - | - |\n"
#: names that no source has; the top-5 of the second is below its top-1
ROWS = (
    "| NoSuchNet-1 | 71.332 | 90.226 | 11.7M |\n"
    "| NoSuchNet-2 | 75.114 | 72.506 | 25.6M |\n"
    "| NoSuchNet-3 | 77.480 | 93.552 | 44.5M |\n"
    "| NoSuchNet-4 | 78.298 | 94.062 | 60.2M |\n"
    "| NoSuchNet-5 | 79.902 | 94.748 | 88.8M |\n"
)
ZOOS = ROOT.parent / "shared" / "zoos"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Makes an environment that is asked for a failure of the test."""
    use_fakes(monkeypatch)
    monkeypatch.chdir(tmp_path)

    def asked(*_: object) -> None:
        raise AssertionError("an environment was asked for")

    monkeypatch.setattr(environments, "prepare", asked)
    monkeypatch.setattr(environments, "is_prepared", asked)


def page(text: str, name: str = "README.md") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_page_of_an_unknown_source_is_judged_without_an_environment() -> None:
    shown = Recorder()
    results = execute(preview(Options(tables=page(HEADING + ROWS), checks=("documents",), out="out")), shown)
    assert results.exit_status == 1
    [finding] = [one for one in results.findings if one.severity == "error"]
    assert (finding.kind, finding.model) == ("top5_below_top1", "NoSuchNet-2")
    assert finding in shown.found, "it is shown as soon as it is settled"
    assert {one.outcome for one in results.verdicts} == {Outcome.NOT_MEASURED}
    assert len(results.verdicts) == 15
    assert not {one.kind for one in results.findings} & {"no_source", "inferred_source"}, "nobody needs to know it"


def test_a_page_with_which_nothing_is_wrong_passes() -> None:
    right = page(HEADING + ROWS.replace("72.506", "92.506"))
    assert execute(preview(Options(tables=right, checks=("documents",), out="out")), Recorder()).exit_status == 0


def test_findings_are_shown_before_any_environment_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, seen = Recorder(), list[list[str]]()
    prepared = use_fakes(monkeypatch)

    def look(*arguments: str) -> object:
        seen.append([one.kind for one in shown.found if isinstance(one, Finding)])
        raise AssertionError(arguments)

    monkeypatch.setattr(environments, "prepare", look)
    with pytest.raises(AssertionError):
        execute(preview(Options(tables=page(HEADING + ROWS), sources="fake", checks=("static",), out="out")), shown)
    assert seen == [["top5_below_top1"]]
    assert prepared == []


def test_the_terminal_says_what_is_wrong_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    page(HEADING + ROWS)
    assert main.main(["audit", "README.md", "--checks", "documents"]) == 1
    out = capsys.readouterr().out
    assert "error\ttop5_below_top1\tREADME.md:4\tNoSuchNet-2\t" in out
    assert "15 documented cells in 5 rows were judged by the pages themselves; 2 of them are wrong." in out
    assert "--sources" not in out, "whose figures they are does not matter"


def test_several_files_end_in_totals(capsys: pytest.CaptureFixture[str]) -> None:
    page(HEADING + ROWS, "zoo/a/README.md")
    page(HEADING + ROWS.replace("72.506", "92.506"), "zoo/b/README.md")
    assert main.main(["audit", "zoo", "--checks", "documents", "--out", "out"]) == 1
    printed = capsys.readouterr()
    lines = [" ".join(line.replace("│", " ").split()) for line in printed.out.splitlines()]
    assert "zoo/a 5 15 0 0 2 0 0" in lines
    assert "2 files 10 30 0 0 2 0 0" in lines
    assert "top5 below top1 error 1 1 in zoo/a zoo/a/README.md:4" in lines
    assert "✗ zoo/a/README.md:4: " in printed.err, "it was shown as it was settled"
    report = Path("out/report.md").read_text()
    assert "| zoo/a | 5 | 15 | 15 | 2 | 0 | 0 |" in report
    assert "| top5 below top1 | error | 1 | 1 in zoo/a | zoo/a/README.md:4 |" in report
    assert "9 rows in which nothing is wrong are left out here" in report
    assert "NoSuchNet-2" in report
    assert "NoSuchNet-3" not in report
    assert len(json.loads(Path("out/report.json").read_text())["cells"]) == 30


def test_a_dry_run_lists_no_sources(capsys: pytest.CaptureFixture[str]) -> None:
    page(HEADING + ROWS)
    assert main.main(["audit", "README.md", "--checks", "documents", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "5 of 5 rows in 1 file; checks: documents" in out
    assert "environment" not in out


def test_files_of_sources_need_sources() -> None:
    options = Options(tables=page(HEADING + ROWS), checks=("documents",), upstream="results.csv", out="out")
    with pytest.raises(InputError, match="--upstream cannot be combined with --checks documents alone"):
        preview(options)


def test_pytest_fails_the_cells_that_are_wrong(pytester: pytest.Pytester) -> None:
    (pytester.path / "table.md").write_text(HEADING + ROWS)
    pytester.makepyfile("import pytest\n@pytest.mark.parity\ndef test_parity(parity_cell): parity_cell.check()\n")
    options = ("--parity-table", "table.md", "--parity-checks", "documents")
    result = pytester.runpytest_inprocess("-m", "parity", "-rA", *options)
    result.assert_outcomes(failed=2, skipped=13)
    result.stdout.fnmatch_lines(["*72.506*below its top1*"])


@pytest.mark.timing
@pytest.mark.skipif(not ZOOS.is_dir(), reason="the published tables of whole zoos are not there")
def test_whole_zoos_take_seconds_and_their_report_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    start = time.process_time()
    assert main.main(["audit", str(ZOOS), "--checks", "documents", "--out", "out", "--quiet"]) == 0
    assert time.process_time() - start < 60, "8,263 rows in 64 files took 17 seconds"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1_000_000, "kilobytes; it took 400 MB"
    assert all(Path("out", name).stat().st_size < 3_000_000 for name in ("report.md", "report.html"))
    assert "8,263 rows" in capsys.readouterr().out
