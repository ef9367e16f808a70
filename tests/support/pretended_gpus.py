"""GPUs that are not there: a program nvidia-smi that tells of them."""

from pathlib import Path

import pytest

H100 = ("NVIDIA H100 80GB HBM3", "580.65.06", "81559", "9.0")
V100 = ("Tesla V100-SXM2-16GB", "535.183.01", "16384", "7.0")


def pretend(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *gpus: tuple[str, str, str, str], status: int = 0, says: str = ""
) -> Path:
    """Has nvidia-smi tell of these GPUs (name, driver, MiB, compute capability), or fail with what it `says`."""
    folder.mkdir(exist_ok=True)
    lines = [
        f"{number}, GPU-{number:08x}-0000, {name}, {driver}, {memory}, {capability}"
        for number, (name, driver, memory, capability) in enumerate(gpus)
    ]
    (folder / "answer").write_text("".join(f"{line}\n" for line in lines) + says)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat {folder}/answer\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program
