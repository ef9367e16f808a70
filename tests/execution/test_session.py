"""What is measured once and kept, whatever goes wrong in between."""

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from builders import PREPROCESSING
from fakes import (
    CUT_JPEG,
    SPEC,
    VERSION,
    Recorder,
    best,
    contents,
    evaluate_one,
    installed,
    save_checkpoint,
    write_images,
)

from harness.checks.accuracy.group import Evaluation, evaluate
from harness.core.files import sha256
from harness.core.records import Run, Source
from harness.dataset.image_set import ImageSet, open_images
from harness.execution import cache_keys
from harness.execution.checkpoints import Checkpoint
from harness.execution.devices.seats import Seat
from harness.execution.engine import Local, Work
from harness.execution.environments import Installed
from harness.execution.process import Worker
from harness.execution.session import Session
from harness.execution.store import Store
from harness.worker.protocol import Done, NetworkBuilt, Predicted
from harness.worker.tasks import Evaluate, Task


def session(tmp_path: Path, batch_size: int = 4, device: str = "cpu") -> Session:
    return Session(Store(tmp_path / "store"), Recorder(), device, batch_size)


def progress(of: Session) -> list[tuple[str, int, int, int]]:
    assert isinstance(of.progress, Recorder)
    return of.progress.counts


def stages(of: Session) -> list[str]:
    assert isinstance(of.progress, Recorder)
    return of.progress.stages


def messages(of: Session) -> list[str]:
    return [failure.message for failure in of.failures]


def half_right(number: int, **network: Any) -> tuple[list[bytes], list[int]]:
    """Images and labels of which the network has every second right, and every fourth besides among its best."""
    images = contents(number)
    guesses = best(images, **network)
    return images, [
        guess[0] if n % 2 == 0 else guess[3] if n % 4 == 1 else (guess[0] + 500) % 1000
        for n, guess in enumerate(guesses)
    ]


def evaluation(tmp_path: Path, model: str = "tiny", input_size: int | None = None) -> Evaluation:
    checkpoint = save_checkpoint(tmp_path / "weights" / f"{model}.bin", model)
    return Evaluation(f"documented {model}", model, checkpoint, input_size, 8)


def counts(run: Run | None) -> tuple[int, int, int]:
    assert run is not None
    return run.images, run.top1_count, run.top5_count


# --- evaluation


def test_counts_of_right_answers_are_those_of_the_network(tmp_path: Path) -> None:
    images, labels = half_right(21)
    data = open_images(write_images(tmp_path / "data", images, labels))
    one = session(tmp_path)
    asked = evaluation(tmp_path)
    run = evaluate_one(one, installed(), asked, data)
    assert counts(run) == (21, 11, 16)
    assert run is not None
    assert (run.source, run.model, run.documented_model) == (Source("fake", VERSION), "tiny", "documented tiny")
    assert (run.input_size, run.preprocessing.crop) == (8, 8)
    assert (run.checkpoint.sha256, run.checkpoint.stand_in) == (asked.checkpoint.sha256, None)
    assert (run.measured_now, run.decode_errors) == (21, {})
    assert run.seconds > 0
    assert one.failures == []
    label = f"fake=={VERSION} documented tiny@8"
    assert progress(one) == [(label, 0, 21, 0), *((label, min(n, 21), 21, min(4, 25 - n)) for n in range(4, 25, 4))]


def test_an_evaluation_is_made_once(tmp_path: Path, started: list[list[str]]) -> None:
    data = open_images(write_images(tmp_path / "data", *half_right(6)))
    first = evaluate_one(session(tmp_path), installed(), evaluation(tmp_path), data)
    again = evaluate_one(session(tmp_path), installed(), evaluation(tmp_path), data)
    assert started == [["evaluate"]]
    assert len([*tmp_path.rglob("*.parquet")]) == 1, "the batches are one file in the end"
    assert first is not None
    assert again == dataclasses.replace(first, seconds=0.0, measured_now=0)


def test_a_killed_evaluation_keeps_what_it_had_and_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[list[str]]
) -> None:
    data = open_images(write_images(tmp_path / "data", *half_right(21)))
    asked = evaluation(tmp_path, "killer")
    monkeypatch.setenv("FAKE_KILL_AFTER", "3")
    first = session(tmp_path)
    assert evaluate_one(first, installed(), asked, data) is None
    (failure,) = first.failures
    assert (failure.model, failure.stage) == ("documented killer", "evaluate")
    assert "was killed by SIGKILL" in failure.message
    assert "try a smaller --batch-size" in failure.message
    assert started == [["evaluate"], ["evaluate"]], "what does not get on is tried twice"
    monkeypatch.setenv("FAKE_KILL_AFTER", "10")
    second = session(tmp_path)
    resumed = evaluate_one(second, installed(), asked, data)
    assert second.failures == []
    assert resumed is not None
    assert resumed.measured_now == 21
    assert len(started) == 5, "8, 8 and 5 images: as long as it gets on it is started again"
    assert [text.count("was killed by SIGKILL") for text in stages(second)] == [1, 1]
    whole = evaluate_one(session(tmp_path / "uninterrupted"), installed(), asked, data)
    assert counts(resumed) == counts(whole) == (21, 11, 16)


@pytest.mark.parametrize(("kills", "evaluated"), [(1, True), (2, False)])
def test_a_worker_that_is_killed_before_it_is_ready(tmp_path: Path, kills: int, evaluated: bool) -> None:
    """Which says nothing of the networks, unless it happens time and again."""
    data = open_images(write_images(tmp_path / "data", *half_right(6)))
    interpreter = tmp_path / "interpreter"
    interpreter.write_text(
        f"#!/bin/sh\necho >> {tmp_path}/starts\n[ $(wc -l < {tmp_path}/starts) -gt {kills} ] || kill -9 $$\n"
        f'exec {sys.executable} "$@"\n'
    )
    interpreter.chmod(0o755)
    one = session(tmp_path)
    asked = [evaluation(tmp_path, model) for model in ("tiny", "twin")]
    runs = evaluate(one, installed(python=interpreter), asked, data)
    assert [run is not None for run in runs] == [evaluated] * 2
    assert len((tmp_path / "starts").read_text()) == 2
    assert [text.count("was killed by SIGKILL") for text in stages(one)] == [1]
    assert ["was killed by SIGKILL" in message for message in messages(one)] == [True] * 2 * (not evaluated)


def test_batches_that_come_in_another_order_than_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_images(write_images(tmp_path / "data", *half_right(12)))
    checkpoint = evaluation(tmp_path, "killer").checkpoint
    network = {"model": "killer", "checkpoint": checkpoint.file, "match": "name", "input_size": None}
    network |= {"runtime": "native", "precision": "fp32", "conversion": None}
    work = Work(Store(tmp_path / "store").predictions({}), network, checkpoint.sha256, [[8, 9], [0, 1], [4, 5]])
    monkeypatch.setenv("FAKE_KILL_AFTER", "2")
    monkeypatch.setenv("FAKE_FORWARDS", str(tmp_path / "forwards"))
    with Local(installed(), tmp_path / "log", Seat(), lambda _: None) as engine:
        engine.do([work], data.images, lambda *_: None)
    assert len(work.predictions.read()) == 6
    begun = [tuple(images) for _, _, images in map(json.loads, (tmp_path / "forwards").read_text().splitlines())]
    assert len(begun) == 5
    assert len(set(begun)) == 3, "each was killed once, at the start of the next"


def test_an_interrupted_evaluation_keeps_what_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_images(write_images(tmp_path / "data", *half_right(21)))
    first = session(tmp_path)

    def interrupt(run: str, done: int, *_: object) -> None:  # noqa: ARG001
        if done == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(first.progress, "images", interrupt)
    with pytest.raises(KeyboardInterrupt):
        evaluate_one(first, installed(), evaluation(tmp_path, "slow"), data)
    second = evaluate_one(session(tmp_path), installed(), evaluation(tmp_path, "slow"), data)
    assert second is not None
    assert second.measured_now == 13
    assert counts(second) == (21, 11, 16)


def test_images_that_cannot_be_decoded_are_named_once_and_never_scored(tmp_path: Path) -> None:
    images, labels = half_right(8)
    guesses = best(images)
    images[1], images[5] = CUT_JPEG, b"BAD"
    labels[1], labels[5] = guesses[1][0], guesses[5][0]
    data = open_images(write_images(tmp_path / "data", images, labels))
    for _ in range(2):
        one = session(tmp_path)
        run = evaluate_one(one, installed(), evaluation(tmp_path), data)
        assert counts(run) == (6, 4, 4)
        assert run is not None
        assert {name[-7:]: why for name, why in run.decode_errors.items()} == {
            "001.jpg": f"the JPEG is truncated: no end marker in its {len(CUT_JPEG)} bytes",
            "005.jpg": "fake: no pixels in it",
        }
        assert sorted(message.rpartition("/")[2] for message in messages(one)) == [
            f"001.jpg was not scored: the JPEG is truncated: no end marker in its {len(CUT_JPEG)} bytes",
            "005.jpg was not scored: fake: no pixels in it",
        ]
        assert {failure.stage for failure in one.failures} == {"evaluate"}


def test_a_set_without_one_image_that_can_be_decoded(tmp_path: Path) -> None:
    data = open_images(write_images(tmp_path / "data", [b"BAD1", b"BAD2"], [1, 2]))
    one = session(tmp_path)
    assert counts(evaluate_one(one, installed(), evaluation(tmp_path), data)) == (0, 0, 0)
    assert len(one.failures) == 2


def test_labels_that_are_off_by_one_are_told_from_the_predictions(tmp_path: Path) -> None:
    images = contents(40)
    labels = [(guess[0] + 1) % 1000 for guess in best(images)]
    data = open_images(write_images(tmp_path / "data", images, labels))
    run = evaluate_one(session(tmp_path, batch_size=40), installed(), evaluation(tmp_path), data)
    assert run is not None
    assert (run.label_note or "").startswith("labels look off by one: of 40 predictions 100.0% equal label -1")


def test_a_checkpoint_that_does_not_fit_is_described(tmp_path: Path) -> None:
    data = open_images(write_images(tmp_path / "data", *half_right(3)))
    checkpoint = save_checkpoint(tmp_path / "tiny.bin", "tiny")
    one = session(tmp_path)
    assert evaluate_one(one, installed(), Evaluation("wide", "tiny_wide", checkpoint, None, 8), data) is None
    (message,) = messages(one)
    assert message.startswith(f"{checkpoint.file} does not fit the network, 3 differences: mean has shape (48,),")
    assert "weight has shape (1000, 48), expected (1000, 192)" in message
    assert "kept" not in message


def test_a_stand_in_is_known_by_its_mark(tmp_path: Path) -> None:
    data = open_images(write_images(tmp_path / "data", *half_right(3)))
    checkpoint = save_checkpoint(tmp_path / "tiny.bin", "tiny", stand_in="stand-in: made up here")
    run = evaluate_one(session(tmp_path), installed(), Evaluation("tiny", "tiny", checkpoint, None, 8), data)
    assert run is not None
    assert run.checkpoint.stand_in == "stand-in: made up here"


def test_a_checkpoint_that_is_none(tmp_path: Path) -> None:
    data = open_images(write_images(tmp_path / "data", *half_right(3)))
    (tmp_path / "tiny.bin").write_bytes(b"<html>not found</html>")
    one = session(tmp_path)
    checkpoint = Checkpoint(str(tmp_path / "tiny.bin"), sha256(tmp_path / "tiny.bin"), None, "")
    assert evaluate_one(one, installed(), Evaluation("tiny", "tiny", checkpoint, None, 8), data) is None
    assert "tiny.bin: not a NumPy archive of arrays alone" in messages(one)[0]


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    images, labels = half_right(2)
    folder = write_images(tmp_path / "data", [*images, b"BAD"], [*labels, 7])
    try:
        for path in sorted(folder.glob("*/*.jpg")):
            path.rename(path.with_name("caf\udce9" + path.name))
    except OSError as error:
        pytest.skip(f"this file system takes UTF-8 names alone: {error}")
    one = session(tmp_path)
    run = evaluate_one(one, installed(), evaluation(tmp_path), open_images(folder))
    assert counts(run) == (2, 1, 2)
    assert r"caf\xe9002.jpg was not scored" in messages(one)[0]


# --- what a measurement is known by


Change = Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]


def other_code(tmp_path: Path, _: pytest.MonkeyPatch) -> dict[str, Any]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "fake_adapter.py").write_text("changed")
    return {"ready": dataclasses.replace(installed(), spec=dataclasses.replace(SPEC, folder=tmp_path / "code"))}


def other_harness(_: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(cache_keys, "_WORKER", ("core",))
    return {}


def other_source(*_: object) -> dict[str, Any]:
    return {"ready": dataclasses.replace(installed(), source=Source("other", VERSION))}


def other_image(tmp_path: Path, _: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"images": open_images(write_images(tmp_path / "more", contents(4), [1, 2, 3, 4]))}


def other_bytes(tmp_path: Path, _: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"images": open_images(write_images(tmp_path / "more", contents(4)[1:], [1, 2, 3]))}


def other_label(tmp_path: Path, _: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"images": open_images(write_images(tmp_path / "more", contents(3), [1, 2, 4]))}


CHANGES: dict[str, Change] = {
    "source": other_source,
    "version": lambda *_: {"ready": installed(version="99.0")},
    "packages": lambda *_: {"ready": installed(packages=["numpy==99.0"])},
    "adapter's code": other_code,
    "harness's code": other_harness,
    "model": lambda *_: {"evaluation": {"model": "twin"}},
    "checkpoint": lambda *_: {"checkpoint": {"sha256": "1" * 64}},
    "match": lambda *_: {"checkpoint": {"match": "order"}},
    "input size": lambda *_: {"evaluation": {"input_size": 16}},
    "batch size": lambda *_: {"session": {"batch_size": 5}},
    "device": lambda *_: {"session": {"device": "cuda"}},
    "an image more": other_image,
    "an image's bytes": other_bytes,
    "a label": other_label,
}
#: what makes no other measurement
SAME: dict[str, Change] = {
    "nothing": lambda *_: {},
    "documented name": lambda *_: {"evaluation": {"documented_model": "another"}},
    "the source's own size by name": lambda *_: {"evaluation": {"input_size": 8}},
    "where the checkpoint is": lambda *_: {"checkpoint": {"file": "/elsewhere.bin", "origin": "another"}},
}


@pytest.mark.parametrize("name", [*CHANGES, *SAME])
def test_predictions_are_known_by_everything_that_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def do(_: Worker, task: Task, handle: Any) -> None:
        if not isinstance(task, Evaluate):  # it asks what a worker has
            return
        evaluated.append(len(task.images))
        handle(NetworkBuilt(0, 8, PREPROCESSING, None, ""))
        handle(
            Predicted(0, [(image.name, [1, 2, 3, 4, 5], [5.0, 4.0, 3.0, 2.0, 1.0]) for image in task.images], [], 1.0)
        )
        handle(Done())

    def evaluate(
        ready: Installed | None = None,
        images: ImageSet | None = None,
        **changed: Mapping[str, Any],
    ) -> None:
        checkpoint = dataclasses.replace(Checkpoint("/tiny.bin", "0" * 64, None, ""), **changed.get("checkpoint", {}))
        asked = dataclasses.replace(Evaluation("tiny", "tiny", checkpoint, None, 8), **changed.get("evaluation", {}))
        one = session(tmp_path, **changed.get("session", {}))
        assert evaluate_one(one, ready or installed(), asked, images or data) is not None

    evaluated: list[int] = []
    monkeypatch.setattr(Worker, "do", do)
    data = open_images(write_images(tmp_path / "data", contents(3), [1, 2, 3]))
    evaluate()
    assert evaluated == [3]
    evaluate(**{**CHANGES, **SAME}[name](tmp_path, monkeypatch))
    assert len(evaluated) == (2 if name in CHANGES else 1)
    evaluated.clear()
    monkeypatch.undo()
    monkeypatch.setattr(Worker, "do", do)
    evaluate()
    assert evaluated == [], "what was measured before is still there"
