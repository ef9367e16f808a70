"""The static checks of all rows, with their environments there, from an empty store and once more from a full one."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness_contestant import environment
from benchmarks.interleaved import Failed
from benchmarks.speed_report import markdown


def measure(_given: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory(prefix="parity-overheads-") as folder:
        lines = [[name, f"{_seconds(Path(folder)):.1f}"] for name in ("anew", "again, with what was kept")]
    return f"`python -m harness.run --checks static`, seven rows:\n\n{markdown(['', 'seconds'], lines)}"


def _seconds(out: Path) -> float:
    command = [sys.executable, "-m", "harness.run", "--checks", "static", "--out", str(out)]
    began = time.perf_counter()
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: something in the table is contradicted
        raise Failed(f"ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
    return time.perf_counter() - began
