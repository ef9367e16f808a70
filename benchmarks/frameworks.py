"""The sources' own evaluation code as contestants."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.interleaved import Contestant
from harness.execution import environments, registry

SERVE = Path(__file__).parent / "evaluators" / "serve.py"
#: what somebody who has installed a framework and runs its evaluation has not set
TUNING = (
    "PYTHON", "VIRTUAL_ENV", "MALLOC_", "LD_PRELOAD", "OMP_", "GOMP_", "KMP_", "MKL_", "DNNL_", "ONEDNN_", "FLAGS_",
)  # fmt: skip


def plain_environment() -> dict[str, str]:
    """This process's environment without what tunes a framework or its memory."""
    return {name: value for name, value in os.environ.items() if not name.startswith(TUNING)}


def contestant(
    source: str,
    model: str,
    checkpoint: Path,
    images: Sequence[tuple[str, int]],
    batch_size: int,
    name: str | None = None,
    variables: dict[str, str] | None = None,
    **options: Any,
) -> Contestant:
    """A source's evaluator at the source's default version, its environment made if it is not there yet.

    `model` is the source's own name of it, `variables` comes on top of a plain environment, `options` into the job:
    "workers", "input_size" (pixels). Raises MeasurementError where the environment cannot be made.
    """
    spec = registry.sources()[source]
    ready = environments.prepare(spec, spec.default_version)
    job = {"model": model, "checkpoint": str(checkpoint), "images": images, "batch_size": batch_size, **options}
    return Contestant(
        name or f"{ready.source} {model}, its own evaluation",
        [str(ready.python), str(SERVE), f"{source}_evaluator"],
        {**plain_environment(), **(variables or {})},
        job,
    )
