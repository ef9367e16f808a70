"""Why an accuracy differs, from a table to the report, with the fake source and two copies of it."""

import dataclasses
import gc
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_adapter
import numpy as np
import pytest
from fakes import KINDS, SPEC, Recorder, best, contents, in_this_process, save_checkpoint, use_fakes, write_images
from harness.adapters import identification, recipe
from harness.adapters.base import Steps

from harness import report
from harness.checks.diagnosis import against_document
from harness.checks.diagnosis.attribution import Attribution
from harness.checks.results import Results
from harness.checks.run import execute
from harness.core.errors import InputError
from harness.core.records import Outcome, Verdict
from harness.dataset import image_set
from harness.execution.process import Worker
from harness.execution.registry import SourceSpec
from harness.plan.options import Options
from harness.plan.preview import preview
from harness.worker.tasks import Vary

HEADING = "| model | source | top1 | top5 | input size |\n| - | - | - | - | - |\n"
#: of every 20 images, those that are right by top1, and those that are so by top5 alone
RIGHT, AMONG_FIVE = 14, 3
TOP1, TOP5 = "70.0", "85.0"
IMAGES = 20
#: a copy of the fake source
TWIN = SourceSpec("twin", "fake_adapter", SPEC.folder, "numpy", SPEC.default_version)

in_a_process = Worker.do


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two sources alike, that have no image library whatever this interpreter has, and files that need not last."""
    use_fakes(monkeypatch, others=[TWIN])
    for module in (recipe, identification):
        monkeypatch.setattr(module, "libraries", lambda: [])
    monkeypatch.setattr(Worker, "do", in_this_process)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    gc.freeze()  # statsmodels collects garbage with every correction
    yield
    gc.unfreeze()


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers as they are, which may be killed."""
    monkeypatch.setenv("FAKE_LACKS", "PIL cv2")
    monkeypatch.setattr(Worker, "do", in_a_process)


@pytest.fixture
def other_weights(tmp_path: Path) -> Path:
    """A folder with the file that is taken and another of the same model, of which the labels of `data` speak."""
    save_checkpoint(tmp_path / "weights" / "tiny.bin")
    save_checkpoint(tmp_path / "weights" / "tiny-other.bin", seed=3)
    return tmp_path / "weights"


def labelled(guesses: Sequence[Sequence[int]], shift: int = 0) -> list[int]:
    """Labels of which the guesses have RIGHT and AMONG_FIVE of 20 right; `shift` is added to each."""
    labels = []
    for number, guess in enumerate(guesses):
        place = number % 20
        label = guess[0] if place < RIGHT else guess[3] if place < RIGHT + AMONG_FIVE else (guess[0] + 500) % 1000
        labels.append((label + shift) % 1000)
    return labels


def data_for(folder: Path, checkpoint: Path | None = None, shift: int = 0, number: int = IMAGES) -> Path:
    """Images of which the network with that checkpoint has 70 % right, and 85 % among its best five."""
    some = contents(number)
    return write_images(folder, some, labelled(best(some, checkpoint=checkpoint), shift))


def options(tmp_path: Path, data: Path, rows: Sequence[str] = (), about: bool = True, **asked: Any) -> Options:
    """`about`: the table says that its accuracies are about just these images."""
    table = tmp_path / "table.md"
    table.write_text(HEADING + "\n".join(rows or [f"| tiny | fake | {TOP1} | {TOP5} | 8 |"]) + "\n")
    if about:
        digest = image_set.open_images(data).digest
        table.with_suffix(".toml").write_text(f'[data]\nname = "made up"\ndigest = "{digest}"\n')
    given = {"data": data, "weights": str(tmp_path / "weights"), "checks": ("accuracy",), "why": True, **asked}
    return Options(tables=(table,), out=tmp_path / "out", **given)


def run(tmp_path: Path, data: Path, *rows: str, **asked: Any) -> Results:
    return execute(preview(options(tmp_path, data, rows, **asked)), Recorder())


def evidence(attribution: Attribution) -> dict[str, Any]:
    """ "factor: text" -> what was seen, of what has a text; fails where a swap is there twice."""
    swaps = [swap for swap in attribution.evidence if swap.text]
    found = {f"{swap.factor}: {swap.text}": swap for swap in swaps}
    assert len(found) == len(swaps)
    return found


def run_on(attribution: Attribution) -> set[int]:
    """On how many images the swaps were run that a worker runs."""
    seen = [swap for swap in attribution.evidence if swap.status in ("fits", "refuted", "undecided")]
    return {swap.images for swap in seen if swap.factor != "label order"}


def texts(found: Mapping[str, Any], status: str) -> list[str]:
    return [name for name, swap in found.items() if swap.status == status]


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Source, kind and images of every task that a worker is given from now on."""
    seen: list[tuple[str, str, int]] = []
    real = Worker.do

    def do(of: Worker, task: Mapping[str, Any], handle: Any) -> str | None:
        seen.append((of._installed.source.name, task.kind, len(getattr(task, "images", ()))))
        return real(of, task, handle)

    monkeypatch.setattr(Worker, "do", do)
    return seen


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(Worker, "do", run)


def written(results: Results, tmp_path: Path) -> tuple[dict[str, Any], str]:
    """report.json and report.md."""
    page = report.write(results, tmp_path / "out")
    return json.loads((page.parent / "report.json").read_text()), page.read_text()


def verdict(results: Results, metric: str) -> Verdict:
    (found,) = [one for one in results.verdicts if one.claim.metric == metric]
    return found


# --- against the document


def test_a_row_that_documents_another_checkpoint_is_attributed_to_the_file(tmp_path: Path, other_weights: Path) -> None:
    results = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny-other.bin"))
    (found,) = results.attributions
    assert (found.source, found.model, found.input_size) == (f"fake=={SPEC.default_version}", "tiny", 8)
    assert (found.against, found.outcome, found.factors) == ("the documented figures", "named", ("weights file",))
    assert (found.images, found.population) == (IMAGES, IMAGES)
    swaps = evidence(found)
    assert texts(swaps, "fits") == ["weights file: tiny-other.bin"]
    assert texts(swaps, "undecided") == []
    cause = swaps["weights file: tiny-other.bin"]
    own = results.runs[0]
    assert (cause.top1, cause.top5) == ((14, 14), (17, 17))
    assert own.top1_count + cause.gained - cause.lost == 14
    assert own.top5_count + cause.gained5 - cause.lost5 == 17
    assert cause.images == IMAGES
    assert cause.p is not None
    assert cause.p < 0.01
    assert {"channel order", "epsilon", "precision", "label order", "scale", "mean and std"} <= {
        swap.factor for swap in found.evidence if swap.status == "refuted"
    }
    assert (results.failures, results.exit_status) == ((), 1)


def test_the_cause_is_in_the_report_and_in_the_verdict(tmp_path: Path, other_weights: Path) -> None:
    results = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny-other.bin"))
    told = "The cause is the weights file: with tiny-other.bin, top1 is 14 and top5 is 17 of 20 images"
    for metric in ("top1", "top5"):
        judged = verdict(results, metric)
        assert judged.outcome is Outcome.CONTRADICTED
        assert told in (judged.cause or "")
        assert judged.evidence["attribution"] == {"outcome": "named", "factors": ["weights file"]}
    content, page = written(results, tmp_path)
    (finding,) = [one for one in content["findings"] if one["kind"] == "attribution"]
    assert (finding["severity"], finding["model"]) == ("warning", "tiny")
    assert told in finding["text"]
    assert finding["evidence"]["outcome"] == "named"
    assert len(finding["evidence"]["evidence"]) == len(results.attributions[0].evidence)
    _, _, section = page.partition("## Accuracy diagnosis")
    assert told in section
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert rows[0].startswith("| factor | swapped | images | another best class |")
    assert rows[2].startswith("| weights file | tiny-other.bin | 20 | 20 | ")
    assert rows[2].endswith("✓ fits |")
    assert sum(line.endswith("| refuted |") for line in rows) >= 10
    assert "not tried: PIL is not in the source's environment |" in section


def test_the_other_weights_in_a_file_are_tried(tmp_path: Path) -> None:
    """The document is of the averaged ones; the run says that it had the others."""
    other, file = tmp_path / "other.bin", tmp_path / "weights" / "tiny.bin"
    save_checkpoint(other, seed=3)
    save_checkpoint(file)
    averaged = {f"ema/{name}": value for name, value in fake_adapter._read(other).items()}
    both = {**fake_adapter._read(file), **averaged}
    with file.open("wb") as written_again:
        np.savez(written_again, **both)
    results = run(tmp_path, data_for(tmp_path / "data", other))
    used = results.runs[0].checkpoint
    assert used.states == ("the file itself", "ema")
    (found,) = results.attributions
    assert (found.outcome, found.factors) == ("named", ("weights in the file",))
    assert texts(evidence(found), "fits") == ["weights in the file: ema instead of the file itself"]
    content, page = written(results, tmp_path)
    (shown,) = content["runs"]
    assert shown["checkpoint"]["states"] == ["the file itself", "ema"]
    assert "tiny.bin of fake tiny holds several sets of weights: the file itself was evaluated" in page


def test_labels_one_off_are_attributed_to_their_order(tmp_path: Path, other_weights: Path) -> None:
    results = run(tmp_path, data_for(tmp_path / "data", shift=1))
    (found,) = results.attributions
    assert (found.outcome, found.factors) == ("named", ("label order",))
    swaps = evidence(found)
    assert swaps["label order: labels one lower than given"].status == "fits"
    assert swaps["label order: labels one lower than given"].top1 == (14, 14)
    assert swaps["label order: labels one higher than given"].status == "refuted"
    assert swaps["weights file: tiny-other.bin"].status == "refuted"
    assert other_weights.is_dir()


def test_another_order_of_the_classes_is_found(tmp_path: Path) -> None:
    """Several images of each label tell its class: one half of them tells it to the other."""
    save_checkpoint(tmp_path / "weights" / "tiny.bin")
    some = [image for image in contents(4) for _ in range(10)]
    labels = [10 * (n // 10) + 3 if n % 10 < 7 else 500 + n for n in range(len(some))]
    data = write_images(tmp_path / "data", some, labels)
    (found,) = run(tmp_path, data, "| tiny | fake | 70.0 | - | 8 |").attributions
    assert (found.outcome, found.factors) == ("named", ("label order",))
    swaps = evidence(found)
    assert texts(swaps, "fits") == ["label order: another order of the classes, inferred from the predictions"]


def test_a_row_that_holds_says_what_its_counts_leave_open(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against_document, "NOTHING_MISSED", 12)
    results = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny.bin"))
    assert [one.outcome for one in results.verdicts] == [Outcome.REPRODUCED] * 2
    assert results.exit_status == 0
    (found,) = results.attributions
    assert (found.outcome, found.factors, found.images) == ("nothing_to_explain", (), 12)
    assert {swap.status for swap in found.evidence} == {"undecided", "refuted", "not tried"}
    assert found.text.startswith("the documented top1 (")
    left = [swap for swap in found.evidence if swap.status == "undecided"]
    assert f"On 12 images, the counts could not detect {len(left)} of " in found.text
    (finding,) = [one for one in written(results, tmp_path)[0]["findings"] if one["kind"] == "attribution"]
    assert finding["severity"] == "note"


def test_nobody_asks_why_unless_told_to(tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(monkeypatch)
    results = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny-other.bin"), why=False)
    assert results.attributions == ()
    assert {"identify", "vary"} & {kind for _, kind, _ in seen} == set()
    assert verdict(results, "top1").outcome is Outcome.CONTRADICTED


def test_what_no_swap_explains_is_unexplained(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "weights" / "tiny.bin")
    gone = save_checkpoint(tmp_path / "elsewhere" / "tiny.bin", seed=3)
    (found,) = run(tmp_path, data_for(tmp_path / "data", Path(gone.file))).attributions
    assert (found.outcome, found.factors) == ("unexplained", ())
    assert "None of 15 swaps, one factor at a time, gives the documented figures" in found.text
    assert texts(evidence(found), "fits") == []


def test_one_figure_that_a_swap_gives_is_not_enough(tmp_path: Path, other_weights: Path) -> None:
    data = data_for(tmp_path / "data", other_weights / "tiny-other.bin")
    results = run(tmp_path, data, f"| tiny | fake | {TOP1} | 95.0 | 8 |")
    (found,) = results.attributions
    assert (found.outcome, found.factors) == ("unexplained", ())
    assert evidence(found)["weights file: tiny-other.bin"].status == "refuted"


def test_two_files_that_are_alike_are_one_factor(tmp_path: Path, other_weights: Path) -> None:
    copy = other_weights / "tiny-another.bin"
    copy.write_bytes((other_weights / "tiny-other.bin").read_bytes())
    (found,) = run(tmp_path, data_for(tmp_path / "data", copy)).attributions
    assert (found.outcome, found.factors) == ("named", ("weights file",))
    assert texts(evidence(found), "fits") == ["weights file: tiny-another.bin", "weights file: tiny-other.bin"]
    assert "would too" in found.text


def test_the_sources_own_preprocessing_is_swapped(tmp_path: Path) -> None:
    """The document is about a network that was given BGR."""
    save_checkpoint(tmp_path / "weights" / "tiny.bin")
    some = contents(IMAGES)
    planes = [image[:4] + image[132:] + image[68:132] + image[4:68] for image in some]
    data = write_images(tmp_path / "data", some, labelled(best(planes)))
    (found,) = run(tmp_path, data).attributions
    assert (found.outcome, found.factors) == ("named", ("channel order",))
    assert "with BGR instead of RGB" in found.text


@pytest.mark.parametrize(("number", "outcome"), [(IMAGES, "cannot_tell"), (2 * IMAGES, "consistent")])
def test_an_altered_network_is_the_cause_where_the_images_tell(tmp_path: Path, number: int, outcome: str) -> None:
    """The document is about a network with another epsilon, which tells where variances differ."""
    network = fake_adapter.Adapter().build("tiny")
    network.var[::2], network.var[1::2] = 1e-6, 1e-3
    (tmp_path / "weights").mkdir()
    network.save(tmp_path / "weights" / "tiny.bin")
    network.epsilon = 1e-3
    some = contents(number)
    data = write_images(tmp_path / "data", some, labelled(guesses(network, some)))
    (found,) = run(tmp_path, data).attributions
    assert (found.outcome, found.factors) == (outcome, ("epsilon",))
    assert evidence(found)["epsilon: 0.001 instead of 1e-05"].status == (
        "fits" if outcome == "consistent" else "undecided"
    )
    assert "0.001 instead of 1e-05" in found.text


def test_two_causes_that_do_the_same_are_both_left(tmp_path: Path) -> None:
    """The other file has every class one place further, as the labels have."""
    save_checkpoint(tmp_path / "weights" / "tiny.bin")
    network = fake_adapter.Adapter().build("tiny")
    network.set_classifier(np.roll(network.weight, 1, axis=0), np.roll(network.bias, 1))
    network.save(tmp_path / "weights" / "tiny-moved.bin")
    (found,) = run(tmp_path, data_for(tmp_path / "data", shift=1)).attributions
    assert (found.outcome, found.factors) == ("ambiguous", ("weights file", "label order"))
    assert "The cause is one of several that 20 images cannot distinguish: weights file (tiny-moved.bin)" in found.text


def guesses(network: Any, some: Sequence[bytes]) -> list[list[int]]:
    logits = network.forward(np.stack([network.preprocess(image) for image in some]))
    return [row.tolist() for row in np.argsort(-logits, axis=1)[:, :5]]


def test_a_part_of_the_documented_images_tells_for_all(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_set, "not_imagenet_val", lambda *_: [])
    data = data_for(tmp_path / "data", other_weights / "tiny-other.bin", number=60)
    results = run(tmp_path, data, about=False, limit=IMAGES)
    (found,) = results.attributions
    assert (found.outcome, found.factors) == ("consistent", ("weights file",))
    assert (found.images, found.population) == (IMAGES, 60)
    cause = evidence(found)["weights file: tiny-other.bin"]
    assert cause.top1 is not None
    assert cause.top1[0] < 42 < cause.top1[1]
    assert "where the document implies 14" in found.text


def test_an_image_that_cannot_be_decoded_is_no_ones(tmp_path: Path, other_weights: Path) -> None:
    some = contents(IMAGES)
    labels = labelled(best(some, checkpoint=other_weights / "tiny-other.bin"))
    data = write_images(tmp_path / "data", [*some, b"BAD"], [*labels, 0])
    results = run(tmp_path, data)
    (found,) = results.attributions
    assert (found.outcome, found.factors) == ("named", ("weights file",))
    assert (found.images, found.population) == (IMAGES, IMAGES)
    assert [failure.stage for failure in results.failures] == ["evaluate"], "it is told once"


def test_refuted_swaps_are_not_run_on_more_images(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against_document, "STAGES", (8, 12))
    seen = watched(monkeypatch)
    recorder = Recorder()
    data = data_for(tmp_path / "data", other_weights / "tiny-other.bin")
    results = execute(preview(options(tmp_path, data)), recorder)
    (found,) = results.attributions
    assert (found.outcome, found.factors, found.images) == ("consistent", ("weights file",), IMAGES)
    swaps = evidence(found)
    assert swaps["weights file: tiny-other.bin"].images == IMAGES
    assert swaps["channel order: BGR instead of RGB"].images < IMAGES
    # what is on disk is not done again: each stage adds its own images
    assert [number for _, kind, number in seen if kind == "vary"] == [8, 4, 8]
    asked = [text for text in recorder.stages if text.startswith("why ")]
    assert [text.partition(" on ")[2] for text in asked] == ["8 images", "12 images", "20 images"]
    swapped = [int(text.partition(": ")[2].split()[0]) for text in asked]
    refuted = sum(swap.status == "refuted" and swap.images == 8 for swap in swaps.values())
    assert refuted > 10
    assert swapped[1] <= swapped[0] - refuted


# --- where nothing is documented


def test_images_that_no_document_is_about_tell_what_would_do_better(tmp_path: Path, other_weights: Path) -> None:
    results = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny-other.bin"), about=False)
    (found,) = results.attributions
    assert (found.against, found.outcome, found.factors) == ("nothing", "named", ("weights file",))
    assert "One factor is better with another value: the weights file, with tiny-other.bin" in found.text
    assert [one.outcome for one in results.verdicts] == [Outcome.NOT_COMPARABLE] * 2
    assert results.exit_status == 0
    content, page = written(results, tmp_path)
    assert [one["severity"] for one in content["findings"] if one["kind"] == "attribution"] == ["warning"]
    assert "| weights file | tiny-other.bin | 20 | 20 | " in page
    assert "✓ better |" in page


def test_nothing_is_found_where_nothing_does_better(tmp_path: Path, other_weights: Path) -> None:
    results = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny.bin"), about=False)
    (found,) = results.attributions
    assert (found.against, found.outcome, found.factors) == ("nothing", "nothing_to_explain", ())
    content, page = written(results, tmp_path)
    assert [one["severity"] for one in content["findings"] if one["kind"] == "attribution"] == ["note"]
    assert "against nothing: nothing to explain." in page
    assert "not better |" in page


def test_a_page_about_other_images_says_nothing_of_these(tmp_path: Path, other_weights: Path) -> None:
    data = data_for(tmp_path / "data", other_weights / "tiny-other.bin")
    asked = options(tmp_path, data)
    asked.tables[0].with_suffix(".toml").write_text(f'[data]\nname = "others"\ndigest = "{"0" * 64}"\n')
    (found,) = execute(preview(asked), Recorder()).attributions
    assert found.against == "nothing"


def test_undocumented_images_are_asked_in_part(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against_document, "NOTHING_MISSED", 12)
    seen = watched(monkeypatch)
    (found,) = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny-other.bin"), about=False).attributions
    assert run_on(found) == {12}
    assert found.population == IMAGES
    assert [number for _, kind, number in seen if kind == "vary"] == [12]


def test_stand_ins_are_not_held_against_a_document(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "weights" / "tiny-stand-in.bin", stand_in="stand-in: made up here")
    other = save_checkpoint(tmp_path / "weights" / "fake-tiny-v2.bin", seed=3, stand_in="stand-in: another")
    (tmp_path / "weights" / "fake-tiny-v2.bin").rename(tmp_path / "weights" / "tiny-v2.bak")
    data = data_for(tmp_path / "data", tmp_path / "weights" / "tiny-v2.bak")
    for about in (True, False):
        results = run(tmp_path, data, about=about)
        assert results.runs[0].checkpoint.stand_in == "stand-in: made up here"
        assert results.attributions == ()
        (tmp_path / "table.toml").unlink(missing_ok=True)
    assert other.file.endswith("v2.bin")


# --- what is asked for


@pytest.mark.parametrize("asked", [{"data": None}, {"checks": ("static",)}, {"weights": "none"}])
def test_why_takes_images_accuracies_and_weights(tmp_path: Path, other_weights: Path, asked: dict[str, Any]) -> None:
    given = options(tmp_path, data_for(tmp_path / "data", other_weights / "tiny.bin", number=2))
    with pytest.raises(InputError, match="--why needs --data, --checks accuracy and weights: "):
        execute(preview(dataclasses.replace(given, **asked)), Recorder())


# --- measured once


@pytest.mark.parametrize("about", [True, False])
def test_the_same_again_measures_nothing(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch, about: bool
) -> None:
    data = data_for(tmp_path / "data", other_weights / "tiny-other.bin")
    first = run(tmp_path, data, about=about)
    refuse(monkeypatch)
    again = run(tmp_path, data, about=about)
    assert again.attributions == first.attributions
    assert len(again.attributions) == 1


def test_more_images_are_asked_of_the_new_ones_alone(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against_document, "NOTHING_MISSED", 12)
    data = data_for(tmp_path / "data", other_weights / "tiny-other.bin")
    run(tmp_path, data, about=False)
    monkeypatch.setattr(against_document, "NOTHING_MISSED", 18)
    seen = watched(monkeypatch)
    (found,) = run(tmp_path, data, about=False).attributions
    assert seen == [("fake", "vary", 6)]
    assert run_on(found) == {18}


def test_a_checkpoint_that_is_replaced_is_measured_again(tmp_path: Path, other_weights: Path) -> None:
    data = data_for(tmp_path / "data", other_weights / "tiny-other.bin")
    assert run(tmp_path, data).attributions[0].outcome == "named"
    save_checkpoint(other_weights / "tiny-other.bin", seed=5)
    (found,) = run(tmp_path, data).attributions
    assert found.outcome == "unexplained"


# --- what goes wrong


def test_a_swap_that_cannot_be_run_is_listed_and_the_rest_is_judged(tmp_path: Path, other_weights: Path) -> None:
    save_checkpoint(other_weights / "tiny-wrong.bin", "tiny_wide")
    (other_weights / "tiny-broken.bin").write_bytes(b"no checkpoint")
    results = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny-other.bin"))
    (found,) = results.attributions
    assert (found.outcome, found.factors) == ("named", ("weights file",))
    swaps = evidence(found)
    assert swaps["weights file: tiny-wrong.bin"].status == "not tried"
    assert "does not fit the network" in swaps["weights file: tiny-wrong.bin"].why
    assert "not a NumPy archive" in swaps["weights file: tiny-broken.bin"].why
    assert results.failures == ()
    _, page = written(results, tmp_path)
    assert "| weights file | tiny-broken.bin | 0 | 0 | 0 | 0 | – | – | not tried: " in page


def test_a_swap_that_cannot_be_run_makes_nobody_do_the_others_again(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (other_weights / "tiny-broken.bin").write_bytes(b"no checkpoint")
    data = data_for(tmp_path / "data", other_weights / "tiny-other.bin")
    first = run(tmp_path, data)
    tried: list[int] = []
    real = Worker.do

    def count(of: Worker, task: Any, handle: Any) -> str | None:
        tried.extend([len(task.variants)] if isinstance(task, Vary) else [])
        return real(of, task, handle)

    monkeypatch.setattr(Worker, "do", count)
    assert run(tmp_path, data).attributions == first.attributions
    assert tried in ([], [1])


@pytest.mark.usefixtures("processes")
def test_a_worker_that_is_killed_leaves_its_swaps_untried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path / "weights" / "killer.bin", "killer")
    data = data_for(tmp_path / "data", shift=1)
    row = f"| killer | fake | {TOP1} | {TOP5} | 8 |"
    # enough for the evaluation and for the first 16 images of every swap
    monkeypatch.setenv("FAKE_KILL_AFTER", "150")
    results = run(tmp_path, data, row)
    (found,) = results.attributions
    assert (found.outcome, found.factors) == ("named", ("label order",)), "labels take no worker"
    swaps = evidence(found)
    untried = [name for name in texts(swaps, "not tried") if swaps[name].text]
    assert {"channel order: BGR instead of RGB", "epsilon: 0.001 instead of 1e-05"} <= set(untried)
    assert all("was killed by SIGKILL" in swaps[name].why for name in untried)
    monkeypatch.delenv("FAKE_KILL_AFTER")
    seen = watched(monkeypatch)
    (again,) = run(tmp_path, data, row).attributions
    assert again.outcome == "named"
    assert [name for name in texts(evidence(again), "not tried") if evidence(again)[name].text] == []
    assert seen == [("fake", "vary", IMAGES - 16)], "what came before it was killed is kept"


def test_a_swap_that_fails_on_more_images_is_not_told_both_ways(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against_document, "STAGES", (8,))
    copy = other_weights / "tiny-another.bin"
    copy.write_bytes((other_weights / "tiny-other.bin").read_bytes())
    data = data_for(tmp_path / "data", copy)
    read = fake_adapter._read
    reads: list[str] = []

    def once(checkpoint: Path) -> dict[str, np.ndarray]:
        reads.append(checkpoint.name)
        if checkpoint == copy and reads.count(copy.name) > 1:
            raise OSError("it is gone")
        return read(checkpoint)

    monkeypatch.setattr(fake_adapter, "_read", once)
    (found,) = run(tmp_path, data).attributions
    swaps = evidence(found)
    assert swaps["weights file: tiny-other.bin"].images == IMAGES
    assert swaps["weights file: tiny-another.bin"].status == "not tried"
    assert swaps["weights file: tiny-another.bin"].why == "it is gone"


def test_a_source_that_cannot_be_told_is_a_failure(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no operation can be traced")

    data = data_for(tmp_path / "data", other_weights / "tiny-other.bin")
    monkeypatch.setitem(KINDS, "identify", fail)
    results = run(tmp_path, data)
    assert results.attributions == ()
    assert [(one.stage, one.model, one.message) for one in results.failures] == [
        ("why", "tiny", "no operation can be traced")
    ], "it is told once"
    assert verdict(results, "top1").outcome is Outcome.CONTRADICTED


# --- two sources


class Pale(fake_adapter.FakeNetwork):
    """Prepares images with a mean of 0.4, and says so."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.preprocessing = dataclasses.replace(self.preprocessing, mean=(0.4, 0.4, 0.4))

    def preprocessing_steps(self, image: bytes) -> Steps:
        own = super().preprocessing_steps(image)
        return {**own, "normalise": own["normalise"] + np.float32(0.4)}


class Liar(Pale):
    """Says what the fake source says."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.preprocessing = fake_adapter.FakeNetwork(*given).preprocessing


class Turned(Pale):
    """With another mean, and BGR."""

    def preprocessing_steps(self, image: bytes) -> Steps:
        own = super().preprocessing_steps(image)
        return {**own, "normalise": np.ascontiguousarray(own["normalise"][::-1])}


def source(monkeypatch: pytest.MonkeyPatch, network: type[fake_adapter.FakeNetwork]) -> None:
    """Makes a source of such networks the second one."""

    class Adapter(fake_adapter.Adapter):
        def build(  # type: ignore[no-untyped-def]
            self, model, checkpoint=None, match="name", seed=0, input_size=None
        ):
            built = network(model, seed, input_size)
            if checkpoint:
                built.load_state(fake_adapter._read(checkpoint), match, str(checkpoint))
            return built

    monkeypatch.setitem(sys.modules, "other_adapter", SimpleNamespace(Adapter=Adapter))
    use_fakes(monkeypatch, others=[SourceSpec("other", "other_adapter", SPEC.folder, "numpy", SPEC.default_version)])


def rows(other: str) -> list[str]:
    return [f"| tiny | {name} | {TOP1} | {TOP5} | 8 |" for name in ("fake", other)]


def pair(results: Results) -> Attribution:
    (found,) = [one for one in results.attributions if "==" in one.against]
    return found


def test_sources_that_agree_raise_no_question(tmp_path: Path, other_weights: Path) -> None:
    results = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny.bin"), *rows("twin"))
    assert len(results.paired) == 1
    assert {one.against for one in results.attributions} == {"the documented figures"}


def test_another_mean_is_what_parts_two_sources(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(monkeypatch, Pale)
    results = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny.bin"), *rows("other"))
    found = pair(results)
    assert (found.source.partition("==")[0], found.against.partition("==")[0]) == ("fake", "other")
    assert (found.outcome, found.factors) == ("named", ("mean and std",))
    swaps = evidence(found)
    (swap,) = [swap for swap in found.evidence if swap.factor == "mean and std"]
    assert (swap.status, swap.same_class, swap.images) == ("fits", IMAGES, IMAGES)
    assert "mean (0.4, 0.4, 0.4)" in swap.text
    assert swaps["none (control): nothing swapped"].status == "control"
    assert "which alone makes them equal up to rounding" in found.text
    _, page = written(results, tmp_path)
    assert "| factor | swapped | images | same best class | logit difference | result |" in page
    assert "| ✓ equal |" in page
    assert results.failures == ()


def test_two_differences_are_told_together(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(monkeypatch, Turned)
    found = pair(run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny.bin"), *rows("other")))
    assert (found.outcome, found.factors) == ("together", ("channel order", "mean and std"))
    assert "together" in found.text
    assert {swap.factor: swap.status for swap in found.evidence if swap.factor in found.factors} == dict.fromkeys(
        found.factors, "refuted"
    )


@pytest.mark.parametrize("stand_in", [None, "stand-in: made up here"])
def test_other_weights_are_no_matter_of_preprocessing(tmp_path: Path, stand_in: str | None) -> None:
    save_checkpoint(tmp_path / "weights" / "fake" / "tiny.bin", stand_in=stand_in)
    save_checkpoint(tmp_path / "weights" / "twin" / "tiny.bin", seed=3, stand_in=stand_in)
    data = data_for(tmp_path / "data", tmp_path / "weights" / "fake" / "tiny.bin")
    results = run(tmp_path, data, *rows("twin"))
    found = pair(results)
    swaps = {swap.factor: swap for swap in found.evidence}
    assert swaps["preprocessing"].status == "refuted"
    assert (found.outcome, found.factors) == ("named", ("weights",))
    assert swaps["weights"].status == "fits"
    assert "3 of 5 tensors differ, first mix" in swaps["weights"].text
    against = [one.against for one in results.attributions if one is not found]
    assert against == ([] if stand_in else ["the documented figures"] * 2)


def test_a_source_that_does_not_do_what_it_says_is_found(
    tmp_path: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(monkeypatch, Liar)
    results = run(tmp_path, data_for(tmp_path / "data", other_weights / "tiny.bin"), *rows("other"))
    (finding,) = [one for one in results.findings if one.kind == "preprocessing_description"]
    assert (finding.source.partition("==")[0], finding.severity) == ("other", "warning")
    assert "a mean of [0.5, 0.5, 0.5], but it is (0.4, 0.4, 0.4)" in finding.text.replace(
        "(0.5, 0.5, 0.5)", "[0.5, 0.5, 0.5]"
    )
