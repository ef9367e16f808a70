"""Several processes of pytest: cells as tests come out as in one, and long runs print lines of progress."""

import json

import pytest
from folders import ROOT, SUPPORT

pytest.importorskip("xdist", reason="pytest-xdist is not installed")

TABLE = """\
| model | source | flops | params | input size |
| - | - | - | - | - |
| tiny | fake | 97.152K | 49.009K | 8 |
| tiny_wide | fake | 985.152K | 193.009K | 8 |
"""
FAKES = f"""
import sys
sys.path[:0] = [{str(SUPPORT)!r}]
import pytest
from fakes import use_fakes
use_fakes(pytest.MonkeyPatch())
"""
SLEEPS = """
import time
def test_a(): time.sleep(0.4)
def test_b(): print("said by a test")
"""


@pytest.mark.slow
@pytest.mark.parametrize("dist", ["load", "loadgroup"])
def test_cells_are_judged_alike_in_several_processes(pytester: pytest.Pytester, dist: str) -> None:
    pytester.makeconftest(FAKES)
    (pytester.path / "table.md").write_text(TABLE)
    options = ("-n", "2", "--dist", dist, "-m", "parity", "--parity-table", "table.md", "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess(*options, f"--rootdir={pytester.path}", "-W", "ignore")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*tiny_wide of fake==*, flops: documented 985.152 K; measured 385.152 K*"])
    report = json.loads((pytester.path / "parity-report" / "report.json").read_text())
    assert sorted(cell["outcome"] for cell in report["cells"]) == ["contradicted", *["reproduced"] * 3]


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_long_run_prints_lines_of_progress(pytester: pytest.Pytester, processes: str) -> None:
    pytester.makepyfile(SLEEPS)
    pytester.makeini(f"[pytest]\npythonpath = {SUPPORT}\n")
    options = ("-p", "no:parity", "-p", "heartbeat", "--heartbeat", "0.1", "-n", processes, "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["[[]0:0?[]] ? of 2 tests are done; running: *test_a (0 s)*"])


def test_the_first_tier_leaves_out_what_is_slow(pytester: pytest.Pytester) -> None:
    options = ("--collect-only", "-q", "-m", "slow", "-p", "no:cacheprovider", f"--rootdir={ROOT}")
    file = ROOT / "tests" / "checks" / "counts" / "test_judge.py"
    result = pytester.runpytest_subprocess("-c", ROOT / "pyproject.toml", *options, file)
    result.stdout.fnmatch_lines(["*::test_random_parameters_in_a_single_row_*"])
    result.stdout.no_fnmatch_line("*::test_planted*")
