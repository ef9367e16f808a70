"""Several workers over one queue: every image once, the same bits, whatever becomes of a worker."""

import json
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import Recorder, contents, evaluate_one, installed, passes, save_checkpoint, told, write_images
from pretended_gpus import H100, pretend

from harness.checks.accuracy.group import Evaluation
from harness.core.cancellation import interruptible
from harness.dataset.image_set import ImageSet, open_images
from harness.execution.devices.pool import Part, Pool, Queue
from harness.execution.devices.seats import Seat
from harness.execution.engine import Work
from harness.execution.process import Worker
from harness.execution.session import Session
from harness.execution.store import Store
from harness.worker.protocol import Done, Event, Predicted, Ready, RunFailed
from harness.worker.tasks import Evaluate, NetworkSpec


def parts(number: int) -> list[Part]:
    return [Part([(0, [[at]])]) for at in range(number)]


# --- the queue


def test_each_part_is_taken_once() -> None:
    queue = Queue(parts(5), 2)
    taken = [queue.take(0), queue.take(1), queue.take(0)]
    for part, worker in zip(taken, (0, 1, 0), strict=True):
        assert part is not None
        assert queue.done(part, worker) == []
    rest = [queue.take(1), queue.take(1)]
    for part in rest:
        assert part is not None
        queue.done(part, 1)
    assert len({id(part) for part in (*taken, *rest)}) == 5
    assert queue.take(0) is queue.take(1) is None


def test_what_one_gives_up_another_tries_and_its_fault_retires_it() -> None:
    queue = Queue(parts(3), 2)
    first = queue.take(0)
    assert first is not None
    assert queue.give_back(first, 0, "no GPU")
    assert queue.take(1) is first, "before anything new"
    assert queue.done(first, 1) == [(0, "no GPU")]
    assert queue.take(0) is None, "it gets no more"
    for _ in range(2):
        part = queue.take(1)
        assert part is not None
        queue.done(part, 1)
    assert queue.take(1) is None


def test_what_nobody_can_do_is_no_fault_of_a_worker() -> None:
    queue = Queue(parts(2), 2)
    first = queue.take(0)
    assert first is not None
    assert queue.give_back(first, 0, "died")
    assert queue.take(1) is first
    assert not queue.give_back(first, 1, "died")
    for worker in (0, 1):  # both go on
        part = queue.take(worker)
        if part is not None:
            queue.done(part, worker)
    assert queue.take(0) is None


def test_one_that_gave_a_part_up_waits_for_the_verdict() -> None:
    queue = Queue(parts(3), 2)
    first, second = queue.take(0), queue.take(1)
    assert first is not None
    assert second is not None
    queue.give_back(first, 0, "died")
    got: list[Part | None] = []
    waiting = threading.Thread(target=lambda: got.append(queue.take(0)), daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert got == [], "though there is a third part"
    queue.done(second, 1)
    assert queue.take(1) is first
    queue.give_back(first, 1, "died")
    waiting.join(5)
    assert len(got) == 1
    assert got[0] is not None


def test_the_last_worker_is_never_retired() -> None:
    queue = Queue(parts(2), 2)
    first, second = queue.take(0), queue.take(1)
    assert first is not None
    assert second is not None
    queue.give_back(first, 0, "a")
    queue.give_back(second, 1, "b")
    assert queue.take(0) is second
    assert queue.take(1) is first
    assert queue.done(second, 0) == [(1, "b")]
    assert queue.done(first, 1) == [], "or none would be left"
    assert queue.take(0) is None


def test_what_the_retired_had_not_tried_is_tried_again_by_the_last() -> None:
    queue = Queue(parts(2), 2)
    first, second = queue.take(0), queue.take(1)
    assert first is not None
    assert second is not None
    queue.give_back(second, 1, "b")
    queue.give_back(first, 0, "a")
    assert queue.take(0) is second
    assert queue.done(second, 0) == [(1, "b")]
    assert queue.take(0) is first
    assert not queue.give_back(first, 0, "a")
    assert queue.take(0) is None


# --- the pool


class Scripted(Worker):
    """Answers everything, or dies at once where it is `broken`; networks in `kills` kill it."""

    broken: Sequence[int] = ()
    kills: Sequence[str] = ()
    made = 0

    def __init__(self, *given: object, **more: object) -> None:
        super().__init__(*given, **more)  # type: ignore[arg-type]
        self.number, Scripted.made = Scripted.made, Scripted.made + 1
        self.was_ready = True

    def do(self, task: Evaluate, handle: object) -> str | None:  # type: ignore[override]
        assert callable(handle)
        self.was_killed = True
        for number, run in enumerate(task.runs):
            if self.number in self.broken or run.network.model in self.kills:
                return f"worker {self.number} died."
            for batch in run.batches:
                rows = [(task.images[place].name, [1, 2], [2.0, 1.0]) for place in batch]
                handle(Predicted(number, rows, [], 1.0))
        handle(Done())
        return None


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    monkeypatch.setattr("harness.execution.devices.pool.Worker", Scripted)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for name, value in (("broken", ()), ("kills", ()), ("made", 0)):
        monkeypatch.setattr(Scripted, name, value)
    return Scripted


@pytest.fixture
def data(tmp_path: Path) -> ImageSet:
    return open_images(write_images(tmp_path / "data", contents(40), [7] * 40))


def pooled(
    tmp_path: Path, data: ImageSet, workers: int, *models: str
) -> tuple[list[Work], list[list[Event]], list[str]]:
    """Networks over all images in batches of two: the works, the events of each, and what was said."""
    batches = [[at, at + 1] for at in range(0, 40, 2)]
    works = [
        Work(
            Store(tmp_path / "store").predictions({"model": model}), NetworkSpec(model, None, "name", None), "", batches
        )
        for model in models
    ]
    heard: list[list[Event]] = [[] for _ in works]
    said: list[str] = []
    seats = [Seat("cpu", f"cpu:{number}") for number in range(workers)]
    with Pool(installed(), tmp_path / "log", seats, said.append) as pool:
        pool.do(works, data.images, lambda index, event: heard[index].append(event))
    return works, heard, said


def images_of(events: Sequence[Event]) -> list[str]:
    return sorted(name for event in events if isinstance(event, Predicted) for name, *_ in event.rows)


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("workers", [2, 3, 8])
def test_every_image_is_evaluated_once(tmp_path: Path, data: ImageSet, workers: int) -> None:
    works, heard, said = pooled(tmp_path, data, workers, "tiny", "twin")
    for work, events in zip(works, heard, strict=True):
        assert images_of(events) == sorted(ref.name for ref in data.images)
        assert len(work.predictions.read()) == 40
    assert said == []


def test_a_worker_that_dies_gives_its_part_back(tmp_path: Path, data: ImageSet, scripted: type[Scripted]) -> None:
    scripted.broken = (1,)
    _, heard, said = pooled(tmp_path, data, 3, "tiny", "twin")
    for events in heard:
        assert images_of(events) == sorted(ref.name for ref in data.images)
        assert not [event for event in events if isinstance(event, RunFailed)]
    retired = [text for text in said if "it gets no more" in text]
    assert len(retired) <= 1, "it may be that it never got a part"
    assert all(text.startswith("cpu:1: worker 1 died.") for text in said)


def test_a_network_that_kills_every_worker_fails_alone(
    tmp_path: Path, data: ImageSet, scripted: type[Scripted]
) -> None:
    scripted.kills = ("killer",)
    _, (tiny, killer, twin), said = pooled(tmp_path, data, 3, "tiny", "killer", "twin")
    for events in (tiny, twin):
        assert images_of(events) == sorted(ref.name for ref in data.images)
    assert images_of(killer) == []
    (failed,) = [event for event in killer if isinstance(event, RunFailed)]
    assert "died." in failed.message
    assert not any("it gets no more" in text for text in said), "no worker is at fault"


def test_all_broken_fails_with_the_reason(tmp_path: Path, data: ImageSet, scripted: type[Scripted]) -> None:
    scripted.broken = (0, 1)
    _, heard, _ = pooled(tmp_path, data, 2, "tiny", "twin")
    for events in heard:
        (failed,) = events
        assert isinstance(failed, RunFailed)
        assert "died." in failed.message


def test_an_error_of_the_caller_ends_all_workers(tmp_path: Path, data: ImageSet, scripted: type[Scripted]) -> None:
    assert scripted.made == 0

    class Full(Exception): ...

    def handle(_: int, __: Event) -> None:
        raise Full

    work = Work(Store(tmp_path / "store").predictions({}), NetworkSpec("tiny", None, "name", None), "", [[0], [1], [2]])
    seats = [Seat("cpu", f"cpu:{number}") for number in range(2)]
    with pytest.raises(Full), Pool(installed(), tmp_path / "log", seats, lambda _: None) as pool:
        pool.do([work], data.images, handle)


# --- with processes


def on(tmp_path: Path, store: str, device: str) -> Session:
    return Session(Store(tmp_path / store), Recorder(), device, 4)


def test_two_workers_give_the_bits_of_one(tmp_path: Path, data: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FORWARDS", str(tmp_path / "forwards"))
    asked = Evaluation("documented tiny", "tiny", save_checkpoint(tmp_path / "tiny.bin"), None, 8)
    alone = evaluate_one(on(tmp_path, "one", "cpu"), installed(), asked, data)
    (tmp_path / "forwards").unlink()
    both = on(tmp_path, "two", "cpu:0-1")
    run = evaluate_one(both, installed(), asked, data)
    assert told(run) == told(alone)
    assert len(passes(tmp_path / "forwards")) == 10
    assert both.failures == []
    assert sorted(path.name for path in (tmp_path / "two" / "logs").iterdir()) == [
        f"{both.log(installed()).stem}-cpu{n}.log" for n in range(2)
    ]


def test_a_broken_gpu_is_left_out(tmp_path: Path, data: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100, H100)
    monkeypatch.setenv("FAKE_DEVICES", str(tmp_path / "devices"))
    monkeypatch.setenv("FAKE_BROKEN_GPU", "1")
    asked = Evaluation("documented tiny", "tiny", save_checkpoint(tmp_path / "tiny.bin"), None, 8)
    session = on(tmp_path, "store", "all")
    run = evaluate_one(session, installed(), asked, data)
    assert session.failures == []
    assert run is not None
    assert run.images == 40
    assert str(run.device) == "NVIDIA H100 80GB HBM3, driver 580.65.06"
    lines = [json.loads(line) for line in (tmp_path / "devices").read_text().splitlines()]
    assert {(device, gpu) for device, gpu, _ in lines if device == "cuda"} == {("cuda", "0"), ("cuda", "1")}
    alone = evaluate_one(on(tmp_path, "one", "cpu"), installed(), asked, data)
    assert {**told(run), "device": None} == {**told(alone), "device": None}
    assert Ready().device == "cpu"


def test_an_interruption_ends_every_worker_and_the_rest_follows(
    tmp_path: Path, data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    start = Worker._start

    def starting(worker: Worker) -> object:
        process = start(worker)
        started.append(process.pid)
        return process

    monkeypatch.setattr(Worker, "_start", starting)
    asked = Evaluation("documented slow", "slow", save_checkpoint(tmp_path / "slow.bin", "slow"), None, 8)
    first, seen = on(tmp_path, "store", "cpu:0-1"), threading.Event()

    def see(_run: str, done: int, *_: object) -> None:
        if done >= 8:
            seen.set()

    monkeypatch.setattr(first.progress, "images", see)

    def work() -> None:
        evaluate_one(first, installed(), asked, data)

    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        seen.wait(60)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        interruptible(work)
    assert len(started) == 2
    for process in started:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    monkeypatch.setattr(Worker, "_start", start)
    resumed = evaluate_one(on(tmp_path, "store", "cpu:0-1"), installed(), asked, data)
    assert resumed is not None
    assert 0 < resumed.measured_now <= 32
    alone = evaluate_one(on(tmp_path, "one", "cpu"), installed(), asked, data)
    assert told(resumed) == told(alone)
