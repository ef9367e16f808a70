"""ImageNet-ReaL's labels: files that hold them, files that do not, and images that they cannot be of."""

import json
from pathlib import Path

import pytest

from harness.core.errors import InputError
from harness.dataset.image_set import ImageSet
from harness.dataset.real_labels import read, with_real_labels
from harness.worker.images import ImageRef


def listed(folder: Path, entries: list[list[int]], lines: bool = False) -> Path:
    path = folder / "real.json"
    path.write_text("\n".join(map(json.dumps, entries)) if lines else json.dumps(entries))
    return path


def entries(first: list[list[int]]) -> list[list[int]]:
    return [*first, *[[7]] * (50_000 - len(first))]


def images(labels: list[int], name: str = "ILSVRC2012_val_{:08}.JPEG") -> ImageSet:
    refs = tuple(ImageRef(name.format(i), label, "/val", None, None) for i, label in enumerate(labels, 1))
    return ImageSet("/val", "label file", refs, "00" * 32, True, "ImageNet val", ())


@pytest.mark.parametrize("lines", [False, True])
def test_an_image_has_the_classes_of_its_number(tmp_path: Path, lines: bool) -> None:
    file = listed(tmp_path, entries([[], [970, 795], [230]]), lines)
    found = with_real_labels(images([65, 970, 230]), file)
    assert found.real == {"ILSVRC2012_val_00000002.JPEG": (970, 795), "ILSVRC2012_val_00000003.JPEG": (230,)}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[[1], [2]]", "2 entries; expected one for each of 50,000 images"),
        ("[[1], [1000]]", "entry 2 is not a list of class indices from 0 to 999"),
        ("[[1], true]", "entry 2 is not"),
        ('{"a": 1}', "is no list"),
        ("3", "is no list"),
        ("not json", "cannot read the labels"),
    ],
)
def test_a_file_that_holds_no_such_labels_is_refused(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "real.json"
    path.write_text(content)
    with pytest.raises(InputError, match=why):
        read(path)


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the labels"):
        read(tmp_path / "nothing.json")


def test_labels_in_another_order_are_refused(tmp_path: Path) -> None:
    file = listed(tmp_path, entries([[1], [2], [3]]))
    with pytest.raises(InputError, match=r"1 of 3 images have their own label .* in another order"):
        with_real_labels(images([1, 3, 2]), file)


def test_images_without_official_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image of --data is named"):
        with_real_labels(images([1, 2], name="{}.jpg"), listed(tmp_path, entries([[1]])))
