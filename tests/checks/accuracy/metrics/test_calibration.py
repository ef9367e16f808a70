"""ECE and NLL against values worked out by hand and by scipy."""

import numpy as np
import pytest
from scipy import special

from harness.checks.accuracy.metrics import calibration
from harness.checks.accuracy.metrics.base import Floats, ImageBatch


def batch(logits: list[list[float]] | Floats, labels: list[int]) -> ImageBatch:
    values = np.asarray(logits, np.float64)
    best = np.argsort(-values, axis=1, kind="stable")[:, :5]
    classes = np.full((len(values), 5), -1, np.int64)
    classes[:, : best.shape[1]] = best
    return ImageBatch(np.asarray(labels, np.int64), classes, values - values.max(axis=1, keepdims=True))


def ece(of: ImageBatch) -> float:
    values = calibration.confidence(of)
    assert values is not None
    return calibration.expected_calibration_error(values)


def nll(of: ImageBatch) -> Floats:
    values = calibration.surprise(of)
    assert values is not None
    return values


def two(share: float) -> list[float]:
    """Logits of two classes whose first has this probability."""
    return [float(np.log(share)), float(np.log1p(-share))]


def test_nll_of_two_classes_is_the_log_of_the_labels_share() -> None:
    found = nll(batch([two(0.75), two(0.75), two(0.2)], [0, 1, 1]))
    assert found == pytest.approx([-np.log(0.75), -np.log(0.25), -np.log(0.8)], rel=1e-12)


def test_nll_agrees_with_scipy_on_a_thousand_classes() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 3, (64, 1000)), rng.integers(0, 1000, 64)
    expected = -special.log_softmax(logits, axis=1)[np.arange(64), labels]
    assert nll(batch(logits, labels.tolist())) == pytest.approx(expected, rel=1e-12)


def test_logits_beyond_the_range_of_exp_are_no_infinity() -> None:
    assert nll(batch([[1e4, 0.0, -1e4]], [2])) == pytest.approx([2e4])
    assert nll(batch([[1e4, 0.0, -1e4]], [0])) == pytest.approx([0.0])


def test_a_network_that_is_right_as_often_as_it_is_confident_has_no_error() -> None:
    assert ece(batch([two(0.75)] * 4, [0, 0, 0, 1])) == pytest.approx(0.0, abs=1e-12)


def test_confidence_in_a_wrong_class_counts() -> None:
    """Right with 0.9 on one image of two in one bin, and wrong with 0.6 on both of another."""
    found = ece(batch([two(0.9), two(0.9), two(0.6), two(0.6)], [0, 1, 1, 1]))
    assert found == pytest.approx(100 * (0.5 * abs(0.5 - 0.9) + 0.5 * 0.6))


def test_errors_of_one_bin_balance_and_those_of_two_do_not() -> None:
    balanced = ece(batch([two(0.87), two(0.89)], [0, 1]))
    assert balanced == pytest.approx(100 * abs(0.5 - 0.88))
    apart = ece(batch([two(0.79), two(0.89)], [0, 1]))
    assert apart == pytest.approx(100 * (0.5 * 0.21 + 0.5 * 0.89))


def test_an_edge_belongs_to_the_lower_of_fifteen_bins() -> None:
    assert calibration.BINS == 15
    edge = 12 / 15
    values = np.array([[edge, 1.0], [edge - 0.01, 0.0], [edge + 0.01, 0.0]])
    in_lower = abs(1 - edge - (edge - 0.01))
    assert calibration.expected_calibration_error(values) == pytest.approx(100 * (in_lower + edge + 0.01) / 3)


def test_it_agrees_with_bins_counted_one_by_one() -> None:
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(0, 2, (500, 7)), rng.integers(0, 7, 500)
    shares = special.softmax(logits, axis=1)
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    expected = 0.0
    for low, high in zip(np.linspace(0, 1, 16)[:-1], np.linspace(0, 1, 16)[1:], strict=True):
        inside = (sure > low) & (sure <= high)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert ece(batch(logits, labels.tolist())) == pytest.approx(100 * expected, rel=1e-9)


def test_certainty_is_in_the_last_bin() -> None:
    assert ece(batch([[1e4, 0.0]] * 2, [0, 1])) == pytest.approx(50.0)


def test_without_all_logits_there_is_neither() -> None:
    bare = ImageBatch(np.zeros(1, np.int64), np.zeros((1, 5), np.int64), None)
    assert calibration.confidence(bare) is None
    assert calibration.surprise(bare) is None


def test_all_that_is_shown_is_said() -> None:
    assert [(one.name, one.unit, one.better, one.judge) for one in calibration.METRICS] == [
        ("ece", "%", "lower", None),
        ("nll", "nats", "lower", None),
    ]
