"""pytorchcv names its networks, figures and checkpoints in a file; so does the adapter."""

from collections.abc import Callable
from pathlib import Path

from harness.execution.environments import Installed


def test_pytorchcv_networks_are_those_of_imgclsmob(
    installed: Callable[[str], Installed], inside: Callable[..., str], tmp_path: Path
) -> None:
    script = Path(__file__).parent / "inside" / "pytorchcv_published.py"
    inside(installed("pytorchcv"), script, "", str(tmp_path), importable=True)
