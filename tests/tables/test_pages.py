"""Pages of many shapes, read as their authors meant them; beside each one what it says, cell by cell.

`<page>.expected` has a line for each row: the model, then `metric=figure`, in percent, in plain counts and in pixels;
`figure@pixels` where the cell says the size that the figure is of, `?` for a cell that must not be understood.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.tables.claims import Table, read_table

PAGES = Path(__file__).parent / "pages"
EXPECTED = sorted(PAGES.glob("*.expected"))
#: (model, metric) -> values and sizes
Figures = dict[tuple[str, str], list[tuple[float, int | None]]]


def page_of(expected: Path) -> Path:
    [page] = [path for path in PAGES.glob(f"{expected.stem}.*") if path != expected]
    return page


def said(table: Table) -> Figures:
    """What the rows say of ImageNet val."""
    found: Figures = {}
    for claim in table.claims:
        if claim.measured_on is None or claim.measured_on.name == "ImageNet val":
            size = claim.counted_at or claim.row.input_size
            found.setdefault((claim.row.model, claim.metric), []).append((claim.value, size))
    for row in table.rows:
        if row.input_size:
            found.setdefault((row.model, "input_size"), []).append((row.input_size, row.input_size))
    return found


def expectations(path: Path) -> Iterator[tuple[str, str, str, int | None]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        model, _, figures = line.partition(" | ")
        for figure in figures.split():
            metric, _, value = figure.partition("=")
            value, _, size = value.partition("@")
            yield model, metric, value, int(size) if size else None


@pytest.mark.parametrize("expected", EXPECTED, ids=[path.stem for path in EXPECTED])
def test_every_cell_is_read_as_it_is_meant(expected: Path) -> None:
    table = read_table(page_of(expected))
    found = said(table)
    wanted = list(expectations(expected))
    for model, metric, value, size in wanted:
        figures = found.get((model, metric), [])
        if value == "?":
            assert not figures
            assert any(model in one.text and metric in one.text for one in (*table.problems, *table.unread))
        elif size is not None:
            assert (pytest.approx(float(value)), size) in figures
        else:
            assert figures, (model, metric)
            assert [figure for figure, _ in figures] == pytest.approx([float(value)] * len(figures)), (model, metric)
    assert {row.model for row in table.rows} == {model for model, *_ in wanted}
