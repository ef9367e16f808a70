"""The driver of the benchmarks, with contestants that compute nothing."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import contents, write_images

# no part of what is installed
sys.path.append(str(Path(__file__).parents[1]))

from benchmarks import frameworks, interleaved
from benchmarks.images import labelled
from benchmarks.interleaved import Contestant, Outcome

SERVE = Path(__file__).parents[1] / "benchmarks" / "evaluators" / "serve.py"

#: says of every image that it took as long as its job says, and notes its turns in a file that all share
FAKE = """
import json, os, sys, time
job = json.loads(sys.stdin.readline())
def note(what):
    with open(job["log"], "a") as log:
        print(job["name"], *what, file=log)
def evaluate(start, stop, turn):
    BODY
    return {"seconds": job["seconds"] * (stop - start), "images": stop - start, "top1": 1, "top5": stop - start,
            "best": [[image, 1, 2, 3, 4] for image in range(start, stop)], "peak_rss_mib": 10.0 + turn}
print(json.dumps({"ready": 0.25}), flush=True)
for turn, line in enumerate(sys.stdin):
    start, stop = json.loads(line)["images"]
    note(["begins", start, stop])
    time.sleep(0.01)
    result = evaluate(start, stop, turn)
    note(["ends", start, stop])
    print(json.dumps(result), flush=True)
note(["left"])
"""


@pytest.fixture
def fake(tmp_path: Path) -> Any:
    """Makes a contestant; `body` runs in every turn, `seconds` is what it says an image takes."""

    def make(name: str, body: str = "pass", seconds: float = 0.001) -> Contestant:
        script = tmp_path / f"{name}.py"
        script.write_text(FAKE.replace("BODY", body))
        job = {"name": name, "log": str(tmp_path / "log"), "seconds": seconds}
        return Contestant(name, [sys.executable, str(script)], dict(os.environ), job)

    return make


def run(contestants: list[Contestant], turns: list[tuple[int, int]], **options: Any) -> list[Outcome]:
    return interleaved.run(contestants, turns, pause=0, **options)


def log(tmp_path: Path, *what: str) -> list[str]:
    """The lines of the shared file that say any of it."""
    return [line for line in (tmp_path / "log").read_text().splitlines() if line.split()[1] in what]


def test_turns_alternate(fake: Any, tmp_path: Path) -> None:
    run([fake("a"), fake("b"), fake("c")], [(0, 2), (2, 4), (4, 6)])
    begun = [line.split() for line in log(tmp_path, "begins")]
    assert "".join(name for name, *_ in begun) == "abc" + "cba" + "abc"
    assert [int(start) for _, _, start, _ in begun] == [0, 0, 0, 2, 2, 2, 4, 4, 4]


def test_one_computes_at_a_time_and_all_stay_until_the_end(fake: Any, tmp_path: Path) -> None:
    run([fake("a"), fake("b")], [(0, 2), (2, 4)])
    lines = log(tmp_path, "begins", "ends", "left")
    turns, left = lines[:-2], lines[-2:]
    assert [line.replace("begins", "ends") for line in turns[::2]] == turns[1::2]
    assert sorted(left) == ["a left", "b left"]


def test_sums(fake: Any) -> None:
    slow = fake("slow", "job['seconds'] = 0.002 if start == 0 else 0.008", seconds=0.0)
    [fast, varying] = run([fake("fast", seconds=0.003), slow], [(0, 6), (6, 8), (8, 10)])
    assert fast.images == 10
    assert fast.ms_per_image == pytest.approx(3.0)
    assert varying.ms_per_image == pytest.approx((6 * 2 + 4 * 8) / 10)
    assert varying.ms_per_image_by_slice == pytest.approx([2.0, 8.0, 8.0])
    assert [classes[0] for classes in varying.best] == list(range(10))
    assert varying.peak_rss_mib == 12.0
    assert varying.failure is None
    assert json.loads(json.dumps(varying.summary())) == {
        "name": "slow",
        "ready": 0.25,
        "images": 10,
        "failure": None,
        "ms_per_image": 4.4,
        "slices": {"number": 3, "min": 2.0, "median": 8.0, "max": 8.0},
        "top1": 3,
        "top5": 10,
        "peak_rss_mib": 12.0,
    }


def test_warming_up_does_not_count(fake: Any, tmp_path: Path) -> None:
    [outcome, _] = run([fake("a"), fake("b")], [(0, 2)], warm_up=(0, 5))
    assert log(tmp_path, "begins") == ["a begins 0 5", "b begins 0 5", "a begins 0 2", "b begins 0 2"]
    assert outcome.images == 2
    assert outcome.peak_rss_mib == 11.0  # of its second turn


def test_every_turn_is_told(fake: Any) -> None:
    told: list[tuple[str, int]] = []
    run([fake("a"), fake("b")], [(0, 2), (2, 4)], told=lambda outcome: told.append((outcome.name, outcome.images)))
    assert told == [("a", 0), ("b", 0), ("a", 2), ("b", 2), ("b", 4), ("a", 4)]


def test_one_that_dies_is_reported_and_the_others_go_on(fake: Any, tmp_path: Path) -> None:
    words = "\\n".join(f"line {n}" for n in range(9))
    dying = fake("dying", f"if turn == 1: sys.stderr.write('10 %\\r20 %\\r{words}\\n'); sys.exit(3)")
    [first, dead, last] = run([fake("a"), dying, fake("b")], [(0, 2), (2, 4), (4, 6)])
    assert dead.failure == "ended with status 3; its last lines:\nline 4\nline 5\nline 6\nline 7\nline 8"
    assert dead.images == 2
    assert first.images == last.images == 6
    assert first.failure is last.failure is None
    assert [line for line in log(tmp_path, "begins") if line.startswith("dying")] == [
        "dying begins 0 2",
        "dying begins 2 4",
    ]


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ("os.kill(os.getpid(), 9)", "was killed by SIGKILL and wrote nothing"),
        ("print('Loading network', flush=True)", "said what is no JSON: Loading network"),
        ("print('[1]', flush=True)", "said what is no JSON object: [1]"),
        ("print('{\"seconds\": 1}', flush=True)", "said what lacks images, top1, top5, best, peak_rss_mib: "),
        ("stop -= 1", "answered for 3 images when asked for those of (0, 4)"),
        ("os.write(1, b'{\"sec'); os._exit(0)", "ended with status 0 and wrote nothing"),
    ],
)
def test_whatever_breaks_the_protocol_is_a_failure(fake: Any, body: str, failure: str) -> None:
    [broken, whole] = run([fake("broken", body), fake("whole")], [(0, 4)])
    assert broken.failure is not None
    assert broken.failure.startswith(failure)
    assert broken.summary() == {"name": "broken", "ready": 0.25, "images": 0, "failure": broken.failure}
    assert math.isnan(broken.ms_per_image)
    assert math.isnan(broken.peak_rss_mib)
    assert whole.images == 4


def test_one_that_cannot_be_started_is_a_failure(fake: Any, tmp_path: Path) -> None:
    missing = Contestant("missing", [str(tmp_path / "no-python")], {}, {})
    ended = Contestant("ended", [sys.executable, "-c", "raise SystemExit('no network')"], dict(os.environ), {})
    [gone, over, whole] = run([missing, ended, fake("whole")], [(0, 4)])
    assert "no-python" in str(gone.failure)
    assert over.failure == "ended with status 1; its last lines:\nno network"
    assert whole.images == 4


def test_what_a_contestant_started_ends_with_it(fake: Any, tmp_path: Path) -> None:
    child = f"import subprocess; open(r'{tmp_path}/pid', 'a').write(f'{{subprocess.Popen([\"sleep\", \"60\"]).pid}} ')"
    run([fake("whole", child), fake("broken", f"{child}; print(flush=True)")], [(0, 2)])
    pids = (tmp_path / "pid").read_text().split()
    assert len(pids) == 2
    for pid in pids:
        deadline = time.monotonic() + 10
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not alive(pid)


def alive(pid: str) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_only_the_given_environment_is_seen(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARKED", "yes")
    given = fake("given", "assert 'BENCHMARKED' not in os.environ")
    bare = Contestant(given.name, given.command, {"PATH": os.environ["PATH"]}, given.job)
    [outcome] = run([bare], [(0, 2)])
    assert outcome.failure is None


def test_slices() -> None:
    assert interleaved.slices(10, 4) == [(0, 4), (4, 8), (8, 10)]
    assert interleaved.slices(4, 4, rounds=2) == [(0, 4), (0, 4)]


# --- the evaluators' side of the protocol, with an evaluator that needs no framework

CHATTER = """
import os, sys
print("imported")
class Evaluator:
    about = {"threads": 7}
    def __init__(self, job):
        print("built for", job["model"])
    def evaluate(self, images):
        os.system("echo from a child")
        print("evaluated", file=sys.__stdout__)
        return {"seconds": 0.5, "first_batch": 0.1, "top1": 0, "top5": 0, "best": [[label] * 5 for _, label in images]}
"""


def test_an_evaluator_is_served_and_its_chatter_kept_out(tmp_path: Path) -> None:
    (tmp_path / "chatter.py").write_text(CHATTER)
    job = {"model": "tiny", "images": [[f"{n}.jpg", n] for n in range(6)]}
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    served = Contestant("served", [sys.executable, str(SERVE), "chatter"], environment, job)
    [outcome] = run([served], [(0, 4), (4, 6)])
    assert outcome.failure is None
    assert outcome.ready["threads"] == 7
    assert 0 < outcome.ready["ready"] < 60
    assert [classes[0] for classes in outcome.best] == [0, 1, 2, 3, 4, 5]
    assert outcome.ms_per_image == pytest.approx(1000 / 6)
    assert 1 < outcome.peak_rss_mib < 1000


# --- images and environments


def test_images_are_mixed_and_repeated(tmp_path: Path) -> None:
    write_images(tmp_path, contents(4), [5, 5, 9, 9])
    every = labelled(4, tmp_path)
    assert sorted(label for _, label in every) == [5, 5, 9, 9]
    assert all(Path(file).is_file() for file, _ in every)
    assert labelled(10, tmp_path) == every + every + every[:2]
    assert labelled(3, tmp_path) == every[:3]


def test_a_plain_environment_is_not_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MALLOC_MMAP_MAX_", "OMP_NUM_THREADS", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "1")
    plain = frameworks.plain_environment()
    assert plain["PATH"] == os.environ["PATH"]
    assert not {"MALLOC_MMAP_MAX_", "OMP_NUM_THREADS", "PYTHONPATH", "VIRTUAL_ENV"} & set(plain)
