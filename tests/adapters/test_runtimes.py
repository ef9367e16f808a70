"""A network gives the same logits in whatever runs it, each in the source's own environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from harness.adapters.base import Runtime

from harness.core.errors import MeasurementError
from harness.execution import environments, registry
from harness.execution.environments import Installed

#: of those of ppcls, the first can be saved as a program of the old kind and the second as one of the new kind alone
NETWORKS = [
    ("timm", "resnet18"),
    ("mmcls", "resnet18_8xb32_in1k"),
    ("ppcls", "ResNet18"),
    ("ppcls", "MobileNetV3_small_x0_35"),
]


@pytest.fixture(scope="session")
def installed_with() -> Callable[[str, Runtime], Installed]:
    """The environment of a source for a runtime, made if need be; skips where no package index can be reached."""

    def prepare(name: str, runtime: Runtime) -> Installed:
        spec = registry.sources()[name]
        try:
            return environments.prepare(spec, spec.default_version, runtime)
        except MeasurementError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))

    return prepare


@pytest.mark.parametrize("runtime", get_args(Runtime))
@pytest.mark.parametrize(("source", "model"), NETWORKS, ids=["-".join(pair) for pair in NETWORKS])
def test_a_network_gives_the_same_logits_in_whatever_runs_it(
    source: str,
    model: str,
    runtime: Runtime,
    installed_with: Callable[[str, Runtime], Installed],
    inside: Callable[..., str],
    tmp_path: Path,
) -> None:
    script = Path(__file__).parent / "inside" / "runtimes.py"
    ready = installed_with(source, runtime)
    inside(ready, script, "", source, model, runtime, str(tmp_path), importable=True)
