"""Images on which two sources flip: by name, and as pictures only where they may be copied."""

import base64
import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from builders import TIMM, run

from harness.checks.equivalence import paired_accuracy
from harness.checks.equivalence.run import PairedRuns
from harness.core.records import Run, Source
from harness.dataset.image_set import ImageSet
from harness.execution.predictions import Predictions
from harness.plan.options import Options
from harness.report.gallery import Album, albums
from harness.worker.images import ImageRef

Image = pytest.importorskip("PIL.Image", reason="Pillow makes the images")

LABELS = {"cat.png": 281, "dog.png": 207, "none.png": 3}


def predicted(folder: Path, best: dict[str, tuple[int, float]]) -> str:
    """Stored predictions: of each image the best class and by how much it is the best."""
    rows = [(name, [first, 9, 8, 7, 6], [margin, 0.0, -1.0, -2.0, -3.0]) for name, (first, margin) in best.items()]
    folder.mkdir()
    Predictions(folder).append(rows, [])
    return str(folder)


@pytest.fixture
def shown(tmp_path: Path) -> Any:
    """Whatever the gallery looks at: two runs that differ in two images of three."""
    pictures = {"cat.png": "png", "dog.png": "png"}
    for name in pictures:
        Image.new("RGB", (640, 320), (200, 30, 30)).save(tmp_path / name)
    (tmp_path / "none.png").write_bytes(b"no picture")
    refs = tuple(ImageRef(name, label, str(tmp_path / name), None, None) for name, label in LABELS.items())
    images = ImageSet(str(tmp_path), "label file", refs, "0" * 64, False, "3 images", ())
    first = {"cat.png": (281, 0.5), "dog.png": (207, 4.0), "none.png": (3, 2.0)}
    second = {"cat.png": (5, 0.75), "dog.png": (207, 4.0), "none.png": (4, 3.0)}
    runs: list[Run] = [
        run(source=source, predictions=predicted(tmp_path / source.name, best), input_size=224)
        for source, best in ((TIMM, first), (Source("mmcls", "1.0"), second))
    ]
    tables = [Predictions(Path(one.predictions)).read() for one in runs]
    two = PairedRuns(runs[0], runs[1], paired_accuracy.compare(tables[0], tables[1], LABELS))

    @dataclasses.dataclass
    class Shown:
        images: ImageSet | None
        paired: tuple[PairedRuns, ...]
        options: Options

    return Shown(images, (two,), Options())


def test_flipped_images_come_surest_first_with_what_each_source_says(shown: Any) -> None:
    [album] = albums(shown)
    assert (album.total, album.sources) == (2, ("timm==0.6.5", "mmcls==1.0"))
    assert [(flip.name, flip.margin, flip.right) for flip in album.flips] == [
        ("none.png", 2.0, (True, False)),
        ("cat.png", 0.5, (True, False)),
    ]
    cat = album.flips[1]
    assert cat.label == "281 tabby"
    assert [five[0] for five in cat.best] == ["281 tabby", "5 electric ray"]
    assert all(flip.thumbnail is None for flip in album.flips), "nobody said that they may be copied"


def test_pictures_are_copied_small_and_what_is_no_picture_has_none(shown: Any) -> None:
    shown.options = dataclasses.replace(shown.options, gallery=True)
    none, cat = albums(shown)[0].flips
    assert none.thumbnail is None
    head, _, data = str(cat.thumbnail).partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as small:
        assert small.size == (160, 80)


def test_two_sources_that_agree_have_no_album(shown: Any) -> None:
    two = shown.paired[0]
    same = dataclasses.replace(two, paired=dataclasses.replace(two.paired, flipped=()))
    shown.paired = (same,)
    assert albums(shown) == list[Album]()
