"""The four reports and the command line, made from a real run of the fake source."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from fakes import contents, save_checkpoint, use_fakes, write_images
from markdown_it import MarkdownIt
from scipy import stats

from harness.checks import statistics
from harness.cli import run as command_line
from harness.report import markdown

HEADING = "| model | source | top1 | top5 | flops | params | input size |\n| - | - | - | - | - | - | - |\n"
TINY = "| tiny | fake | 52.4 | 76.2 | 97.152K | 49.009K | 8 |\n"
#: rows that show what the columns are of
OTHERS = (
    "| twin | fake | 53.1 | 77.2 | 97.152K | 49.009K | 8 |\n"
    "| tiny_wide | fake | 60.3 | 82.4 | 385.152K | 193.009K | 8 |\n"
)
CELL = {"row", "source", "version", "model", "input_size", "metric", "documented", "unit", "measured", "outcome",
        "convention", "cause", "evidence"}  # fmt: skip
RUN = {"source", "version", "model", "checkpoint", "images", "top1_count", "top5_count", "top1", "top5", "interval95",
       "decode_errors", "seconds", "images_per_second", "runtime", "precision"}  # fmt: skip


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_fakes(monkeypatch)
    monkeypatch.chdir(tmp_path)


def invoke(rows: str, *arguments: str) -> int:
    Path("table.md").write_text(HEADING + rows)
    return command_line.main(["--table", "table.md", *arguments])


def written() -> dict[str, object]:
    report: dict[str, object] = json.loads(Path("parity-report/report.json").read_text())
    return report


def test_two_runs_write_their_reports_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def beside_another(path: Path, target: Path) -> Path:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", rename)
            assert invoke(TINY) == 0
        return rename(path, target)

    assert invoke(TINY) == 0  # what is measured is no business of this test
    monkeypatch.setattr(Path, "rename", beside_another)
    assert invoke(TINY) == 0
    assert sorted(path.name for path in Path("parity-report").iterdir()) == [
        *("report.html", "report.json", "report.md", "report.xml", "store")
    ]


def test_every_table_of_several_files_is_accounted_for(tmp_path: Path) -> None:
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / "a.md").write_text(HEADING + TINY)
    (folder / "b.md").write_text("| day | weather |\n| - | - |\n| 1 | rain |\n\n" + HEADING + TINY + "| | fake | |\n")
    assert command_line.main(["--table", str(folder / "*.md"), "--checks", "static"]) == 2
    report = written()
    assert report["table"] == "zoo/a.md and 1 more"
    cells: Any = report["cells"]
    assert [(cell["file"], cell["line"], cell["row"]) for cell in cells if cell["metric"] == "params"] == [
        ("zoo/a.md", 3, 1),
        ("zoo/b.md", 7, 2),
    ]
    text = Path("parity-report/report.md").read_text()
    assert "- note, no model table: zoo/b.md:1: The table 'day \\| weather' is not about models." in text
    assert "- **unreadable**: zoo/b.md:8: row without a model name" in text


def test_a_finding_about_a_page_names_no_line() -> None:
    Path("table.toml").write_text("[preprocessing]\nratio = 0.5\nshort_side = { 8 = 9 }\n")
    assert invoke(TINY, "--checks", "static") == 0
    findings: Any = written()["findings"]
    assert {"file"} in [set(finding["evidence"]) & {"file", "line"} for finding in findings]
    assert findings[0]["text"] in Path("parity-report/report.md").read_text()


def test_the_json_follows_the_contract(tmp_path: Path) -> None:
    write_images(tmp_path / "data", contents(8), list(range(8)))
    save_checkpoint(tmp_path / "weights" / "tiny.bin", "tiny")
    assert invoke(TINY, "--data", "data", "--weights", "weights") == 0
    report = written()
    assert report["schema"] == 1
    assert {"sources", "cells", "pairs", "runs", "findings"} <= report.keys()
    [source] = report["sources"]
    assert {"name", "version", "python", "packages"} <= source.keys()
    assert all(cell.keys() >= CELL for cell in report["cells"])
    [run] = report["runs"]
    assert run.keys() >= RUN
    assert run["images"] == 8
    assert run["top1"] == 100 * run["top1_count"] / 8
    assert run["checkpoint"]["stand_in"] is False
    assert len(run["checkpoint"]["sha256"]) == 64
    flops = next(cell for cell in report["cells"] if cell["metric"] == "flops")
    assert (flops["documented"], flops["unit"], flops["outcome"]) == ("97.152", "K", "reproduced")
    assert flops["measured"] == pytest.approx(97.152)


def test_a_certificate_without_a_checked_image_has_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_BF16", "refused")
    write_images(tmp_path / "data", contents(4), list(range(4)))
    save_checkpoint(tmp_path / "weights" / "tiny.bin", "tiny")
    arguments = ("--data", "data", "--weights", "weights", "--precision", "bf16")
    assert invoke(TINY, *arguments) == 0
    [run] = written()["runs"]
    found = run["certificate"]
    assert (found["checked"], found["relative"], found["margin"]) == (0, None, None)
    assert found["fallback"] == "fake: it has no bf16 here"
    assert "decided on every image: fake: it has no bf16 here." in Path("parity-report/report.md").read_text()


def test_a_wrong_digit_gives_exit_status_1_and_exactly_that_cell(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(TINY.replace("49.009", "49.809")) == 1
    wrong = [(cell["metric"], cell["documented"]) for cell in written()["cells"] if cell["outcome"] == "contradicted"]
    assert wrong == [("params", "49.809")]
    assert "params: documented 49.809 K; measured 49.009 K; contradicted" in " ".join(capsys.readouterr().out.split())


def test_wrong_usage_gives_exit_status_2_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(TINY, "--sources", "fkae") == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: --sources: unknown source 'fkae'; did you mean fake?")
    assert "\n" not in error


def test_a_cell_that_is_no_number_is_named_with_its_line_and_the_others_are_judged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke(TINY.replace("97.152K", "many")) == 2
    assert "table.md:3" in capsys.readouterr().out
    assert [c["outcome"] for c in written()["cells"] if c["metric"] == "params"] == ["reproduced"]


def test_text_of_a_table_stays_text() -> None:
    hostile = "`<script>alert(1)</script>` **bold** [link](javascript:x)"
    assert invoke(TINY + f"| {hostile} | fake | - | - | 1.0K | 1.0K | 8 |\n") == 2
    assert "<script>" not in Path("parity-report/report.md").read_text()
    html = Path("parity-report/report.html").read_text()
    assert html.count("<script") == 1, "the page's own"
    assert "&lt;script&gt;" in html
    assert "href" not in html.partition("The documented table")[2].partition("</table>")[0]


@pytest.mark.parametrize("text", ["a|b", "<b>x</b>", "*x*", "[x](y)", "`x`", "x_y_z", "a\nb", "&amp;", "~~x~~", "\\"])
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    table = f"| a |\n| - |\n| {markdown.escape(text)} |\n"
    [cell] = [t for t in MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(table)
              if t.type == "inline"][1:]  # fmt: skip
    assert {child.type for child in cell.children or []} <= {"text", "text_special"}
    assert "".join(child.content for child in cell.children or []) == " ".join(text.split())


def test_the_markdown_has_a_row_per_row_and_a_paragraph_per_cell_that_is_not_plainly_reproduced() -> None:
    invoke(TINY.replace("49.009", "49.809"))
    text = Path("parity-report/report.md").read_text()
    assert "**2 of 4 documented cells were checked; 1 of them is wrong.**" in text
    assert "✗ contradicted" in text.partition("<summary>Cells")[0]
    assert text.count("**fake==") == 1
    assert "Documented 49.809 K (table.md:3); measured under the plain meaning: 49.009 K" in text


def test_junit_has_a_case_per_cell() -> None:
    invoke(TINY.replace("49.009", "49.809"))
    suite = ElementTree.parse("parity-report/report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "2")
    [failed] = [case for case in suite if case.find("failure") is not None]
    assert failed.get("name") == "fake-tiny-params"


def test_the_interval_is_wilsons() -> None:
    # E. B. Wilson 1927, by hand for 8 of 10: centre and half-width at z = 1.959964
    z, p, n = 1.959964, 0.8, 10
    centre, half = (p + z * z / 20) / (1 + z * z / n), z * (p * 0.2 / n + z * z / 400) ** 0.5 / (1 + z * z / n)
    assert statistics.interval95(8, 10) == pytest.approx((100 * (centre - half), 100 * (centre + half)), abs=1e-4)
    assert statistics.interval95(0, 0) == (0.0, 100.0)


def test_one_interval_and_many_are_those_of_scipy() -> None:
    counts, images = np.array([0, 8, 10, 1, 37_501, 50_000]), np.array([10, 10, 10, 3, 50_000, 50_000])
    low, high = statistics.intervals95(counts, images)
    for position, (count, of) in enumerate(zip(counts.tolist(), images.tolist(), strict=True)):
        by_scipy = stats.binomtest(count, of).proportion_ci(0.95, method="wilson")
        assert (low[position], high[position]) == (100 * by_scipy.low, 100 * by_scipy.high)
        assert statistics.interval95(count, of) == (low[position], high[position])


def test_an_interrupted_run_says_that_it_can_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.checks.run.execute", interrupted)
    assert invoke(TINY) == 130
    assert "Run the same command again to resume" in capsys.readouterr().err


def test_a_full_disk_is_one_clear_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "parity-report/store/x")

    monkeypatch.setattr("harness.checks.run.execute", full)
    assert invoke(TINY) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert error.startswith("error: [Errno 28] No space left on device: 'parity-report/store/x'. Completed")


# --- what is wrong whatever is measured, and what is not there to be measured


def test_a_row_that_cannot_be_true_is_told_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(TINY.replace("76.2", "26.2") + OTHERS) == 1
    shown = capsys.readouterr().out
    assert "2 are wrong regardless of measurement (for example top-5 below top-1)." in shown
    assert "✗ table.md:3: " in shown
    suite = ElementTree.parse("parity-report/report.xml").getroot()
    assert (suite.get("failures"), suite.get("tests")) == ("2", "12")


def test_a_table_of_which_nobody_can_be_asked_does_not_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(TINY.replace("fake", "keras")) == 2
    assert "! there is no adapter for keras" in capsys.readouterr().out


def test_what_cannot_be_read_is_an_error_for_machines_too() -> None:
    assert invoke(TINY.replace("97.152K", "many")) == 2
    suite = ElementTree.parse("parity-report/report.xml").getroot()
    assert (suite.get("errors"), suite.get("tests")) == ("1", "4")


def test_two_sources_of_one_release_are_two_rows() -> None:
    row = '<tr data-source="'
    assert Path("table.md").write_text("| model | flops | params |\n| - | - | - |\n| tiny | 97.152K | 49.009K |\n")
    assert command_line.main(["--table", "table.md", "--sources", "fake==1.0,fake==2.0", "--checks", "static"]) == 0
    assert Path("parity-report/report.html").read_text().count(row) == 2


@pytest.mark.parametrize("name", ["tiny[/]", "tiny\x1b", "tiny\x08"])
def test_hostile_names_reach_no_terminal_and_no_plot(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    invoke(TINY.replace("tiny", name).replace("97.152", "97.999"))
    assert "\x1b" not in capsys.readouterr().out
    for file in Path("parity-report/plots").iterdir():
        ElementTree.parse(file)


def test_a_command_is_quoted_for_the_shell() -> None:
    Path("my docs").mkdir()
    Path("my docs/a;touch x.md").write_text(HEADING + TINY)
    assert command_line.main(["--table", "my docs/a;touch x.md", "--checks", "static"]) == 0
    assert "--table 'my docs/a;touch x.md' " in Path("parity-report/report.md").read_text()


def test_a_fault_of_the_harness_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("harness.checks.run.execute", broken)
    assert invoke(TINY) == 2
