"""The catalogue of planted defects: each is found, and what is said names it; what is undamaged raises no alarm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmark import Counts

from harness.checks.equivalence import logit_difference
from harness.execution.environments import Installed

UNDAMAGED = ("undamaged, seed 1", "undamaged, seed 2", "undamaged, another style")

#: defect -> what the finding has to say
NAMED = {
    "relu": ("widen.act", "LeakyReLU (negative_slope 0.1) and ReLU"),
    "slope": ("residual.act", "negative_slope 0.1 against 0.01"),
    "epsilon larger": ("merge.norm", "eps 1e-05 against 0.001"),
    "epsilon smaller": ("residual.norm", "eps 1e-05 against 1e-06"),
    "missing activation": ("hidden_act", "LeakyReLU", "first only"),
    "additional activation": ("average.1", "LeakyReLU", "second only"),
    "activation after addition": ("after residual.act", "LeakyReLU", "second only"),
    "concatenation swapped": ("after left.act", "Concat", "another order"),
    "halves swapped": ("after widen.act", "Slice", "start 0 against 16"),
    "interleaved halves": ("after widen.act", "Slice", "step 1 against 2"),
    "padding reflected": ("left.conv", "pad (pad 1, mode reflect)", "second only"),
    "padding one sided": ("stem.conv", "pad (pad (0, 1, 0, 1)"),
    "stride moved": ("stem.conv", "stride 2 against 1"),
    "dilated": ("residual.conv", "padding 1 against 2", "dilation 1 against 2"),
    "fewer groups": ("right.conv", "weight(16, 4, 3, 3)", "weight(16, 8, 3, 3)"),
    "ceil mode": ("pool", "ceil_mode False against True"),
    "maximum for average": ("average", "AvgPool2d", "MaxPool2d"),
    "average for maximum": ("pool", "MaxPool2d", "AvgPool2d"),
    "addition missing": ("after residual.act", "Add", "first only"),
    "multiplied instead of added": ("after residual.act", "Add and Multiply"),
    "half precision": ("biased", "half", "not finite"),
    "layer twice": ("residual.conv", "Conv2d", "BatchNorm2d", "LeakyReLU", "once more by the second"),
    "layer missing": ("without a counterpart", "merge.conv (Conv2d weight(32, 32, 1, 1))", "against nothing"),
    "repeated layer missing": ("number 11: residual.norm", "against nothing"),
    "no bias": ("biased (Conv2d bias(32,)", "biased (Conv2d weight(32, 32, 3, 3))"),
    "softmax": ("after head", "Softmax", "second only"),
    "channels reversed": ("stem.conv", "flip"),
    "flattened differently": ("average.1", "laid out differently"),
    "linear transposed": ("hidden against hidden", "Linear", "parameters"),
    "another layers weights": ("biased against biased", "Conv2d", "parameters"),
    "statistics not moved": ("left.norm against left.norm", "BatchNorm2d", "parameters"),
    "affine pairs swapped": ("merge.norm against merge.norm", "BatchNorm2d", "parameters"),
    "scale and shift exchanged": ("residual.norm against residual.norm", "BatchNorm2d", "parameters"),
    "bias dropped": ("biased against biased", "a different bias"),
    "training mode": ("merge.norm", "training False against True"),
    "filters turned": ("widen.conv against widen.conv", "Conv2d", "parameters"),
}

#: defects that already show in how the networks are wired, and what has to be said there
WIRED = {
    "slope": ("negative_slope=0.1", "negative_slope=0.01"),
    "epsilon larger": ("merge.norm", "eps 0.001"),
    "epsilon smaller": ("residual.norm", "eps 1e-06"),
    "missing activation": ("head", "LeakyReLU"),
    "concatenation swapped": ("merge.conv", "Concat"),
    "halves swapped": ("left.conv", "start=16"),
    "padding reflected": ("left.conv", "pad("),
    "stride moved": ("stem.conv", "widen.conv", "stride 1"),
    "ceil mode": ("widen.conv", "ceil_mode=True"),
    "addition missing": ("biased", "Add("),
    "layer twice": ("biased", "BatchNorm2d"),
    "softmax": ("(output)", "Softmax"),
}


def test_timm_planted_defects_are_found_and_named(
    installed: Callable[[str], Installed],
    inside: Callable[..., str],
    counts: Callable[[str], Counts],
    tmp_path: Path,
) -> None:
    script = Path(__file__).with_name("network.py")
    printed = inside(
        installed("timm"), script, "", str(logit_difference.ROUNDING), str(tmp_path / "traces"), importable=True
    )
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    found: dict[str, dict[str, Any]] = {line["name"]: line for line in lines}
    assert set(found) == {*UNDAMAGED, *NAMED}

    alarms = [name for name in UNDAMAGED if found[name]["detected"] or found[name]["wiring"]]
    missed = [name for name in NAMED if not found[name]["detected"]]
    unnamed = [name for name, parts in NAMED.items() if not all(part in found[name]["said"] for part in parts)]
    unwired = [
        name for name, parts in WIRED.items() if not all(part in "\n".join(found[name]["wiring"]) for part in parts)
    ]
    group = counts("networks and checkpoints")
    group.named |= {name: name not in unnamed for name in NAMED if name not in missed}
    group.missed += missed
    group.alarms += alarms
    group.undamaged += len(UNDAMAGED)
    wrong = {*alarms, *missed, *unnamed, *unwired}
    said = "\n".join(f"{name}: {found[name]['said']} {found[name]['wiring']}" for name in found if name in wrong)
    if wrong:
        pytest.fail(f"alarms {alarms}, missed {missed}, unnamed {unnamed}, wiring {unwired}\n{said}", pytrace=False)
