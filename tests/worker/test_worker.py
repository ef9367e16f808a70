"""What is measured inside a source's environment, here run in this one."""

import gc
import random
import re
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_adapter
import numpy as np
import pytest
from fakes import CUT_JPEG, JPEG, contents, evaluation_task, logits, of_model, save_checkpoint, write_images
from harness.adapters.third_party import complete

from harness.core.errors import InputError, MeasurementError
from harness.dataset.image_set import open_images
from harness.worker.batches import TOP_K
from harness.worker.counts import list_models, measure_static
from harness.worker.evaluate import Networks, evaluate
from harness.worker.protocol import Counts, Models
from harness.worker.stand_ins import make_stand_in, ridge
from harness.worker.tasks import Count, Evaluate, ListModels, MakeStandIn

Events = list[Any]


def static(documented: str, sizes: Sequence[int] = (), **rest: Any) -> Counts:
    sent: Events = []
    measure_static(complete(fake_adapter.Adapter()), Count(documented, list(sizes), **rest), sent.append)
    (event,) = sent
    assert isinstance(event, Counts)
    return event


def images_of(folder: Path) -> dict[str, Any]:
    return {"images": open_images(folder).images, "batch_size": 4}


def evaluated(task: Evaluate) -> Events:
    sent: Events = []
    evaluate(Networks(complete(fake_adapter.Adapter())), task, sent.append, lambda _: None)
    return sent


# --- counts


def test_a_network_is_given_back_once_it_was_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[weakref.ref[Any]] = []
    build = fake_adapter.Adapter.build

    def building(of: Any, *arguments: Any) -> Any:
        network: Any = build(of, *arguments)
        network.itself = network  # as networks of frameworks refer to themselves
        built.append(weakref.ref(network))
        return network

    monkeypatch.setattr(fake_adapter.Adapter, "build", building)
    gc.disable()
    try:
        static("tiny")
        left = [one() for one in built]
    finally:
        gc.enable()
    assert left == [None]


def test_counts_of_a_network_at_the_sizes_asked_for_and_its_own() -> None:
    found = static("tiny", [224, 16])
    assert found.model == "tiny"
    assert found.input_size == 8
    assert found.plain_counter == "plain"
    assert found.multiply_adds == {size: {"plain": 9 * size**2 + 48_000} for size in (8, 16, 224)}
    assert found.failed_counters == {"broken": "RuntimeError: cannot count this"}
    assert found.parameters.learnable == 9 + 49_000
    assert found.parameters.by_type == {"Mix": 9, "Linear": 49_000}
    assert found.preprocessing.crop == 8
    assert found.checkpoint_url is None


def test_operators_are_those_of_a_forward_pass() -> None:
    found = static("tiny", trace=True)
    assert found.operators == {"Conv2d": 1, "AdaptiveAvgPool2d": 1, "BatchNorm2d": 1, "Linear": 1}
    assert found.last_operators == ("Conv2d", "AdaptiveAvgPool2d", "BatchNorm2d", "Linear")
    assert static("tiny").operators == {}


def test_a_counter_may_answer_in_any_whole_number(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"array": np.int64(7), "whole": 8, "failed": "no"}
    monkeypatch.setattr(fake_adapter.FakeNetwork, "multiply_adds", lambda *_: counts)
    found = static("tiny")
    assert found.multiply_adds == {8: {"array": 7, "whole": 8}}
    assert type(found.multiply_adds[8]["array"]) is int
    assert found.failed_counters == {"failed": "no"}


def test_a_documented_name_that_means_nothing_here() -> None:
    with pytest.raises(MeasurementError, match="no model 'tiny_wilde'; the nearest names are tiny_wide, tiny"):
        static("tiny_wilde")


def test_models_are_listed() -> None:
    sent: Events = []
    list_models(fake_adapter.Adapter(), ListModels(), sent.append)
    assert sent == [Models(sorted(fake_adapter.GRIDS), {"tiny53": "tiny"})]


# --- predictions


def test_the_best_classes_come_with_their_logits(tmp_path: Path) -> None:
    images = contents(10)
    network, *batches = evaluated(evaluation_task(write_images(tmp_path, images, range(10))))
    assert network.event == "network"
    assert network.input_size == 8
    assert network.stand_in == "random weights"
    assert [len(event.rows) for event in batches] == [4, 4, 2]
    rows = [row for event in batches for row in event.rows]
    expected = logits(images)
    for number, (name, classes, values) in enumerate(rows):
        assert name.endswith(f"{number:03}.jpg")
        assert classes == np.argsort(-expected[number])[:TOP_K].tolist()
        assert values == pytest.approx(np.sort(expected[number])[::-1][:TOP_K].tolist(), rel=1e-6)
    assert all(event.seconds > 0 for event in batches)


def test_a_batch_waits_until_what_was_sent_before_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or more than one batch of a network would be lost with whoever stores them."""
    told: list[tuple[str, Any]] = []
    forward = fake_adapter.FakeNetwork.forward

    def noted(network: fake_adapter.FakeNetwork, batch: np.ndarray) -> np.ndarray:
        told.append(("forward", {"tiny": 0, "twin": 1}[network.model]))
        return forward(network, batch)

    monkeypatch.setattr(fake_adapter.FakeNetwork, "forward", noted)
    task = evaluation_task(write_images(tmp_path, contents(6), range(6)), batch_size=3)
    task = replace(task, runs=[*task.runs, of_model(task.runs[0], "twin")])
    evaluate(
        Networks(complete(fake_adapter.Adapter())),
        task,
        lambda event: told.append((event.event, event.run)),
        lambda run: told.append(("stored", run)),
    )
    batch = [(kind, run) for run in (0, 1) for kind in ("stored", "forward", "predictions")]
    assert told == [("network", 0), ("network", 1), *batch, *batch, ("stored", None)]


def test_images_keep_their_order_however_long_each_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fake_adapter.FakeNetwork.preprocess
    draw = random.Random(0)

    def unsteady(network: fake_adapter.FakeNetwork, image: bytes) -> np.ndarray:
        time.sleep(draw.random() / 100)
        return real(network, image)

    task = evaluation_task(write_images(tmp_path, contents(40), range(40)), batch_size=8)
    steady = [event.rows for event in evaluated(task)[1:]]
    monkeypatch.setattr(fake_adapter.FakeNetwork, "preprocess", unsteady)
    assert [event.rows for event in evaluated(task)[1:]] == steady


def test_the_next_batch_is_prepared_during_a_forward_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    preprocess, forward = fake_adapter.FakeNetwork.preprocess, fake_adapter.FakeNetwork.forward

    def prepare(network: fake_adapter.FakeNetwork, image: bytes) -> np.ndarray:
        if image == images[2]:
            begun.set()
        return preprocess(network, image)

    def wait(network: fake_adapter.FakeNetwork, batch: np.ndarray) -> np.ndarray:
        assert begun.wait(5)
        return forward(network, batch)

    images = contents(4)
    task = evaluation_task(write_images(tmp_path, images, range(4)), batch_size=2)
    monkeypatch.setattr(fake_adapter.FakeNetwork, "preprocess", prepare)
    monkeypatch.setattr(fake_adapter.FakeNetwork, "forward", wait)
    assert len(evaluated(task)) == 3


def test_what_cannot_be_decoded_is_named_and_not_scored(tmp_path: Path) -> None:
    images = [b"FAKE" + bytes(192), CUT_JPEG, JPEG, b"BAD", b"", b"\x89PNG IDAT", b"FAKE too few"]
    (_, event) = evaluated(evaluation_task(write_images(tmp_path, images, range(7)), batch_size=7))
    assert [name[-7:] for name, _, _ in event.rows] == ["000.jpg", "002.jpg"]
    assert {name[-7:]: why for name, why in event.undecodable} == {
        "001.jpg": f"the JPEG is truncated: no end marker in its {len(CUT_JPEG)} bytes",
        "003.jpg": "fake: no pixels in it",
        "004.jpg": "the file is empty",
        "005.jpg": "the PNG is truncated: no end chunk in its 9 bytes",
        "006.jpg": "fake: 8 bytes of pixels",
    }


def test_a_batch_of_nothing_but_broken_images(tmp_path: Path) -> None:
    images = [b"BAD1", b"BAD2", *contents(1)]
    _, broken, whole = evaluated(evaluation_task(write_images(tmp_path, images, range(3)), batch_size=2))
    assert (len(broken.rows), len(broken.undecodable)) == (0, 2)
    assert (len(whole.rows), len(whole.undecodable)) == (1, 0)


def test_a_file_that_cannot_be_read_says_nothing_about_its_image(tmp_path: Path) -> None:
    task = evaluation_task(write_images(tmp_path, contents(3), range(3)))
    gone = next(tmp_path.glob("*/001.jpg"))
    gone.unlink()
    with pytest.raises(InputError, match=r"001\.jpg: cannot be read: No such file"):
        evaluated(task)


def test_logits_that_are_no_numbers_are_no_prediction(tmp_path: Path) -> None:
    _, event = evaluated(evaluation_task(write_images(tmp_path, contents(3), range(3)), "blind"))
    assert event.event == "run_failed"
    assert re.search(r"not all finite numbers for n\d{8}/000\.jpg", event.message)


def test_another_input_size(tmp_path: Path) -> None:
    folder = write_images(tmp_path, contents(3), range(3))
    own, *_ = evaluated(evaluation_task(folder))
    larger, *_ = evaluated(evaluation_task(folder, input_size=16))
    assert (own.input_size, larger.input_size) == (8, 16)
    assert larger.preprocessing.crop == 16


def test_the_checkpoint_decides_the_predictions(tmp_path: Path) -> None:
    images = contents(6)
    folder = write_images(tmp_path / "data", images, range(6))
    checkpoint = save_checkpoint(tmp_path / "tiny.bin", seed=3)
    network, _, last = evaluated(evaluation_task(folder, checkpoint=checkpoint.file))
    assert network.stand_in is None
    expected = logits(images, checkpoint=Path(checkpoint.file))
    assert [classes[0] for _, classes, _ in last.rows] == expected[4:].argmax(axis=1).tolist()
    assert not np.allclose(expected, logits(images))


def test_a_checkpoint_matches_by_name_or_by_order(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "data", contents(3), range(3))
    checkpoint = save_checkpoint(tmp_path / "tiny.bin", seed=3)
    (event,) = evaluated(evaluation_task(folder, "twin", checkpoint=checkpoint.file))
    assert event.event == "run_failed"
    assert re.search(r"10 differences: missing stem\.conv\.weight \(3, 3\); .*and 7 more", event.message)
    by_order = evaluated(evaluation_task(folder, "twin", checkpoint=checkpoint.file, match="order"))
    by_name = evaluated(evaluation_task(folder, "tiny", checkpoint=checkpoint.file))
    assert by_order[1].rows == by_name[1].rows


# --- stand-ins


@pytest.mark.parametrize(("number", "channels"), [(20, 50), (50, 7)])
def test_ridge_is_ridge_regression(number: int, channels: int) -> None:
    draw = np.random.default_rng(0)
    features = (draw.normal(size=(number, channels)) + 3).astype(np.float32)
    labels = draw.integers(0, 4, number)
    weight, bias = ridge(features, labels, 5)
    assert weight.shape == (5, channels)
    assert bias.shape == (5,)
    # the primal form, solved for the weights themselves
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    targets = np.eye(5)[labels]
    penalty = 0.01 * np.trace(centred @ centred.T) / number
    gram = centred.T @ centred + penalty * np.eye(channels)
    expected = 20 * np.linalg.solve(gram, centred.T @ (targets - targets.mean(axis=0))).T
    np.testing.assert_allclose(weight, expected, rtol=1e-3, atol=1e-4)
    middle = features.mean(axis=0) @ weight.T + bias
    np.testing.assert_allclose(middle, 20 * targets.mean(axis=0), atol=1e-3)


def test_ridge_separates_what_can_be_separated() -> None:
    draw = np.random.default_rng(1)
    labels = np.repeat(np.arange(10), 3)
    features = (draw.normal(size=(10, 40))[labels] + 0.1 * draw.normal(size=(30, 40))).astype(np.float32)
    weight, bias = ridge(features, labels, 10)
    assert ((features @ weight.T + bias).argmax(axis=1) == labels).all()


def test_a_stand_in_is_marked_and_far_from_chance(tmp_path: Path) -> None:
    images = [*contents(30), b"BAD"]
    folder = write_images(tmp_path / "data", images, [*range(0, 900, 30), 15])
    task = MakeStandIn(
        documented="tiny",
        seed=1,
        calibration_images=10,
        classes=1000,
        out=str(tmp_path / "made" / "tiny-stand-in"),
        **images_of(folder),
    )
    sent: Events = []
    make_stand_in(fake_adapter.Adapter(), task, sent.append)
    (event,) = sent
    assert event.event == "saved"
    assert event.file == str(tmp_path / "made" / "tiny-stand-in.bin")
    assert event.stand_in.startswith("stand-in: seed 1, normalisation calibrated on 11 images")
    assert "ridge regression on 30 images; no training" in event.stand_in
    network, *batches = evaluated(evaluation_task(folder, checkpoint=event.file))
    assert network.stand_in == event.stand_in
    right = [classes[0] == 30 * int(name[-7:-4]) for batch in batches for name, classes, _ in batch.rows]
    assert (len(right), sum(right)) == (30, 30)


def test_a_stand_in_needs_images_that_can_be_decoded(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "data", [b"BAD1", b"BAD2", *contents(4)], range(6))
    given = {**images_of(folder), "batch_size": 2, "documented": "tiny", "seed": 0, "calibration_images": 6}
    sent: Events = []
    task = MakeStandIn(**given, classes=1000, out=str(tmp_path / "x"))
    make_stand_in(fake_adapter.Adapter(), task, sent.append)
    assert "ridge regression on 4 images" in sent[0].stand_in


def test_a_checkpoint_that_was_changed_after_the_run_began_is_not_evaluated(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "tiny.bin")
    folder = write_images(tmp_path / "data", contents(4), range(4))
    given = {"checkpoint": checkpoint.file, "sha256": checkpoint.sha256}
    assert [event.event for event in evaluated(evaluation_task(folder, **given))] == ["network", "predictions"]
    save_checkpoint(tmp_path / "tiny.bin", seed=1)
    (event,) = evaluated(evaluation_task(folder, **given))
    assert event.event == "run_failed"
    assert "was changed after the run began" in event.message


# --- memory that does not suffice


def kinds(sent: Events) -> list[str]:
    return [event.event for event in sent]


def rows_of(sent: Events, run: int) -> dict[str, tuple[list[int], list[float]]]:
    return {
        name: (list(classes), list(logits))
        for event in sent
        if event.event == "predictions" and event.run == run
        for name, classes, logits in event.rows
    }


def test_a_batch_that_the_memory_does_not_hold_is_run_in_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_images(tmp_path, contents(18), [7] * 18)
    task = evaluation_task(folder, batch_size=8)
    expected = evaluated(task)
    monkeypatch.setenv("FAKE_MEMORY", "3")
    sent = evaluated(task)
    assert [event.at_once for event in sent if event.event == "short_of_memory"] == [4, 2]
    assert kinds(sent) == ["network", "short_of_memory", "short_of_memory", *["predictions"] * 3]
    found = rows_of(sent, 0)
    assert found.keys() == rows_of(expected, 0).keys()
    for name, (classes, values) in rows_of(expected, 0).items():
        assert found[name][0] == classes
        assert found[name][1] == pytest.approx(values, rel=1e-5)


def test_how_much_it_holds_is_known_for_the_next_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = evaluation_task(write_images(tmp_path, contents(8), [7] * 8), batch_size=8)
    networks = Networks(complete(fake_adapter.Adapter()))
    monkeypatch.setenv("FAKE_MEMORY", "4")
    for expected in (["network", "short_of_memory", "predictions"], ["network", "predictions"]):
        sent: Events = []
        evaluate(networks, task, sent.append, lambda _: None)
        assert kinds(sent) == expected


def test_a_single_image_that_it_does_not_hold_fails_the_network_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = evaluation_task(write_images(tmp_path, contents(4), [7] * 4))
    monkeypatch.setenv("FAKE_MEMORY", "0")
    (*_, failed) = evaluated(task)
    assert failed.event == "run_failed"
    assert failed.message == "CUDA out of memory. Tried to allocate 2.00 GiB"
    assert failed.elsewhere, "another GPU may have more"
    monkeypatch.setenv("FAKE_MEMORY", "1000")
    assert kinds(evaluated(task)) == ["network", "predictions"], "that is not remembered"


def test_networks_that_it_does_not_hold_together_follow_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = evaluation_task(write_images(tmp_path, contents(8), [7] * 8))
    (run,) = task.runs
    task = replace(task, runs=[run, of_model(run, "twin"), of_model(run, "tiny_wide")])
    expected = evaluated(task)
    monkeypatch.setenv("FAKE_NETWORKS", "1")
    gc.collect()
    sent = evaluated(task)
    assert [(event.run, event.at_once) for event in sent if event.event == "short_of_memory"] == [
        (1, 0),
        (2, 0),
        (2, 0),
    ]
    for number in range(3):
        assert rows_of(sent, number) == rows_of(expected, number)
    assert not [event for event in sent if event.event == "run_failed"]


def test_networks_that_are_done_leave_the_device(tmp_path: Path) -> None:
    task = evaluation_task(write_images(tmp_path, contents(4), [7] * 4))
    (run,) = task.runs
    two = replace(task, runs=[run, of_model(run, "twin")])
    networks = Networks(complete(fake_adapter.Adapter()))
    evaluate(networks, two, lambda _: None, lambda _: None)
    gc.collect()
    held = {network.model for network in fake_adapter._NETWORKS}
    assert held == {"tiny", "twin"}
    evaluate(networks, replace(task, finished=[two.runs[1].network]), lambda _: None, lambda _: None)
    assert {network.model for network in fake_adapter._NETWORKS} == {"tiny"}


def test_a_network_that_failed_leaves_the_device(tmp_path: Path) -> None:
    task = evaluation_task(write_images(tmp_path, contents(4), [7] * 4), "blind")
    networks = Networks(complete(fake_adapter.Adapter()))
    evaluate(networks, task, lambda _: None, lambda _: None)
    gc.collect()
    assert not fake_adapter._NETWORKS


def test_a_counter_that_runs_out_of_memory_is_no_fact_about_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"plain": 1, "broken": "OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB"}
    monkeypatch.setattr(fake_adapter.FakeNetwork, "multiply_adds", lambda *_: said)
    with pytest.raises(MemoryError, match="CUDA out of memory"):
        static("tiny")
