"""Which tests tox leaves to its second tier, `tox -e full`; a plugin of tests/conftest.py.

They take long: simulations whose error rates need many repetitions, commands that are killed again and again, a
cluster, the benchmarks, the wheel. A file's own tests can say the same with `@pytest.mark.slow`.
"""

from __future__ import annotations

import re

import pytest

#: file below tests/ -> beginnings of the names of its slow tests
SLOW = {
    "checks/accuracy/test_certificate.py": ("test_within_the_deviation_",),
    "checks/accuracy/test_confidence.py": (
        "test_a_claim_printed_without_decimals_is_confirmed_on_a_part",
        "test_a_gap_above_the_claim_is_refuted_as_soon",
        "test_a_true_claim_is_seldom_refuted_and_never_at_the_end",
        "test_at_full_size_the_ratio_is_that_of_two_beta_binomials",
        "test_the_truth_stays_in_the_set_of_nineteen_in_twenty_runs",
        "test_the_wider_the_gap_the_fewer_images_refute_it",
    ),
    "checks/counts/test_judge.py": (
        "test_a_random_figure_among_three_rows_",
        "test_random_figures_hardly_ever_belong_to_a_neighbour",
        "test_random_parameters_in_a_single_row_",
    ),
    "checks/counts/test_rates.py": ("test_right_figures_stay_right_and_wrong_ones_are_found",),
    "checks/diagnosis/test_attribution.py": ("test_nothing_is_named_where_no_swap_is_the_cause",),
    "execution/ray/test_engine.py": (
        "test_a_part_that_is_started_again_takes_what_is_stored",
        "test_a_worker_is_kept_for_the_next_part_of_its_source",
        "test_an_address_where_nothing_answers_is_said_at_once",
        "test_what_dies_in_the_middle_loses_nothing_and_counts_nothing_twice",
        "test_what_is_no_address_is_an_error_of_the_command_line",
    ),
    "test_never_lose_work.py": (
        "test_a_disk_that_is_full_at_any_file",
        "test_a_worker_killed_at_any_moment",
        "test_killed_at_any_moment",
        "test_killed_at_any_step_of_writing",
        "test_three_at_once",
    ),
}
#: fixture -> file below tests/ in which every test that uses it is slow
SLOW_FIXTURES = {"started": "execution/ray/test_engine.py"}
#: files with real frameworks of which the first tier runs all, so that each source is tried by it
FIRST_TIER = ("test_contract.py",)
#: parts of a test's name that say which source's environment it runs in
_SOURCES = re.compile("timm|mmcls|ppcls|torchvision|pytorchcv|keras")


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "slow: takes long; tox leaves it out and `tox -e full` runs it",
        "both_tiers: runs in both tiers, longer in the second",
        "frameworks: runs a real framework in a source's environment; set by itself",
        "timing: holds seconds that are promised, so no test runs beside it",
    ):
        config.addinivalue_line("markers", line)


@pytest.hookimpl(tryfirst=True)  # before -m chooses, and before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks tests, keeps together under xdist what shares a fixture, and begins with the slow ones."""
    tests = config.rootpath / "tests"
    for item in items:
        if not item.path.is_relative_to(tests):
            continue
        file = item.path.relative_to(tests).as_posix()
        fixtures = getattr(item, "fixturenames", ())
        source = ""
        if {"installed", "installed_with"} & set(fixtures):
            item.add_marker("frameworks")
            named = _SOURCES.search(item.name.partition("[")[2]) or _SOURCES.search(item.name)
            source = f":{named[0]}" if named else ""
            if item.path.name not in FIRST_TIER:
                item.add_marker("slow")
        if item.name.startswith(SLOW.get(file, ())) or any(SLOW_FIXTURES.get(one) == file for one in fixtures):
            item.add_marker("slow")
        item.add_marker(pytest.mark.xdist_group(f"{file}{source}"))
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    return 0 if item.get_closest_marker("both_tiers") else 1 if item.get_closest_marker("slow") else 2
