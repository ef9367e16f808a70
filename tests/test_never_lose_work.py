"""Whatever ends a run, the same command does only what is missing, and its result is that of an uninterrupted one."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes import VERSION, best, contents, save_checkpoint, write_images
from folders import ROOT, SUPPORT

from harness.execution.predictions import Predictions

IMAGES, BATCH = 240, 8
TABLE = """\
| model | source | top1 | top5 | flops | params | input size |
| - | - | - | - | - | - | - |
| tiny | fake | 52.4 | 76.2 | 97.152K | 49.009K | 8 |
| twin | fake | 52.4 | 76.2 | 97.152K | 49.009K | 8 |
| tiny_wide | fake | 52.4 | 76.2 | 385.152K | 193.009K | 8 |
"""
MODELS = ("tiny", "twin", "tiny_wide")
#: how a run is made: by the native networks, or by faster ones that they certify; over all images or some
MODES = {"native": (), "short": ("--limit", "96"), "certified": ("--precision", "bf16", "--limit", "160")}
#: worker, "model precision", digests of the images
Forward = tuple[int, str, tuple[str, ...]]
Rows = dict[str, list[tuple[Any, ...]]]


# --- commands and what they leave


@dataclass
class Command:
    """A command that was started."""

    driver: "Driver"
    pid: int
    output: Path
    forwards: Path

    def wait(self) -> int:
        """Its exit status."""
        return int(self.driver.ask({"wait": self.pid}))

    def kill(self, number: int = signal.SIGKILL) -> int:
        os.kill(self.pid, number)
        return self.wait()

    @property
    def said(self) -> str:
        return self.output.read_text() if self.output.exists() else ""

    @property
    def runs(self) -> list[dict[str, Any]]:
        """Fields of records.Run in its results, without what an interruption changes."""
        of_this_one = ("seconds", "measured_now", "predictions")
        found = json.loads(Path(f"{self.output}.runs").read_text())
        return [{name: value for name, value in run.items() if name not in of_this_one} for run in found]

    def until(self, forwards: int) -> list[Forward]:
        """Waits until so many forward passes have begun in all, or it has ended."""
        while len(begun := read_forwards(self.forwards)) < forwards and alive(self.pid):
            time.sleep(0.001)
        return begun


class Driver:
    """Starts commands, see interrupted_run."""

    def __init__(self, process: subprocess.Popen[str], given: Path) -> None:
        self.process = process
        self._given = given
        self._started = 0

    def ask(self, what: dict[str, Any]) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def start(self, out: Path, *arguments: str, delay: float = 0.004, **environment: str) -> Command:
        """`out` is a folder; forward passes are noted beside it, whichever command does them."""
        self._started += 1
        output = self._given / f"{self.process.pid}-{self._started}.txt"
        forwards = self._given / f"{str(out).replace('/', '-')}.forwards"
        given = {name: str(self._given / name) for name in ("table.md", "data", "weights")}
        always = ["--table", given["table.md"], "--data", given["data"], "--weights", given["weights"]]
        asked = {
            "start": [*always, "--batch-size", str(BATCH), "--out", str(out), *arguments],
            "environment": {
                "FAKE_FORWARDS": str(forwards),
                "FAKE_DELAY": str(delay),
                "FAKE_BF16": "0.01",
                "FAULT": "",
                **environment,
            },
            "output": str(output),
        }
        return Command(self, int(self.ask(asked)), output, forwards)

    def run(self, out: Path, *arguments: str, **environment: Any) -> Command:
        """Has it run to its end, which must be a good one."""
        command = self.start(out, *arguments, **environment)
        assert command.wait() == 0, command.said
        return command


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the table, the images and the weights."""
    folder = tmp_path_factory.mktemp("given")
    some = contents(IMAGES)
    labels = [
        guess[0] if n % 2 == 0 else guess[3] if n % 4 == 1 else (guess[0] + 500) % 1000
        for n, guess in enumerate(best(some))
    ]
    write_images(folder / "data", some, labels)
    for model in MODELS:
        save_checkpoint(folder / "weights" / f"{model}.bin", model)
    (folder / "table.md").write_text(TABLE)
    (folder / "tmp").mkdir()
    return folder


@contextmanager
def driving(given: Path, before: Sequence[str] = ()) -> Iterator[Driver]:
    """`before`: what starts the driver."""
    script = SUPPORT / "interrupted_run.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(given / "tmp")}
    with subprocess.Popen(
        [*before, sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        yield Driver(process, given)


@pytest.fixture(scope="module")
def driver(given: Path) -> Iterator[Driver]:
    with driving(given) as started:
        yield started


@dataclass
class Outcome:
    """What a run comes to."""

    runs: list[dict[str, Any]]
    rows: Rows


@pytest.fixture(scope="module")
def whole(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Of a run in each mode that nothing interrupts."""
    found = {}
    for mode, arguments in MODES.items():
        out = tmp_path_factory.mktemp(mode) / "out"
        command = driver.run(out, *arguments)
        assert not repeated([], read_forwards(command.forwards))
        assert [run["images"] for run in command.runs] == [run["planned"] for run in command.runs]
        found[mode] = Outcome(command.runs, rows(out))
    certificates = [run["certificate"] for run in found["certified"].runs]
    assert all(0 < certificate["rerun"] < 100 and not certificate["fallback"] for certificate in certificates)
    return found


def read_forwards(path: Path) -> list[Forward]:
    """All that have begun; a line that is still being written is left out."""
    lines, _, _ = path.read_text().rpartition("\n") if path.is_file() else ("", "", "")
    return [(pid, network, tuple(images)) for pid, network, images in map(json.loads, lines.splitlines())]


def repeated(before: Sequence[Forward], since: Sequence[Forward]) -> Counter[str]:
    """Network -> batches since then with an image that it had been given already."""
    seen = {(network, image) for _, network, images in before for image in images}
    found: Counter[str] = Counter()
    for _, network, images in since:
        now = {(network, image) for image in images}
        found[network] += bool(now & seen)
        seen |= now
    return +found


def rows(out: Path) -> Rows:
    """Key -> all predictions in the store, to the last bit."""
    found = {}
    for folder in sorted((out / "store" / "predictions").glob("*")):
        columns = [Predictions(folder).read()[name] for name in ("image", "classes", "logits", "error")]
        found[folder.name] = [
            (image, list(classes), list(logits), None if pd.isna(error) else error)
            for image, classes, logits, error in zip(*columns, strict=True)
        ]
    return found


def within(some: Rows, all_of_them: Rows) -> bool:
    return all(row in all_of_them[key] for key, kept in some.items() for row in kept)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ended(forwards: Sequence[Forward], seconds: float = 10.0) -> bool:
    """Whether the workers that did them end soon."""
    workers = {pid for pid, _, _ in forwards}
    deadline = time.monotonic() + seconds
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.005)
    return not any(map(alive, workers))


def assert_whole(command: Command, out: Path, expected: Outcome, damaged: bool = False) -> None:
    """That a run that was interrupted comes to the same as one that was not, and never saw half a file."""
    assert any(out.rglob("*.damaged")) == damaged
    assert command.runs == expected.runs
    assert rows(out) == expected.rows
    for folder in (out / "store" / "predictions").iterdir():
        files = [*folder.glob("*.parquet")]
        assert len(files) <= 1
        assert all(pd.read_parquet(path)["image"].is_unique for path in files)


# --- killed


@pytest.mark.parametrize(("mode", "number"), [("native", 20), ("certified", 10)])
def test_killed_at_any_moment(
    driver: Driver, whole: dict[str, Outcome], tmp_path: Path, mode: str, number: int
) -> None:
    draw = random.Random(mode)
    out = tmp_path / "out"
    again: list[Counter[str]] = []
    for kills in range(number + 1):
        command = driver.start(out, *MODES[mode])
        before = read_forwards(command.forwards)
        if kills < number:
            command.until(len(before) + draw.randrange(5))
            time.sleep(draw.random() * 0.01)
            assert command.kill() == -signal.SIGKILL, command.said
        else:
            assert command.wait() == 0, command.said
        begun = read_forwards(command.forwards)
        assert ended(begun)
        again.append(repeated(before, begun[len(before) :]))
        assert within(rows(out), whole[mode].rows)
    assert not again[0]
    assert all(number == 1 for one in again for number in one.values()), "of each network one batch for each kill"
    assert_whole(command, out, whole[mode])
    assert (out / "store" / "logs" / f"fake-{VERSION}.log").read_text() == ""


def test_killed_at_any_step_of_writing(driver: Driver, whole: dict[str, Outcome], tmp_path: Path) -> None:
    draw = random.Random(0)
    out = tmp_path / "out"
    kills = 0
    while True:
        command = driver.start(out, *MODES["short"], delay=0, FAULT=f"kill {draw.randrange(1, 40)}")
        before = read_forwards(command.forwards)
        status = command.wait()
        begun = read_forwards(command.forwards)
        assert ended(begun)
        assert all(number == 1 for number in repeated(before, begun[len(before) :]).values())
        assert within(rows(out), whole["short"].rows)
        if not status:
            break
        kills += 1
        assert status == -signal.SIGKILL, command.said
    assert kills > 4
    assert_whole(command, out, whole["short"])


def test_its_worker_ends_in_the_middle_of_a_forward_pass(driver: Driver, tmp_path: Path) -> None:
    command = driver.start(tmp_path / "out")
    command.until(5)
    command.kill()
    command = driver.start(tmp_path / "out", delay=30.0, FAKE_FORWARDS=str(tmp_path / "long"))
    command.forwards = tmp_path / "long"
    begun = command.until(1)
    assert alive(begun[0][0])
    command.kill()
    assert ended(begun)


def test_a_worker_killed_at_any_moment(driver: Driver, whole: dict[str, Outcome], tmp_path: Path) -> None:
    draw = random.Random(0)
    command = driver.start(tmp_path / "out")
    kills = 0
    while kills < 20:
        so_far = len(read_forwards(command.forwards))
        # a worker's second pass begins once its first is stored, so that each gets on and is started again
        begun = command.until(so_far + draw.randrange(2, 5))
        time.sleep(draw.random() * 0.01)
        if not alive(begun[-1][0]):
            continue
        os.kill(begun[-1][0], signal.SIGKILL)
        kills += 1
    assert command.wait() == 0, command.said
    assert sum(repeated([], read_forwards(command.forwards)).values()) <= kills, "it does one batch at a time"
    # one that has done all that it was asked for is not missed
    assert kills / 2 < command.said.count("It is started again.") <= kills
    assert_whole(command, tmp_path / "out", whole["native"])


# --- interrupted


def test_interrupted(driver: Driver, whole: dict[str, Outcome], tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number, signals in ((9, signal.SIGINT), (8, signal.SIGTERM), (17, signal.SIGINT)):
        command = driver.start(out)
        before = read_forwards(command.forwards)
        command.until(len(before) + number)
        # as a terminal does, which sends it to all that it started; others send it to the one that they know
        (os.killpg if signals == signal.SIGINT else os.kill)(command.pid, signals)
        assert command.wait() == 130
        assert command.said.endswith(
            f"interrupted. Completed measurements are saved in {out}. Run the same command again to resume\n"
        )
        assert "Traceback" not in command.said
        begun = read_forwards(command.forwards)
        assert ended(begun)
        assert all(again == 1 for again in repeated(before, begun[len(before) :]).values())
    assert_whole(driver.run(out), out, whole["native"])
    assert (out / "store" / "logs" / f"fake-{VERSION}.log").read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_its_threads_wait(driver: Driver, tmp_path: Path, number: int) -> None:
    command = driver.start(tmp_path / "out", FAKE_BUILDING="30")
    while "counting" not in command.said:
        time.sleep(0.005)
    os.kill(command.pid, number)
    started = time.monotonic()
    assert command.wait() == 130
    assert time.monotonic() - started < 15, "it waits for no network to be counted"


@pytest.mark.timing
@pytest.mark.both_tiers
def test_interrupted_at_any_moment(driver: Driver, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """From its first instruction to its last."""
    draw = random.Random(request.config.getoption("--interruptions"))
    modes = [{"FAKE_BUILDING": "0.05"}, {"FAKE_BUILDING": "30"}, {}]
    statuses = Counter[int]()
    for number in range(request.config.getoption("--interruptions")):
        short = ["--batch-size", "1"] if number % 2 else []
        command = driver.start(tmp_path / f"{number % 5}", *short, **modes[number % 3])
        time.sleep(draw.uniform(0.0, 2.0))
        begun = time.monotonic()
        with suppress(ProcessLookupError):
            os.kill(command.pid, draw.choice([signal.SIGINT, signal.SIGTERM]))
        statuses[status := command.wait()] += 1
        assert status in (0, 1, 130), command.said
        assert time.monotonic() - begun < 5, command.said
        assert "Traceback" not in command.said
    assert statuses[130] > sum(statuses.values()) / 2


# --- a full disk


def test_a_disk_that_is_full_at_any_file(driver: Driver, whole: dict[str, Outcome], tmp_path: Path) -> None:
    draw = random.Random(0)
    out = tmp_path / "out"
    before: Rows = {}
    times = 0
    while (command := driver.start(out, *MODES["short"], FAULT=f"full {draw.randrange(1, 16)}")).wait():
        times += 1
        assert "[Errno 28] No space left on device" in command.said, command.said
        assert "Completed measurements are saved" in command.said
        assert "Fix the problem and run the same command again to resume" in command.said
        assert "Traceback" not in command.said
        now = rows(out)
        assert within(before, now)
        assert within(now, whole["short"].rows)
        assert not [path for path in out.rglob("*") if path.name.startswith(".")], "nothing keeps it full"
        before = now
    assert times > 3
    assert_whole(command, out, whole["short"])


def test_a_file_system_that_is_really_full(given: Path, whole: dict[str, Outcome], tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = f"mount -t tmpfs -o size=6m none {folder} && exec "
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*own, f"{mounting} true"], capture_output=True).returncode:
        pytest.skip("it takes a kernel that lets its users mount a file system of their own")
    with driving(given, [*own, f'{mounting} "$0" "$@"']) as driver:
        driver.ask({"wait": int(driver.ask({"start": ["--help"], "environment": {}, "output": "/dev/null"}))})
        out = Path(f"/proc/{driver.process.pid}/root{folder}/out")
        out.parent.joinpath("filler").write_bytes(bytes(6_094_000))
        command = driver.start(folder / "out")
        assert command.wait() == 2, command.said
        assert "No space left on device" in command.said
        assert "Traceback" not in command.said
        before = rows(out)
        assert before
        assert within(before, whole["native"].rows)
        out.parent.joinpath("filler").unlink()
        assert_whole(driver.run(folder / "out"), out, whole["native"])


# --- several on one store


@pytest.mark.parametrize(("mode", "times"), [("short", 3), ("certified", 1)])
def test_three_at_once(driver: Driver, whole: dict[str, Outcome], tmp_path: Path, mode: str, times: int) -> None:
    for number in range(times):
        out = tmp_path / f"{number}"
        commands = [driver.start(out, *MODES[mode]) for _ in range(2)]
        commands[0].until(50)
        commands.append(driver.start(out, *MODES[mode]))
        for command in commands:
            assert command.wait() == 0, command.said
            assert command.runs == whole[mode].runs
            assert rows(out) == whole[mode].rows
        begun = len(read_forwards(commands[0].forwards))
        command = driver.run(out, *MODES[mode])
        assert len(read_forwards(command.forwards)) == begun, "nothing is left to be done"
        assert_whole(command, out, whole[mode])


def test_one_is_killed_beside_another(driver: Driver, whole: dict[str, Outcome], tmp_path: Path) -> None:
    out = tmp_path / "out"
    one, other = (driver.start(out, *MODES["short"]) for _ in range(2))
    one.until(40)
    one.kill()
    assert other.wait() == 0, other.said
    assert other.runs == whole["short"].runs
    assert rows(out) == whole["short"].rows
    # what was killed may have added to a network that the other was done with; the next run puts it in one file
    begun = len(read_forwards(other.forwards))
    command = driver.run(out, *MODES["short"])
    assert len(read_forwards(command.forwards)) == begun, "nothing is left to be done"
    assert_whole(command, out, whole["short"])


# --- lost power


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(("which", "damage"), [("*.parquet", halved), ("*.json", emptied), ("*", emptied)])
def test_files_that_are_damaged_are_made_again(
    driver: Driver, whole: dict[str, Outcome], tmp_path: Path, which: str, damage: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    command = driver.start(out, *MODES["certified"])
    command.until(60)
    command.kill()
    files = sorted(path for path in (out / "store").rglob(which) if path.suffix in (".parquet", ".json"))
    for path in files[:: 1 if which == "*" else 3]:
        damage(path)
    command = driver.run(out, *MODES["certified"])
    assert " is damaged (" in command.said
    assert_whole(command, out, whole["certified"], damaged=True)
