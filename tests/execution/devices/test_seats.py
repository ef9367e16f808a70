"""The GPUs that are there, and where workers are put on them. Nothing here needs one."""

import os
import subprocess
from pathlib import Path

import pytest
from harness.adapters.records import CPU, Device
from pretended_gpus import H100, V100, pretend

from harness.core.errors import InputError
from harness.execution.devices import gpus
from harness.execution.devices.gpus import Gpu, machine
from harness.execution.devices.seats import Seat, places

ON_H100 = Device("cuda", "NVIDIA H100 80GB HBM3", "580.65.06")


def visible(seat: Seat) -> str:
    return seat.environment["CUDA_VISIBLE_DEVICES"]


def test_the_driver_tells_what_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100, V100)
    found = machine()
    assert found.gpus[0] == Gpu(0, "GPU-00000000-0000", "NVIDIA H100 80GB HBM3", "580.65.06", 81559, (9, 0))
    assert [gpu.capability for gpu in found.gpus] == [(9, 0), (7, 0)]
    assert (found.tokens, found.trouble, found.hidden) == (("0", "1"), "", 0)


@pytest.mark.parametrize(
    ("given", "numbers", "hidden"),
    [
        ("2", [2], 3),
        ("3,1", [3, 1], 2),
        ("GPU-00000002", [2], 3),
        ("1,GPU-00000000-0000", [1, 0], 2),
        ("", [], 4),
        ("-1", [], 4),
        ("0,9,1", [0], 3),  # as CUDA has it: what comes after one that is not there is ignored
        ("MIG-GPU-00000001-0000/1/0", [1], 3),
    ],
)
def test_what_cuda_hides_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, numbers: list[int], hidden: int
) -> None:
    pretend(monkeypatch, tmp_path / "bin", *[H100] * 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    found = machine()
    assert [gpu.number for gpu in found.gpus] == numbers
    assert found.hidden == hidden


def test_a_driver_in_trouble_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "Failed to initialize NVML: Driver/library version mismatch"
    pretend(monkeypatch, tmp_path / "bin", status=18, says=text)
    assert machine().trouble == f"nvidia-smi says: {text}"
    with pytest.raises(InputError, match=r"--device all: this machine shows no GPU \(nvidia-smi says: Failed to init"):
        places("all")


def test_an_earlier_nvidia_smi_does_not_know_capabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command[1])
        if "compute_cap" in command[1]:
            return subprocess.CompletedProcess(command, 2, 'Field "compute_cap" is not a valid field to query.\n', "")
        return subprocess.CompletedProcess(command, 0, "0, GPU-1, Tesla K80, 418.87, [N/A]\n", "")

    monkeypatch.setattr(gpus.subprocess, "run", run)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert machine().gpus == (Gpu(0, "GPU-1", "Tesla K80", "418.87"),)
    assert len(asked) == 2


def test_what_is_no_line_of_a_gpu_is_passed_over() -> None:
    assert gpus.parsed("") == ()
    assert gpus.parsed("No devices were found\n") == ()
    assert [gpu.number for gpu in gpus.parsed("1, b, B, 1, 2, 8.0\n\nx, y\n0, a, A, 1, 2, 8.0\n")] == [0, 1]


def test_the_kernel_tells_where_nvidia_smi_is_missing(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5\nGCC 12\n")
    for number, model in enumerate(("NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-40GB")):
        (tmp_path / "gpus" / f"0000:0{number}:00.0").mkdir(parents=True)
        file = tmp_path / "gpus" / f"0000:0{number}:00.0" / "information"
        file.write_text(f"Model: \t\t {model}\nIRQ:   \t\t 71\nGPU UUID: \t GPU-{number}\nDevice Minor: \t {number}\n")
    found = gpus._of_the_kernel(tmp_path)
    assert found == tuple(Gpu(n, f"GPU-{n}", "NVIDIA A100-SXM4-40GB", "550.54.15") for n in (0, 1))
    assert gpus._of_the_kernel(tmp_path / "absent") == ()


# --- seats


def test_the_cpu_has_one_seat_or_several_that_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert places("cpu").seats == (Seat(),)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    two = places("cpu:0-1")
    assert two.device == CPU
    assert [(seat.label, seat.threads) for seat in two.seats] == [("cpu:0", 3), ("cpu:1", 3)]
    assert {seat.threads for seat in places("cpu:0-7").seats} == {1}


def test_each_gpu_has_a_seat_that_sees_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path / "bin", *[H100] * 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    every = places("all")
    assert every.device == ON_H100
    assert [(seat.device, seat.label, visible(seat), seat.threads) for seat in every.seats] == [
        ("cuda", f"cuda:{n}", str(n), 2) for n in range(4)
    ]
    assert {seat.environment["CUDA_DEVICE_ORDER"] for seat in every.seats} == {"PCI_BUS_ID"}
    assert [visible(seat) for seat in places("cuda:1,3").seats] == ["1", "3"]
    (one,) = places("cuda").seats
    assert (visible(one), one.threads) == ("0", None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-00000002")
    assert [visible(seat) for seat in places("all").seats] == ["3", "GPU-00000002"]
    assert [visible(seat) for seat in places("cuda:1").seats] == ["GPU-00000002"]


@pytest.mark.parametrize(
    ("given", "there", "message"),
    [
        ("cuda:2", [H100, H100], r"there is no cuda:2; this machine has cuda:0 to cuda:1 \(NVIDIA H100 80GB HBM3\)"),
        ("cuda:0-7", [H100], r"there is no cuda:1; this machine has cuda:0 \(NVIDIA H100"),
        ("all", [], "this machine shows no GPU. Leave --device out"),
        ("cuda:0", [], "there is no cuda:0; this machine shows no GPU"),
        (
            "all",
            [H100, V100],
            "GPUs are of different kinds .NVIDIA H100 80GB HBM3: cuda:0; Tesla V100-SXM2-16GB: cuda:1",
        ),
    ],
)
def test_what_is_not_there_is_one_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, there: list[tuple[str, ...]], message: str
) -> None:
    pretend(monkeypatch, tmp_path / "bin", *there)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        places(given)


def test_hidden_gpus_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path / "bin", *[H100] * 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(
        InputError, match=r"no cuda:2; .*cuda:1 \(NVIDIA H100 80GB HBM3\); CUDA_VISIBLE_DEVICES hides 2"
    ):
        places("cuda:2")


def test_one_gpu_of_several_kinds_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path / "bin", H100, V100)
    assert places("cuda:1").device == Device("cuda", "Tesla V100-SXM2-16GB", "535.183.01")
    assert places("cuda").device == ON_H100


def test_a_gpu_that_nothing_tells_of_is_left_to_the_frameworks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path / "bin")
    found = places("cuda")
    assert (found.device, found.seats) == (Device("cuda"), (Seat("cuda", "cuda"),))


def test_an_identity_has_what_the_bits_depend_on() -> None:
    assert CPU.identity == "cpu"
    assert ON_H100.identity == "cuda: NVIDIA H100 80GB HBM3, driver 580.65.06"
    others = (Device("cuda", "Tesla T4", "580.65.06"), Device("cuda", ON_H100.name, "590.1"), Device("cuda"), CPU)
    assert len({one.identity for one in (ON_H100, *others)}) == 5
