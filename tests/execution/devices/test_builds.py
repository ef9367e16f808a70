"""Which builds of PyTorch a driver and a GPU can run."""

import pytest

from harness.execution.devices.builds import built_for, fitting, misfit
from harness.execution.devices.gpus import Gpu

#: what the environment of timm 0.6.5 has, as it is installed without other settings
DEFAULT = ("numpy==2.2.6", "nvidia-cuda-runtime==13.0.96", "torch==2.14.1", "torchvision==0.29.1")


def gpu(driver: str = "580.65.06", capability: tuple[int, int] | None = (9, 0)) -> Gpu:
    return Gpu(0, "GPU-0", "a GPU", driver, 1, capability)


@pytest.mark.parametrize(
    ("packages", "built"),
    [
        (DEFAULT, ("torch 2.14.1", "13.0")),
        (("torch==2.14.1+cu126", "nvidia-cuda-runtime-cu12==12.6.77"), ("torch 2.14.1", "12.6")),
        (("torch==2.7.1", "nvidia-cuda-runtime-cu12==12.6.77"), ("torch 2.7.1", "12.6")),
        (("torch==2.14.1+cpu",), None),
        (("torch==2.14.1",), None),
        (("paddlepaddle==3.3.1",), None),
        (("paddlepaddle-gpu==3.3.1", "nvidia-cuda-runtime-cu12==12.6.77"), ("paddlepaddle-gpu 3.3.1", "12.6")),
        ((), None),
    ],
)
def test_what_a_build_is_for_is_told_by_the_packages(packages: tuple[str, ...], built: tuple[str, str] | None) -> None:
    assert built_for(packages) == built


@pytest.mark.parametrize(
    ("driver", "capability", "fits"),
    [
        ("580.65.06", (9, 0), ["cu126", "cu130", "cu132"]),
        ("575.57.08", (9, 0), ["cu126"]),
        ("535.183.01", (8, 0), ["cu126"]),
        ("580.65.06", (7, 0), ["cu126"]),  # Volta
        ("580.65.06", (6, 1), ["cu126"]),
        ("580.65.06", (7, 5), ["cu126", "cu130", "cu132"]),
        ("580.65.06", (8, 9), ["cu126", "cu130", "cu132"]),  # Ada runs code for Ampere
        ("580.65.06", (12, 0), ["cu130", "cu132"]),
        ("580.65.06", (12, 1), ["cu130", "cu132"]),
        ("580.65.06", (10, 3), ["cu130", "cu132"]),
        ("580.65.06", (13, 0), ["cu130", "cu132"]),  # by PTX
        ("470.82.01", (7, 5), []),
        ("580.65.06", (3, 7), []),
        ("", None, ["cu126", "cu130", "cu132"]),  # nothing is known against them
    ],
)
def test_builds_that_fit(driver: str, capability: tuple[int, int] | None, fits: list[str]) -> None:
    assert [build.backend for build in fitting([gpu(driver, capability)])] == fits


def test_a_driver_that_is_too_old_is_one_sentence_with_the_way_out() -> None:
    assert misfit(DEFAULT, [gpu("535.183.01")]) == (
        "torch 2.14.1 is built for CUDA 13.0, which needs a driver from R580 on; this machine has 535.183.01. "
        "Set UV_TORCH_BACKEND=cu126, which makes an environment of its own with a build that fits, or update the driver"
    )
    none_fits = misfit(DEFAULT, [gpu("470.82.01")])
    assert none_fits is not None
    assert none_fits.endswith("Update the driver, or leave --device out; no build of PyTorch that is known fits")


def test_a_gpu_that_is_too_old_is_one_sentence_too() -> None:
    assert misfit(DEFAULT, [gpu(capability=(7, 0))]) == (
        "torch 2.14.1 for CUDA 13.0 has no code for sm_70 (it has sm_75, sm_80, sm_86, sm_90, sm_100, sm_120). "
        "Set UV_TORCH_BACKEND=cu126, which makes an environment of its own with a build that fits, or update the driver"
    )


@pytest.mark.parametrize(
    ("packages", "gpus"),
    [
        (DEFAULT, [gpu()]),
        (DEFAULT, []),
        (DEFAULT, [gpu("", None)]),
        (("torch==2.14.1+cpu",), [gpu("418.0")]),
        (("torch==9.0", "nvidia-cuda-runtime==99.0.1"), [gpu()]),  # of which nothing is known
    ],
)
def test_nothing_is_said_against_what_fits_or_is_not_known(packages: tuple[str, ...], gpus: list[Gpu]) -> None:
    assert misfit(packages, gpus) is None
