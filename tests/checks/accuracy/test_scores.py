"""What a run remembers of its images is what the store holds, however it came to know."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import BUILT

from harness.checks.accuracy.scores import PredictionTable, Row
from harness.execution.predictions import Predictions
from harness.execution.store import Store

Broken = Sequence[tuple[str, str]]

NAMES = [f"{n}.jpg" for n in range(8)]
LABELS = [3, 1, 4, 1, 5, 9, 2, 6]


def row(name: str, classes: Sequence[int], *logits: float) -> Row:
    return name, list(classes), [float(value) for value in logits or range(len(classes), 0, -1)]


#: of image 2 all ten classes, of image 5 fewer than five
ROWS = [
    row("0.jpg", [3, 1, 2, 4, 5, 6], 9, 8.5, 4, 3, 2, 1),
    row("1.jpg", [7, 2, 4, 5, 1, 0], 9, 5, 4, 3, 2, 1.75),
    row("2.jpg", [7, 2, 9, 5, 1, 0, 8, 3, 6, 4], 9, 8, 7, 6, 5, 4.5, -1, -2, -3.5, -4),
    row("5.jpg", [9, 2, 1], 5, 4, 3),
    row("7.jpg", [999, 2, 3, 128, 6, 5]),
]
BROKEN = [("3.jpg", "no pixels in it"), ("6.jpg", "cut off")]


def stored(folder: Path, rows: Sequence[Row] = (), broken: Broken = (), known: bool = True) -> PredictionTable:
    """The table of a store that got these."""
    predictions = Store(folder).predictions({"kind": "predictions"})
    if known:
        predictions.save_network(BUILT)
    for one in rows:
        predictions.append([(one[0], list(one[1]), list(one[2]))], [])
    for one in broken:
        predictions.append([], [one])
    return opened(predictions)


def opened(predictions: Predictions) -> PredictionTable:
    return PredictionTable(predictions, {name: i for i, name in enumerate(NAMES)}, np.asarray(LABELS, np.int64))


def told(folder: Path, rows: Sequence[Row] = (), broken: Broken = ()) -> PredictionTable:
    """The table of a store that is empty, told of these one by one."""
    table = stored(folder)
    for one in rows:
        assert table.add([one], []) == 1
    for name in broken:
        assert table.add([], [name]) == 1
    return table


def content(table: PredictionTable) -> dict[str, object]:
    arrays = {
        name: getattr(table, name).tolist() for name in ("done", "decoded", "decision_margin", "best", "top1", "top5")
    }
    return {**arrays, "full_logits": {position: logits.tolist() for position, logits in table.full_logits.items()}}


@pytest.mark.parametrize("way", [stored, told])
def test_every_image_is_known_by_its_place_in_the_order(tmp_path: Path, way: type[PredictionTable]) -> None:
    table = way(tmp_path, ROWS, BROKEN)
    assert table.done.tolist() == [True] * 4 + [False] + [True] * 3
    assert table.decoded.tolist() == [True, True, True, False, False, True, False, True]
    assert table.decision_margin.tolist() == [0.5, 0.25, 0.5, np.inf, np.inf, 1.0, np.inf, 1.0]
    assert table.best.tolist() == [
        [3, 1, 2, 4, 5],
        [7, 2, 4, 5, 1],
        [7, 2, 9, 5, 1],
        [-1] * 5,
        [-1] * 5,
        [9, 2, 1, -1, -1],
        [-1] * 5,
        [999, 2, 3, 128, 6],
    ]
    assert table.top1.tolist() == [True, False, False, False, False, True, False, False]
    assert table.top5.tolist() == [True, True, False, False, False, True, False, True]
    assert table.decision_margin.dtype == np.float32, "a margin is rounded as the gaps are"


@pytest.mark.parametrize("way", [stored, told])
def test_logits_are_by_class_where_all_were_kept(tmp_path: Path, way: type[PredictionTable]) -> None:
    table = way(tmp_path, ROWS, BROKEN)
    assert list(table.full_logits) == [2]
    assert table.full_logits[2].tolist() == [4.5, 5, 8, -2, -4, 6, -3.5, 9, -1, 7]
    assert table.full_logits[2].dtype == np.float32


@pytest.mark.parametrize(("rows", "broken"), [(ROWS, BROKEN), (ROWS, []), ([], BROKEN), ([], [])])
def test_what_is_read_is_what_was_told(tmp_path: Path, rows: Sequence[Row], broken: Broken) -> None:
    one, other = told(tmp_path / "told", rows, broken), stored(tmp_path / "stored", rows, broken)
    assert content(one) == content(other)
    one.predictions.append([(name, list(c), list(v)) for name, c, v in rows], broken)
    one.predictions.compact()
    assert content(opened(one.predictions)) == content(other), "in one file too"


def test_what_is_told_twice_is_not_new(tmp_path: Path) -> None:
    table = stored(tmp_path)
    assert table.add(ROWS, BROKEN) == 7
    before = content(table)
    assert table.add(ROWS[:2], BROKEN[:1]) == 0
    assert content(table) == before
    assert table.add([*ROWS[:2], row("4.jpg", range(6))], BROKEN) == 1


def test_images_of_another_set_are_none_of_its_business(tmp_path: Path) -> None:
    table = stored(tmp_path, [*ROWS[:3], row("8.jpg", range(6))], [("9.jpg", "no pixels")])
    strangers = [row("10.jpg", range(10))], [("11.jpg", "no pixels")]
    assert table.add(*strangers) == 0
    assert table.add([*strangers[0], *ROWS[3:]], [*strangers[1], *BROKEN]) == 4
    assert content(table) == content(told(tmp_path / "told", ROWS, BROKEN))


def test_predictions_of_an_unknown_network_do_not_count(tmp_path: Path) -> None:
    table = stored(tmp_path, ROWS, BROKEN, known=False)
    assert content(table) == content(told(tmp_path / "told"))
    assert not table.done.any()


def test_nothing_known_is_neither_right_nor_uncertain(tmp_path: Path) -> None:
    table = stored(tmp_path)
    assert not (table.done | table.decoded | table.top1 | table.top5).any()
    assert table.decision_margin.tolist() == [np.inf] * 8


# --- two tables


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ([3, 1, 2, 4, 5, 6], False),
        ([3, 1, 2, 4, 5, 9], False),
        ([3, 5, 4, 2, 1, 6], False),
        ([1, 3, 2, 4, 5, 6], True),
        ([3, 1, 2, 4, 6, 5], True),
        ([3, 1, 2, 4], True),
        ([3, 1, 2, 4, 5], False),
    ],
)
def test_two_differ_in_the_best_class_or_the_set_of_five(tmp_path: Path, other: list[int], differs: bool) -> None:
    rows = [row("1.jpg", range(6)), row("2.jpg", [3, 1, 2, 4, 5, 6])]
    one = stored(tmp_path / "one", rows)
    two = stored(tmp_path / "two", [rows[0], row("2.jpg", other)])
    expected = [False, False, differs, *[False] * 5]
    assert one.differs(two).tolist() == two.differs(one).tolist() == expected
    assert one.best.tolist()[2] == [3, 1, 2, 4, 5], "comparing changes nothing"


def test_what_one_alone_knows_differs(tmp_path: Path) -> None:
    one, two = stored(tmp_path / "one", ROWS, BROKEN), stored(tmp_path / "two")
    assert one.differs(two).tolist() == one.decoded.tolist()


# --- what is to be run


def test_all_batches_of_the_grid_are_lacking_at_first(tmp_path: Path) -> None:
    table = stored(tmp_path)
    assert table.missing_batches(8, 3) == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert table.missing_batches(6, 3) == [[0, 1, 2], [3, 4, 5]]
    assert table.missing_batches(7, 3) == [[0, 1, 2], [3, 4, 5], [6]], "nothing beyond what is asked"
    assert table.missing_batches(8, 8) == table.missing_batches(8, 100) == [[*range(8)]]
    assert table.missing_batches(8, 1) == [[n] for n in range(8)]
    assert table.missing_batches(0, 3) == []


def test_a_batch_is_done_when_its_last_image_is(tmp_path: Path) -> None:
    table = stored(tmp_path, [row(NAMES[n], range(6)) for n in (0, 1, 3, 4)], [(NAMES[5], "cut off")])
    assert table.missing_batches(8, 3) == [[0, 1, 2], [6, 7]], "an image that cannot be decoded is done"
    assert table.missing_batches(8, 2) == [[2, 3], [6, 7]], "all of a batch is run again"
    assert table.missing_batches(2, 2) == []
    table.add([row(NAMES[2], range(6))], [])
    assert table.missing_batches(8, 3) == [[6, 7]]
    table.add([row(NAMES[6], range(6))], [(NAMES[7], "cut off")])
    assert table.missing_batches(8, 3) == table.missing_batches(8, 5) == []
