"""For every image the five best classes equal those of the source's own evaluation code, run separately."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.checks.accuracy.group import Evaluation, evaluate
from harness.cli.commands import stand_ins
from harness.cli.progress import Silent
from harness.core.records import Run
from harness.dataset.image_set import ImageSet
from harness.execution import environments
from harness.execution.checkpoints import find
from harness.execution.environments import Installed
from harness.execution.predictions import identity_key
from harness.execution.session import Session
from harness.execution.store import Store
from harness.plan.options import Options
from harness.plan.page import read_page
from harness.plan.plan import REFERENCE, Target, plan

BATCH = 32
OWN = Path(__file__).parent / "own_evaluation"
#: source, documented model, the source's own name of it and input size
CSPNET = [
    ("timm", "cspresnet50", "cspresnet50", 256),
    ("timm", "cspresnext50", "cspresnext50", 256),
    ("timm", "cspdarknet53", "cspdarknet53", 256),
    ("mmcls", "cspresnet50", "cspresnet50_8xb32_in1k", 256),
    ("mmcls", "cspresnext50", "cspresnext50_8xb32_in1k", 224),
    ("mmcls", "cspdarknet53", "cspdarknet50_8xb32_in1k", 256),
    ("ppcls", "cspdarknet53", "CSPDarkNet53", 256),
]
#: those of the shortened form: one of each source
SHORT = ("timm-cspresnet50", "mmcls-cspresnet50", "ppcls-cspdarknet53")
LITE = [
    ("timm", f"tf_efficientnet_lite{n}", f"tf_efficientnet_lite{n}", size) for n, size in enumerate((224, 240, 260))
]
#: of sources without a table in reference/
PLAIN = [("pytorchcv", "resnet10", 224), ("keras", "ResNet50", 224)]


def target(table: Path, source: str, model: str) -> Target:
    planned = plan(Options(tables=(table,), sources=(source,), models=(model,)))
    return next(t for t in planned.targets if t.source.name == source)


@pytest.mark.parametrize(("source", "model", "own", "size"), CSPNET, ids=[f"{row[0]}-{row[1]}" for row in CSPNET])
def test_stand_in_rows_predict_as_the_source_itself_does(
    source: str,
    model: str,
    own: str,
    size: int,
    sample: ImageSet,
    installed: Callable[[str], Installed],
    inside: Callable[..., str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if f"{source}-{model}" not in SHORT and request.config.getoption("--images") < 500:
        pytest.skip("it takes a minute and runs what another row of its source does: run with --images 500")
    ready = installed(source)
    row = target(REFERENCE / "cspnet.md", source, model)
    [checkpoint] = stand_ins.make([row], sample, tmp_path / "weights")
    run, predicted = through_the_harness(ready, row, own, size, str(tmp_path / "weights"), sample, tmp_path)
    theirs = through_its_own_code(inside, ready, run, checkpoint, sample, tmp_path, by_order=False)
    assert run.checkpoint.stand_in
    assert run.top1_count > 0.5 * run.images, "a stand-in is to be far from chance, or a comparison shows little"
    assert_equal(predicted, theirs)


@pytest.mark.parametrize(("source", "model", "size"), PLAIN, ids=[f"{row[0]}-{row[1]}" for row in PLAIN])
def test_a_network_with_a_stand_in_predicts_as_the_source_itself_does(
    source: str,
    model: str,
    size: int,
    sample: ImageSet,
    installed: Callable[[str], Installed],
    inside: Callable[..., str],
    tmp_path: Path,
) -> None:
    ready = installed(source)
    (tmp_path / "page.md").write_text(
        f"| model | source | top1 |\n| :-- | :-- | --: |\n| {model} | {source} | 70.00 |\n"
    )
    row = target(tmp_path / "page.md", source, model)
    [checkpoint] = stand_ins.make([row], sample, tmp_path / "weights")
    run, predicted = through_the_harness(ready, row, model, size, str(tmp_path / "weights"), sample, tmp_path)
    theirs = through_its_own_code(inside, ready, run, checkpoint, sample, tmp_path, by_order=False)
    assert run.top1_count > 0.5 * run.images, "a stand-in is to be far from chance, or a comparison shows little"
    assert_equal(predicted, theirs)


@pytest.mark.parametrize(("source", "model", "own", "size"), LITE, ids=[f"{row[0]}-{row[1]}" for row in LITE])
def test_real_weights_predict_as_the_source_itself_does(
    source: str,
    model: str,
    own: str,
    size: int,
    sample: ImageSet,
    installed: Callable[[str], Installed],
    inside: Callable[..., str],
    tmp_path: Path,
) -> None:
    ready = installed(source)
    row = target(REFERENCE / "efficientnet_lite.md", source, model)
    run, predicted = through_the_harness(ready, row, own, size, "auto", sample, tmp_path)
    theirs = through_its_own_code(inside, ready, run, Path(run.checkpoint.file), sample, tmp_path, by_order=True)
    assert run.checkpoint.stand_in is None
    assert run.top1_count > 0.8 * run.images
    assert_equal(predicted, theirs)


def test_a_difference_in_one_image_is_seen() -> None:
    with pytest.raises(AssertionError, match="1 of 2 images differ"):
        assert_equal([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]], [[1, 2, 3, 4, 5], [1, 2, 3, 5, 4]])


def assert_equal(predicted: list[list[int]], own: list[list[int]]) -> None:
    assert len(predicted) == len(own)
    differ = [(i, a, b) for i, (a, b) in enumerate(zip(predicted, own, strict=True)) if a != b]
    assert not differ, f"{len(differ)} of {len(own)} images differ, the first: {differ[0]}"


def through_the_harness(
    ready: Installed, row: Target, own: str, size: int, weights: str, sample: ImageSet, folder: Path
) -> tuple[Run, list[list[int]]]:
    """The run and its five best classes per image, in the order of the images."""
    store = Store(folder / "store")
    session = Session(store, Silent(), "cpu", BATCH)
    declared = read_page(Path(row.row.file)).weights.get(row.row.model)
    checkpoint = find(
        weights, ready.source.name, own, row.row.model, None, declared,
        environments.cache() / "weights",
    )  # fmt: skip
    [run] = evaluate(session, ready, [Evaluation(row.row.model, own, checkpoint, None, size)], sample)
    assert run is not None, session.failures
    assert run.images == len(sample.images)
    assert run.preprocessing.crop == size
    [folder] = [path for path in (store.root / "predictions").iterdir() if path.is_dir()]
    identity = json.loads((folder / "identity.json").read_text())
    assert folder.name == identity_key(identity)
    table = store.predictions(identity).read().set_index("image")
    return run, [[int(c) for c in table.loc[ref.name, "classes"][:5]] for ref in sample.images]


def through_its_own_code(
    inside: Callable[..., str],
    ready: Installed,
    run: Run,
    checkpoint: Path,
    sample: ImageSet,
    folder: Path,
    by_order: bool,
) -> list[list[int]]:
    job = {
        "model": run.model,
        "checkpoint": str(checkpoint),
        "by_order": by_order,
        "files": [ref.file for ref in sample.images],
        "batch_size": BATCH,
        "out": str(folder / "own.json"),
    }
    inside(ready, OWN / f"{ready.source.name}_own.py", json.dumps(job))
    best: list[list[int]] = json.loads((folder / "own.json").read_text())
    return best
