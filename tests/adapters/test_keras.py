"""Keras's builders do more than build where they are asked for weights; so does the adapter."""

from collections.abc import Callable
from pathlib import Path

from harness.execution.environments import Installed


def test_keras_networks_are_those_of_published_weights(
    installed: Callable[[str], Installed], inside: Callable[..., str], tmp_path: Path
) -> None:
    script = Path(__file__).parent / "inside" / "keras_published.py"
    inside(installed("keras"), script, "", str(tmp_path), importable=True)
