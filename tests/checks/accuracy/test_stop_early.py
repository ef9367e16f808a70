"""No more images than it takes: from a table to the report, with the fake source over 2,000 images."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from fakes import VERSION, Recorder, best, contents, in_this_process, save_checkpoint, use_fakes, write_images

from harness import report
from harness.checks.accuracy import confidence, group
from harness.checks.results import Results
from harness.checks.run import execute
from harness.core.errors import InputError
from harness.core.records import Outcome, Verdict
from harness.dataset import image_set
from harness.dataset.image_set import ImageSet
from harness.execution.predictions import Predictions
from harness.execution.process import Worker
from harness.plan import preview as looking_ahead
from harness.plan.options import Options
from harness.plan.preview import preview

HEADING = "| model | source | top1 | top5 | input size |\n| - | - | - | - | - |\n"
IMAGES = 2000
BATCH = 64
#: of every 20 images, those that are right by top1, and those that are so by top5 alone
RIGHT, AMONG_FIVE = 14, 3
TRUE = "| tiny | fake | 70.0 | 85.0 | 8 |"
FALSE = "| tiny | fake | 90.0 | 95.0 | 8 |"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of which tiny has 70 % right and 85 % among its best five, and checkpoints.

    All that are wrong are of the first class, so that they come first where folders are taken one by one.
    """
    folder = tmp_path_factory.mktemp("world")
    some = contents(IMAGES)
    labels = []
    for number, guess in enumerate(best(some)):
        place = number % 20
        wrong = next(label for label in range(6) if label not in guess)
        labels.append(guess[0] if place < RIGHT else guess[3] if place < RIGHT + AMONG_FIVE else wrong)
    write_images(folder / "data", some, labels)
    for model in ("tiny", "twin"):
        save_checkpoint(folder / "weights" / f"{model}.bin", model)
    save_checkpoint(folder / "stand-ins" / "tiny.bin", stand_in="stand-in: made up here")
    return folder


@pytest.fixture(scope="module")
def opened(world: Path) -> ImageSet:
    return image_set.open_images(world / "data")


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch, opened: ImageSet) -> None:
    """Decides every 128 images, in one process, with files that need not last; the images are read once."""
    use_fakes(monkeypatch)
    monkeypatch.setattr(Worker, "do", in_this_process)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(group, "BLOCK", 2)
    monkeypatch.setattr(looking_ahead, "open_images", lambda *_: opened)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, world: Path, opened: ImageSet) -> Path:
    """Where all predictions are already, so that what is asked of them costs nothing."""
    folder = tmp_path_factory.mktemp("full")
    with pytest.MonkeyPatch.context() as patch:
        fakes.__wrapped__(patch, opened)
        rows = (TRUE, TRUE.replace("tiny", "twin"), TRUE.replace("| 8 |", "| 16 |"))
        full = run(folder, world, *rows, stop_early=False, store=folder / "store")
        assert seen(full) == [IMAGES] * 4
    return folder / "store"


@pytest.fixture
def imagenet_val(monkeypatch: pytest.MonkeyPatch, opened: ImageSet) -> None:
    """As if these were all the images of ImageNet val, or the first of them."""

    def open_images(_: Path, __: None, limit: int | None, *_more: object) -> ImageSet:
        if limit is None:
            return dataclasses.replace(opened, is_imagenet_val=True)
        first = tuple(image_set.shuffled(opened.images)[:limit])
        return dataclasses.replace(opened, images=first, digest=f"{limit}", drawn_from=IMAGES)

    monkeypatch.setattr(looking_ahead, "open_images", open_images)


def run(tmp_path: Path, world: Path, *rows: str, about: bool = True, **asked: Any) -> Results:
    """`about`: the table says that its accuracies are about just these images."""
    tmp_path.mkdir(exist_ok=True)
    table = tmp_path / "table.md"
    table.write_text(HEADING + "\n".join(rows) + "\n")
    table.with_suffix(".toml").unlink(missing_ok=True)
    if about:
        digest = looking_ahead.open_images(world / "data", None, None).digest
        table.with_suffix(".toml").write_text(f'[data]\nname = "made up"\ndigest = "{digest}"\n')
    given = {"weights": str(world / "weights"), "checks": ("accuracy",), "stop_early": True, "batch_size": BATCH}
    here = {"tables": (table,), "data": world / "data", "out": tmp_path / "out"}
    return execute(preview(Options(**{**here, **given, **asked})), Recorder())


def verdicts(results: Results, model: str = "tiny") -> tuple[Verdict, Verdict]:
    found = {one.claim.metric: one for one in results.verdicts if one.claim.row.model == model}
    return found["top1"], found["top5"]


def seen(results: Results) -> list[int]:
    return [one.images for one in results.runs]


def entry(results: Results, tmp_path: Path) -> tuple[dict[str, Any], str]:
    """report.json and report.md."""
    page = report.write(results, tmp_path / "out")
    return json.loads((page.parent / "report.json").read_text()), page.read_text()


# --- what is refuted


def test_a_claim_that_is_far_off_is_refuted_by_a_part_of_the_images(tmp_path: Path, world: Path) -> None:
    results = run(tmp_path, world, FALSE)
    (only,) = results.runs
    assert only.images == only.measured_now < 600
    assert only.images % (2 * BATCH) == 0
    assert only.planned == IMAGES
    assert results.exit_status == 1
    assert results.failures == ()
    for one, right, true in zip(verdicts(results), (only.top1_count, only.top5_count), (1400, 1700), strict=True):
        assert one.outcome is Outcome.CONTRADICTED
        assert one.measured == pytest.approx(100 * right / only.images)
        assert one.cause is not None
        assert one.cause.startswith(
            f"refuted after {only.images} of 2,000 images in shuffled order: {right} right; between "
        )
        assert "valid at any stopping time, wrong for at most 1 % of true claims" in one.cause
        first, last = one.evidence["possible_counts"]
        assert first < true < last < (1798 if one.claim.metric == "top1" else 1898)
        assert (one.evidence["images"], one.evidence["count"]) == (only.images, right)
        assert (one.evidence["population"], one.evidence["error_rate"]) == (IMAGES, confidence.ALPHA)


def test_the_report_says_of_how_many_images(tmp_path: Path, world: Path, store: Path) -> None:
    results = run(tmp_path, world, FALSE, TRUE.replace("tiny", "twin"), store=store)
    stopped, whole = seen(results)
    content, page = entry(results, tmp_path)
    assert [(one["images"], one["planned"]) for one in content["runs"]] == [(stopped, IMAGES), (IMAGES, IMAGES)]
    cell = content["cells"][0]
    assert (cell["evidence"]["population"], cell["evidence"]["images"]) == (IMAGES, stopped)
    assert cell["measured"] == pytest.approx(100 * content["runs"][0]["top1_count"] / stopped)
    lines = [line for line in page.splitlines() if line.startswith("| fake ")]
    assert f"| {stopped} of 2000 |" in lines[0]
    assert "| 2000 |" in lines[1]
    assert whole == IMAGES
    assert f"Refuted after {stopped} of 2,000 images in shuffled order" in page
    assert "--stop-early" in page


@pytest.mark.parametrize("row", [FALSE.replace("95.0", "-"), FALSE.replace("90.0", "-")])
def test_what_is_not_documented_is_not_waited_for(tmp_path: Path, world: Path, store: Path, row: str) -> None:
    assert seen(run(tmp_path, world, row, store=store))[0] < 800


def test_a_row_that_documents_no_accuracy_is_looked_at_once(tmp_path: Path, world: Path, store: Path) -> None:
    assert seen(run(tmp_path, world, "| tiny | fake | - | - | 8 |", store=store)) == [2 * BATCH]


# --- what holds


def test_a_true_claim_runs_to_the_end_and_is_a_census(tmp_path: Path, world: Path, store: Path) -> None:
    results = run(tmp_path, world, TRUE, store=store)
    assert seen(results) == [IMAGES]
    assert [one.outcome for one in results.verdicts] == [Outcome.REPRODUCED] * 2
    assert results.exit_status == 0
    without = run(tmp_path / "without", world, TRUE, store=store, stop_early=False)
    assert [one.evidence for one in results.verdicts] == [one.evidence for one in without.verdicts]
    assert [one.cause for one in results.verdicts] == [one.cause for one in without.verdicts]
    assert [one.measured for one in results.verdicts] == [70.0, 85.0]
    assert "population" not in verdicts(results)[0].evidence


def test_a_claim_with_few_digits_is_confirmed_on_a_part_and_says_so(tmp_path: Path, world: Path, store: Path) -> None:
    results = run(tmp_path, world, "| tiny | fake | 0.7 | - | 8 |", store=store)
    (only,) = results.runs
    assert 2 * BATCH < only.images < IMAGES
    (top1,) = results.verdicts
    assert (top1.outcome, results.exit_status) == (Outcome.REPRODUCED, 0)
    assert top1.cause is not None
    assert top1.cause.startswith(
        f"holds after {only.images:,} of 2,000 images in shuffled order, confirmed on a part of the images: "
    )
    assert "wrong for at most 1 % of false claims" in top1.cause
    first, last = top1.evidence["possible_counts"]
    assert 1300 <= first < 1400 < last <= 1500
    cells = entry(results, tmp_path)[0]["cells"]
    assert "confirmed on a part of the images" in cells[0]["cause"]


@pytest.mark.parametrize(
    ("row", "outcomes"),
    [
        (TRUE.replace("70.0", "90.0"), (Outcome.CONTRADICTED, Outcome.REPRODUCED)),
        (TRUE.replace("85.0", "99.0"), (Outcome.REPRODUCED, Outcome.CONTRADICTED)),
    ],
)
def test_a_row_goes_on_until_both_of_its_accuracies_are_decided(
    tmp_path: Path, world: Path, store: Path, row: str, outcomes: tuple[Outcome, Outcome]
) -> None:
    results = run(tmp_path, world, row, store=store)
    assert seen(results) == [IMAGES]
    assert tuple(one.outcome for one in verdicts(results)) == outcomes
    assert [one.evidence["off_by_images"] for one in verdicts(results)].count(0) == 1


def test_one_network_goes_on_where_another_has_stopped(tmp_path: Path, world: Path) -> None:
    results = run(tmp_path, world, FALSE, TRUE.replace("tiny", "twin"))
    stopped, whole = seen(results)
    assert stopped < 600
    assert whole == IMAGES
    assert [one.measured_now for one in results.runs] == [stopped, whole]
    assert [one.outcome for one in verdicts(results, "twin")] == [Outcome.REPRODUCED] * 2


def test_a_row_at_two_input_sizes(tmp_path: Path, world: Path, store: Path) -> None:
    false = run(tmp_path, world, FALSE.replace("| 8 |", "| 16 |"), store=store)
    assert [(one.input_size, one.images < 600) for one in false.runs] == [(8, True), (16, True)]
    for one in verdicts(false):
        assert (one.outcome, one.convention, one.evidence["input_size"]) == (Outcome.CONTRADICTED, "at 16 pixels", 16)
    true = run(tmp_path, world, TRUE.replace("| 8 |", "| 16 |"), store=store)
    assert seen(true) == [IMAGES] * 2
    assert [(one.outcome, one.convention) for one in verdicts(true)] == [(Outcome.REPRODUCED, "at 16 pixels")] * 2


# --- what proves nothing


def test_stand_in_weights_prove_nothing_however_early_they_stop(tmp_path: Path, world: Path) -> None:
    results = run(tmp_path, world, FALSE, weights=str(world / "stand-ins"))
    assert [one.outcome for one in verdicts(results)] == [Outcome.NOT_MEASURED] * 2
    assert all((one.cause or "").startswith("stand-in weights") for one in verdicts(results))
    assert results.exit_status == 0


def test_images_that_the_table_is_not_about_are_all_seen(tmp_path: Path, world: Path, store: Path) -> None:
    results = run(tmp_path, world, FALSE, about=False, store=store)
    assert seen(results) == [IMAGES]
    assert [one.outcome for one in verdicts(results)] == [Outcome.NOT_COMPARABLE] * 2
    assert "the data is not ImageNet val" in (verdicts(results)[0].cause or "")


@pytest.mark.parametrize("place", [5, 1900])
def test_an_image_that_cannot_be_decoded_changes_no_verdict_that_it_cannot(
    tmp_path: Path, world: Path, opened: ImageSet, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"BAD")
    it = image_set.shuffled(opened.images)[place].name
    refs = tuple(dataclasses.replace(ref, file=str(bad)) if ref.name == it else ref for ref in opened.images)
    broken = dataclasses.replace(opened, images=refs, digest="with one that is broken")
    monkeypatch.setattr(looking_ahead, "open_images", lambda *_: broken)
    whole = run(tmp_path, world, FALSE, stop_early=False)
    assert [one.outcome for one in verdicts(whole)] == [Outcome.CONTRADICTED] * 2
    results = run(tmp_path, world, FALSE)
    (only,) = results.runs
    assert only.images + len(only.decode_errors) < 600
    assert [*only.decode_errors] == ([it] if place == 5 else [])
    assert [one.outcome for one in verdicts(results)] == [Outcome.CONTRADICTED] * 2
    assert len(results.failures) == len(only.decode_errors)


# --- a part of ImageNet val


@pytest.mark.usefixtures("imagenet_val")
def test_a_limit_below_what_it_takes_leaves_it_open(tmp_path: Path, world: Path) -> None:
    results = run(tmp_path, world, TRUE, about=False, limit=300)
    assert seen(results) == [300]
    for one, right in zip(verdicts(results), (results.runs[0].top1_count, results.runs[0].top5_count), strict=True):
        assert (one.outcome, one.measured, one.requested) == (Outcome.NOT_MEASURED, None, True)
        assert (one.cause or "").startswith(
            f"undecided after 300 of 2,000 images in shuffled order: {right} right; between "
        )
    assert results.exit_status == 0
    assert "undecided after 300 of 2,000 images" in entry(results, tmp_path)[1]


@pytest.mark.usefixtures("imagenet_val")
def test_a_limit_beyond_what_it_takes_refutes(tmp_path: Path, world: Path) -> None:
    results = run(tmp_path, world, FALSE, about=False, limit=1500)
    (stopped,) = seen(results)
    assert stopped < 600
    assert [one.outcome for one in verdicts(results)] == [Outcome.CONTRADICTED] * 2
    assert verdicts(results)[0].evidence["population"] == IMAGES
    assert results.exit_status == 1
    assert seen(run(tmp_path / "whole", world, FALSE, about=False)) == [stopped], "the first images are the same"


@pytest.mark.usefixtures("imagenet_val")
def test_a_limit_alone_says_nothing_of_the_document(tmp_path: Path, world: Path) -> None:
    results = run(tmp_path, world, FALSE, about=False, limit=300, stop_early=False)
    assert [one.outcome for one in verdicts(results)] == [Outcome.NOT_COMPARABLE] * 2
    assert "the data is not ImageNet val" in (verdicts(results)[0].cause or "")


# --- known gaps


@pytest.mark.parametrize(
    ("measured", "outcome", "status"),
    [("70.0", "known_gap", 1), ("50.0", "error", 1), ("90.0", "error", 1)],
)
def test_a_known_gap_is_stale_where_its_figure_is_not_possible_any_more(
    tmp_path: Path, world: Path, store: Path, measured: str, outcome: str, status: int
) -> None:
    gap = {
        "source": "fake", "version": VERSION, "model": "tiny", "metric": "top1",
        "documented": "90.0", "measured": measured, "reason": "another checkpoint", "url": "https://example.org/1",
    }  # fmt: skip
    (tmp_path / "known_gaps.toml").write_text("[[gap]]\n" + "".join(f'{key} = "{gap[key]}"\n' for key in gap))
    results = run(tmp_path, world, FALSE, store=store)
    assert seen(results)[0] < 600
    top1, top5 = verdicts(results)
    assert (str(top1.outcome), top5.outcome) == (outcome, Outcome.CONTRADICTED)
    first, last = top1.evidence["possible_percent"]
    if outcome == "error":
        assert f"{measured} is measured, but the cell is contradicted and {first:.1f} to {last:.1f} is measured" in (
            top1.cause or ""
        )
    assert results.exit_status == status


# --- the same however far the store is


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_stored_already_moves_no_stopping_point(
    tmp_path: Path, world: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setenv("FAKE_BF16", "0.01")
    fresh = run(tmp_path, world, FALSE, precision=precision)
    (stopped,) = fresh.runs
    assert stopped.images == stopped.measured_now < 600
    again = run(tmp_path, world, FALSE, precision=precision)
    assert (again.verdicts, again.runs[0].measured_now) == (fresh.verdicts, 0)
    whole = run(tmp_path, world, FALSE, precision=precision, stop_early=False)
    assert (seen(whole), whole.runs[0].measured_now) == ([IMAGES], IMAGES - stopped.images)
    full = run(tmp_path, world, FALSE, precision=precision)
    assert (full.verdicts, full.runs[0].measured_now) == (fresh.verdicts, 0)
    counts = (stopped.images, stopped.top1_count, stopped.top5_count)
    assert [(one.images, one.top1_count, one.top5_count) for one in (*again.runs, *full.runs)] == [counts] * 2
    if precision == "bf16":
        native = run(tmp_path, world, FALSE)
        assert [(one.images, one.top1_count, one.top5_count) for one in native.runs] == [counts]
        assert stopped.certificate is not None
        assert stopped.certificate.fallback is None
        assert stopped.certificate.differing == 0
        assert stopped.certificate.top1_count is not None


def test_images_are_taken_in_shuffled_order(tmp_path: Path, world: Path, opened: ImageSet) -> None:
    """Folder by folder a true claim would look far off here."""
    (only,) = run(tmp_path, world, FALSE).runs
    order = [ref.name for ref in image_set.shuffled(opened.images)]
    assert set(Predictions(Path(only.predictions)).read()["image"]) == set(order[: only.images])
    assert order != sorted(order)


# --- wrong usage


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"data": None, "weights": None},
            "--stop-early applies to accuracy evaluation only; pass --data, ",
        ),
        ({"weights": "none"}, "--stop-early applies to accuracy evaluation only; pass --data, "),
        (
            {"checks": ("static",)},
            "--stop-early applies to accuracy evaluation only; pass --data, ",
        ),
        ({"why": True}, "--why cannot be combined with --stop-early: it needs every image"),
    ],
)
def test_what_cannot_stop(tmp_path: Path, world: Path, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, world, TRUE, **asked)
    assert message in str(caught.value)
