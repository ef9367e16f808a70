"""Metrics are found in their modules and read from what is stored; what is not stored is not made up."""

import base64
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import special

from harness.checks.accuracy import metrics
from harness.checks.accuracy.metrics import registry
from harness.execution.predictions import SCHEMA, Predictions
from harness.worker.batches import pack_logits, predictions, unpack_logits

CLASSES = 10
RNG = np.random.default_rng(3)
LOGITS = RNG.normal(0, 3, (40, CLASSES)).astype(np.float32)
NAMES = [f"{n:02}.jpg" for n in range(40)]
LABELS = {name: int(label) for name, label in zip(NAMES, RNG.integers(0, CLASSES, 40), strict=True)}


def stored(folder: Path, full: Sequence[int] = range(40)) -> Predictions:
    """The predictions of all images in batches of 8, with all logits of those in `full`."""
    found = Predictions(folder)
    folder.mkdir(exist_ok=True)
    packed = [base64.b64decode(text) for text in pack_logits(LOGITS)]
    for start in range(0, 40, 8):
        part = range(start, start + 8)
        rows = predictions([NAMES[i] for i in part], LOGITS[part])
        found.append(rows, [], [packed[i] if i in full else None for i in part])
    return found


def top(k: int) -> float:
    best = np.argsort(-LOGITS, axis=1)[:, :k]
    return 100 * sum(label in row for label, row in zip(LABELS.values(), best.tolist(), strict=True)) / 40


def test_every_metric_is_registered_once_and_those_of_documents_first() -> None:
    names = [metric.name for metric in registry.registered()]
    assert len(set(names)) == len(names)
    assert names[:2] == list(registry.judged()) == ["top1", "top5"]
    assert names[2:] == [metric.name for metric in registry.measured_only()]
    assert {"ece", "nll"} <= set(names)


def test_all_are_read_from_the_stored_predictions(tmp_path: Path) -> None:
    found = registry.measure(stored(tmp_path), LABELS)
    expected = -special.log_softmax(LOGITS.astype(np.float64), axis=1)[range(40), list(LABELS.values())].mean()
    assert found["top1"] == top(1)
    assert found["top5"] == top(5)
    assert found["nll"] == pytest.approx(expected, rel=1e-3), "float16 of the difference from the best"
    assert 0 < found["ece"] < 100


def test_compacting_keeps_all_logits(tmp_path: Path) -> None:
    kept = stored(tmp_path)
    before = registry.measure(kept, LABELS)
    kept.compact()
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    assert registry.measure(kept, LABELS) == before


def test_only_the_images_that_count_are_read(tmp_path: Path) -> None:
    first = {name: LABELS[name] for name in NAMES[:10]}
    found = registry.measure(stored(tmp_path), first)
    assert found["top1"] == 100 * np.mean(LOGITS[:10].argmax(axis=1) == list(first.values()))
    whole = registry.measure(stored(tmp_path), LABELS)
    assert found["nll"] != whole["nll"]


@pytest.mark.parametrize("full", [(), range(39)])
def test_where_an_image_lacks_logits_what_needs_them_is_absent(tmp_path: Path, full: Sequence[int]) -> None:
    assert registry.measure(stored(tmp_path, full), LABELS) == {"top1": top(1), "top5": top(5)}


def test_a_store_of_an_older_release_has_its_best_classes(tmp_path: Path) -> None:
    content = stored(tmp_path / "new").read()
    (tmp_path / "old").mkdir()
    pq.write_table(pa.Table.from_pandas(content, SCHEMA, preserve_index=False), tmp_path / "old" / "part-1.parquet")
    old = Predictions(tmp_path / "old")
    assert registry.measure(old, LABELS) == {"top1": top(1), "top5": top(5)}
    old.append([], [("40.jpg", "cut off")])
    old.compact()
    assert registry.measure(old, LABELS) == {"top1": top(1), "top5": top(5)}
    assert len(old.read()) == 41


def test_logits_that_contradict_the_best_class_are_not_used(tmp_path: Path) -> None:
    kept = Predictions(tmp_path)
    packed = [base64.b64decode(text) for text in pack_logits(LOGITS[:2])]
    kept.append(predictions(NAMES[:2], LOGITS[:2]), [], packed[::-1])
    assert LOGITS[0].argmax() != LOGITS[1].argmax()
    assert set(registry.measure(kept, {name: LABELS[name] for name in NAMES[:2]})) == {"top1", "top5"}


def test_a_label_that_is_no_class_has_no_likelihood(tmp_path: Path) -> None:
    assert set(registry.measure(stored(tmp_path), {**LABELS, NAMES[0]: CLASSES})) == {"top1", "top5"}


def test_without_images_or_with_images_that_are_not_stored_there_is_nothing(tmp_path: Path) -> None:
    assert registry.measure(stored(tmp_path), {}) == {}
    assert registry.measure(stored(tmp_path), {**LABELS, "41.jpg": 0}) == {}


def test_packed_logits_are_those_of_the_image_minus_its_best() -> None:
    extreme = np.array([[3.0, 1e6, -1e30, 1e6 - 0.5]], np.float32)
    [text] = pack_logits(extreme)
    assert unpack_logits(base64.b64decode(text)).tolist() == [-65504.0, 0.0, -65504.0, -0.5]
    for text, row in zip(pack_logits(LOGITS), LOGITS, strict=True):
        expected = row.astype(np.float64) - row.max()
        assert unpack_logits(base64.b64decode(text)) == pytest.approx(expected, rel=2**-11, abs=1e-7)


def test_a_metric_is_one_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of the registry's docstring, followed."""
    (tmp_path / "toy_metric.py").write_text(
        "import numpy as np\n"
        "from harness.checks.accuracy.metrics.base import RunMetric\n"
        "def wrong(batch): return np.asarray(batch.classes[:, 0] != batch.labels, np.float64)\n"
        "METRICS = (RunMetric('top1_error', 'top-1 error', '%', 'lower', wrong, lambda v: 100 * v.mean(), 2, 'T'),)\n"
    )
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    registry.registered.cache_clear()
    try:
        found = registry.measure(stored(tmp_path / "store"), LABELS)
    finally:
        monkeypatch.undo()
        registry.registered.cache_clear()
        sys.modules.pop("harness.checks.accuracy.metrics.toy_metric", None)
    assert found["top1_error"] == pytest.approx(100 - top(1))


def test_two_metrics_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "twin.py").write_text("from harness.checks.accuracy.metrics.calibration import METRICS\n")
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    registry.registered.cache_clear()
    try:
        with pytest.raises(ValueError, match="more than one metric is named ece, nll"):
            registry.registered()
    finally:
        monkeypatch.undo()
        registry.registered.cache_clear()
        sys.modules.pop("harness.checks.accuracy.metrics.twin", None)


def test_real_labels_are_read_from_the_same_predictions(tmp_path: Path) -> None:
    """With the labels themselves as ReaL's of half of the images, it is the accuracy on these."""
    half = {name: (label,) for name, label in list(LABELS.items())[:20]}
    found = registry.measure(stored(tmp_path), LABELS, half)
    on_half = registry.measure(stored(tmp_path / "again"), dict(list(LABELS.items())[:20]))
    assert found["real_top1"] == on_half["top1"]
    assert found["real_top5"] == on_half["top5"]
    for none in (None, {}, {"another.jpg": (1,)}):
        assert "real_top1" not in registry.measure(stored(tmp_path / "third"), LABELS, none)
