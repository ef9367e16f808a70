"""The same weights in two sources, end to end, with fake sources and a port of them that is wrong in known ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import VERSION, Recorder, contents, installed, write_images

from harness.checks.equivalence.findings import pair_findings, pair_sentence
from harness.checks.equivalence.logit_difference import difference_of_logits
from harness.checks.equivalence.numerics import compare
from harness.checks.results import exit_status
from harness.core.records import PairResult, Source, WiringDifference
from harness.dataset.image_set import ImageSet, open_images
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.execution.store import Store
from harness.plan.known_gaps import KnownPair, apply_known_pairs
from harness.plan.pairs import pairs_of

ORIGINAL, PORT = Source("fake", VERSION), Source("fake", "2.0")
SOURCES: dict[Source, Installed] = {
    ORIGINAL: installed(version=VERSION),
    PORT: installed(module="fake_port", version="2.0"),
}


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    return open_images(write_images(tmp_path / "data", contents(9), list(range(9))))


def compared(tmp_path: Path, images: ImageSet, models: Sequence[str]) -> tuple[list[PairResult], Session, Recorder]:
    progress = Recorder()
    session = Session(Store(tmp_path / "store"), progress, "cpu", 4)
    pairs = pairs_of((model, 8, source) for model in models for source in SOURCES)
    return compare(pairs, SOURCES, images, session), session, progress


def test_every_two_sources_of_a_model_are_a_pair() -> None:
    a, b, c = (Source(name, "1") for name in "abc")
    rows = [("x", None, a), ("y", 224, a), ("x", 256, b), ("x", 256, c), ("y", 224, a)]
    assert [(pair.a, pair.b, pair.model, pair.input_size) for pair in pairs_of(rows)] == [
        (a, b, "x", 256),
        (a, c, "x", 256),
        (b, c, "x", 256),
    ]


def test_a_port_under_other_names_with_a_turned_matrix_is_the_same_function(tmp_path: Path, images: ImageSet) -> None:
    (pair,), session, _ = compared(tmp_path, images, ["tiny"])
    assert session.failures == []
    assert (pair.outcome, pair.images, pair.input_size) == ("same_function", 9, 8)
    assert pair.max_abs_diff is not None
    assert pair.max_abs_diff < 1e-4
    assert pair.top1_agreement == pair.top5_agreement == 1
    assert pair.wiring_differences == ()
    assert exit_status([], 0, [pair]) == 2  # a pair alone is no cell
    assert pair_findings([pair]) == []
    assert "same function" in pair_sentence(pair)


def test_an_operation_that_one_of_them_runs_is_named(tmp_path: Path, images: ImageSet) -> None:
    (pair,), session, _ = compared(tmp_path, images, ["tiny_wide"])
    assert session.failures == []
    assert pair.outcome == "different_function"
    assert pair.divergence is not None
    assert pair.divergence.layer_b == "port.clip"
    assert "ReLU" in pair.divergence.why
    assert "second only" in pair.divergence.why
    assert pair.inventories[1]["ReLU"] == 1
    assert exit_status([], 0, [pair]) == 1
    (finding,) = pair_findings([pair])
    assert (finding.kind, finding.severity) == ("different_function", "error")
    assert "port.clip" in finding.text
    assert "ReLU 0 against 1 times" in finding.text


def test_weights_without_a_place_are_an_error_that_says_where(tmp_path: Path, images: ImageSet) -> None:
    (pair,), _, _ = compared(tmp_path, images, ["twin"])
    assert pair.outcome == "no_correspondence"
    assert "port.weight" in str(pair.reason)
    assert exit_status([], 0, [pair]) == 2
    (finding,) = pair_findings([pair])
    assert finding.kind == "no_correspondence"


def test_a_network_that_cannot_be_built_leaves_the_others(tmp_path: Path, images: ImageSet) -> None:
    pairs, session, _ = compared(tmp_path, images, ["boom", "tiny"])
    assert [pair.model for pair in pairs] == ["tiny"]
    assert {failure.stage for failure in session.failures} == {"numerics"}
    assert all("boom" in failure.message for failure in session.failures)


def test_a_second_run_measures_nothing(tmp_path: Path, images: ImageSet) -> None:
    first, _, progress = compared(tmp_path, images, ["tiny", "tiny_wide"])
    assert progress.stages
    again, _, progress = compared(tmp_path, images, ["tiny", "tiny_wide"])
    assert progress.stages == []
    assert again == first
    assert not list((tmp_path / "store").glob("numerics-*"))  # nothing of the scratch files is left


def test_a_listed_difference_is_known_until_it_no_longer_holds(tmp_path: Path, images: ImageSet) -> None:
    (pair,), _, _ = compared(tmp_path, images, ["tiny_wide"])
    assert pair.divergence is not None
    kinds = (pair.divergence.kind_a, pair.divergence.kind_b)
    entry = KnownPair(str(ORIGINAL), str(PORT), "tiny_wide", *kinds, reason="the port clips", url="https://x.test")
    (known,) = apply_known_pairs([pair], [entry])
    assert known.known_gap == {"reason": "the port clips", "url": "https://x.test"}
    assert exit_status([], 0, [known]) == 2  # no cell, but not contradicted either
    assert [finding.severity for finding in pair_findings([known])] == ["warning"]
    for stale in (
        apply_known_pairs([pair], [KnownPair(str(ORIGINAL), str(PORT), "tiny_wide", "GELU", "ReLU", "r", "u")]),
        apply_known_pairs(
            [PairResult(ORIGINAL, PORT, "tiny_wide", 8, 9, "same_function", inventories=({}, {}))], [entry]
        ),
    ):
        assert stale[0].outcome == "stale_gap"
        assert exit_status([], 0, stale) == 2
        assert "stale" in pair_sentence(stale[0])


def test_logits_are_compared_in_size_and_in_rank() -> None:
    a = np.array([[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5]], np.float32)
    b = a.copy()
    b[1, :2] = [1, 0]  # the two worst classes of the second image change places: neither top1 nor the best four
    found = difference_of_logits(a, b)
    assert (found.max_abs_diff, found.top1_agreement, found.top5_agreement) == (1, 1, 0.5)
    assert found.relative == pytest.approx(np.sqrt(2 / 110))
    assert difference_of_logits(a, np.full_like(a, np.nan)).relative == float("inf")


def test_equal_logits_of_networks_that_are_built_differently_are_no_plain_yes() -> None:
    wiring = (WiringDifference("norm", "norm", "fed by GELU(x)", "fed by ReLU(x)"),)
    pair = PairResult(ORIGINAL, PORT, "tiny", 8, 9, "same_function", wiring_differences=wiring)
    (found,) = pair_findings([pair])
    assert (found.kind, found.severity) == ("wired_differently", "warning")
    assert "1 layer is built or fed differently, first norm (fed by GELU(x)" in found.text
    assert pair_findings([dataclasses.replace(pair, wiring_differences=())]) == []
