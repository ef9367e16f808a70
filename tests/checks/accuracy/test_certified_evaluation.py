"""What a faster runtime may decide, and what becomes of its predictions: with the fake source's bf16."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import Recorder, best, contents, in_this_process, installed, save_checkpoint, use_fakes, write_images

from harness.checks.accuracy.group import Evaluation, evaluate
from harness.core.records import Run
from harness.dataset.image_set import ImageSet, open_images
from harness.execution.predictions import Predictions
from harness.execution.process import Worker
from harness.execution.session import Session
from harness.execution.store import Store

IMAGES, BATCH = 600, 8


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """Of each the native network's best class is the label."""
    some = contents(IMAGES)
    return open_images(write_images(tmp_path_factory.mktemp("data"), some, [guess[0] for guess in best(some)]))


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    monkeypatch.setattr(Worker, "do", in_this_process)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def forwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "forwards"
    file.touch()
    monkeypatch.setenv("FAKE_FORWARDS", str(file))
    return file


def run(tmp_path: Path, images: ImageSet, precision: str) -> Run:
    checkpoint = save_checkpoint(tmp_path / "weights" / "tiny.bin", "tiny")
    session = Session(Store(tmp_path / "store"), Recorder(), "cpu", BATCH, precision=precision)
    [found] = evaluate(session, installed(), [Evaluation("tiny", "tiny", checkpoint, None, 8)], images)
    assert session.failures == []
    assert found is not None
    return found


def decided(found: Run) -> list[tuple[Any, ...]]:
    table = Predictions(Path(found.predictions)).read()
    return [
        (image, classes[0], *sorted(classes[:5])) for image, classes in zip(table.image, table.classes, strict=True)
    ]


def test_it_predicts_what_the_native_network_does(
    tmp_path: Path, images: ImageSet, forwards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_BF16", "0.02")
    native = run(tmp_path / "native", images, "fp32")
    before = len(forwards.read_text().splitlines())
    fast = run(tmp_path / "fast", images, "bf16")
    assert decided(fast) == decided(native)
    assert (fast.images, fast.top1_count, fast.top5_count) == (IMAGES, native.top1_count, native.top5_count)
    assert (fast.runtime, fast.precision, native.certificate) == ("native", "bf16", None)
    told = fast.certificate
    assert told is not None
    assert told.fallback is None
    assert told.differing == 0
    assert told.cross_checked == 16 + 8
    assert 0.02 < told.deviation < 0.0401
    assert told.margin == 2 * told.deviation
    assert 24 < told.rerun + 24 < IMAGES / 2, "some are too close for bf16 to decide, and most are not"
    assert len(forwards.read_text().splitlines()) > before
    again = forwards.read_text()
    assert run(tmp_path / "fast", images, "bf16").certificate == told
    assert forwards.read_text() == again, "nothing is run twice"


def test_without_the_native_network_they_would_differ(
    tmp_path: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_BF16", "0.02")
    native = run(tmp_path / "native", images, "fp32")
    with monkeypatch.context() as patch:
        patch.setattr("harness.checks.accuracy.certificate.uncertain", lambda gaps, _: np.zeros(len(gaps), np.bool_))
        careless = run(tmp_path / "careless", images, "bf16")
    assert decided(careless) != decided(native)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("1", "would have to be run again"),
        ("another function", "of what they vary by"),
        ("refused", "fake: it has no bf16 here"),
    ],
)
def test_one_that_is_of_no_use_leaves_everything_to_the_native_network(
    tmp_path: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch, how: str, why: str
) -> None:
    native = run(tmp_path / "native", images, "fp32")
    monkeypatch.setenv("FAKE_BF16", how)
    fast = run(tmp_path / "fast", images, "bf16")
    assert decided(fast) == decided(native)
    assert (fast.top1_count, fast.top5_count) == (native.top1_count, native.top5_count)
    assert (fast.runtime, fast.precision) == ("native", "fp32")
    assert fast.certificate is not None
    assert why in (fast.certificate.fallback or "")


def test_what_it_would_cost_to_deploy_it_is_told(
    tmp_path: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_BF16", "1")
    fast = run(tmp_path, images, "bf16")
    assert fast.certificate is not None
    alone = fast.certificate.top1_count
    assert alone is not None
    assert alone < fast.top1_count == IMAGES
    monkeypatch.setenv("FAKE_BF16", "another function")
    useless = run(tmp_path / "useless", images, "bf16")
    assert useless.certificate is not None
    assert useless.certificate.top1_count is None
