"""The driver of the benchmarks, with contestants that compute nothing, the harness with the fake source, and tables."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes import VERSION, best, contents, save_checkpoint, use_fakes, write_images
from folders import ROOT, SAMPLE

# no part of what is installed
sys.path.append(str(ROOT))

from benchmarks import bare_evaluator, frameworks, interleaved, overheads, same_bits, speed_report
from benchmarks.harness_evaluator import Evaluator
from benchmarks.images import as_data_set, labelled
from benchmarks.interleaved import Contestant, Outcome
from benchmarks.memory import children, resident_mib
from benchmarks.parts import memory, nodes, overhead
from benchmarks.rows import rows
from benchmarks.speed_report import RowTimes, SourceTime, Timed
from harness.cli import main
from harness.cli.commands import stand_ins
from harness.dataset.image_set import ImageSet, shuffled
from harness.execution import environments
from harness.execution.predictions import Predictions
from harness.plan.options import Options
from harness.plan.plan import plan

SERVE = ROOT / "benchmarks" / "evaluators" / "serve.py"

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


def test_a_data_set_keeps_the_order_of_the_list() -> None:
    listed = [(f"/images/{n % 7}.jpg", n % 7) for n in range(40)]
    data = as_data_set(listed)
    assert [(ref.file, ref.label) for ref in shuffled(data.images)] == listed
    assert len({ref.name for ref in data.images}) == 40
    assert as_data_set(listed[:39]).digest != data.digest


# --- the harness as a contestant


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes an evaluator of the fake source's rows; 12 images that count and 5 to warm up with."""
    use_fakes(monkeypatch)
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FAKE_FORWARDS", str(tmp_path / "forwards"))
    files = sorted(write_images(tmp_path / "images", contents(17), [n % 10 for n in range(17)]).rglob("*.jpg"))
    listed = [[str(file), int(file.stem) % 10] for file in files]
    made: list[Evaluator] = []

    def make(*models: str, precision: str = "fp32", counted: int = 12) -> Evaluator:
        rows = [
            {
                "documented": model,
                "model": model,
                "size": 8,
                "checkpoint": dataclasses.asdict(save_checkpoint(tmp_path / f"{model}.bin", model)),
            }
            for model in models
        ]
        job = {"source": "fake", "version": VERSION, "rows": rows, "runtime": "native", "precision": precision}
        made.append(Evaluator({**job, "images": listed, "counted": counted, "batch_size": 4}))
        return made[-1]

    make.listed = listed  # type: ignore[attr-defined]
    yield make
    for evaluator in made:
        evaluator.close()


def encoded(listed: Sequence[Any]) -> list[bytes]:
    return [Path(file).read_bytes() for file, _ in listed]


def forwards(tmp_path: Path) -> list[tuple[int, str, int]]:
    """Process, network and images of every forward pass."""
    noted = [json.loads(line) for line in (tmp_path / "forwards").read_text().splitlines()]
    return [(process, network, len(digests)) for process, network, digests in noted]


def test_the_harness_settles_slice_by_slice(harness: Any, tmp_path: Path) -> None:
    evaluator, listed = harness("tiny", "twin"), harness.listed
    warm_up = evaluator.evaluate(listed[12:])
    started = {process for process, _, _ in forwards(tmp_path)}
    assert warm_up["rows"]["tiny"]["best"] == best(encoded(listed[12:]))
    (tmp_path / "forwards").unlink()
    told = [evaluator.evaluate(listed[:8]), evaluator.evaluate(listed[8:12])]
    # nothing but these was run, and all of it by the process that the warm-up had started
    ran = forwards(tmp_path)
    assert [images for _, _, images in ran] == [4] * 6
    assert {process for process, _, _ in ran} == started
    for one, images in zip(told, (listed[:8], listed[8:12]), strict=True):
        for model in ("tiny", "twin"):
            checkpoint = tmp_path / f"{model}.bin"
            expected = best(encoded(images), model=model, checkpoint=checkpoint)
            row = one["rows"][model]
            assert row["best"] == expected
            assert row["top1"] == sum(classes[0] == label for classes, (_, label) in zip(expected, images, strict=True))
            assert row["top5"] == sum(label in classes for classes, (_, label) in zip(expected, images, strict=True))
            assert (row["natively"], row["checked"], row["certificate"]) == (0, 0, None)
        assert one["best"] == one["rows"]["tiny"]["best"]
        assert sum(row["seconds"] for row in one["rows"].values()) < one["seconds"]
        assert one["worker_peak_rss_mib"] >= one["worker_rss_mib"] > 1


def test_what_the_harness_ran_beside_a_fast_network_is_told(harness: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_BF16", "1e-4")
    evaluator, listed = harness("tiny", precision="bf16", counted=17), harness.listed
    first, last = evaluator.evaluate(listed[:16]), evaluator.evaluate(listed[16:])
    assert first["rows"]["tiny"]["best"] + last["rows"]["tiny"]["best"] == best(encoded(listed))
    assert first["rows"]["tiny"]["checked"] == first["rows"]["tiny"]["natively"] == 16
    assert last["rows"]["tiny"]["checked"] == 0
    assert first["rows"]["tiny"]["certificate"] is None
    assert last["rows"]["tiny"]["certificate"]["cross_checked"] == 16


def test_a_row_that_fails_leaves_the_others(harness: Any) -> None:
    evaluator, listed = harness("tiny", "blind", counted=17), harness.listed
    told = evaluator.evaluate(listed)
    assert "not all finite" in told["rows"]["blind"]["failure"]
    assert told["rows"]["tiny"]["best"] == best(encoded(listed))
    with pytest.raises(RuntimeError, match="not all finite"):
        harness("blind", counted=17).evaluate(listed)


def test_slices_of_the_harness_follow_each_other_in_whole_batches(harness: Any) -> None:
    listed = harness.listed
    with pytest.raises(ValueError, match="expected the 4 images after the first 0 of 5"):
        harness("tiny").evaluate(listed[:4])
    with pytest.raises(ValueError, match="expected the 4 images after the first 0 of 17"):
        harness("tiny", counted=17).evaluate(listed[4:8])
    with pytest.raises(ValueError, match="6 images are no whole number of batches of 4"):
        harness("tiny", counted=17).evaluate(listed[:6])


def test_bare_parts_run_what_the_harness_runs(tmp_path: Path) -> None:
    files = sorted(write_images(tmp_path, contents(10), [n % 10 for n in range(10)]).rglob("*.jpg"))
    listed = [(str(file), int(file.stem) % 10) for file in files]
    checkpoint = save_checkpoint(tmp_path / "tiny.bin")
    job = {"adapter": "fake_adapter", "model": "tiny", "checkpoint": checkpoint.file, "images": listed}
    evaluator = bare_evaluator.Evaluator({**job, "batch_size": 4})
    for _ in range(2):
        told = evaluator.evaluate(listed)
        assert told["best"] == best(encoded(listed))
        assert told["seconds"] == pytest.approx(told["decode"] + told["forward"])
        assert told["overlapped"] > 0


def test_rows_are_those_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    page = tmp_path / "page.md"
    page.write_text("| model | source | flops | input size |\n| - | - | - | - |\n| tiny | fake | 97.152K | 8 |\n")
    checkpoint = save_checkpoint(tmp_path / "weights" / "tiny.bin")
    [row] = rows(tmp_path / "weights", tables=(page,))
    assert (row.source, row.version, row.documented, row.model, row.size) == ("fake", VERSION, "tiny", "tiny", 8)
    assert row.checkpoint.sha256 == checkpoint.sha256
    assert row.gflops == pytest.approx(2 * (9 * 64 + 48_000) / 1e9)


# --- the commands of README.md, with a real network and as few images as they take

COMMANDS = {
    "speed": ["--sources", "timm", "--models", "cspresnet50", "--runtimes", "native", "--images", "2", "--slice", "2"],
    "overheads overhead": ["--parts", "overhead", "--images", "2", "--slice", "2"],
    "overheads memory": ["--parts", "memory", "--images", "2", "--slice", "2"],
    "overheads resume": ["--parts", "resume", "--images", "16"],
    "overheads ray": ["--parts", "ray", "--batches", "8"],
    "overheads static": ["--parts", "static"],
}
#: those that evaluate nothing, and need neither weights nor images
OF_TABLES = {"verdict_rates": ["--seconds", "1", "--rows", "1", "--digits", "3"]}
#: those that are tried without --benchmarks
SHORT = ("overheads memory",)


@pytest.fixture(scope="module")
def weights(sample: ImageSet, installed: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint for timm's cspresnet50."""
    installed("timm")
    folder = tmp_path_factory.mktemp("weights")
    planned = plan(Options(sources=("timm",), models=("cspresnet50",)))
    stand_ins.make(planned.targets, dataclasses.replace(sample, images=sample.images[:32]), folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_readme_work(command: str, weights: Path, request: pytest.FixtureRequest) -> None:
    """Their figures say nothing here."""
    if command not in SHORT and not request.config.getoption("--benchmarks"):
        pytest.skip("it takes many minutes: run with --benchmarks")
    module, _, part = command.partition(" ")
    shown = [sys.executable, "-m", f"benchmarks.{module}", "--data", str(SAMPLE), "--weights", str(weights)]
    environment = {**os.environ, "PARITY_CACHE": str(environments.cache())}
    arguments = [*COMMANDS[command], *(["--batch-size", "2"] if part != "static" else [])]
    done = subprocess.run(
        [*shown, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "Could not be measured" not in done.stdout
    assert len(cells(done.stdout)) >= 3, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("module", OF_TABLES)
def test_the_commands_about_tables_work(module: str, tmp_path: Path) -> None:
    figure = tmp_path / "calibration.svg"
    shown = [sys.executable, "-m", f"benchmarks.{module}", *OF_TABLES[module], "--calibration", str(figure)]
    done = subprocess.run(shown, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(cells(done.stdout)) >= 3, done.stdout
    assert "<svg" in figure.read_text(encoding="utf-8")


def test_the_commands_of_the_readme_are_tried() -> None:
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    tried = {command.split()[0] for command in (*COMMANDS, *OF_TABLES)}
    assert set(re.findall(r"python -m benchmarks\.(\w+)", text)) == tried
    assert {command.split()[1] for command in COMMANDS if " " in command} == set(overheads.PARTS)


# --- tables


def passes(*slices: tuple[int, dict[str, float | str]], seconds: float = 1.0) -> list[dict[str, Any]]:
    """Of the harness: of each slice the images, and model -> seconds or why it failed."""
    return [
        {
            "seconds": seconds,
            "images": images,
            "worker_peak_rss_mib": 50.0 + number,
            "rows": {
                model: {"failure": took}
                if isinstance(took, str)
                else {
                    "seconds": took,
                    "best": [[n, 1, 2, 3, 4] for n in range(images)],
                    "natively": 3,
                    "checked": 2,
                    "engine": "an engine",
                    "certificate": {"fallback": "it is slow"} if number else None,
                }
                for model, took in rows.items()
            },
        }
        for number, (images, rows) in enumerate(slices)
    ]


def outcome(passed: list[dict[str, Any]], failure: str | None = None) -> Outcome:
    common = {"top1": 0, "top5": 0, "best": [], "peak_rss_mib": 9.0}
    return Outcome("one", {}, [{**common, **one} for one in passed], failure)


def test_a_slice_is_shared_out_to_its_rows() -> None:
    ran = outcome(passes((10, {"a": 0.6, "b": 0.2}), (5, {"a": 0.1, "b": 0.3}), seconds=1.0))
    [a, b], whole = speed_report.of_harness(ran, "timm", "harness, fast", ["a", "b"])
    assert a.seconds == pytest.approx([0.75, 0.25])
    assert b.seconds == pytest.approx([0.25, 0.75])
    assert a.ms == pytest.approx(1000 * 1.0 / 15)
    assert (a.images, a.natively, a.checked, a.memory) == ([10, 5], 6, 4, [9.0, 51.0])
    assert a.note == "the native network ran all images, since it is slow"
    assert whole is not None
    assert whole.seconds == 2.0
    assert whole.outside == pytest.approx(2.0 - 1.2)
    assert whole.images == 15


def test_a_row_that_failed_is_told_and_its_source_has_no_sum() -> None:
    ran = outcome(passes((10, {"a": 0.6, "b": 0.2}), (5, {"a": 0.1, "b": "it broke"})))
    [a, b], whole = speed_report.of_harness(ran, "timm", "harness, fast", ["a", "b"])
    assert a.complete
    assert a.seconds == pytest.approx([0.75, 1.0])
    assert (b.failure, b.images) == ("it broke", [10])
    assert whole is None
    dead = speed_report.of_harness(outcome([], "was killed"), "timm", "harness, fast", ["a"])
    assert (dead[0][0].failure, dead[1]) == ("was killed", None)


def test_predictions_differ_in_the_best_class_or_the_set_of_five() -> None:
    native = [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]
    fast = [[1, 2, 3, 4, 5], [1, 5, 4, 3, 2], [2, 1, 3, 4, 5], [1, 2, 3, 4, 6]]
    assert speed_report.differing(native, fast) == 2
    assert speed_report.differing(native, fast[:3]) is None
    assert speed_report.differing([], []) is None


def cells(table: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]


def timed_row(source: str = "ppcls", **own: Timed) -> RowTimes:
    best = [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6]]
    slow = Timed("plain", [0.4, 0.6], [1, 1], best, [100.0])
    quick = Timed("threads", [0.2, 0.2], [1, 1], best, [1100.0])
    native = Timed(speed_report.NATIVE, [0.1, 0.05], [1, 1], best, [10.0, 20.0], 0, 0)
    other = [best[0], [2, 3, 4, 5, 7]]
    fast = Timed("harness, fast", [0.05, 0.05], [1, 1], other, [10.0, 20.0], 2, 1, note="it is odd")
    return RowTimes(source, f"{source} a", 256, 10.0, [own.get("slow", slow), own.get("quick", quick)], [native, fast])


def test_a_row_is_held_against_the_faster_of_its_own_evaluations() -> None:
    text = speed_report.row_table(timed_row(), peak=200.0)
    assert text.startswith("### ppcls a, 256 pixels, 10.00 GFLOPs: 50.0 ms at the peak\n")
    assert cells(text)[2:] == [
        ["plain", "500.0", "2.50", "2.00 to 3.00", "10%", "0", "0", "–", "100"],
        ["threads", "200.0", "1.00", "1.00 to 1.00", "25%", "0", "–", "–", "1,100"],
        ["harness, native", "75.0", "0.38", "0.25 to 0.50", "67%", "–", "0", "–", "10 + 20"],
        ["harness, fast", "50.0", "0.25", "0.25 to 0.25", "100%", "1", "1", "2, 1 of them checks", "10 + 20"],
    ]
    assert text.endswith("\n\nharness, fast: it is odd.")


def test_one_that_failed_is_no_reference() -> None:
    dead = Timed("threads", failure="was killed")
    halfway = Timed("plain", [0.1], [1], [[1, 2, 3, 4, 5]], [100.0], failure="was killed, too")
    assert timed_row(quick=dead).reference == timed_row().own[0]
    text = speed_report.row_table(timed_row(quick=dead, slow=halfway), peak=200.0)
    assert cells(text)[2] == ["plain (failed after 1 images)", "100.0", "–", "–", "50%", "–", "–", "–", "100"]
    assert cells(text)[3] == ["threads", *["–"] * 8]
    assert cells(text)[4] == ["harness, native", "75.0", "–", "–", "67%", "–", "–", "–", "10 + 20"]
    assert text.endswith("plain: was killed, too\n\nthreads: was killed")


def test_rows_and_sources_in_sum() -> None:
    rows = [timed_row("timm"), timed_row("timm"), timed_row("ppcls")]
    sources = [
        SourceTime("timm", speed_report.NATIVE, 0.4, 0.1, 2),
        SourceTime("ppcls", speed_report.NATIVE, 0.2, 0.02, 2),
        SourceTime("ppcls", "harness, fast", 0.1, 0.0, 2),
    ]
    assert cells(speed_report.sum_table(rows, sources, peak=200.0))[2:] == [
        ["timm", "2", "100.0", "400.0", "200.0 (0.50), 50%, 25.0% outside", "–"],
        ["ppcls", "1", "50.0", "200.0", "100.0 (0.50), 50%, 10.0% outside", "50.0 (0.25), 100%, 0.0% outside"],
        ["all", "3", "150.0", "600.0", "300.0 (0.50), 50%, 20.0% outside", "–"],
    ]


def test_overhead_is_beyond_the_bare_parts() -> None:
    bare = [{"decode": 1.0, "forward": 3.0, "overlapped": 3.2}, {"decode": 1.0, "forward": 3.0, "overlapped": 4.0}]
    text = overhead.compared(bare, [{"seconds": 4.0, "images": 50}, {"seconds": 5.0, "images": 50}])
    assert cells(text)[2:] == [
        ["decode and prepare, alone", "20.0", "–", "–"],
        ["forward passes, alone", "60.0", "–", "–"],
        ["both, one after the other", "80.0", "+12.5%", "+0.0%, +12.5%, +25.0%"],
        ["both, overlapped", "72.0", "+25.0%", "+25.0%, +25.0%, +25.0%"],
        ["harness", "90.0", "–", "–"],
    ]


def test_memory_is_compared_at_the_end() -> None:
    def held(images: int, *mib: float) -> Outcome:
        names = ("rss_mib", "peak_rss_mib", "worker_rss_mib", "worker_peak_rss_mib")
        return outcome([{"images": images, **dict(zip(names, mib, strict=True))}])

    text = memory.compared(held(500, 100, 110, 1000, 2000), held(5000, 105, 110, 1100, 1900))
    assert cells(text)[0] == ["MiB in RAM", "500 images", "5,000 images", "difference"]
    assert cells(text)[2] == ["main process, at the end", "100", "105", "+5.0%"]
    assert cells(text)[5] == ["worker, at most", "2,000", "1,900", "-5.0%"]


def test_efficiency_is_told_of_nodes() -> None:
    assert cells(nodes.compared({1: 8.0, 2: 5.0, 4: 2.0}, asleep=6.0))[2:] == [
        ["1", "8.0", "100.0%", "75.0%"],
        ["2", "5.0", "80.0%", "60.0%"],
        ["4", "2.0", "100.0%", "75.0%"],
    ]


def test_what_processes_hold() -> None:
    assert 1 < resident_mib() <= resident_mib(peak=True) + 1
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in children(os.getpid())
    finally:
        child.communicate()
    assert child.pid not in children(os.getpid())
    assert resident_mib(child.pid) == 0.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--parts", "overhead,speed"],
            "--parts: unknown speed; expected some of overhead, memory, resume, ray, static",
        ),
        (["--parts", "resume"], "--weights: overhead and resume take a folder of checkpoints"),
        (["--slice", "100"], "--slice 100 is no whole number of batches of 32"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert overheads.main(arguments) == 2
    assert capsys.readouterr().err == f"error: {said}\n"


def test_a_part_that_cannot_be_measured_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Any) -> str:
        raise interleaved.Failed("it died")

    monkeypatch.setattr(overheads, "PARTS", {"memory": ("Memory", broken), "ray": ("Nodes", lambda _: "all well")})
    assert overheads.main(["--parts", "memory,ray"]) == 1
    assert capsys.readouterr().out == "## Memory\n\nCould not be measured: it died\n\n## Nodes\n\nall well\n\n"


# --- what a machine with GPUs is asked


def test_two_runs_are_compared_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_fakes(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    write_images(tmp_path / "data", contents(8), range(8))
    save_checkpoint(tmp_path / "weights" / "tiny.bin")
    heading = "| model | source | top1 | input size |\n| - | - | - | - |\n"
    (tmp_path / "README.md").write_text(f"{heading}| tiny | fake | 52.4 | 8 |\n")
    given = ["run", "--table", "README.md", "--data", "data", "--weights", "weights", "--checks", "accuracy"]
    for out, more in (("one", []), ("other", ["--device", "cpu:0-1"])):
        assert main.main([*given, "--out", out, *more]) == 0
    capsys.readouterr()
    assert same_bits.main(["one", "other"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"fake=={VERSION} tiny@8: 8 images, the same bits, 0 with another best class; CPU and CPU, ")
    (parquet,) = (tmp_path / "other" / "store").rglob("*.parquet")
    predictions = Predictions(parquet.parent)
    table = predictions.read()
    table.at[2, "logits"] = [value + 1e-6 for value in table.at[2, "logits"]]
    table.at[3, "classes"] = [*list(table.at[3, "classes"])[1:], 0]
    predictions.replace(table)
    assert same_bits.main(["one", "other"]) == 1
    assert "1 with another best class" in capsys.readouterr().out
    assert same_bits.main(["one", "other", "--at-most", "1"]) == 0
    assert same_bits.main(["one", "other", "--at-most", "0"]) == 1
    (tmp_path / "other" / "report.json").write_text('{"runs": []}')
    assert same_bits.main(["one", "other", "--at-most", "1"]) == 1, "nothing was compared"


def test_the_script_for_gpus_is_one() -> None:
    script = ROOT / "benchmarks" / "gpu.sh"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], capture_output=True, check=False).returncode == 0
    text = script.read_text()
    promised = re.findall(r"^#     ok {6}(.*)$", text, re.MULTILINE)
    checked = re.findall(r'^check "(.*?)"', text, re.MULTILINE)
    assert [one.replace("$ONE", "cuda") for one in checked] == promised, "what it prints is what its head says"
