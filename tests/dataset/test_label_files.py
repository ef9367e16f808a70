"""Every kind of label file that people have for ImageNet val, and files that are for other images."""

import csv
import hashlib
import importlib.util
import io
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from image_files import SYNSETS, full_val, refused, val_name, write
from scipy.io import savemat

from harness.core.errors import InputError
from harness.dataset.image_set import open_images
from harness.dataset.labels import devkit_ids, val_labels
from harness.dataset.labels.files import read_labels
from harness.dataset.labels.known import devkit_order

#: images of the made-up copies of ImageNet val; the label files have all 50,000
SOME = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 4711, 31_337, 49_999, 50_000)
IDS = [devkit_ids()[label] for label in val_labels()]
WORDNET = [SYNSETS[label] for label in val_labels()]
NAMES = full_val()[0]


def part(folder: Path, form: str = "{name}") -> Path:
    """A copy with some of the images."""
    label = val_labels()
    return write(
        folder, [form.format(name=val_name(n), stem=val_name(n)[:-5], synset=SYNSETS[label[n - 1]]) for n in SOME]
    )


def text(folder: Path, lines: Iterable[object]) -> Path:
    file = folder / "labels.txt"
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def meta(order: Sequence[int]) -> bytes:
    """A meta.mat as the devkit has it: all classes, and some above them that have children."""
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    rows = [(number, SYNSETS[index], "word", "gloss", 0) for number, index in enumerate(order, 1)]
    rows += [(len(order) + n, f"n0000000{n}", "thing", "gloss", 3) for n in range(1, 5)]
    content = io.BytesIO()
    savemat(content, {"synsets": np.array(rows, dtype=kinds).reshape(-1, 1)})
    return content.getvalue()


def packed(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def devkit(ids: Sequence[int] = IDS, order: Sequence[int] = devkit_order()) -> dict[str, bytes]:
    above = "ILSVRC2012_devkit_t12"
    return {
        f"{above}/readme.txt": b"Introduction",
        f"{above}/data/ILSVRC2012_validation_ground_truth.txt": "".join(f"{one}\n" for one in ids).encode(),
        f"{above}/data/meta.mat": meta(order),
    }


def kaggle(folder: Path) -> Path:
    """LOC_val_solution.csv, whose images are in no order and may show their class several times."""
    draw = random.Random(0)
    file = folder / "LOC_val_solution.csv"
    with file.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["ImageId", "PredictionString"])
        for name, synset in draw.sample(list(zip(NAMES, WORDNET, strict=True)), len(NAMES)):
            rows.writerow([name[:-5], f"{synset} 10 20 300 400 " * draw.choice((1, 1, 2))])
    return file


KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "devkit's list": (lambda f: text(f, IDS), "ids of the devkit, one a line, in the order of the images' numbers"),
    "devkit archive": (
        lambda f: packed(f / "ILSVRC2012_devkit_t12.tar.gz", devkit()),
        "ids of the devkit, looked up in its meta.mat, in the order of the images' numbers",
    ),
    "devkit as zip": (lambda f: packed(f / "devkit.zip", devkit()), "ids of the devkit, looked up in its meta.mat"),
    "later devkit": (
        lambda f: packed(
            f / "later.tar",
            {
                "data/ILSVRC2015_clsloc_validation_ground_truth.txt": "\n".join(map(str, IDS)).encode(),
                "data/map_clsloc.txt": "".join(
                    f"{SYNSETS[index]} {n} some_thing\n" for n, index in enumerate(devkit_order(), 1)
                ).encode(),
            },
            "w",
        ),
        "ids of the devkit, looked up in its map_clsloc.txt",
    ),
    "path synset": (
        lambda f: text(f, (f"{name} {synset}" for name, synset in zip(NAMES, WORDNET, strict=True))),
        'lines of "path synset"',
    ),
    "TensorFlow's synsets": (lambda f: text(f, WORDNET), "synsets, one a line, in the order of the images' numbers"),
    "Kaggle's solution": (
        kaggle,
        "Kaggle's list of images with the classes and boxes that they show, without suffixes",
    ),
    "folder above": (
        lambda f: text(f, (f"val/{name} {label}" for name, label in zip(NAMES, val_labels(), strict=True))),
        'lines of "path index", read from a folder above',
    ),
    "path index": (
        lambda f: text(f, (f"{name} {label}" for name, label in zip(NAMES, val_labels(), strict=True))),
        'lines of "path index"',
    ),
    "name,index": (
        lambda f: text(f, ["filename,label", *(f"{n},{label}" for n, label in zip(NAMES, val_labels(), strict=True))]),
        'lines of "path,index"',
    ),
    "without suffix": (
        lambda f: text(f, (f"{name[:-5]}\t{label}" for name, label in zip(NAMES, val_labels(), strict=True))),
        'lines of "path index", without suffixes',
    ),
    "bare indices": (lambda f: text(f, val_labels()), "class indices, one a line, in the order of the images' numbers"),
    "bare indices from 1": (
        lambda f: text(f, (label + 1 for label in val_labels())),
        "class indices counted from 1, one a line, in the order of the images' numbers",
    ),
    "Windows": (
        lambda f: text(f, (rf"imagenet\val\{n} {label}" for n, label in zip(NAMES, val_labels(), strict=True))),
        'lines of "path index", read from a folder above',
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file_gives_the_labels_and_is_named(tmp_path: Path, kind: str) -> None:
    make, said = KINDS[kind]
    found = open_images(part(tmp_path / "val"), file := make(tmp_path))
    assert {ref.name: ref.label for ref in found.images} == {val_name(n): val_labels()[n - 1] for n in SOME}
    assert found.labelled_by.startswith(f"{file.name}: {said}")
    assert f"listed in {file.name} and not there: {50_000 - len(SOME):,} images" in found.notes[0]
    assert "49,985 names are missing, first ILSVRC2012_val_00000012" in found.identity
    assert "labels are wrong" not in found.identity


@pytest.mark.parametrize(
    "form", ["{stem}_{synset}.JPEG", "deep/er/{name}", "{synset}/{stem}_{synset}.JPEG", "{stem}.png"]
)
@pytest.mark.parametrize("kind", ["devkit's list", "Kaggle's solution"])
def test_renamed_images_are_found(tmp_path: Path, form: str, kind: str) -> None:
    found = open_images(part(tmp_path / "val", form), KINDS[kind][0](tmp_path))
    assert sorted(ref.label for ref in found.images) == sorted(val_labels()[n - 1] for n in SOME)


def test_the_devkit_may_be_unpacked(tmp_path: Path) -> None:
    for name, content in devkit().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    found = open_images(part(tmp_path / "val"), tmp_path / "ILSVRC2012_devkit_t12")
    assert [ref.label for ref in found.images] == [val_labels()[n - 1] for n in SOME]


def test_an_archive_with_an_order_of_its_own_is_read_by_it(tmp_path: Path) -> None:
    """The table in the archive says what its ids stand for, not the one that is known here."""
    order = list(devkit_order())
    random.Random(0).shuffle(order)
    ids = [order.index(label) + 1 for label in val_labels()]
    file = packed(tmp_path / "kit.tar.gz", devkit(ids, order))
    assert [ref.label for ref in open_images(part(tmp_path / "val"), file).images] == [
        val_labels()[n - 1] for n in SOME
    ]


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("form", ["{name}", "{stem}_{synset}.JPEG", "some/where/{synset}_{stem}.JPEG"])
def test_official_names_need_no_labels(tmp_path: Path, form: str, labelled: bool) -> None:
    data = part(tmp_path / "val", form)
    if labelled:  # as a tar
        with tarfile.open(tmp_path / "val.tar", "w") as tar:
            tar.add(data, arcname=".")
        data = tmp_path / "val.tar"
    found = open_images(data)
    assert sorted(ref.label for ref in found.images) == sorted(val_labels()[n - 1] for n in SOME)
    assert found.labelled_by == "the names of the images"


def test_one_name_that_tells_nothing_asks_for_labels(tmp_path: Path) -> None:
    part(tmp_path)
    write(tmp_path, ["other.jpg"])
    assert "no labels; give a label file" in refused(tmp_path)


# --- lists without paths


def test_the_order_of_names_is_taken_where_they_tell_that_it_is_right(tmp_path: Path) -> None:
    data = write(tmp_path / "data", [f"{SYNSETS[index]}/{n}.jpg" for n, index in enumerate((5, 900, 17, 5, 300))])
    found = open_images(data, text(tmp_path, (5, 900, 17, 5, 300)))
    assert all(ref.name.startswith(SYNSETS[ref.label]) for ref in found.images)
    assert found.labelled_by == "labels.txt: class indices, one a line, in the order of the file names"
    by_devkit = open_images(data, text(tmp_path, [devkit_ids()[index] for index in (5, 900, 17, 5, 300)]))
    assert by_devkit.images == found.images
    assert by_devkit.labelled_by == "labels.txt: ids of the devkit, one a line, in the order of the file names"


def test_names_that_tell_nothing_leave_a_list_open(tmp_path: Path) -> None:
    data = write(tmp_path / "data", [f"{n}.jpg" for n in range(5)])
    message = refused(data, text(tmp_path, (5, 900, 17, 5, 300)))
    assert "5 bare integers for 5 images" in message
    assert "no line names its image, and the names of the images do not tell what they are" in message
    assert "ids of the devkit" in message
    assert "class indices" in message
    assert "Write `path index` in each line" in message


@pytest.mark.parametrize("count", [49_999, 50_001])
def test_a_list_of_another_length_is_refused(tmp_path: Path, count: int) -> None:
    message = refused(part(tmp_path / "val"), text(tmp_path, [*IDS, 7][:count]))
    assert f"{count:,} bare integers for {len(SOME)} images" in message


def test_a_shuffled_list_is_named(tmp_path: Path) -> None:
    labels = list(val_labels())
    random.Random(0).shuffle(labels)
    with pytest.raises(InputError, match=r"labels are shuffled, or those of other images"):
        read_labels(text(tmp_path, labels), NAMES)


# --- files for other images, and damaged ones


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"data/ILSVRC2010_validation_ground_truth.txt": b"1\n2\n", "data/meta.mat": b""},
            "not the devkit of ILSVRC2012: it has ILSVRC2010_validation_ground_truth.txt",
        ),
        ({"a.jpg": b"image"}, "not the devkit of ILSVRC2012: no list of ground truth is in it"),
        ({"ILSVRC2012_validation_ground_truth.txt": b"1\n2\n"}, "has no meta.mat that tells what its ids stand for"),
        ({"ILSVRC2012_validation_ground_truth.txt": b"1\nx\n", "meta.mat": b""}, "has 'x' where an id is expected"),
        ({"ILSVRC2012_validation_ground_truth.txt": b"1\n", "meta.mat": b"no table"}, "meta.mat cannot be read"),
        (
            {
                "ILSVRC2014_clsloc_validation_ground_truth.txt": b"1\n",
                "map_clsloc.txt": "".join(f"n{n:08} {n} thing\n" for n in range(1, 1001)).encode(),
            },
            "n00000001, n00000002, n00000003, … among them; expected the 1,000 of ILSVRC2012. "
            "It is the devkit of another set",
        ),
    ],
)
@pytest.mark.parametrize("form", ["kit.tar.gz", "kit.zip"])
def test_archives_of_labels_for_other_images(tmp_path: Path, files: dict[str, bytes], said: str, form: str) -> None:
    file = packed(tmp_path / form, files)
    message = refused(part(tmp_path / "val"), file)
    assert message.startswith(f"{file}: ")
    assert said in message


def test_archives_that_are_cut_off(tmp_path: Path) -> None:
    for name in ("kit.tar.gz", "kit.tar.bz2", "kit.tar.xz", "kit.zip"):
        mode = f"w:{name.rpartition('.')[2]}" if "tar" in name else ""
        whole = packed(tmp_path / name, devkit(), mode).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        assert str(tmp_path / name) in refused(part(tmp_path / "val"), tmp_path / name)


def test_a_list_of_the_classes_is_none_of_labels(tmp_path: Path) -> None:
    message = refused(part(tmp_path / "val"), text(tmp_path, SYNSETS))
    assert "has each of the 1,000 classes once, so it is a list of the classes, not of labels" in message


def test_a_file_for_other_images_is_refused(tmp_path: Path) -> None:
    message = refused(part(tmp_path / "val"), text(tmp_path, (f"test_{n}.JPEG 5" for n in range(9))))
    assert "labels.txt:1: test_0.JPEG 5: not in" in message
    assert "9 of 9 lines are like that" in message


def test_an_unknown_synset_gives_file_and_line(tmp_path: Path) -> None:
    message = refused(part(tmp_path / "val"), text(tmp_path, [f"{val_name(1)} n01751748", f"{val_name(2)} n00000001"]))
    assert "labels.txt:2: ILSVRC2012_val_00000002.JPEG n00000001: no class of ILSVRC2012 has this WordNet id" in message


def test_a_path_that_fits_two_images_fits_none(tmp_path: Path) -> None:
    data = write(tmp_path / "data", ["a/1.jpg", "b/1.jpg"])
    assert "labels.txt:1: 1.jpg 5: not in" in refused(data, text(tmp_path, ["1.jpg 5"]))
    assert "labels.txt:1: c/1.jpg 5: not in" in refused(data, text(tmp_path, ["c/1.jpg 5"]))
    assert [ref.label for ref in open_images(data, text(tmp_path, ["x/a/1.jpg 5", "x/b/1.jpg 6"])).images] == [5, 6]


def test_a_file_of_the_shell_of_windows(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(f"{val_name(1)} 65\r\n{val_name(2)} 970\r\n".encode("utf-16"))
    assert [ref.label for ref in open_images(part(tmp_path / "val"), file).images] == [65, 970]


def test_a_long_line_is_read_in_time(tmp_path: Path) -> None:
    for line in ("n01440764 1 1 1 1 " * 50_000, "," * 500_000, "/" * 500_000 + " 5", "n0144" * 100_000):
        refused(part(tmp_path / "val"), text(tmp_path, ["a.jpg 1", line]))


# --- what is known of ImageNet val


def test_the_labels_are_those_that_others_publish() -> None:
    """MD5 of a list of them that WAH (github.com/yupeeee/WAH) verifies its download by.

    It is called ILSVRC2012_validation_ground_truth.txt, as the devkit's list of other numbers is.
    """
    content = "".join(f"{label}\n" for label in val_labels()).encode()
    assert hashlib.md5(content).hexdigest() == "f31656d784908741c59ccb6823cf0bea"


@pytest.mark.parametrize("kind", ["devkit's list", "bare indices"])
def test_the_name_of_a_list_says_nothing(tmp_path: Path, kind: str) -> None:
    file = KINDS[kind][0](tmp_path).rename(tmp_path / "ILSVRC2012_validation_ground_truth.txt")
    found = open_images(part(tmp_path / "val"), file)
    assert [ref.label for ref in found.images] == [val_labels()[n - 1] for n in SOME]


def test_the_labels_are_those_of_imagenet_x() -> None:
    found = importlib.util.find_spec("imagenet_x")
    if found is None or found.origin is None:
        pytest.skip("needs the package imagenet-x")
    with (Path(found.origin).parent / "annotations" / "filename_label.csv").open() as file:
        rows = {row["file_name"]: int(row["label"]) for row in csv.DictReader(file)}
    assert rows == dict(zip(NAMES, val_labels(), strict=True))


def test_every_class_has_fifty_images_and_one_id() -> None:
    assert np.bincount(val_labels()).tolist() == [50] * 1000
    assert sorted(devkit_order()) == list(range(1000))
    assert list(devkit_order()) != sorted(devkit_order())
