"""One property of a network is changed for as long as it is asked for, in the source's own environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.execution.environments import Installed

NETWORKS = [("timm", "resnet18"), ("mmcls", "resnet18_8xb32_in1k"), ("ppcls", "ResNet18")]


@pytest.mark.parametrize(("source", "model"), NETWORKS, ids=["-".join(pair) for pair in NETWORKS])
def test_an_altered_network_is_the_one_altered_by_hand(
    source: str, model: str, installed: Callable[[str], Installed], inside: Callable[..., str]
) -> None:
    script = Path(__file__).parent / "inside" / "altered.py"
    inside(installed(source), script, "", source, model, importable=True)
