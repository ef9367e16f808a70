"""Which images a faster runtime may decide: the bound itself, and that nothing weaker would do."""

import numpy as np
import pytest

from harness.checks.accuracy import certificate
from harness.checks.accuracy.certificate import (
    CALIBRATION,
    CHECKED,
    EVERY_BATCHES,
    SAFETY,
    checks,
    decision_margin,
    deviation,
    uncertain,
)
from harness.execution.engine import BLOCK
from harness.worker.batches import TOP_K, predictions


def array(*values: float) -> np.ndarray:
    return np.asarray(values, np.float32)


def gaps(logits: np.ndarray) -> np.ndarray:
    """Deciding gaps (N,) of logits (N, classes), from what is kept of them."""
    kept = predictions([str(n) for n in range(len(logits))], logits)
    return np.asarray([decision_margin(best) for _, _, best in kept], np.float32)


def decisions(logits: np.ndarray) -> list[tuple[int, frozenset[int]]]:
    """The best class and the set of the five best, of each image."""
    order = np.argsort(-logits, axis=1, kind="stable")
    return [(int(row[0]), frozenset(row[:5].tolist())) for row in order]


# --- how far the two are from each other


def test_the_deviation_is_the_change_of_a_gap_between_any_two_classes() -> None:
    native = array(5, 1, 0, -2)
    found = deviation([(native + array(0.25, 0, -0.5, 0.125), native)])
    assert (found.images, found.largest) == (1, 0.75)
    assert found.margin == SAFETY * 0.75


def test_the_largest_deviation_is_that_of_any_image() -> None:
    native = array(4, 2, 0)
    pairs = [(native + array(*off), native) for off in ((0, 0.25, 0), (0, 0, 1), (0.5, 0, 0))]
    for order in (pairs, pairs[::-1]):
        found = deviation(order)
        assert (found.images, found.largest) == (3, 1.0)


def test_what_shifts_all_classes_alike_is_no_deviation() -> None:
    native = array(5, 1, 0, -2)
    found = deviation([(native + np.float32(3), native), (native - np.float32(7), native)])
    assert (found.images, found.largest, found.relative, found.margin) == (2, 0.0, 0.0, 0.0)
    assert not found.broken


def test_it_is_relative_to_what_the_native_logits_vary_by() -> None:
    assert deviation([(array(1.25, -1.25), array(1, -1))]).relative == 0.25
    assert deviation([(array(101.25, 98.75), array(101, 99))]).relative == 0.25, "wherever their mean is"
    assert deviation([(array(12.5, -12.5), array(10, -10))]).relative == 0.25, "whatever their scale"
    assert deviation([(array(3, -3), array(2, -2))]).relative == 0.5
    # an image of which the logits hardly vary does not decide alone
    assert deviation([(array(10, -10), array(10, -10)), (array(1, 0), array(0, 0))]).relative == 0.05


def test_two_different_functions_are_told_from_two_roundings_of_one() -> None:
    assert not deviation([(array(1.25, -1.25), array(1, -1))]).broken, "just as much as is allowed"
    assert deviation([(array(1.2501, -1.2501), array(1, -1))]).broken
    assert deviation([(array(-1, 1), array(1, -1))]).broken
    assert deviation([(array(1, 2), array(3, 3))]).broken, "a network that says the same of all classes decides nothing"


def test_no_gap_exceeds_a_deviation_that_is_no_number() -> None:
    equal, no_number = (array(1, -1), array(1, -1)), (array(np.nan, 0), array(1, -1))
    for pairs in ([equal, no_number], [no_number, equal]):
        found = deviation(pairs)
        assert found.broken
        assert uncertain(array(0, 1e30, np.inf), found.margin).all()


def test_where_nothing_was_compared_no_gap_suffices() -> None:
    found = deviation([])
    assert found.images == 0
    assert found.broken
    assert uncertain(array(0, 1e30, np.inf), found.margin).all()


def test_deviations_are_taken_in_double_precision() -> None:
    # float32 would round the difference of two of its numbers
    found = deviation([(array(2**24, 0), array(0.5, 0))])
    assert found.largest == 2**24 - 0.5
    assert type(found.largest) is float


# --- what decides an image


@pytest.mark.parametrize(
    ("logits", "gap"),
    [
        ([9, 7, 6, 5, 4, 1], 2.0),
        ([9, 4, 3, 2, 1, 0.5], 0.5),
        ([9, 4, 3, 2, 1, 0.5, 0.25], 0.5),
        ([9, 4, 3.75, 2, 1, 0], 1.0),
        ([9, 4, 3, 2, 2, 0], 2.0),
        ([9, 9, 3, 2, 1, 0], 0.0),
        ([9, 8, 7, 6, 3, 3], 0.0),
        ([9, 7, 7, 7, 7], 2.0),
        ([9, 7], 2.0),
        ([9], np.inf),
        ([], np.inf),
    ],
)
def test_the_decision_margin_is_the_smaller_of_the_two(logits: list[float], gap: float) -> None:
    assert decision_margin(logits) == gap
    assert type(decision_margin(logits)) is float


def test_what_is_kept_of_an_image_tells_its_decision_margin() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(50, 30)).astype(np.float32)
    ordered = -np.sort(-logits, axis=1)
    assert gaps(logits) == pytest.approx(np.minimum(ordered[:, 0] - ordered[:, 1], ordered[:, 4] - ordered[:, 5]))
    assert TOP_K == 6


def test_a_gap_equal_to_the_margin_is_uncertain() -> None:
    just_above = np.nextafter(np.float32(0.5), np.float32(1))
    assert uncertain(array(0.25, 0.5, just_above, np.inf), 0.5).tolist() == [True, True, False, False]
    assert uncertain(array(0, 1e-30), 0.0).tolist() == [True, False], "a tie is uncertain whatever the margin"
    assert uncertain(array(np.nan, 1), 0.5).tolist() == [True, False], "a gap that is no number exceeds none"
    assert uncertain(array(1, np.inf), np.nan).tolist() == [True, True]
    # between two float32 numbers a margin must not become the lower one
    assert uncertain(array(0.5), 0.5 + 1e-9).tolist() == [True]


def _adversary(draw: np.random.Generator, fast: np.ndarray, d: int) -> np.ndarray:
    """Differences fast - native (N, classes), whole numbers of spread at most d, that turn what they can."""
    number, classes = fast.shape
    order = np.argsort(-fast, axis=1, kind="stable")
    # the fast network says too much of the best one, or of the five best, or of some of them, and nothing else
    raised = np.zeros(fast.shape, bool)
    for i in range(number):
        place = [0, 4, 5, draw.integers(0, classes)][i % 4]
        chosen = [order[i, : place + 1], order[i, place : place + 1]][(i // 4) % 2]
        raised[i, chosen] = True
    off = np.where(raised, d, draw.integers(0, d + 1, (number, classes)) * (draw.random((number, 1)) < 0.3))
    return off + draw.integers(-20, 21, (number, 1))


@pytest.mark.parametrize("classes", [2, 5, 6, 7, 40])
def test_within_the_deviation_every_sure_image_is_decided_alike(classes: int) -> None:
    """Whole numbers, so that gaps equal to the deviation come up and nothing is rounded."""
    draw = np.random.default_rng(classes)
    sure = turned = at_the_margin = 0
    for d in (0, 1, 2, 5):
        for high in (4, 12, 60):
            fast = draw.integers(0, high, (400, classes))
            random = draw.integers(0, d + 1, fast.shape)
            for off in (random, _adversary(draw, fast, d)):
                native = fast - off
                pairs = [array(*one) for one in fast], [array(*one) for one in native]
                found = deviation(zip(*pairs, strict=True))
                assert found.largest <= d
                gap = gaps(fast.astype(np.float32))
                doubtful = uncertain(gap, found.largest)
                apart = np.asarray(
                    [one != other for one, other in zip(decisions(fast), decisions(native), strict=True)]
                )
                assert not (apart & ~doubtful).any()
                sure += int((~doubtful).sum())
                turned += int(apart.sum())
                at_the_margin += int((apart & (gap == found.largest)).sum())
    assert sure > 500
    assert turned > 500
    assert at_the_margin > 10, "a gap that equals the deviation is not enough"


def test_less_than_the_deviation_would_not_do() -> None:
    draw = np.random.default_rng(1)
    fast = draw.integers(0, 300, (800, 40))
    native = fast - _adversary(draw, fast, 8)
    apart = np.asarray([one != other for one, other in zip(decisions(fast), decisions(native), strict=True)])
    gap = gaps(fast.astype(np.float32))
    assert not (apart & ~uncertain(gap, 8)).any()
    assert (apart & ~uncertain(gap, 7)).any()


def test_random_roundings_of_random_logits() -> None:
    draw = np.random.default_rng(2)
    turned = 0
    for scale in (1e-3, 1e-2, 0.1, 1):
        native = draw.normal(0, 3, (600, 100)).astype(np.float32)
        fast = native + draw.normal(0, scale, native.shape).astype(np.float32)
        found = deviation(zip(fast, native, strict=True))
        apart = np.asarray([one != other for one, other in zip(decisions(fast), decisions(native), strict=True)])
        assert not (apart & ~uncertain(gaps(fast), found.largest)).any()
        turned += int(apart.sum())
    assert turned > 100


# --- which images both run


def test_the_first_images_and_a_few_of_every_64th_batch_are_checked() -> None:
    assert (CALIBRATION, EVERY_BATCHES, CHECKED) == (16, 64, 8)
    assert checks(1000, 4) == [
        list(range(16)),
        list(range(256, 264)),
        list(range(512, 520)),
        list(range(768, 776)),
    ]
    assert checks(150, 1) == [list(range(16)), list(range(64, 72)), list(range(128, 136))]
    assert len(checks(50_000, 32)) == 25


@pytest.mark.parametrize(
    ("images", "last"),
    [
        *((0, []), (1, [0]), (5, [*range(5)]), (16, [*range(16)]), (17, [*range(16)]), (256, [*range(16)])),
        *((257, [256]), (263, [*range(256, 263)]), (264, [*range(256, 264)]), (265, [*range(256, 264)])),
    ],
)
def test_what_is_not_there_is_not_checked(images: int, last: list[int]) -> None:
    found = checks(images, 4)
    assert (found[-1] if found else []) == last


@pytest.mark.parametrize("batch_size", [*range(1, 65)])
def test_checks_are_in_order_and_none_is_made_twice(batch_size: int) -> None:
    whole = checks(64 * batch_size * 3 + 9, batch_size)
    assert len(whole) == 4
    for images in (1, 15, 16, 64, 65, 64 * batch_size, 64 * batch_size + 1, 64 * batch_size * 3 + 9):
        found = checks(images, batch_size)
        flat = [position for batch in found for position in batch]
        assert flat == sorted(set(flat))
        assert flat == [position for batch in whole for position in batch if position < images]
        for batch in found:
            assert batch, "no batch is empty"
            # what is settled block by block has whole checks
            assert batch[0] // (BLOCK * batch_size) == batch[-1] // (BLOCK * batch_size)


def test_a_check_within_the_first_images_is_not_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "CALIBRATION", 67)
    assert checks(150, 1) == [list(range(67)), list(range(67, 72)), list(range(128, 136))]
    monkeypatch.setattr(certificate, "CALIBRATION", 80)
    assert checks(150, 1) == [list(range(80)), list(range(128, 136))]
