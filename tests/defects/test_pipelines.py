"""Defects planted in a copy of a pipeline with real weights: the swap of one factor mends each, and is named."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmark import Counts

from harness.checks.accuracy.group import Evaluation, evaluate
from harness.checks.diagnosis import against_source
from harness.checks.diagnosis.attribution import Attribution
from harness.checks.diagnosis.variant_runner import VariantRunner
from harness.cli.progress import Silent
from harness.core.records import Run, Source
from harness.dataset.image_set import ImageSet, open_images
from harness.execution import checkpoints, environments
from harness.execution.environments import Installed
from harness.execution.registry import SourceSpec
from harness.execution.session import Session
from harness.execution.store import Store
from harness.plan.page import read_page
from harness.plan.plan import REFERENCE

HERE = Path(__file__).parent
MODEL = "tf_efficientnet_lite0"
#: defect -> the factor that has to be named when the damaged copy is compared with the source
PIPELINES = {
    "bgr_decoded": "channel order",
    "bgr": "channel order",
    "scale_missing": "scale",
    "imagenet_statistics": "mean and std",
    "no_normalisation": "mean and std",
    "bilinear": "filter",
    "nearest": "filter",
    "opencv_resize": "resize library",
    "no_antialias": "antialias",
    "square_resize": "aspect ratio",
    "crop_ratio": "short side",
    "short_side_is_crop": "short side",
    "long_side_rounded": "rounding",
    "crop_rounded": "rounding",
    "corner_crop": "crop position",
    "orientation_applied": "EXIF orientation",
}
#: what runs in the shortened form
SOME = ("bgr", "imagenet_statistics", "bilinear", "opencv_resize", "square_resize", "orientation_applied")


@pytest.fixture(scope="module")
def images(sample: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """The sample, with three photographs that a camera was turned for."""
    Image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("images")
    for number, ref in enumerate(sample.images):
        (folder / ref.name).parent.mkdir(exist_ok=True)
        if number % 20 == 7 and number < 60:
            turned = Image.open(ref.file).convert("RGB")
            tag = Image.Exif()
            tag[0x0112] = 6
            content = io.BytesIO()
            turned.save(content, "JPEG", exif=tag, quality=95)
            (folder / ref.name).write_bytes(content.getvalue())
        else:
            shutil.copyfile(ref.file, folder / ref.name)
    return open_images(folder)


class Copies:
    """The damaged copies and the source beside them, evaluated on the same images."""

    def __init__(self, ready: Installed, images: ImageSet, folder: Path) -> None:
        spec = SourceSpec("planted", "planted", HERE, ready.spec.distribution, ready.source.version)
        self.planted = Installed(
            spec, Source("planted", ready.source.version), ready.python, ready.packages, ready.python_version
        )
        self.ready = ready
        self.images = images
        self.session = Session(Store(folder), Silent(), "cpu", 32)
        self.page = read_page(REFERENCE / "efficientnet_lite.toml")
        self.bench = VariantRunner({ready.source: ready, self.planted.source: self.planted}, images, self.session)

    def run(self, defect: str | None = None) -> Run:
        declared = self.page.weights[MODEL]
        checkpoint = checkpoints.find("auto", "timm", MODEL, MODEL, None, declared, environments.cache() / "weights")
        name = defect or MODEL
        installed = self.planted if defect else self.ready
        [run] = evaluate(self.session, installed, [Evaluation(name, name, checkpoint, None, 224)], self.images)
        assert run is not None, self.session.failures
        return run

    def against_the_source(self, defect: str, source: Run) -> Attribution | None:
        return against_source.explain_difference(self.run(defect), source, self.bench, None)


def test_timm_planted_pipeline_defects_are_named(
    installed: Callable[[str], Installed],
    images: ImageSet,
    counts: Callable[[str], Counts],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    copies = Copies(installed("timm"), images, tmp_path / "store")
    source = copies.run()
    assert source.top1_count > 0.8 * source.images
    defects = PIPELINES if request.config.getoption("--images") >= 500 else SOME
    found = {defect: copies.against_the_source(defect, source) for defect in (*defects, "undamaged")}
    assert not copies.session.failures
    alarm = found.pop("undamaged")
    named = [
        defect
        for defect, one in found.items()
        if one and one.outcome == "named" and one.factors == (PIPELINES[defect],)
    ]
    group = counts("pipelines")
    group.named |= {defect: defect in named for defect, one in found.items() if one}
    group.missed += [defect for defect, one in found.items() if not one]
    group.alarms += ["undamaged"] if alarm else []
    group.undamaged += 1
    wrong = {defect: one.text if one else "not detected" for defect, one in found.items() if defect not in named}
    if wrong or alarm:
        said = "\n".join(f"{defect}: {text}" for defect, text in wrong.items())
        pytest.fail(f"{said}\nalarm: {alarm}", pytrace=False)
