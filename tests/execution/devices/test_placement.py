"""Where each source computes: on the GPU that was asked for, else on the CPU, and what the report has of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import Recorder, best, contents, evaluate_one, installed, save_checkpoint, told, use_fakes, write_images
from harness.adapters.records import CPU
from pretended_gpus import H100, V100, pretend

from harness.checks import run as checks
from harness.checks.accuracy.group import Evaluation
from harness.checks.results import Results
from harness.cli import main
from harness.core.errors import InputError
from harness.core.files import sha256
from harness.core.records import Run
from harness.dataset.image_set import ImageSet, open_images
from harness.execution.checkpoints import Checkpoint
from harness.execution.devices.shards import Shard
from harness.execution.session import Session
from harness.execution.store import Store
from harness.plan.options import Options
from harness.plan.preview import preview
from harness.report import report_json

HEADING = "| model | source | top1 | top5 | flops | params | input size |\n| - | - | - | - | - | - | - |\n"
PAGE = HEADING + (
    "| tiny | fake | 52.4 | 76.2 | 97.152K | 49.009K | 8 |\n| twin | fake | 53.1 | 77.2 | 97.152K | 49.009K | 8 |\n"
)


@pytest.fixture
def data(tmp_path: Path) -> ImageSet:
    images = contents(30)
    for model in ("tiny", "twin"):
        save_checkpoint(tmp_path / "weights" / f"{model}.bin", model)
    return open_images(write_images(tmp_path / "data", images, [guess[0] for guess in best(images)]))


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: ImageSet) -> Path:  # noqa: ARG001  made before
    """The file that gets a line for every adapter that is made: device, visible GPUs, threads."""
    monkeypatch.setenv("FAKE_DEVICES", str(tmp_path / "devices"))
    return tmp_path / "devices"


def used(file: Path) -> list[list[Any]]:
    return [json.loads(line)[:2] for line in file.read_text().splitlines()]


def session(tmp_path: Path, device: str = "cpu", shard: Shard | None = None) -> Session:
    return Session(Store(tmp_path / "store"), Recorder(), device, 4, shard=shard)


def tiny(tmp_path: Path) -> Evaluation:
    file = tmp_path / "weights" / "tiny.bin"
    return Evaluation("tiny", "tiny", Checkpoint(str(file), sha256(file), None, str(file.parent)), None, 8)


def evaluated(of: Session, tmp_path: Path, data: ImageSet) -> Run | None:
    return evaluate_one(of, installed(), tiny(tmp_path), data)


# --- one GPU


def test_a_gpu_is_part_of_the_run_and_of_its_key(
    tmp_path: Path, data: ImageSet, devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100)
    on_cpu = evaluated(session(tmp_path), tmp_path, data)
    on_gpu = evaluated(session(tmp_path, "cuda"), tmp_path, data)
    assert used(devices) == [["cpu", None], ["cuda", "0"], ["cuda", "0"]], "asked once, then evaluated"
    assert on_cpu is not None
    assert on_gpu is not None
    assert (on_cpu.device, str(on_gpu.device)) == (CPU, "NVIDIA H100 80GB HBM3, driver 580.65.06")
    assert on_gpu.measured_now == 30, "what the CPU gave is not taken for it"
    again = evaluated(session(tmp_path, "cuda"), tmp_path, data)
    assert again is not None
    assert again.measured_now == 0
    assert len(used(devices)) == 3, "that it can use this GPU is known"
    pretend(monkeypatch, tmp_path / "bin", (H100[0], "590.1", *H100[2:]))
    other = evaluated(session(tmp_path, "cuda"), tmp_path, data)
    assert other is not None
    assert other.measured_now == 30, "another driver may give other bits"


def test_the_name_is_the_frameworks_where_the_driver_does_not_tell(
    tmp_path: Path, data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, tmp_path / "bin")
    run = evaluated(session(tmp_path, "cuda"), tmp_path, data)
    assert run is not None
    assert run.device.kind == "cuda"


def test_a_source_that_cannot_use_the_gpu_runs_on_the_cpu(
    tmp_path: Path, data: ImageSet, devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100)
    monkeypatch.setenv("FAKE_NO_GPU", "its Fake 1.0 is a build for CPUs")
    first = session(tmp_path, "cuda")
    run = evaluated(first, tmp_path, data)
    assert first.failures == []
    assert run is not None
    assert run.device == CPU
    (finding,) = first.placement.on_cpu
    assert (finding.kind, finding.severity) == ("runs_on_cpu", "warning")
    assert finding.text.endswith(
        "cannot use the GPU, so its networks run on the CPU: its Fake 1.0 is a build for CPUs."
    )
    assert used(devices) == [["cpu", "0"], ["cpu", None]], "asked where it would have been"
    on_cpu = evaluated(session(tmp_path), tmp_path, data)
    assert on_cpu is not None
    assert on_cpu.measured_now == 0, "they are the predictions of a CPU"
    monkeypatch.delenv("FAKE_NO_GPU")
    repaired = evaluated(session(tmp_path, "cuda"), tmp_path, data)
    assert repaired is not None
    assert repaired.device.kind == "cuda", "that it could not is not remembered"


def test_a_worker_that_loses_its_gpu_does_not_go_on_elsewhere(
    tmp_path: Path, data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or predictions of a CPU would be kept as those of the GPU."""
    pretend(monkeypatch, tmp_path / "bin", H100)
    evaluated(session(tmp_path, "cuda"), tmp_path, data)
    monkeypatch.setenv("FAKE_NO_GPU", "the GPU has fallen off the bus")
    for parquet in (tmp_path / "store").rglob("*.parquet"):
        parquet.unlink()
    second = session(tmp_path, "cuda")
    assert evaluated(second, tmp_path, data) is None
    (failure,) = second.failures
    assert "it cannot use cuda: the GPU has fallen off the bus" in failure.message


def test_a_driver_that_is_too_old_ends_the_run_with_one_message(
    tmp_path: Path, data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, tmp_path / "bin", V100)
    ready = installed(packages=("torch==2.14.1", "nvidia-cuda-runtime==13.0.96"))
    asked = tiny(tmp_path)
    works = evaluate_one(session(tmp_path, "cuda"), ready, asked, data)
    assert works is not None, "as long as the source can use the GPU, whatever is known of its driver"
    pretend(monkeypatch, tmp_path / "bin", (*V100[:1], "470.1", *V100[2:]))
    monkeypatch.setenv("FAKE_NO_GPU", "The NVIDIA driver on your system is too old (found version 11040)")
    with pytest.raises(InputError, match=r"--device: fake==.* cannot use the GPU: torch 2.14.1 is built for CUDA 13.0"):
        evaluate_one(session(tmp_path, "cuda"), ready, asked, data)


# --- whole runs


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: ImageSet) -> Path:
    use_fakes(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    assert data.images
    (tmp_path / "README.md").write_text(PAGE)
    return tmp_path / "README.md"


def results(page: Path, **options: Any) -> Results:
    asked = Options(tables=page, data="data", weights="weights", batch_size=4, **options)
    return checks.execute(preview(asked), Recorder())


def test_counting_runs_on_the_cpu(page: Path, devices: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100)
    monkeypatch.setenv("FAKE_NO_GPU", "there is none for this source")
    checked = results(page, device="cuda", checks="static")
    assert checked.exit_status == 0
    assert {device for device, _ in used(devices)} == {"cpu"}
    assert not any(finding.kind == "runs_on_cpu" for finding in checked.findings), "nothing was to run on the GPU"


def test_sources_are_compared_on_the_cpu(
    page: Path, devices: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100)
    results(page, device="cuda", checks="preprocessing,numerics")
    assert {device for device, _ in used(devices)} == {"cpu"}


def test_the_report_has_the_device(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100, H100)
    checked = report_json.report(results(page, device="cuda:0-1"))
    on = {"kind": "cuda", "name": "NVIDIA H100 80GB HBM3", "driver": "580.65.06"}
    assert [run["device"] for run in checked["runs"]] == [on, on]
    monkeypatch.setenv("FAKE_NO_GPU", "it has none")
    (tmp_path / "parity-report").rename(tmp_path / "former")
    refused = report_json.report(results(page, device="cuda"))
    assert [run["device"]["kind"] for run in refused["runs"]] == ["cpu", "cpu"]
    assert [one["severity"] for one in refused["findings"] if one["kind"] == "runs_on_cpu"] == ["warning"]


def given(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main.main(["run", "--table", "README.md", "--data", "data", "--weights", "weights", *arguments])
    shown = capsys.readouterr()
    return status, shown.out + shown.err


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--devices", "cuda:0-7"), "--device cuda:0-7: there is no cuda:1; this machine has cuda:0 (NVIDIA H100"),
        (("--device", "cuda:5", "--checks", "static"), "there is no cuda:5"),
        (("--device", "gpu"), "--device gpu: unknown device; expected cpu, cuda, all"),
        (("--shard", "9/8"), "--shard 9/8: there is no shard 9 of 8"),
        (("--precision", "tf32"), "--precision tf32 is of GPUs; pass --device cuda"),
        (("--device", "cuda", "--runtime", "openvino"), "--runtime openvino runs on the CPU only"),
        (
            ("--device", "cuda:0-7", "--engine", "ray"),
            "names devices of this machine; with --engine ray pass --device cuda",
        ),
        (("--shard", "1/2", "--stop-early"), "--shard 1/2 shares out every image of a native fp32 evaluation"),
        (("--shard", "1/2", "--why"), "--shard 1/2 evaluates only; pass --why with --shard merge/2"),
        (("--shard", "1/2", "--checks", "static"), "--shard 1/2: only accuracy evaluation is shared out"),
        (("--cuda-index", "https://me:secret@example.org/simple"), "leave user name and password out"),
    ],
)
def test_what_cannot_be_is_one_message_and_status_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    asked: tuple[str, ...],
    message: str,
) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100)
    for more in ((), ("--dry-run",)):
        status, text = given(capsys, *asked, *more)
        assert status == 2
        assert message in text
        assert "Traceback" not in text
    assert not (tmp_path / "parity-report").exists()


# --- shards


def test_shards_and_their_merger_give_the_bits_of_one_run(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100)
    one = results(page, device="cuda", out="one")
    monkeypatch.setenv("FAKE_FORWARDS", str(tmp_path / "forwards"))
    status, text = given(capsys, "--device", "cuda", "--batch-size", "4", "--shard", "1/3")
    assert status == 0, text
    assert "Shard 1/3: 12 of 30 images for 2 networks, stored in" in text
    assert "the same command with --shard merge/3" in text
    assert not (tmp_path / "parity-report" / "report.json").exists()

    merging = ("--device", "cuda", "--batch-size", "4", "--shard", "merge/3")
    status, text = given(capsys, *merging)
    assert status == 2
    assert "18 of 30 images are not stored: shard 2/3 10 images (" in text
    assert "shard 3/3 8 images (" in text
    for number in (3, 2):
        assert given(capsys, "--device", "cuda", "--batch-size", "4", "--shard", f"{number}/3")[0] == 0
    lines = (tmp_path / "forwards").read_text().splitlines()
    assert len(lines) == 2 * 8, "eight batches of two networks, each once"

    # a machine without a GPU merges
    pretend(monkeypatch, tmp_path / "bin")
    status, text = given(capsys, *merging)
    assert status in (0, 1), text
    assert (tmp_path / "forwards").read_text().splitlines() == lines, "nothing is evaluated"
    merged = results(page, device="cuda", shard="merge/3")
    assert [told(run) for run in merged.runs] == [told(run) for run in one.runs]
    assert [run.device.name for run in merged.runs] == [H100[0]] * 2
    assert [(v.outcome, v.measured) for v in merged.verdicts] == [(v.outcome, v.measured) for v in one.verdicts]


def test_shards_of_different_devices_are_not_merged(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100)
    assert given(capsys, "--device", "cuda", "--shard", "1/2")[0] == 0
    pretend(monkeypatch, tmp_path / "bin", V100)
    assert given(capsys, "--device", "cuda", "--shard", "2/2")[0] == 0
    with pytest.raises(InputError, match=r"ran on different devices \(NVIDIA H100 .*: 1; Tesla V100.*: 2\)"):
        results(page, device="cuda", shard="merge/2")


def test_a_shard_gives_a_program_no_results(page: Path) -> None:
    with pytest.raises(InputError, match="--shard 1/2 gives no results"):
        results(page, shard="1/2")


def test_on_the_cpu_without_a_merger_the_rest_is_evaluated(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_FORWARDS", str(tmp_path / "forwards"))
    assert given(capsys, "--batch-size", "4", "--shard", "2/2")[0] == 0
    assert len((tmp_path / "forwards").read_text().splitlines()) == 2 * 4
    results(page)
    assert len((tmp_path / "forwards").read_text().splitlines()) == 2 * 8
