"""pytest -m parity: one test per documented cell, each outcome translated."""

from pathlib import Path

import pytest
import scipy.stats  # noqa: F401  pytester forgets what a run is the first to import, and NumPy's parts load only once
from fakes import VERSION, contents, use_fakes, write_images

HEADING = "| model | source | top1 | flops | params | input size |\n| - | - | - | - | - | - |\n"
TINY = "| tiny | fake | 52.4 | 97.152K | 49.009K | 8 |\n"
WRONG = "| tiny_wide | fake | - | 985.152K | 193.009K | 8 |\n"
GAP = """
[[gap]]
source = "fake"
version = "{version}"
model = "tiny_wide"
metric = "flops"
documented = "985.152"
measured = "{measured}"
reason = "counted twice"
url = "https://example.org"
"""


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


def run(pytester: pytest.Pytester, rows: str, *arguments: str, heading: str = HEADING) -> pytest.RunResult:
    (pytester.path / "table.md").write_text(heading + rows)
    pytester.makepyfile("import pytest\n@pytest.mark.parity\ndef test_parity(parity_cell): parity_cell.check()\n")
    return pytester.runpytest_inprocess("-m", "parity", "--parity-table", "table.md", "-v", "-rA", *arguments)


def test_there_is_one_test_per_cell_and_an_unmeasured_one_is_skipped_with_its_reason(pytester: pytest.Pytester) -> None:
    result = run(pytester, TINY)
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(
        ["*::test_parity[[]fake-tiny-top1[]] SKIPPED*", "*::test_parity[[]fake-tiny-flops[]] PASSED*"]
    )
    result.stdout.fnmatch_lines(["*not measured: no data set was given*"])


def test_a_wrong_figure_fails_its_own_test_alone_and_says_what_was_documented_and_measured(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester, TINY + WRONG)
    result.assert_outcomes(passed=3, skipped=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*tiny_wide of fake==*, flops: documented 985.152 K; measured 385.152 K; contradicted*"]
    )
    assert result.ret == 1


def test_a_figure_that_cannot_be_true_fails_whatever_is_measured(pytester: pytest.Pytester) -> None:
    heading = "| model | source | top1 | top5 | flops | params | input size |\n| - | - | - | - | - | - | - |\n"
    rows = (
        "| tiny | fake | 52.4 | 26.2 | 97.152K | 49.009K | 8 |\n"
        "| twin | fake | 53.1 | 77.2 | 97.152K | 49.009K | 8 |\n"
        "| tiny_wide | fake | 60.3 | 82.4 | 385.152K | 193.009K | 8 |\n"
    )
    result = run(pytester, rows, heading=heading)
    result.assert_outcomes(passed=6, failed=2, skipped=4)
    result.stdout.fnmatch_lines(["*top5*26.2*below its top1*"])
    upstream = pytester.path / "results.csv"
    upstream.write_text("model,top1,top5\ntiny,54.2,76.2\n")
    # a single accuracy may be of other weights
    run(pytester, TINY, "--parity-upstream", str(upstream)).assert_outcomes(passed=2, skipped=1)


def test_a_listed_gap_is_expected_to_fail(pytester: pytest.Pytester) -> None:
    (pytester.path / "known_gaps.toml").write_text(GAP.format(version=VERSION, measured="385.152"))
    run(pytester, WRONG).assert_outcomes(passed=1, xfailed=1)


def test_a_listed_gap_that_is_measured_otherwise_now_fails(pytester: pytest.Pytester) -> None:
    (pytester.path / "known_gaps.toml").write_text(GAP.format(version=VERSION, measured="123.456"))
    result = run(pytester, WRONG)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*stale*"])


def test_the_reports_are_written_and_junit_carries_the_figures(pytester: pytest.Pytester) -> None:
    run(pytester, TINY, "--parity-out", "reports", "--junit-xml", "junit.xml")
    assert (pytester.path / "reports" / "report.json").is_file()
    junit = (pytester.path / "junit.xml").read_text()
    assert 'name="documented" value="97.152"' in junit
    assert 'name="measured" value="97.152"' in junit


def test_a_table_that_cannot_be_read_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_parity(parity_cell): parity_cell.check()\n")
    result = pytester.runpytest_inprocess("--parity-table", str(Path("nowhere.md")))
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*nowhere.md: cannot read the table*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_same_cell_of_two_releases_has_two_tests(pytester: pytest.Pytester) -> None:
    result = run(pytester, TINY, "--parity-sources", "fake==1.0,fake==2.0")
    result.stdout.fnmatch_lines(["*test_parity[[]fake==1.0-tiny-flops[]]*", "*test_parity[[]fake==2.0-tiny-flops[]]*"])


COMPARED = """
import pytest

@pytest.mark.parity
def test_same_function(parity_pair): parity_pair.check()

@pytest.mark.parity
def test_preprocessing(parity_preprocessing): parity_preprocessing.check()
"""


def compare(pytester: pytest.Pytester, page: str, *arguments: str) -> pytest.RunResult:
    """Two releases of the fake source, which are the same, and a page that says how images are prepared."""
    (pytester.path / "table.md").write_text(HEADING + TINY)
    (pytester.path / "table.toml").write_text(page)
    data = write_images(pytester.path / "data", contents(3), [1, 2, 3])
    pytester.makepyfile(COMPARED)
    sources = ("--parity-sources", "fake==1.0,fake==2.0", "--parity-data", str(data), "--parity-weights", "none")
    return pytester.runpytest_inprocess("-m", "parity", "--parity-table", "table.md", "-v", "-rA", *sources, *arguments)


def test_comparisons_are_tests_where_they_are_asked_for(pytester: pytest.Pytester) -> None:
    page = "[preprocessing]\nmean = [0.5, 0.5, 0.5]\nstd = [0.25, 0.25, 0.25]\n"
    compare(pytester, page).assert_outcomes()
    result = compare(pytester, page, "--parity-checks", "numerics,preprocessing")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["*test_same_function[[]fake==1.0-fake==2.0-tiny[]] PASSED*", "*test_preprocessing[[]fake==1.0-tiny[]] PASSED*"]
    )


def test_a_page_that_prepares_images_otherwise_fails_the_sources_that_do_not(pytester: pytest.Pytester) -> None:
    page = "[preprocessing]\nmean = [0.5, 0.5, 0.4]\nstd = [0.25, 0.25, 0.25]\n"
    result = compare(pytester, page, "--parity-checks", "preprocessing")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*3 of 3 images*differs from the page*mean (0.5, 0.5, 0.5)*"])


# --- a repository that has no test about cells


def test_a_table_is_all_that_another_repository_needs(pytester: pytest.Pytester) -> None:
    (pytester.path / "README.md").write_text(HEADING + TINY + WRONG)
    pytester.makepyfile(test_theirs="def test_theirs(): pass")
    result = pytester.runpytest_inprocess("-m", "parity", "--parity-table", "README.md", "--junitxml=junit.xml", "-v")
    result.assert_outcomes(passed=3, skipped=1, failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*::test_parity[[]fake-tiny-flops[]] PASSED*"])
    junit = (pytester.path / "junit.xml").read_text()
    assert '<property name="documented" value="985.152"' in junit
    assert '<property name="measured" value="385.152"' in junit
    assert '<property name="outcome" value="contradicted"' in junit


def test_without_a_table_the_tests_of_a_repository_are_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_theirs="def test_theirs(): pass")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_table_and_no_test_at_all(pytester: pytest.Pytester) -> None:
    (pytester.path / "README.md").write_text(HEADING + TINY)
    result = pytester.runpytest_inprocess("--parity-table", "README.md", "-k", "flops")
    result.assert_outcomes(passed=1, deselected=2)
    assert result.ret == 0
