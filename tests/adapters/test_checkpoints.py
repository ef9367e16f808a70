"""Checkpoints of every kind that people have, written by the libraries that write them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core.errors import MeasurementError
from harness.execution import environments, registry
from harness.execution.environments import Installed

INSIDE = Path(__file__).parent / "inside"
#: a release of timm in which weights go by tags
WITH_TAGS = "1.0.20"


def test_timm_loads_every_kind(
    installed: Callable[[str], Installed], inside: Callable[..., str], tmp_path: Path
) -> None:
    inside(installed("timm"), INSIDE / "timm_checkpoints.py", "", str(tmp_path), importable=True)


@pytest.mark.slow
def test_timm_s_tags_are_models_with_their_own_weights(inside: Callable[..., str], tmp_path: Path) -> None:
    try:
        ready = environments.prepare(registry.sources()["timm"], WITH_TAGS)
    except MeasurementError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    inside(ready, INSIDE / "timm_tags.py", "", str(tmp_path), importable=True)
