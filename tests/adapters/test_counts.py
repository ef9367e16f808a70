"""What a network is counted to have does not depend on how it would be trained."""

from collections.abc import Callable
from pathlib import Path

from harness.execution.environments import Installed


def test_timm_networks_are_counted_as_they_are_evaluated(
    installed: Callable[[str], Installed], inside: Callable[..., str], tmp_path: Path
) -> None:
    script = Path(__file__).parent / "inside" / "torch_counts.py"
    inside(installed("timm"), script, "", str(tmp_path), importable=True)
