"""What becomes of several networks that are run together, whatever their worker does."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import Here, Killed, contents, installed, logits, passes, write_images

from harness.dataset.image_set import open_images
from harness.execution.devices.seats import Seat
from harness.execution.engine import Local, Work, perform
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.process import Worker
from harness.execution.store import Store
from harness.worker.images import ImageRef
from harness.worker.protocol import Done, Event, Predicted
from harness.worker.tasks import Evaluate, NetworkSpec

#: batches of ten images
PAIRS = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
EXPECTED = logits(contents(10))


@pytest.fixture(autouse=True)
def _unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # files that need not last


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Here:
    return Here(monkeypatch, tmp_path / "forwards")


@pytest.fixture
def order(tmp_path: Path) -> list[ImageRef]:
    """Ten images, in the order of contents()."""
    return sorted(open_images(write_images(tmp_path / "data", contents(10), [7] * 10)).images, key=lambda ref: ref.name)


def work(
    tmp_path: Path, model: str, batches: Sequence[Sequence[int]] = PAIRS, whole: Sequence[int] = (), **rest: Any
) -> Work:
    network = NetworkSpec(**{"model": model, "checkpoint": None, "match": "name", "input_size": None, **rest})
    predictions = Store(tmp_path / "store").predictions({"model": model, **rest})
    return Work(predictions, network, "0" * 64, batches, frozenset(whole))


class Heard:
    """What was told of each work."""

    def __init__(self, works: Sequence[Work]) -> None:
        self.events: list[list[Event]] = [[] for _ in works]
        self.said: list[str] = []
        self._works = works

    def __call__(self, index: int, event: Event) -> None:
        kinds = [one.event for one in self.events[index]]
        assert "run_failed" not in kinds, "nothing is told of what has failed"
        self.events[index].append(event)
        if event.event == "network":
            assert self._works[index].predictions.network() is not None, "it is stored before it is told"
        if event.event == "predictions":
            names = [row[0] for row in event.rows] + [name for name, _ in event.undecodable]
            assert self._works[index].predictions.batch(names) is not None, "it is stored before it is told"

    def batches(self) -> list[int]:
        """How often each work got on."""
        return [sum(event.event == "predictions" for event in events) for events in self.events]

    def failures(self) -> list[str | None]:
        """Why each work failed."""
        return [getattr(events[-1], "message", None) if events else None for events in self.events]


def done(worker: Worker, works: Sequence[Work], order: Sequence[ImageRef]) -> Heard:
    heard = Heard(works)
    perform(worker, works, order, heard, heard.said.append)
    return heard


def local(works: Sequence[Work], order: Sequence[ImageRef], tmp_path: Path, ready: Installed | None = None) -> Heard:
    heard = Heard(works)
    with Local(ready or installed(), tmp_path / "worker.log", Seat(), heard.said.append) as engine:
        engine.do(works, order, heard)
    return heard


def stored(predictions: Predictions) -> dict[int, tuple[list[int], list[float]]]:
    """Position of an image -> classes and logits; the number in its name is its position."""
    table = predictions.read()
    columns = (table[name] for name in ("image", "classes", "logits"))
    return {int(name[-7:-4]): (list(c), list(v)) for name, c, v in zip(*columns, strict=True)}


def right(found: Mapping[int, tuple[list[int], list[float]]], positions: Sequence[int], kept: int = 6) -> None:
    """Asserts that these are the predictions of tiny for just these images."""
    assert sorted(found) == sorted(positions)
    for position, (classes, values) in found.items():
        assert len(classes) == kept
        assert classes[:6] == np.argsort(-EXPECTED[position])[:6].tolist()
        assert len(set(classes)) == kept
        assert list(values) == sorted(values, reverse=True)
        # which images share a batch decides the last bits, on some machines more than on others
        assert list(values) == pytest.approx(EXPECTED[position][classes].tolist(), rel=1e-5, abs=1e-5)


# --- what goes in and comes out


def test_every_work_gets_its_own_predictions(here: Here, order: list[ImageRef], tmp_path: Path) -> None:
    works = [work(tmp_path, "tiny", [[4, 5, 6], [8]]), work(tmp_path, "twin", [[1, 2], [4, 5, 6], [7, 9]])]
    heard = local(works, order, tmp_path)
    assert heard.batches() == [2, 3]
    assert [len(events) for events in heard.events] == [3, 4]
    assert heard.said == []
    for one, positions in zip(works, ([4, 5, 6, 8], [1, 2, 4, 5, 6, 7, 9]), strict=True):
        right(stored(one.predictions), positions)
        network = one.predictions.network()
        assert network is not None
        assert network.engine == "fake fp32"
    (task,) = here.tasks
    assert [image.name for image in task.images] == [order[n].name for n in (1, 2, 4, 5, 6, 7, 8, 9)]


@pytest.mark.usefixtures("here")
def test_all_logits_are_kept_of_the_run_and_the_images_asked_for(order: list[ImageRef], tmp_path: Path) -> None:
    # a whole image that is in none of its batches, and one that another work has in its
    works = [work(tmp_path, "tiny", [[4, 5], [8]], whole=[0, 3, 5]), work(tmp_path, "twin", [[3], [4, 5]], whole=[4])]
    local(works, order, tmp_path)
    found = [{n: len(classes) for n, (classes, _) in stored(one.predictions).items()} for one in works]
    assert found == [{4: 6, 5: 1000, 8: 6}, {3: 6, 4: 1000, 5: 6}]
    right({5: stored(works[0].predictions)[5]}, [5], 1000)


def test_images_that_cannot_be_decoded_are_stored_with_the_reason(
    here: Here, order: list[ImageRef], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_KILL_AFTER", "2")
    for number in (0, 2, 3):
        Path(order[number].file).write_bytes(b"BAD")
    one = work(tmp_path, "killer")
    assert local([one], order, tmp_path).batches() == [5]
    assert [len(task.images) for task in here.tasks] == [10, 6, 4, 2], "they are not done again either"
    table = one.predictions.read()
    wrong = table[table["error"].notna()]
    assert wrong["image"].tolist() == [order[n].name for n in (0, 2, 3)]
    assert set(wrong["error"]) == {"fake: no pixels in it"}
    right({n: row for n, row in stored(one.predictions).items() if row[0]}, [1, 4, 5, 6, 7, 8, 9])


@pytest.mark.usefixtures("here")
def test_events_of_one_network_are_those_of_no_other(order: list[ImageRef], tmp_path: Path) -> None:
    works = [work(tmp_path, "boom"), work(tmp_path, "tiny"), work(tmp_path, "blind"), work(tmp_path, "tiny_wide")]
    heard = local(works, order, tmp_path)
    assert heard.batches() == [0, 5, 0, 5]
    assert heard.failures()[0] == "boom cannot be built"
    assert "not all finite numbers" in (heard.failures()[2] or "")
    assert [heard.failures()[n] for n in (1, 3)] == [None, None]
    right(stored(works[1].predictions), range(10))
    assert stored(works[3].predictions)[0] != stored(works[1].predictions)[0]


def test_nothing_is_started_for_nothing(here: Here, order: list[ImageRef], tmp_path: Path) -> None:
    assert local([], order, tmp_path).events == []
    assert here.tasks == []


def test_a_worker_is_kept_from_one_call_to_the_next(here: Here, order: list[ImageRef], tmp_path: Path) -> None:
    works = [work(tmp_path, "tiny", PAIRS[:2]), work(tmp_path, "tiny", PAIRS[2:])]
    heard = Heard(works)
    with Local(installed(), tmp_path / "worker.log", Seat(), heard.said.append) as engine:
        for one in works:
            engine.do([one], order, heard)
    assert (here.started, len(here.tasks)) == (1, 2)
    right(stored(works[0].predictions), range(10))


def test_an_image_that_cannot_be_read_fails_what_is_not_done(here: Here, order: list[ImageRef], tmp_path: Path) -> None:
    works = [work(tmp_path, "tiny", PAIRS[:2]), work(tmp_path, "twin"), work(tmp_path, "boom")]
    Path(order[6].file).unlink()
    heard = local(works, order, tmp_path)
    assert heard.failures()[0] is None, "it was done before"
    assert "006.jpg: cannot be read" in (heard.failures()[1] or "")
    assert heard.failures()[2] == "boom cannot be built", "it had failed before"
    assert heard.batches()[0] == 2
    assert (here.started, len(here.tasks)) == (1, 1), "it would be no other next time"


@pytest.mark.usefixtures("here")
def test_an_interruption_stops_it(order: list[ImageRef], tmp_path: Path) -> None:
    one = work(tmp_path, "tiny")

    def interrupt(_: int, event: Event) -> None:
        if event.event == "predictions":
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        Local(installed(), tmp_path / "worker.log", Seat(), lambda _: None) as engine,
    ):
        engine.do([one], order, interrupt)
    assert sorted(stored(one.predictions)) == [0, 1], "what it interrupted is stored"


# --- workers that die


def kill_after(monkeypatch: pytest.MonkeyPatch, images: int) -> None:
    monkeypatch.setenv("FAKE_KILL_AFTER", str(images))


def test_a_worker_that_dies_at_every_batch_gets_there(
    here: Here, order: list[ImageRef], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(monkeypatch, 2)
    killer = work(tmp_path, "killer")
    heard = local([killer], order, tmp_path)
    assert heard.batches() == [5]
    assert heard.failures() == [None]
    right(stored(killer.predictions), range(10))
    assert here.started == 5
    assert heard.said == ["the worker was killed. It is started again."] * 4
    assert len(here.passes()) == 9, "no batch is begun more than twice"
    assert [len(task.images) for task in here.tasks] == [10, 8, 6, 4, 2], "what is stored is not done again"


def test_one_that_never_gets_on_is_given_up(
    here: Here, order: list[ImageRef], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(monkeypatch, 1)
    killer = work(tmp_path, "killer")
    heard = local([killer], order, tmp_path)
    assert heard.failures() == ["the worker was killed."]
    assert (here.started, len(heard.said)) == (2, 1)
    assert stored(killer.predictions) == {}


def test_one_that_kills_its_worker_takes_no_other_with_it(
    here: Here, order: list[ImageRef], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(monkeypatch, 4)
    works = [work(tmp_path, model) for model in ("tiny", "killer", "twin", "boom")]
    heard = local(works, order, tmp_path)
    assert heard.batches() == [5, 5, 5, 0]
    assert heard.failures() == [None, None, None, "boom cannot be built"]
    for one in works[:3]:
        right(stored(one.predictions), range(10))
    assert [len(here.passes(model)) for model in ("tiny", "twin")] == [5, 5], "what was stored is not done again"
    models = [[run.network.model for run in task.runs] for task in here.tasks]
    assert models == [["tiny", "killer", "twin", "boom"], ["tiny"], ["killer"], ["killer"], ["twin"]]
    assert len(heard.said) == 2


def test_several_that_never_get_on_are_each_given_up(
    here: Here, order: list[ImageRef], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(monkeypatch, 1)
    monkeypatch.setenv("FAKE_BF16", "killed")
    works = [work(tmp_path, "killer"), work(tmp_path, "tiny"), work(tmp_path, "tiny", precision="bf16")]
    works.append(work(tmp_path, "twin"))
    heard = local(works, order, tmp_path)
    assert heard.batches() == [0, 5, 0, 5]
    assert heard.failures() == ["the worker was killed.", None, "the worker was killed.", None]
    runs = [[(run.network.model, run.network.precision) for run in task.runs] for task in here.tasks[1:]]
    killer, fast = [("killer", "fp32")], [("tiny", "bf16")]
    assert runs == [killer, killer, [("tiny", "fp32")], fast, fast, [("twin", "fp32")]]


class Scripted(Worker):
    """A worker of which each process answers so many batches and then dies, the last one none; None comes to its end.

    "unready" is one that could not be started, "early" one that was killed while it was, "silent" one that answers
    everything and dies before it says so.
    """

    def __init__(self, *script: int | str | None) -> None:
        super().__init__(installed(), Path("/nowhere"))
        self.script = list(script)
        self.given: list[int] = []  #: runs of each task

    def do(self, task: Evaluate, handle: Any) -> str | None:
        self.given.append(len(task.runs))
        how = self.script.pop(0)
        self.was_ready = how not in ("unready", "early")
        self.was_killed = how != "unready"
        if how == "unready":
            return "it cannot be started."
        if how == "early":
            return f"killed {len(self.given)}."
        answers = itertools.islice(self._answers(task), how if isinstance(how, int) else None)
        for event in answers:
            handle(event)
        if how is not None:
            return f"death {len(self.given)}."
        handle(Done())
        return None

    def _answers(self, task: Evaluate) -> Iterator[Event]:
        batches = [(batch, number) for number, run in enumerate(task.runs) for batch in run.batches]
        for batch, number in sorted(batches):
            rows = [(task.images[place].name, [1, 2], [2.0, 1.0]) for place in batch]
            yield Predicted(number, rows, [], 1.0)


@pytest.mark.parametrize(
    ("script", "got_on", "failed"),
    [
        ([None], 5, None),
        ([0, None], 5, None),
        ([0, 0], 0, "death 2."),
        ([3, 0, 0], 3, "death 3."),
        ([0, 1, 0, 1, 0, 1, 0, None], 5, None),
        ([0, 1, 0, 0], 1, "death 4."),
        ([4, 1], 5, None),
        (["silent"], 5, None),
        (["unready"], 0, "it cannot be started."),
        ([2, "unready"], 2, "it cannot be started."),
        (["early", None], 5, None),
        (["early", "early"], 0, "killed 2."),
        (["early", 1, "early", 1, "early", None], 5, None),
        # it says nothing of the network
        (["early", 0, None], 5, None),
        ([0, "early", 0], 0, "death 3."),
        (["early", "unready"], 0, "it cannot be started."),
    ],
)
def test_a_work_goes_on_as_long_as_it_gets_on(
    order: list[ImageRef], tmp_path: Path, script: list[int | str | None], got_on: int, failed: str | None
) -> None:
    worker = Scripted(*script)
    heard = done(worker, [work(tmp_path, "tiny")], order)
    assert worker.script == [], "it is not given up before"
    assert heard.batches() == [got_on]
    assert heard.failures() == [failed]
    assert len(heard.said) == len(script) - 1


@pytest.mark.parametrize(
    ("script", "given", "got_on", "failed"),
    [
        ([None], [2], [5, 5], [None, None]),
        # that several die together counts against none
        ([0, 0, None, 0, None], [2, 1, 1, 1, 1], [5, 5], [None, None]),
        ([0, 0, 0, 0, 0], [2, 1, 1, 1, 1], [0, 0], ["death 3.", "death 5."]),
        # nor does what the first one did count against the second
        ([4, 0, None, 0, None], [2, 1, 1, 1, 1], [5, 5], [None, None]),
        ([0, 0, 0, 0, None], [2, 1, 1, 1, 1], [0, 5], ["death 3.", None]),
        (["silent"], [2], [5, 5], [None, None]),
        # all of the first and all but one of the second
        ([9, None], [2, 1], [5, 5], [None, None]),
        ([9, "unready"], [2, 1], [5, 4], [None, "it cannot be started."]),
        ([2, "unready"], [2, 1], [1, 1], ["it cannot be started."] * 2),
        (["unready"], [2], [0, 0], ["it cannot be started."] * 2),
        (["early", None], [2, 2], [5, 5], [None, None]),
        (["early", "early"], [2, 2], [0, 0], ["killed 2."] * 2),
        ([3, "early", "early"], [2, 1, 1], [2, 1], ["killed 3."] * 2),
    ],
)
def test_works_that_die_together_go_on_alone(
    order: list[ImageRef],
    tmp_path: Path,
    script: list[int | str | None],
    given: list[int],
    got_on: list[int],
    failed: list[str | None],
) -> None:
    worker = Scripted(*script)
    heard = done(worker, [work(tmp_path, "tiny"), work(tmp_path, "twin")], order)
    assert worker.script == []
    assert worker.given == given
    assert heard.batches() == got_on
    assert heard.failures() == failed


def test_nobody_says_that_what_is_done_is_started_again(order: list[ImageRef], tmp_path: Path) -> None:
    assert done(Scripted("silent"), [work(tmp_path, "tiny"), work(tmp_path, "twin")], order).said == []
    assert done(Scripted(1, "unready"), [work(tmp_path, "tiny")], order).said == ["death 1. It is started again."]


# --- with processes


def test_a_process_that_is_killed(order: list[ImageRef], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_after(monkeypatch, 4)
    monkeypatch.setenv("FAKE_FORWARDS", str(tmp_path / "forwards"))
    works = [work(tmp_path, model) for model in ("tiny", "killer")]
    heard = local(works, order, tmp_path)
    assert heard.batches() == [5, 5]
    for one in works:
        right(stored(one.predictions), range(10))
    assert all("was killed by SIGKILL" in text for text in heard.said)
    begun = passes(tmp_path / "forwards")
    assert 5 <= sum(network == "tiny fp32" for network, _ in begun) <= 6, "at most one batch is done again"


def test_an_adapter_that_cannot_be_imported(order: list[ImageRef], tmp_path: Path) -> None:
    works = [work(tmp_path, "tiny"), work(tmp_path, "twin")]
    heard = local(works, order, tmp_path, installed(module="no_such_adapter"))
    assert [len(events) for events in heard.events] == [1, 1]
    for why in heard.failures():
        assert "No module named 'no_such_adapter'" in (why or "")
    assert heard.said == [], "it is not tried again"


def test_killed_is_no_error() -> None:
    """Or a network's failure would be taken for its worker's death."""
    assert not issubclass(Killed, Exception)
