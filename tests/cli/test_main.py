"""The console script: what each command asks for, what a run would do, and what the doctor says."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from fakes import VERSION, best, contents, save_checkpoint, use_fakes, write_images
from pretended_gpus import H100, V100, pretend

from harness.cli import doctor, main
from harness.execution import environments

HEADING = "| model | source | top1 | top5 | flops | params | input size |\n| - | - | - | - | - | - | - |\n"
TINY = "| tiny | fake | 52.4 | 76.2 | 97.152K | 49.009K | 8 |\n"
#: rows that show what the columns are of
OTHERS = (
    "| twin | fake | 53.1 | 77.2 | 97.152K | 49.009K | 8 |\n"
    "| tiny_wide | fake | 60.3 | 82.4 | 385.152K | 193.009K | 8 |\n"
)
WIDE = "| tiny_wide | fake | 52.4 | 76.2 | 385.152K | 193.009K | 16 |\n"


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_fakes(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    Path("README.md").write_text(HEADING + TINY + WIDE + "| other | keras | | | 1G | | |\n")


@pytest.fixture
def data() -> Path:
    images = contents(6)
    return write_images(Path("data"), images, [guess[0] for guess in best(images)])


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main.main(arguments)
    return status, capsys.readouterr().out


def test_an_audit_is_a_run_of_static_checks(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = printed(capsys, "audit", "README.md", "--sources", "fake", "--models", "tiny")
    assert status == 0
    assert f"reproduced\tfake=={VERSION}\ttiny\tflops\t97.152\t97.152\tK\tREADME.md:3" in text.splitlines()
    wrong = Path("wrong.md")
    wrong.write_text(HEADING + TINY.replace("49.009", "49.006") + OTHERS)
    status, text = printed(capsys, "audit", "wrong.md", "--fix", "--out", "out")
    assert status == 1
    assert "49.009K" in Path("out/fixed/wrong.md").read_text()


def test_quiet_says_what_is_wrong_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    Path("wrong.md").write_text(HEADING + TINY.replace("49.009", "49.006"))
    assert main.main(["audit", "wrong.md", "--quiet"]) == 1
    shown = capsys.readouterr()
    assert shown.err == ""
    wrong, _, summary, tally, report = shown.out.splitlines()
    assert "params: documented 49.006 K" in wrong
    assert "1 of them is wrong" in summary
    assert tally == "✓ 1 reproduced, ✗ 1 contradicted, – 2 not measured"
    assert report == "Report: parity-report/report.md, for a browser parity-report/report.html"


def test_somebody_who_looks_gets_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    _, text = printed(capsys, "audit", "README.md", "--models", "tiny")
    row = next(line for line in text.splitlines() if "tiny" in line)
    assert "97.152 K ✓" in row
    assert "\t" not in row


def test_reports_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "audit", "README.md", "--models", "tiny", "--out", "a")
    status, text = printed(capsys, "compare", "a", "a")
    assert (status, "Nothing changed" in text) == (0, True)


def test_a_dry_run_says_what_would_be_done_and_does_nothing(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    given = ("run", "--table", "README.md", "--data", str(data), "--dry-run")
    status, text = printed(capsys, *given)
    assert status == 0
    assert [cell.strip() for cell in text.splitlines()[4].strip("│").split("│")] == ["fake==2.4.6", "ready", "2", "2"]
    assert "12 forward passes of one image" in text
    assert "– other: no adapter for keras, not measured" in text
    assert not Path("parity-report").exists()
    assert printed(capsys, "run", "--table", "absent.md", "--dry-run")[0] == 2


def test_what_is_asked_wrongly_is_refused_as_a_run_refuses_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["run", "--sources", "fkae"]) == 2
    assert "did you mean fake?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main.main([])


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_shell_can_complete_it(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main.main(["--print-completion", shell])
    assert not left.value.code
    script = capsys.readouterr().out
    assert all(word in script for word in ("compare", "doctor", "--stop-early"))


# --- the doctor


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def states(found: list[doctor.Diagnosis]) -> dict[str, str]:
    return {one.about: one.state for one in found}


@pytest.fixture
def examined(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def examine(*arguments: str) -> tuple[int, str]:
        return printed(capsys, "doctor", "--table", "README.md", *arguments)

    return examine


def test_what_is_there_is_good(examined: Callable[..., tuple[int, str]], data: Path) -> None:
    for model in ("tiny", "tiny_wide"):
        save_checkpoint(Path("weights") / f"{model}.bin", model)
    status, text = examined("--data", str(data), "--weights", "weights")
    assert status == 0
    assert "✓ fake==2.4.6: its environment is ready; 2 models to check" in text
    assert "✓ weights of fake==2.4.6 tiny_wide" in text
    assert "? data: 6 images" in text


def test_a_checkpoint_that_is_missing_is_told(examined: Callable[..., tuple[int, str]], data: Path) -> None:
    save_checkpoint(Path("weights/tiny.bin"))
    status, text = examined("--data", str(data), "--weights", "weights")
    assert status == 0, "it may be there under the source's own name for it"
    assert "? weights of fake==2.4.6 tiny_wide: " in text
    assert "✓ weights of fake==2.4.6 tiny:" in text


def test_what_the_run_would_fail_for_is_told_before(examined: Callable[..., tuple[int, str]]) -> None:
    Path("afile").write_text("")
    status, text = examined("--out", "afile")
    assert status == 2
    assert "✗ disk: " in text
    Path("odd.md").write_text(HEADING + TINY.replace("97.152K", "many"))
    status, text = examined("--table", "odd.md")
    assert status == 2
    assert "✗ table: odd.md:3: " in text
    Path("foreign.md").write_text(HEADING + TINY.replace("fake", "keras"))
    status, text = examined("--table", "foreign.md")
    assert status == 2
    assert "no row names a source that has an adapter" in text
    assert "? store: memory://nowhere: not tested by doctor" in examined("--store", "memory://nowhere")[1]


def test_an_environment_that_is_to_be_made_and_a_full_disk_are_told(
    examined: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.plan.preview.environments.is_prepared", lambda *_: False)
    assert "? fake==2.4.6: its environment will be made on first use" in examined()[1]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 2**40, 2**30))
    status, text = examined()
    assert status == 2
    assert f"✗ disk: 1.0 GiB free in {environments.cache()}, 8.0 GiB may be needed" in text


def test_threads_that_are_kept_from_the_processors_are_told(
    examined: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "✓ threads" in examined()[1]
    monkeypatch.setenv("OMP_NUM_THREADS", "99")
    assert "? threads: OMP_NUM_THREADS is 99" in examined()[1]


@pytest.mark.parametrize("given", [("--data", "nowhere"), ("--sources", "nobody")])
def test_what_cannot_be_read_is_told(examined: Callable[..., tuple[int, str]], given: tuple[str, ...]) -> None:
    status, text = examined(*given)
    assert status == 2
    assert "✗ options: " in text


# --- GPUs


def test_a_gpu_and_the_builds_that_fit_it_are_told(
    examined: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100, H100)
    status, text = examined("--device", "all")
    assert status == 0
    assert (
        "✓ device: 2 x NVIDIA H100 80GB HBM3 (sm_90), driver 580.65.06; builds of PyTorch that fit: cu126, cu130, cu132"
    ) in text
    assert "device" not in examined()[1], "nobody asked for it"


def test_a_driver_that_is_too_old_for_an_environment_is_told(
    examined: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path / "bin", V100)
    there = ("torch==2.14.1", "nvidia-cuda-runtime==13.0.96")
    monkeypatch.setattr(environments, "installed_packages", lambda *_: there)
    status, text = examined("--device", "cuda")
    assert status == 2
    assert (
        "✗ device of fake==2.4.6: torch 2.14.1 is built for CUDA 13.0, which needs a driver from R580 on; this machine "
        "has 535.183.01. Set UV_TORCH_BACKEND=cu126, "
    ) in text


def test_a_machine_without_a_gpu_is_told(
    examined: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path / "bin")
    status, text = examined("--device", "cuda")
    assert status == 0
    assert "? device: no GPU was found" in text
    status, text = examined("--device", "cuda:3")
    assert status == 2
    assert "✗ options: --device cuda:3: there is no cuda:3; this machine shows no GPU" in text
