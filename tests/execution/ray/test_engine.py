"""A cluster simulated on this machine: its results are those of one process, whatever dies in between."""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import (
    SPEC,
    VERSION,
    Recorder,
    best,
    contents,
    installed,
    predicted,
    save_checkpoint,
    told,
    use_fakes,
    write_images,
)
from folders import ROOT, SUPPORT

from harness.execution.ray import cluster as ray_cluster
from harness.execution.ray import node as ray_node

ray = pytest.importorskip("ray")

from fake_adapter import Adapter
from harness.adapters.records import Device
from ray.cluster_utils import Cluster as Simulated

from harness import report
from harness.checks.accuracy.group import Evaluation, evaluate
from harness.checks.run import execute
from harness.core.cancellation import side_by_side
from harness.core.errors import InputError, MeasurementError
from harness.dataset.image_set import ImageSet, open_images
from harness.execution import environments, registry
from harness.execution.cache_keys import code_of
from harness.execution.engine import BLOCK, Work
from harness.execution.predictions import Predictions
from harness.execution.ray import engine as ray_engine
from harness.execution.ray import hands as ray_hands
from harness.execution.ray.engine import Cluster
from harness.execution.ray.node import Part
from harness.execution.session import Session
from harness.execution.store import Store
from harness.plan.options import Options
from harness.plan.preview import preview
from harness.worker.tasks import NetworkSpec

BATCH = 4
H100, V100 = Device("cuda", "H100", "1"), Device("cuda", "V100", "2")


SMALL: dict[str, Any] = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100 * 2**20}


class Nodes:
    """Two nodes of one processor each, the first of which is the head."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"  #: of the nodes
        self.forwards = folder / "forwards"  #: see fake_adapter; of the nodes, too
        with self._environment():
            self.simulated = Simulated(initialize_head=True, head_node_args=SMALL)
        self.other: Any = None

    @contextlib.contextmanager
    def _environment(self) -> Iterator[None]:
        """What nodes have in their environment when they start holds for all tests."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join([str(SUPPORT), str(ROOT)]))
            patch.setenv("FAKE_FORWARDS", str(self.forwards))
            patch.setenv("PARITY_CACHE", str(self.cache))
            yield

    def complete(self) -> None:
        """Has the other node, too, which a test may have removed."""
        if self.other is None:
            with self._environment():
                self.other = self.simulated.add_node(**SMALL)
            self.simulated.wait_for_nodes()

    def remove(self) -> None:
        """The other node dies as when its power goes."""
        self.simulated.remove_node(self.other, allow_graceful=False)
        self.other = None

    def is_on_the_other(self, process: int) -> bool:
        """Whether a source's worker, started by a process of Ray, runs there."""
        with contextlib.suppress(OSError):
            return parent(parent(process)) == self.other.all_processes["raylet"][0].process.pid
        return False

    def cluster(self) -> Cluster:
        return Cluster(None, None, lambda _: None)

    def passes(self, since: int = 0) -> list[tuple[int, str, tuple[str, ...]]]:
        """Process, network and images of every forward pass on a node from line `since` on."""
        lines = self.forwards.read_text().splitlines() if self.forwards.exists() else []
        found = [json.loads(line) for line in lines[since:]]
        return [(process, network, tuple(digests)) for process, network, digests in found]


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Once for all tests, because it takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        patch.setenv("FAKE_BF16", "0.01")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TMPDIR", short := tempfile.mkdtemp(prefix="ray-"))  # names of sockets must be short
        patch.delenv("RAY_ADDRESS", raising=False)
        found = Nodes(tmp_path_factory.mktemp("nodes"))
        before = signal.getsignal(signal.SIGTERM)
        Cluster(found.simulated.address, None, lambda _: None)
        assert signal.getsignal(signal.SIGTERM) is before, "Ray leaves without a word where it is told to end"
        yield found
        ray.shutdown()
        found.simulated.shutdown()
        shutil.rmtree(short)
    processes = {process for process, *_ in found.passes()}
    assert eventually(lambda: not any(map(alive, processes))), "a worker is left"


@pytest.fixture
def nodes(started: Nodes) -> Nodes:
    started.complete()
    return started


def eventually(true: Callable[[], object], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def parent(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("PPid:")[2].split()[0])


def data(folder: Path, number: int = 160, broken: Sequence[int] = ()) -> ImageSet:
    """Images of which tiny has every second right, and the others among its best five."""
    images = contents(number)
    labels = [guess[0] if n % 2 else guess[3] for n, guess in enumerate(best(images))]
    for n in broken:
        images[n] = b"BAD%d" % n
    return open_images(write_images(folder, images, labels))


def asked(folder: Path, *models: str) -> list[Evaluation]:
    return [Evaluation(model, model, save_checkpoint(folder / f"{model}.bin", model), None, 8) for model in models]


def session(store: Path, cluster: Cluster | None = None, precision: str = "fp32") -> Session:
    return Session(Store(store), Recorder(), "cpu", BATCH, "native", precision, cluster)


def stored(store: Path) -> set[str]:
    """Images that the store has."""
    folders = [*(store / "predictions").glob("*")]
    return {row[0] for folder in folders for row in predicted(Predictions(folder))}


def digests(images: ImageSet) -> dict[str, str]:
    """What fake_adapter calls an image in its log -> name."""
    network = Adapter().build("tiny")
    prepared = {ref.name: network.preprocess(Path(ref.file).read_bytes()) for ref in images.images}
    return {hashlib.sha256(array.tobytes()).hexdigest()[:16]: name for name, array in prepared.items()}


@dataclasses.dataclass(frozen=True)
class Slow:
    """A network that takes some seconds for its images, and what it is known to say of them."""

    images: ImageSet
    asked: list[Evaluation]
    expected: dict[str, Any]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Slow:
    folder = tmp_path_factory.mktemp("slow")
    images, evaluations = data(folder / "data", 320), asked(folder / "weights", "slow")
    [run] = evaluate(session(folder / "store"), installed(), evaluations, images)
    return Slow(images, evaluations, told(run))


# --- the same results


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_results_are_those_of_one_process_to_the_last_bit(tmp_path: Path, nodes: Nodes, precision: str) -> None:
    images = data(tmp_path / "data", broken=[7, 90])
    two = asked(tmp_path / "weights", "tiny", "twin")
    far = session(tmp_path / "far", nodes.cluster(), precision)
    near = session(tmp_path / "near", None, precision)
    before = len(nodes.passes())
    found = evaluate(far, installed(), two, images)
    assert len({process for process, *_ in nodes.passes(before)}) > 1, "both nodes had something to do"
    expected = evaluate(near, installed(), two, images)
    assert [told(run) for run in found] == [told(run) for run in expected]
    assert [(run.images, run.top1_count, run.measured_now) for run in found if run] == [(158, 79, 160)] * 2
    assert [failure.message for failure in far.failures] == [failure.message for failure in near.failures]
    if precision == "bf16":
        assert found[0] is not None
        assert found[0].certificate is not None
        assert found[0].certificate.fallback is None
        assert found[0].certificate.rerun > 0
    again = evaluate(session(tmp_path / "far", None, precision), installed(), two, images)
    assert [told(run) for run in again] == [told(run) for run in expected]
    assert [run.measured_now for run in again if run] == [0, 0], "one store serves both"


def test_images_are_decoded_once_for_networks_that_share_them(tmp_path: Path, nodes: Nodes) -> None:
    """Two networks over the same images come to the same process one after the other, batch by batch."""
    images = data(tmp_path / "data", 64)
    before = len(nodes.passes())
    evaluate(session(tmp_path / "store", nodes.cluster()), installed(), asked(tmp_path / "w", "tiny", "twin"), images)
    whole = [(process, batch) for process, _, batch in nodes.passes(before) if len(batch) == BATCH]
    assert len(whole) == 32
    assert set(Counter(whole).values()) == {2}


# --- what ends a run


def test_an_interrupted_run_leaves_no_task_and_goes_on_from_what_is_stored(
    tmp_path: Path, nodes: Nodes, slow: Slow
) -> None:
    first = session(tmp_path / "store", nodes.cluster())

    at_once: list[int] = []

    def interrupt(run: str, done: int, *_: object) -> None:  # noqa: ARG001
        if done >= 80:
            at_once.append(len(nodes.passes()))
            raise KeyboardInterrupt

    first.progress.images = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        evaluate(first, installed(), slow.asked, slow.images)
    assert eventually(lambda: ray.available_resources().get("CPU") == 2), "its tasks are gone"
    passed = len(nodes.passes())
    assert passed - at_once[0] <= 6, "two parts that run end after the batch that is stored next"
    kept = stored(tmp_path / "store")
    time.sleep(0.5)
    assert len(nodes.passes()) == passed, "and so is what they had started"
    second = session(tmp_path / "store", nodes.cluster())
    [found] = evaluate(second, installed(), slow.asked, slow.images)
    assert found is not None
    assert told(found) == slow.expected
    assert found.measured_now == 320 - len(kept) <= 240
    name_of = digests(slow.images)
    again = {name_of[digest] for _, _, batch in nodes.passes(passed) if len(batch) == BATCH for digest in batch}
    assert again == {ref.name for ref in slow.images.images} - kept


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError("no such image")])
def test_what_ends_one_source_ends_those_beside_it(
    tmp_path: Path, nodes: Nodes, slow: Slow, error: BaseException | type[BaseException]
) -> None:
    cluster = nodes.cluster()
    before = len(nodes.passes())

    def one(name: str) -> None:
        if name == "slow":
            evaluate(session(tmp_path / "store", cluster), installed(), slow.asked, slow.images)
        assert eventually(lambda: len(nodes.passes(before)) > 5)
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        side_by_side(one, ["slow", "other"])
    assert eventually(lambda: ray.available_resources().get("CPU") == 2)
    assert len(nodes.passes(before)) < 80


# --- what fails


def test_an_image_that_cannot_be_read_fails_the_networks_as_it_does_here(tmp_path: Path, nodes: Nodes) -> None:
    images = data(tmp_path / "data", 40)
    Path(images.images[17].file).unlink()
    two = asked(tmp_path / "weights", "tiny", "twin")
    far, near = session(tmp_path / "far", nodes.cluster()), session(tmp_path / "near")
    assert evaluate(far, installed(), two, images) == evaluate(near, installed(), two, images) == [None, None]
    told_by_each = [[failure.message.partition(" (")[0] for failure in one.failures] for one in (far, near)]
    assert told_by_each[0] == told_by_each[1]
    assert told_by_each[0][0].startswith(f"{images.images[17].file}: cannot be read: No such file")


class FullDisk(Predictions):
    """A disk that is full wherever but in the process that made this."""

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self.mine = os.getpid()

    def append(self, rows: Any, undecodable: Any, full_logits: Any = ()) -> None:
        if os.getpid() != self.mine:
            raise OSError(28, "No space left on device", str(self.folder))
        super().append(rows, undecodable, full_logits)


def test_a_full_disk_of_a_node_ends_the_run_as_one_here_does(
    tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.execution.store.Predictions", FullDisk)
    with pytest.raises(OSError, match="No space left on device") as caught:
        evaluate(
            session(tmp_path / "store", nodes.cluster()),
            installed(),
            asked(tmp_path / "w", "tiny"),
            data(tmp_path / "data", 8),
        )
    assert type(caught.value) is OSError
    assert caught.value.errno == 28
    assert str(caught.value.filename).startswith(str(tmp_path / "store" / "predictions"))


def test_a_network_that_fails_ends_its_run_alone(tmp_path: Path, nodes: Nodes) -> None:
    images = data(tmp_path / "data")
    good = asked(tmp_path / "weights", "tiny", "blind")
    bad = dataclasses.replace(good[0], documented_model="wide", model="tiny_wide")
    boom = dataclasses.replace(good[0], documented_model="boom", model="boom")
    results = []
    for cluster in (nodes.cluster(), None):
        one = session(tmp_path / ("near" if cluster is None else "far"), cluster)
        runs = evaluate(one, installed(), [bad, good[0], boom], images)
        results.append(([run and told(run) for run in runs], [(f.model, f.message) for f in one.failures]))
    assert results[0] == results[1]
    (first, second, third), failures = results[0]
    assert (first, third) == (None, None)
    assert second is not None
    assert (second["images"], second["top1_count"]) == (160, 80)
    assert failures[0][1].startswith(f"{bad.checkpoint.file} does not fit the network, 3 differences: ")
    assert failures[1] == ("boom", "boom cannot be built")


def test_a_run_that_failed_is_told_of_once_and_given_nothing_more(tmp_path: Path, nodes: Nodes) -> None:
    images = data(tmp_path / "data")
    [good, other] = asked(tmp_path / "weights", "tiny", "twin")
    events: list[tuple[int, str]] = []
    works = [work(tmp_path, good, images), work(tmp_path, dataclasses.replace(other, model="boom"), images)]
    engine = nodes.cluster().engine(installed(), tmp_path / "log", "cpu")
    engine.do(works, images.images, lambda index, event: events.append((index, event.event)))
    assert [event for event in events if event[0] == 1] == [(1, "run_failed")]
    assert events.count((0, "predictions")) == 40


def work(folder: Path, asked_for: Evaluation, images: ImageSet) -> Work:
    """All images in batches of four."""
    predictions = Store(folder / "store").predictions({"model": asked_for.model, "of": asked_for.documented_model})
    network = NetworkSpec(asked_for.model, asked_for.checkpoint.file, "name", None)
    positions = range(len(images.images))
    batches = [list(positions[start : start + BATCH]) for start in range(0, len(positions), BATCH)]
    return Work(predictions, network, asked_for.checkpoint.sha256, batches)


def test_a_node_with_other_code_fails_the_networks_and_not_the_run(
    tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "code_of", lambda _: "of another release")
    one = session(tmp_path / "store", nodes.cluster())
    runs = evaluate(one, installed(), asked(tmp_path / "weights", "tiny", "twin"), data(tmp_path / "data", 8))
    assert runs == [None, None]
    assert [failure.model for failure in one.failures] == ["tiny", "twin"]
    for failure in one.failures:
        assert "would measure with other code or packages than the rest: another release of the" in failure.message


# --- what nodes need and have


class Elsewhere(Predictions):
    """A folder that is another one on every other machine."""

    def __getstate__(self) -> Mapping[str, Any]:
        return {"folder": Path("/nowhere") / self.folder.name}


def test_a_store_that_nodes_do_not_see_is_complete_in_the_end(
    tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = data(tmp_path / "data", broken=[5])
    two = asked(tmp_path / "weights", "tiny", "twin")
    monkeypatch.setattr("harness.execution.store.Predictions", Elsewhere)
    found = evaluate(session(tmp_path / "far", nodes.cluster()), installed(), two, images)
    monkeypatch.undo()
    expected = evaluate(session(tmp_path / "near"), installed(), two, images)
    assert [told(run) for run in found] == [told(run) for run in expected]
    assert not Path("/nowhere").exists()
    assert [*Path(tempfile.gettempdir()).glob("parity-part-*")] == []
    again = evaluate(session(tmp_path / "far"), installed(), two, images)
    assert [run.measured_now for run in again if run] == [0, 0]


def test_a_relative_store_is_that_of_whoever_asked(
    tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = session(Path("store"), nodes.cluster())
    [run] = evaluate(one, installed(), asked(tmp_path / "weights", "tiny"), data(tmp_path / "data", 8))
    assert run is not None
    assert Path(run.predictions).is_relative_to(tmp_path / "store")


def test_checkpoints_travel_by_content_and_are_verified_where_they_arrive(tmp_path: Path, nodes: Nodes) -> None:
    images = data(tmp_path / "data", 40)
    [one] = asked(tmp_path / "weights", "tiny")
    content = Path(one.checkpoint.file).read_bytes()
    copy = nodes.cache / "checkpoints" / f"{one.checkpoint.sha256}.bin"
    cluster = nodes.cluster()
    expected = None
    for store, left in (("first", None), ("second", content[:-1] + b"x"), ("third", b"")):
        if left is not None:
            copy.write_bytes(left)
        [run] = evaluate(session(tmp_path / store, cluster), installed(), [one], images)
        assert copy.read_bytes() == content
        assert run is not None
        assert run.checkpoint.file == one.checkpoint.file
        expected = expected or told(run)
        assert told(run) == expected
        Path(one.checkpoint.file).unlink(missing_ok=True)  # by now the cluster has it
    assert [*copy.parent.glob(".*")] == []


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """This process as a node of its own."""
    monkeypatch.setattr(ray_node, "kept_workers", {})
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "node"))
    monkeypatch.setenv("FAKE_FORWARDS", str(tmp_path / "forwards"))
    yield
    for worker in ray_node.kept_workers.values():
        worker.__exit__(None)


def part(tmp_path: Path, works: Sequence[Work], images: ImageSet, ready: Any = None) -> list[tuple[int, Any]]:
    """The part done here and now."""
    ready = ready or installed()
    blobs = [np.frombuffer(Path(one.network.checkpoint).read_bytes(), np.uint8) for one in works]
    refs = dict(enumerate(images.images))
    return ray_node.run_part(Part(ready, code_of(ready.spec), "run", works, refs, "cpu", 1, tmp_path / "log"), *blobs)


@pytest.mark.usefixtures("node")
def test_a_part_that_is_started_again_takes_what_is_stored(tmp_path: Path) -> None:
    images = data(tmp_path / "data", 16, broken=[2])
    works = [work(tmp_path, one, images) for one in asked(tmp_path / "weights", "tiny", "twin")]
    first = part(tmp_path, works, images)
    passes = (tmp_path / "forwards").read_text()
    second = part(tmp_path, works, images)
    assert (tmp_path / "forwards").read_text() == passes

    def rows(events: Sequence[tuple[int, Any]]) -> list[Any]:
        found = [(index, event) for index, event in events if event.event == "predictions"]
        listed = [(i, [[n, [*c], [*v]] for n, c, v in e.rows], [[*b] for b in e.undecodable]) for i, e in found]
        return sorted(listed, key=lambda one: (one[0], one[1][0][0]))

    assert rows(second) == rows(first)
    assert len(rows(first)) == 8
    (works[1].predictions.folder / "network.json").unlink()
    third = part(tmp_path, works, images)
    assert {index for index, event in third if event.event == "network"} == {1}, "nothing told how it was built"
    assert works[1].predictions.network() is not None
    again = (tmp_path / "forwards").read_text().removeprefix(passes).splitlines()
    assert {json.loads(line)[1] for line in again} == {"twin fp32"}


@pytest.mark.usefixtures("node")
def test_a_worker_is_kept_for_the_next_part_of_its_source(tmp_path: Path) -> None:
    images = data(tmp_path / "data", 8)
    [one] = asked(tmp_path / "weights", "tiny")
    processes = []
    for number, version in enumerate(("1.0", "1.0", "2.0")):
        asked_for = dataclasses.replace(one, documented_model=str(number))
        python = Path(sys.executable)
        ready = installed(version=version, python=python if version == "1.0" else python.with_name("python3"))
        part(tmp_path, [work(tmp_path, asked_for, images)], images, ready)
        lines = (tmp_path / "forwards").read_text().splitlines()
        processes.append(json.loads(lines[-1])[0])
    assert processes[0] == processes[1] != processes[2]
    assert not alive(processes[0]), "one source at a time"


def test_a_node_makes_the_environment_that_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepared = use_fakes(monkeypatch)
    code = code_of(SPEC)
    lacking = dataclasses.replace(installed(), python=tmp_path / "python")
    assert ray_node.found_here(installed(), code) == installed()
    assert prepared == []
    assert ray_node.found_here(lacking, code) == installed()
    assert prepared == [VERSION]
    with pytest.raises(MeasurementError, match=r"other code or packages than the rest: numpy==1\.0\. Install"):
        ray_node.found_here(dataclasses.replace(lacking, packages=("numpy==1.0",)), code)


def test_a_node_waits_for_an_environment_that_is_half_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The interpreter is there long before the packages."""
    prepared = use_fakes(monkeypatch)
    python = tmp_path / "environments" / "fake-1" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    shared = dataclasses.replace(installed(), python=python)
    assert ray_node.found_here(shared, code_of(SPEC)) == installed()
    assert prepared == [VERSION]
    (tmp_path / "environments" / "fake-1" / "complete").write_text("3.11\n")
    assert ray_node.found_here(shared, code_of(SPEC)) == shared
    assert prepared == [VERSION]


@pytest.mark.parametrize("there", [True, False])
def test_the_code_of_a_node_is_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: bool) -> None:
    """What the driver has is told by its digest, since its folder is nowhere else."""
    (tmp_path / "fake_adapter.py").write_text("another release")
    use_fakes(monkeypatch)
    own = dataclasses.replace(SPEC, folder=tmp_path)
    asked_for = dataclasses.replace(
        installed(spec=dataclasses.replace(SPEC, folder=Path("/gone"))),
        python=Path(sys.executable) if there else tmp_path / "python",
    )
    monkeypatch.setattr(registry, "sources", lambda: {"fake": own})
    monkeypatch.setattr(environments, "prepare", lambda *_: dataclasses.replace(asked_for, spec=own))
    assert ray_node.found_here(asked_for, code_of(own)).spec.folder == tmp_path
    with pytest.raises(MeasurementError, match="another release of the harness or of the adapters"):
        ray_node.found_here(asked_for, code_of(SPEC))


# --- how the work is split


def works_of(*batches: Sequence[Sequence[int]]) -> list[Work]:
    return [
        Work(Predictions(Path(str(n))), NetworkSpec("", None, "name", None), "", each) for n, each in enumerate(batches)
    ]


def grid(images: int, size: int) -> list[range]:
    return [range(start, min(start + size, images)) for start in range(0, images, size)]


@pytest.mark.parametrize("parts", [1, 3, 16, 64, 1000])
@pytest.mark.parametrize(
    "batches",
    [
        [grid(2000, 4)],
        [grid(2000, 4), grid(2000, 4), grid(1000, 4)],
        [grid(2000, 4), [range(16), range(256, 264), range(512, 520)]],
        [[[n] for n in range(0, 2000, 7)], grid(300, 32)],
        [[[1999]], []],
        [[]],
        [],
    ],
)
def test_every_batch_is_in_one_part(batches: list[Any], parts: int) -> None:
    works = works_of(*batches)
    found = ray_engine.split(works, parts)
    for index, one in enumerate(works):
        given = [batch for part in found for position, some in part if position == index for batch in some]
        assert given == list(one.batches)
    assert all(some for part in found for _, some in part)
    starts = {batch[0] for one in works for batch in one.batches}
    longest = max((sum(len(some) for _, some in part) for part in found), default=0)
    assert longest <= BLOCK * max(1, len(works))
    if len(starts) <= BLOCK * parts:
        assert len(found) <= parts, "none is smaller than it takes"
    assert len(found) >= min(parts // 2, len(starts)), "there is one for everybody"


def test_networks_that_share_images_are_in_the_same_part() -> None:
    found = ray_engine.split(works_of(grid(400, 4), grid(400, 4), grid(200, 4)), 10)
    assert len(found) == 10
    for part in found:
        shares = {index: [tuple(batch) for batch in some] for index, some in part}
        assert shares[0] == shares[1]
        assert shares.get(2, shares[0]) == shares[0]


def test_scattered_images_do_not_come_one_by_one() -> None:
    found = ray_engine.split(works_of([[n] for n in range(0, 50_000, 25)]), 32)
    assert len(found) == 2000 / BLOCK


@pytest.mark.parametrize(
    ("nodes", "cpus", "device", "expected"),
    [
        ([(4, 0), (8, 0)], None, "cpu", (4, 3)),
        ([(0, 0), (8, 0)], None, "cpu", (8, 1)),
        ([(4, 0), (8, 0)], 3, "cpu", (3, 3)),
        ([(4, 0), (8, 0)], 8, "cpu", (8, 1)),
        ([(0, 0)], None, "cpu", (1, 1)),
        ([], None, "cpu", (1, 1)),
        ([(4, 0), (16, 2)], None, "cuda", (8, 2)),
        ([(2, 4), (16, 2)], None, "cuda", (1, 4)),
        ([(64, 8)], 4, "cuda", (4, 8)),
        ([(64, 8)], 16, "cuda", (16, 4)),
        ([(4, 0)], None, "cuda", (1, 1)),
    ],
)
def test_a_part_gets_the_processors_of_the_smallest_node(
    nodes: list[tuple[int, int]], cpus: int | None, device: str, expected: tuple[int, int]
) -> None:
    assert ray_cluster.shares(nodes, cpus, device) == expected


def test_what_a_cluster_has(nodes: Nodes) -> None:
    assert (nodes.cluster().cpus, nodes.cluster().slots) == (1, 2)
    with pytest.raises(InputError, match="--ray-cpus 2: no node has more than 1"):
        Cluster(None, 2, lambda _: None)
    said: list[str] = []
    Cluster(None, 1, said.append, "cuda")
    assert said == ["no node of the cluster has a GPU; waiting until one comes"]


@pytest.mark.slow
def test_each_gpu_has_an_actor_whose_worker_stays_there(
    tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DEVICES", str(tmp_path / "devices"))
    with nodes._environment():
        with_gpus = nodes.simulated.add_node(**{**SMALL, "num_cpus": 2, "num_gpus": 2})
    nodes.simulated.wait_for_nodes()
    try:
        images, two = data(tmp_path / "data"), asked(tmp_path / "weights", "slow", "tiny")
        cluster = Cluster(None, 1, lambda _: None, "cuda")
        assert (cluster.cpus, cluster.slots) == (1, 2)
        before = len(nodes.passes())
        far = Session(Store(tmp_path / "far"), Recorder(), "cuda", BATCH, cluster=cluster)
        found = evaluate(far, installed(), two, images)
        assert far.failures == []
        assert len({process for process, *_ in nodes.passes(before)}) == 2, "a worker for each GPU, from first to last"
        told_by = [json.loads(line)[:2] for line in (tmp_path / "devices").read_text().splitlines()]
        on_gpus = [one for one in told_by if one[0] == "cuda"]  # the first was asked
        assert sorted(on_gpus[1:]) == [["cuda", "0"], ["cuda", "1"]]
        assert [run.device.kind for run in found if run] == ["cuda", "cuda"]
        expected = evaluate(session(tmp_path / "near"), installed(), two, images)
        assert [{**told(run), "device": None} for run in found] == [{**told(run), "device": None} for run in expected]
    finally:
        nodes.simulated.remove_node(with_gpus)


def test_what_an_actor_did_not_finish_is_done_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Remote:
        """What Ray makes of a class or a method."""

        def __init__(self, answer: Any) -> None:
            self._answer = answer

        def options(self, **_: Any) -> "Remote":
            return self

        def remote(self, *_: Any) -> Any:
            return self._answer()

    class Desk:
        def __init__(self) -> None:
            self.number = len(made)
            made.append(self)
            self.hello = Remote(lambda: f"hello {self.number}")
            self.do = Remote(lambda: f"part of {self.number}")

    def get(reference: str) -> Any:
        if reference == "part of 0":
            raise ray.exceptions.RayActorError
        return ("node", H100 if reference != "hello 1" else V100)

    monkeypatch.setattr(ray_hands.ray, "remote", lambda _: Remote(Desk))
    monkeypatch.setattr(ray_hands.ray, "get", get)
    killed: list[Any] = []
    monkeypatch.setattr(ray_hands.ray, "kill", killed.append)
    said: list[str] = []
    desks = ray_hands.Desks(1, 2, H100, said.append)
    part: Any = None
    assert not desks.free(0)
    for reference in desks.waits():
        desks.came(reference)
    assert said == ["the node node is left out: it has V100, driver 2, and the run is on H100, driver 1"]
    assert killed == [made[1]]
    reference = desks.give(part, [])
    assert reference == "part of 0"
    assert not desks.free(1)
    assert desks.died(reference)
    assert desks.waits() == ["hello 2"], "another comes in its place"
    desks.came("hello 2")
    reference = desks.give(part, [])
    assert (reference, desks.died(reference), desks.free(0)) == ("part of 2", False, True)
    desks.close()
    assert killed == [made[1], made[2]]


# --- from a table, and where there is no cluster


def test_a_table_on_a_cluster(tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    images = data(tmp_path / "data", 80)
    asked(tmp_path / "weights", "tiny", "twin")
    table = tmp_path / "table.md"
    table.write_text(
        "| model | source | top1 | top5 | input size |\n| - | - | - | - | - |\n"
        "| tiny | fake | 50.0 | 100.0 | 8 |\n| twin | fake | 60.0 | 100.0 | 16 |\n"
    )
    table.with_suffix(".toml").write_text(f'[data]\nname = "made up"\ndigest = "{images.digest}"\n')
    plain = Options(
        tables=(table,), sources=("fake==1.0", "fake==2.0"), data=tmp_path / "data", weights=str(tmp_path / "weights"),
        checks=("accuracy",), batch_size=BATCH, out=tmp_path / "near",
    )  # fmt: skip
    near = execute(preview(plain), Recorder())
    before = len(nodes.passes())
    far = execute(preview(dataclasses.replace(plain, engine="ray", ray_cpus=1, out=tmp_path / "far")), Recorder())
    assert len({process for process, *_ in nodes.passes(before)}) >= 2
    assert far.verdicts == near.verdicts
    assert [str(verdict.outcome) for verdict in far.verdicts].count("reproduced") == 6
    assert [told(run) for run in far.runs] == [told(run) for run in near.runs]
    assert (far.exit_status, near.exit_status) == (1, 1)
    assert "--engine ray" in report.write(far, tmp_path / "out").read_text()


@pytest.fixture
def unconnected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Mapping[str, Any]]:
    """As if there were no cluster; with what Ray is asked for."""
    given: list[Mapping[str, Any]] = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **asked_for: given.append(asked_for))
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 2.0}}])
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return given


@pytest.fixture
def closed() -> str:
    """An address at which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture
def open_() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield f"127.0.0.1:{one.getsockname()[1]}"


def latest(folder: Path, address: str) -> None:
    (folder / "ray").mkdir()
    (folder / "ray" / "ray_current_cluster").write_text(address)


@pytest.mark.parametrize("how", ["option", "protocol", "environment", "auto", "nothing there"])
def test_an_address_where_nothing_answers_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unconnected: list[Any], closed: str, how: str
) -> None:
    address: str | None = {"option": closed, "protocol": f"ray://{closed}", "environment": None}.get(how, "auto")
    if how == "environment":
        monkeypatch.setenv("RAY_ADDRESS", closed)
    if how == "auto":
        latest(tmp_path, closed)
    started = time.monotonic()
    with pytest.raises(InputError) as caught:
        Cluster(address, None, lambda _: None)
    where = "this machine" if how == "nothing there" else address if how == "protocol" else closed
    assert f"nothing answers at {where}. Start a cluster with `ray start --head`" in str(caught.value)
    assert time.monotonic() - started < 10
    assert unconnected == []


def test_which_cluster_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unconnected: list[Any], closed: str, open_: str
) -> None:
    def connected_to(address: str | None = None) -> str:
        Cluster(address, None, lambda _: None)
        assert unconnected[-1].get("include_dashboard") is (False if unconnected[-1]["address"] == "local" else None)
        return str(unconnected[-1]["address"])

    assert connected_to() == "local", "none runs here"
    latest(tmp_path, closed)
    assert connected_to() == "local", "one that ran here is gone"
    (tmp_path / "ray" / "ray_current_cluster").write_text(open_)
    assert connected_to() == "auto"
    assert connected_to("local") == "local"
    assert connected_to(open_) == open_
    monkeypatch.setenv("RAY_ADDRESS", open_)
    assert connected_to() == open_


def test_what_is_no_address_is_an_error_of_the_command_line(tmp_path: Path) -> None:
    """In a process of its own, since this one is connected."""
    folder = write_images(tmp_path / "data", [b"x"], [0])
    command = [sys.executable, "-m", "harness.run", "--engine", "ray", "--ray-address", "nonsense"]
    done = subprocess.run(
        [*command, "--data", str(folder), "--out", str(tmp_path / "out"), "--models", "cspdarknet53"],
        capture_output=True, text=True, cwd=SUPPORT.parent,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: --ray-address nonsense: Invalid address format: nonsense. Start a cluster with `ray start --head`"
    )


# --- what dies


@pytest.mark.parametrize("what", ["the worker of a source", "a process of Ray", "a node"])
def test_what_dies_in_the_middle_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path, nodes: Nodes, slow: Slow, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(ray_engine, "_PARTS", 1)  # of 16 batches each, so that much is stored of one in the middle
    before = len(nodes.passes())
    kept: set[str] = set()

    def kill() -> None:
        def there() -> list[int]:
            found = nodes.passes(before)
            return [process for process, *_ in found if nodes.is_on_the_other(process)] if len(found) > 20 else []

        if eventually(there):
            process = there()[-1]
            kept.update(stored(tmp_path / "far"))
            if what == "a node":
                nodes.remove()
            else:
                os.kill(parent(process) if what == "a process of Ray" else process, signal.SIGKILL)

    killing = threading.Thread(target=kill)
    killing.start()
    far = session(tmp_path / "far", nodes.cluster())
    [found] = evaluate(far, installed(), slow.asked, slow.images)
    killing.join()
    assert 10 * BATCH <= len(kept) < 320, "it was killed in the middle"
    assert far.failures == []
    assert found is not None
    assert (found.images, found.top1_count, found.measured_now) == (320, 160, 320)
    assert told(found) == slow.expected
    name_of = digests(slow.images)
    whole = Counter(batch for _, _, batch in nodes.passes(before) if len(batch) == BATCH)
    assert len(whole) == 320 / BATCH
    again = {name_of[digest] for batch, times in whole.items() if times > 1 for digest in batch}
    assert again & kept == set(), "what was stored is not computed again"
