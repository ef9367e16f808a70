"""A faster runtime or precision predicts what the source's own network does, image by image, and says at what price."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.checks.accuracy import certificate as certified
from harness.checks.accuracy.group import Evaluation, evaluate
from harness.cli.commands import stand_ins
from harness.cli.progress import Silent
from harness.core.files import sha256
from harness.core.records import Run
from harness.dataset.image_set import ImageSet
from harness.execution import environments
from harness.execution.checkpoints import Checkpoint, find
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.session import Session
from harness.execution.store import Store
from harness.plan.options import Options
from harness.plan.page import read_page
from harness.plan.plan import REFERENCE, plan

BATCH = 16
#: source, documented model, the source's own name of it
ROWS = [
    ("timm", "cspresnet50", "cspresnet50"),
    ("mmcls", "cspresnet50", "cspresnet50_8xb32_in1k"),
    ("ppcls", "cspdarknet53", "CSPDarkNet53"),
]
LITE = "tf_efficientnet_lite0"
#: as the kernel has it: OpenVINO computes in bfloat16 where the processor can alone, PyTorch everywhere
HAS_BF16 = bool({"avx512_bf16", "amx_bf16"} & set(Path("/proc/cpuinfo").read_text().split()))
Best = list[tuple[int, frozenset[int]]]


def run(
    ready: Installed, evaluation: Evaluation, sample: ImageSet, folder: Path, runtime: str, precision: str
) -> tuple[Run, Best]:
    """The run, and of every image the best class and the set of the five best."""
    session = Session(Store(folder), Silent(), "cpu", BATCH, runtime, precision)
    [done] = evaluate(session, ready, [evaluation], sample)
    assert done is not None, session.failures
    assert done.images == len(sample.images)
    table = Predictions(Path(done.predictions)).read().set_index("image")
    rows = (table.loc[ref.name, "classes"] for ref in sample.images)
    return done, [(int(classes[0]), frozenset(int(one) for one in classes[:5])) for classes in rows]


def differing(one: Best, other: Best) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def lite0() -> Evaluation:
    declared = read_page(REFERENCE / "efficientnet_lite.md").weights[LITE]
    checkpoint = find("auto", "timm", LITE, LITE, None, declared, environments.cache() / "weights")
    return Evaluation(LITE, LITE, checkpoint, None, 224)


@pytest.mark.parametrize(("source", "model", "own"), ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_openvino_predicts_what_the_source_does(
    source: str, model: str, own: str, sample: ImageSet, installed: Callable[..., Installed], tmp_path: Path
) -> None:
    ready = installed(source, "openvino")
    planned = plan(Options(tables=(REFERENCE / "cspnet.md",), sources=(source,), models=(model,)))
    [path] = stand_ins.make([planned.targets[0]], sample, tmp_path / "weights")
    evaluation = Evaluation(model, own, Checkpoint(str(path), sha256(path), None, ""), None, 256)
    native, theirs = run(ready, evaluation, sample, tmp_path / "store", "native", "fp32")
    found, ours = run(ready, evaluation, sample, tmp_path / "store", "openvino", "fp32")
    assert native.certificate is None
    certificate = found.certificate
    assert certificate is not None
    assert certificate.fallback is None
    assert certificate.engine.startswith("OpenVINO")
    assert 0 < certificate.deviation < 1e-2
    assert certificate.rerun < len(sample.images) / 4
    assert differing(ours, theirs) == 0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what one test has evaluated is there for the next."""
    return tmp_path_factory.mktemp("store")


@pytest.mark.parametrize(("runtime", "precision"), [("openvino", "bf16"), ("native", "bf16"), ("onnxruntime", "fp32")])
def test_timm_predictions_with_real_weights(
    runtime: str, precision: str, sample: ImageSet, installed: Callable[..., Installed], store: Path
) -> None:
    ready = installed("timm", runtime)
    native, theirs = run(ready, lite0(), sample, store, "native", "fp32")
    found, ours = run(ready, lite0(), sample, store, runtime, precision)
    assert native.top1_count > 0.8 * native.images
    assert found.certificate is not None
    assert differing(ours, theirs) == 0
    if (runtime, precision) == ("openvino", "bf16") and not HAS_BF16:
        assert "this processor does not have it" in str(found.certificate.fallback)
    else:
        assert found.certificate.deviation > 0
        assert found.certificate.top1_count is not None


def test_timm_in_bf16_alone_predicts_otherwise(
    sample: ImageSet, installed: Callable[..., Installed], monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    """Or nothing would be shown above."""
    ready = installed("timm", "native")
    monkeypatch.setattr(certified, "SAFETY", 0.0)
    _, theirs = run(ready, lite0(), sample, store, "native", "fp32")
    _, ours = run(ready, lite0(), sample, store, "native", "bf16")
    assert differing(ours, theirs) > 0
