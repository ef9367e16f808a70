"""On a GPU a network predicts what it does on the CPU, in fp32 and, certified, in tf32 and bf16."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.checks.accuracy.group import Evaluation, evaluate
from harness.cli.progress import Silent
from harness.dataset.image_set import ImageSet
from harness.execution import checkpoints, environments, process
from harness.execution.devices.seats import Seat
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.session import Session
from harness.execution.store import Store
from harness.plan.page import read_page
from harness.plan.plan import REFERENCE
from harness.worker.protocol import Ready

LITE = "tf_efficientnet_lite0"


def best(
    ready: Installed, sample: ImageSet, folder: Path, device: str, precision: str
) -> list[tuple[int, frozenset[int]]]:
    declared = read_page(REFERENCE / "efficientnet_lite.md").weights[LITE]
    checkpoint = checkpoints.find("auto", "timm", LITE, LITE, None, declared, environments.cache() / "weights")
    session = Session(Store(folder), Silent(), device, 32, "native", precision)
    [run] = evaluate(session, ready, [Evaluation(LITE, LITE, checkpoint, None, 224)], sample)
    assert run is not None, session.failures
    table = Predictions(Path(run.predictions)).read().set_index("image")
    rows = (table.loc[ref.name, "classes"] for ref in sample.images)
    return [(int(classes[0]), frozenset(int(one) for one in classes[:5])) for classes in rows]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_timm_predicts_the_same_on_a_gpu(
    precision: str,
    installed: Callable[..., Installed],
    inside: Callable[..., str],
    sample: ImageSet,
    tmp_path: Path,
) -> None:
    ready = installed("timm")
    (tmp_path / "ask.py").write_text("import torch; print(torch.cuda.is_available())")
    if inside(ready, tmp_path / "ask.py").strip() != "True":
        pytest.skip("no GPU: torch.cuda.is_available() says False")
    assert best(ready, sample, tmp_path, "cuda", precision) == best(ready, sample, tmp_path, "cuda", "fp32")
    # sums are in another order, so near ties may turn
    apart = sum(a != b for a, b in zip(
        best(ready, sample, tmp_path, "cuda", "fp32"), best(ready, sample, tmp_path, "cpu", "fp32"), strict=True
    ))  # fmt: skip
    assert apart <= 0.05 * len(sample.images)


@pytest.mark.parametrize(("source", "why"), [("timm", "no NVIDIA driver"), ("ppcls", "is a build for CPUs")])
def test_a_framework_without_a_gpu_says_why(
    source: str, why: str, installed: Callable[..., Installed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    said = process.ask_device(installed(source), tmp_path / "log", Seat("cuda", "cuda"))
    assert isinstance(said, Ready), said
    assert said.device == "cpu"
    if source == "timm" and why not in said.refused:
        pytest.skip(f"this machine has a driver: {said.refused}")
    assert why in said.refused


def test_pytorch_does_not_round_to_tf32_unless_asked(
    installed: Callable[..., Installed], inside: Callable[..., str]
) -> None:
    """As its settings say; what a GPU computes, benchmarks/gpu.sh asks."""
    script = Path(__file__).parent / "inside" / "arithmetic.py"
    rounded, exact = [True, True], [False, False]
    expected = [[False, True], exact, rounded, exact], ["cumsum_cuda_kernel"]  # the first is PyTorch's own choice
    assert inside(installed("timm"), script, importable=True).strip() == f"{expected[0]} {expected[1]}"
