"""Each adapter holds its contract, with a real network in the source's own environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from harness.adapters.testing.asked import outcomes, photos
from harness.adapters.testing.clauses import CLAUSES
from harness.adapters.testing.subject import COLOUR

from harness.execution.environments import Installed

NETWORKS = [
    ("timm", "resnet18"), ("mmcls", "resnet18_8xb32_in1k"), ("ppcls", "ResNet18"), ("torchvision", "resnet18"),
]  # fmt: skip
#: Keras's layers are not PyTorch's own, and its images are not normalised as others'
SUITE = [*NETWORKS, ("pytorchcv", "resnet10"), ("keras", "MobileNetV2")]
#: what may be missing, and what needs another runtime
OPTIONAL = {"documents", "outline", "export", "states"}
#: what the suite cannot try: it does not rename what is in an HDF5 file (inside/keras_published.py does)
UNTRIED = {"keras": {"match_order"}}


@pytest.mark.parametrize(("source", "model"), NETWORKS, ids=["-".join(pair) for pair in NETWORKS])
def test_adapter_holds_its_contract(
    source: str, model: str, installed: Callable[[str], Installed], inside: Callable[..., str], tmp_path: Path
) -> None:
    photos(tmp_path)
    script = Path(__file__).parent / "inside" / "contract.py"
    printed = inside(
        installed(source), script, str(tmp_path / "red.png"), source, model, str(tmp_path), importable=True
    )
    red, green, blue = json.loads(printed.strip().splitlines()[-1])["means"]
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    assert np.allclose([red, green, blue], (np.array(COLOUR) / 255 - mean) / std, atol=1e-4)


@pytest.mark.parametrize(("source", "model"), SUITE, ids=["-".join(pair) for pair in SUITE])
def test_the_suite_for_other_packages_passes(source: str, model: str, installed: Callable[[str], Installed]) -> None:
    found = outcomes(installed(source), model)
    assert list(found) == list(CLAUSES)
    assert not {clause: outcome.why for clause, outcome in found.items() if outcome.kind == "broken"}
    skipped = {clause for clause, outcome in found.items() if outcome.kind == "skipped"}
    assert skipped <= OPTIONAL | UNTRIED.get(source, set())
