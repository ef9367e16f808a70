"""Equal accuracies: copies are found, coincidences are not, at rates that are measured on published figures."""

import csv
import dataclasses
import random
from collections.abc import Sequence

import pytest
from builders import claim, row
from folders import SHARED

from harness.checks.documents import coincidence, duplicates
from harness.checks.documents.copies import CHANCE, of_group
from harness.core.records import Claim, ImagesMeant, Metric, Row
from harness.tables.claims import read_tables

TIMM = SHARED / "zoos" / "timm"
IMAGES = {"results-imagenet": 50_000, "results-imagenet-real": 46_837, "results-imagenet-a": 7_500}
needs_zoos = pytest.mark.skipif(not TIMM.is_dir(), reason="the published tables are not here (../shared/zoos)")


def group(rows: Sequence[tuple[float, float]], decimals: int, images: int = 50_000) -> dict[Row, dict[Metric, Claim]]:
    """Rows with top-1 and top-5, rounded."""
    found: dict[Row, dict[Metric, Claim]] = {}
    on = ImagesMeant("some", images, "the section")
    for number, (top1, top5) in enumerate(rows, 1):
        of = row(number, f"model {number}")
        figures: dict[Metric, float] = {"top1": top1, "top5": top5}
        found[of] = {
            metric: dataclasses.replace(claim(f"{value:.{decimals}f}", metric, of), measured_on=on)
            for metric, value in figures.items()
        }
    return found


def published(name: str) -> list[tuple[float, float]]:
    with (TIMM / f"{name}.csv").open(encoding="utf-8") as file:
        return [(float(line["top1"]), float(line["top5"])) for line in csv.DictReader(file)]


@needs_zoos
@pytest.mark.parametrize("decimals", [1, 2, 3])
@pytest.mark.parametrize("count", [10, 40])
def test_right_tables_are_hardly_ever_accused(count: int, decimals: int) -> None:
    """Random rows of published tables, sorted by accuracy and not; no more of them than the chance allows."""
    chance, accused, tables = random.Random(count * decimals), 0, 0
    for name, images in IMAGES.items():
        figures = published(name)
        for _ in range(40):
            rows = chance.sample(figures, count)
            rows = sorted(rows, reverse=True) if chance.random() < 0.5 else rows
            accused += bool(list(of_group(group(rows, decimals, images))))
            tables += 1
    assert accused <= tables * CHANCE * 3, "three standard deviations above what is allowed"


@needs_zoos
def test_copied_rows_are_found_where_the_figures_have_digits_enough() -> None:
    chance, found = random.Random(7), 0
    figures = published("results-imagenet")
    for _ in range(40):
        rows = chance.sample(figures, 20)
        rows[8] = rows[7]
        found += any(one.evidence["lines"] == [12, 13] for one in of_group(group(rows, 3)))
    assert found >= 38


@needs_zoos
@pytest.mark.parametrize("name", IMAGES)
def test_whole_published_tables_are_not_accused(name: str) -> None:
    assert list(of_group(group(published(name), 3, IMAGES[name]))) == []


def test_the_finding_says_whether_the_counts_are_the_same_too() -> None:
    rows = [(60.123 + 1.93 * i, 82.321 + 1.31 * i + 0.3 * (i % 3)) for i in range(8)]
    rows[5] = rows[2]
    claims = group(rows, 3)
    for of in claims:
        claims[of]["params"] = claim("25.557" if of.number in (3, 6) else f"{of.number}.123", "params", of)
    (found,) = of_group(claims)
    assert (found.kind, found.severity) == ("repeated_figure", "warning")
    assert found.evidence == {"metrics": ["top1", "top5"], "lines": [7, 10]}
    assert "Their params are the same, too: they may be one network under two names." in found.text


def test_few_rows_tell_no_density() -> None:
    assert coincidence.expected_pairs([(1.0,), (2.0,), (1.0,)], [0.1]) == ([1.0] * 3, [])


def test_a_large_table_takes_no_time() -> None:
    chance = random.Random(1)
    figures = [(round(chance.uniform(60, 90), 3), round(chance.uniform(80, 99), 3)) for _ in range(25_000)]
    expected, nearest = coincidence.expected_pairs(figures, [0.002, 0.002])
    assert len(expected) == 25_000
    assert len(nearest) == len(set(figures))


def test_a_row_with_all_figures_of_another_is_named_however_dense_the_table_is() -> None:
    chance = random.Random(3)
    rows = group([(70 + chance.random(), 90 + chance.random()) for _ in range(300)], 1)
    for number, (of, cells) in enumerate(rows.items()):
        cells["params"] = claim(f"{10 + number}.5", "params", of)
        cells["flops"] = claim(f"{1 + number}.25", "flops", of)
    assert not list(of_group(rows))
    above, copy = list(rows)[40:42]
    rows[copy] = {metric: dataclasses.replace(cell, row=copy) for metric, cell in rows[above].items()}
    (found,) = of_group(rows)
    assert (found.kind, found.model, found.severity) == ("repeated_figure", copy.model, "warning")
    assert "all four figures" in found.text


@pytest.mark.skipif(not (SHARED / "zoos").is_dir(), reason="the published tables are not here (../shared/zoos)")
def test_no_row_of_published_pages_has_all_figures_of_another() -> None:
    pages = [SHARED / "zoos" / folder for folder in ("mmpretrain", "paddleclas", "imgclsmob")]
    found = duplicates.repeated(read_tables(pages).claims)
    assert [one.text for one in found if one.kind == "repeated_figure"] == []
