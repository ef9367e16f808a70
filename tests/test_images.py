"""Each layout as people have it, and each way in which labels are known to go wrong, broken on purpose."""

import hashlib
import io
import json
import pickle
import random
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from harness import images
from harness.errors import InputError
from harness.images import (
    DEVKIT_IDS,
    VAL_ANCHORS,
    ImageRef,
    LabelLine,
    label_shift,
    label_trap,
    not_imagenet_val,
    open_images,
    read_image,
    synset_indices,
)

SYNSETS = list(synset_indices())
SAMPLE = Path(__file__).parents[2] / "shared/imagenet-sample"


def write(folder: Path, names: Iterable[str]) -> Path:
    """Files whose bytes are their names: the contents are no business of the module."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def write_tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_labels(path: Path, labels: Mapping[str, int]) -> Path:
    path.write_text("".join(f"{name} {label}\n" for name, label in labels.items()))
    return path


def refused(data: Path, labels: Path | None = None, limit: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        open_images(data, labels, limit)
    return str(caught.value)


def told(pairs: Iterable[tuple[str, int]]) -> str | None:
    return label_trap([LabelLine(line, name, label) for line, (name, label) in enumerate(pairs, start=1)])


def val_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08}.JPEG"


def full_val() -> tuple[list[str], list[int]]:
    """Names and labels with every property of ImageNet val that is public, the order of labels apart."""
    rest = [index for index in range(1000) for _ in range(50 - (index in VAL_ANCHORS))]
    random.Random(0).shuffle(rest)
    return [val_name(number) for number in range(1, 50_001)], [*VAL_ANCHORS, *rest]


# --- layouts


def test_synset_folders_take_the_position_among_all_synsets(tmp_path: Path) -> None:
    write(tmp_path, [f"{SYNSETS[999]}/a.JPEG", f"{SYNSETS[7]}/b.png", f"{SYNSETS[7]}/deeper/c.WebP"])
    found = open_images(tmp_path)
    assert found.layout == "synset folders"
    assert [(ref.name, ref.label) for ref in found.images] == [
        (f"{SYNSETS[7]}/b.png", 7),
        (f"{SYNSETS[7]}/deeper/c.WebP", 7),
        (f"{SYNSETS[999]}/a.JPEG", 999),
    ]
    assert found.location == str(tmp_path)
    assert found.identity == "3 images of 2 classes; not ImageNet val: expected 50,000 images, found 3"
    assert not found.is_imagenet_val
    assert found.notes == ()


def test_every_suffix_in_any_case_and_nothing_else(tmp_path: Path) -> None:
    kept = ["a.jpg", "b.JPEG", "c.Png", "d.bmp", "e.WEBP"]
    write(tmp_path / SYNSETS[0], [*kept, "f.gif", "._b.JPEG"])
    write(tmp_path, ["labels.txt", "synsets.txt", "stray.jpg"])
    found = open_images(tmp_path)
    assert [ref.name for ref in found.images] == [f"{SYNSETS[0]}/{name}" for name in kept]
    assert found.notes == (
        "ignored as outside of the synset folders: 1 file: stray.jpg",
        f"ignored as having no image suffix: 2 files: {SYNSETS[0]}/._b.JPEG, {SYNSETS[0]}/f.gif",
    )


def test_a_val_folder_is_entered_where_it_is_all_there_is(tmp_path: Path) -> None:
    write(tmp_path, [f"val/{SYNSETS[3]}/a.JPEG", "README.txt", ".cache/x"])
    found = open_images(tmp_path)
    assert [(ref.name, ref.label) for ref in found.images] == [(f"{SYNSETS[3]}/a.JPEG", 3)]
    assert found.location == str(tmp_path / "val")
    assert found.digest == open_images(tmp_path / "val").digest
    write(tmp_path, ["stray.jpg"])
    assert "1 of 1 folders are no ILSVRC2012 synset: val" in refused(tmp_path)
    write(tmp_path, [f"train/{SYNSETS[3]}/a.JPEG"])
    assert "2 of 2 folders are no ILSVRC2012 synset: train, val" in refused(tmp_path)


def test_unknown_folders_are_named(tmp_path: Path) -> None:
    write(tmp_path, [f"{name}/a.jpg" for name in (SYNSETS[0], "n00000001", "cat", "dog", "emu")])
    message = refused(tmp_path)
    assert f"{tmp_path}: 4 of 5 folders are no ILSVRC2012 synset: cat, dog, emu, …" in message


def test_symlinked_folders_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    store = write(tmp_path / "store", ["x/a.jpg"])
    data = tmp_path / "data"
    data.mkdir()
    (data / SYNSETS[5]).symlink_to(store / "x")
    (store / "x" / "again").symlink_to(store / "x")
    assert [(ref.name, ref.label) for ref in open_images(data).images] == [(f"{SYNSETS[5]}/a.jpg", 5)]


def test_label_file_on_a_tree_with_spaces_comments_and_blank_lines(tmp_path: Path) -> None:
    write(tmp_path, ["a b/c  d.jpg", "e.png", "deep/er/f.bmp", "g.jpg", "h.jpg"])
    labels = tmp_path / "labels.txt"
    labels.write_bytes(
        b"\xef\xbb\xbf# made by hand\r\n\r\na b/c  d.jpg 12\r\n./e.png\t0\n  # more\ndeep/er/f.bmp   999"
    )
    found = open_images(tmp_path, labels)
    assert found.layout == "label file"
    assert [(ref.name, ref.label) for ref in found.images] == [
        ("a b/c  d.jpg", 12),
        ("deep/er/f.bmp", 999),
        ("e.png", 0),
    ]
    assert found.notes == ("ignored as not in labels.txt: 2 files: g.jpg, h.jpg",)


def test_a_name_that_is_not_utf8_is_found_by_its_bytes(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_bytes(b"caf\xe9.jpg 4\n")
    try:
        (tmp_path / "caf\udce9.jpg").write_bytes(b"x")
    except OSError as error:
        pytest.skip(f"this file system takes UTF-8 names alone: {error}")
    found = open_images(tmp_path, labels)
    assert [ref.label for ref in found.images] == [4]
    assert json.loads(json.dumps(asdict(found.images[0])))["name"] == "caf\udce9.jpg"


def test_tar_is_read_in_place(tmp_path: Path) -> None:
    contents = {val_name(n): bytes([n]) * (100 * n) for n in range(1, 11)}
    contents |= {"./deep/er/x.jpg": b"deep", "README": b"no image", "deep/._x.jpg": b"mac"}
    tar = write_tar(tmp_path / "val.tar", contents)
    names = [*(val_name(n) for n in range(1, 11)), "deep/er/x.jpg"]
    labels = write_labels(tmp_path / "labels.txt", dict(zip(names, [*VAL_ANCHORS, 0], strict=True)))
    found = open_images(tar, labels)
    assert found.layout == "tar"
    assert {ref.name: read_image(ref) for ref in found.images} == {name: contents.get(name, b"deep") for name in names}
    assert {ref.file for ref in found.images} == {str(tar)}
    assert found.notes == ()


def test_tar_with_directories_equals_its_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", [f"{SYNSETS[0]}/a.jpg", f"{SYNSETS[1]}/b.jpg"])
    with tarfile.open(tmp_path / "data.tar", "w") as tar:
        tar.add(folder, arcname=".")
    labels = write_labels(tmp_path / "l.txt", {f"{SYNSETS[0]}/a.jpg": 0, f"{SYNSETS[1]}/b.jpg": 1})
    packed = open_images(tmp_path / "data.tar", labels)
    assert [ref.name for ref in packed.images] == [f"{SYNSETS[0]}/a.jpg", f"{SYNSETS[1]}/b.jpg"]
    assert [read_image(ref) for ref in packed.images] == [ref.name.encode() for ref in packed.images]
    assert packed.digest == open_images(folder, labels).digest == open_images(folder).digest


@pytest.mark.parametrize("name", ["/etc/a.jpg", "../a.jpg", "x/../../a.jpg"])
def test_tar_members_that_point_outside_are_refused(tmp_path: Path, name: str) -> None:
    tar = write_tar(tmp_path / "x.tar", {"fine.jpg": b"", name: b""})
    message = refused(tar, write_labels(tmp_path / "l.txt", {"fine.jpg": 0}))
    assert f"{tar}: member {name} points outside the tar" in message


def test_tars_that_are_none(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "l.txt", {"a.jpg": 0})
    packed = write_tar(tmp_path / "x.tar.gz", {"a.jpg": b"x"}, "w:gz")
    assert f"{packed}: not a whole, uncompressed tar" in refused(packed, labels)
    whole = write_tar(tmp_path / "x.tar", {"a.jpg": b"x" * 5000}).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:3000])
    assert "cut.tar: not a whole, uncompressed tar" in refused(tmp_path / "cut.tar", labels)
    with tarfile.open(tmp_path / "twice.tar", "w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("a.jpg"))
    assert "member a.jpg is sparse or there twice" in refused(tmp_path / "twice.tar", labels)


def test_tar_cut_off_after_opening(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "x.tar", {"a.jpg": b"x" * 100})
    (ref,) = open_images(tar, write_labels(tmp_path / "l.txt", {"a.jpg": 0})).images
    with tar.open("r+b") as file:
        file.truncate((ref.offset or 0) + 40)
    with pytest.raises(InputError, match=r"a\.jpg has 40 of its 100 bytes"):
        read_image(ref)


# --- what is not there


def test_nothing_to_evaluate(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "l.txt", {"a.jpg": 0})
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "gone: cannot be read: No such file" in refused(tmp_path / "gone")
    assert "gone: cannot be read: No such file" in refused(tmp_path / "gone", labels)
    assert f"{empty}: no images in it" in refused(empty)
    assert f"{empty}: no images in it" in refused(empty, labels)
    (empty / SYNSETS[0]).mkdir()
    assert f"{empty}: no images in it" in refused(empty)
    assert "no images in it" in refused(write_tar(tmp_path / "x.tar", {"a.txt": b""}), labels)


def test_no_labels(tmp_path: Path) -> None:
    flat = write(tmp_path / "flat", ["a.jpg", "labels.txt"])
    assert f"{flat}: no labels; give a label file" in refused(flat)
    tar = write_tar(tmp_path / "x.tar", {"a.jpg": b""})
    assert f"{tar}: no labels; give a label file" in refused(tar)
    assert "gone.txt: cannot be read: No such file" in refused(flat, tmp_path / "gone.txt")
    (tmp_path / "none.txt").write_text("# nothing\n\n")
    assert "none.txt: no labels in it" in refused(flat, tmp_path / "none.txt")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, [f"{SYNSETS[0]}/a.jpg"])
    broken = tmp_path / SYNSETS[0] / "b.jpg"
    broken.symlink_to(tmp_path / "gone")
    assert f"{broken}: cannot be read: No such file" in refused(tmp_path)


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [f"{SYNSETS[0]}/{name}.jpg" for name in "abc"])
    real = Path.open

    # The superuser may read everything, so the refusal has to be made up.
    def deny(path: Path, mode: str) -> object:
        if path.name == "b.jpg":
            raise PermissionError(13, "Permission denied")
        return real(path, mode)

    monkeypatch.setattr(Path, "open", deny)
    assert f"{SYNSETS[0]}/b.jpg: cannot be read: Permission denied" in refused(tmp_path)


# --- the label file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.jpg 0\ngone.jpg 1\nb.jpg 2\nlost.jpg 3\n", r":2: gone\.jpg 1: not in .*; 2 of 4 lines"),
        ("a.jpg 0\n\n# again\na.jpg 0\n", r":4: a\.jpg is on line 1 already"),
        ("a.jpg 0\n./a.jpg 5\n", r":2: a\.jpg is on line 1 already"),
        ("a.jpg 0\nb.jpg one\n", r":2: expected `path index` .* found 'b\.jpg one'"),
        ("a.jpg 0\nb.jpg 1.0\n", r":2: expected `path index`"),
        ("a.jpg 0\nb.jpg\n", r":2: expected `path index`"),
        ("a.jpg 0\n7\n", r":2: expected `path index` .* found '7'"),
        ("a.jpg 0\nb.jpg 1000\n", r":2: b\.jpg 1000: the label is out of 0\.\.999; 1 of 2 lines"),
        ("a.jpg 0\nb.jpg -1\n", r":2: b\.jpg -1: the label is out of 0\.\.999"),
        ("a.jpg 0\nnotes.md 1\n", r":2: notes\.md 1: not named like an image"),
    ],
)
def test_label_file_errors_give_file_and_line(tmp_path: Path, text: str, expected: str) -> None:
    write(tmp_path, ["a.jpg", "b.jpg", "notes.md"])
    labels = tmp_path / "labels.txt"
    labels.write_text(text)
    assert re.search(re.escape(str(labels)) + expected, refused(tmp_path, labels))


# --- label orders


def test_one_to_a_thousand_without_a_path_that_tells(tmp_path: Path) -> None:
    write(tmp_path, [f"{n:04}.jpg" for n in range(1, 1001)])
    given = {f"{n:04}.jpg": n for n in range(1, 1001)}
    message = refused(tmp_path, write_labels(tmp_path / "l.txt", given))
    assert "off by one or devkit ids. line 1000: 1000.jpg has 1000, expected 0..999" in message
    right = {name: label - 1 for name, label in given.items()}
    assert len(open_images(tmp_path, write_labels(tmp_path / "l.txt", right)).images) == 1000


@pytest.mark.parametrize(("shift", "word", "remedy"), [(1, "high", "Subtract 1 from"), (-1, "low", "Add 1 to")])
@pytest.mark.parametrize("form", ["{0}/{1}.jpg", "{0}_{1}.JPEG", "train/{0}/{0}_{1}.JPEG", "x_{1}_{0}.png"])
def test_off_by_one_against_the_wordnet_ids(shift: int, word: str, remedy: str, form: str) -> None:
    right = [(form.format(SYNSETS[index], n), index) for n, index in enumerate([4, 4, 20, 999, 500])]
    assert told(right) is None
    message = told((name, label + shift) for name, label in right)
    assert message is not None
    assert f"labels are off by one, too {word}: 5 of 5 differ" in message
    shown = [
        f"line {line}: {name} has {label + shift}, expected {label}"
        for line, (name, label) in enumerate(right[:3], start=1)
    ]
    assert "; ".join(shown) in message
    assert right[3][0] not in message
    assert message.endswith(f"{remedy} every label")


@pytest.mark.parametrize(("minus", "suffix"), [(0, ""), (1, ", minus one")])
def test_devkit_ids_against_the_wordnet_ids(tmp_path: Path, minus: int, suffix: str) -> None:
    given = {f"{SYNSETS[index]}/{n}.jpg": DEVKIT_IDS[index] - minus for index in DEVKIT_IDS for n in range(2)}
    # Classes whose devkit id is not known here stand in the file as well.
    given |= {f"{SYNSETS[0]}/0.jpg": 900, f"{SYNSETS[999]}/0.jpg": 901}
    labels = write_labels(tmp_path / "l.txt", given)
    message = refused(write(tmp_path / "data", given), labels)
    assert f"{labels}: labels are in devkit ILSVRC2012_ID order{suffix}: 42 of 42 differ" in message
    assert "line 1: n01751748/0.jpg has" in message
    assert "meta.mat" in message


def test_the_anchors_are_those_of_the_devkit() -> None:
    assert [DEVKIT_IDS[index] for index in VAL_ANCHORS] == [490, 361, 171, 822, 297, 482, 13, 704, 599, 164]
    assert {SYNSETS[index]: DEVKIT_IDS[index] for index in DEVKIT_IDS} == {
        "n02119789": 1, "n02100735": 2, "n02110185": 3, "n02096294": 4, "n02102040": 5,
        "n02066245": 6, "n02509815": 7, "n02124075": 8, "n02417914": 9, "n02123394": 10,
        "n01751748": 490, "n09193705": 361, "n02105855": 171, "n04263257": 822, "n03125729": 297,
        "n01735189": 482, "n02346627": 13, "n02776631": 704, "n03794056": 599, "n02328150": 164,
    }  # fmt: skip
    assert len(SYNSETS) == 1000
    assert sorted(SYNSETS) == SYNSETS


def test_another_class_order() -> None:
    # Position among the classes that are present, as a folder reader without the list counts.
    message = told((f"{SYNSETS[2 * n]}/a.jpg", n) for n in range(50))
    assert message is not None
    assert "labels follow another class order: 49 of 50 differ" in message
    assert "imagenet_synsets.txt" in message


def test_a_few_contradictions_are_listed(tmp_path: Path) -> None:
    given = {f"{SYNSETS[n]}/a.jpg": n for n in range(20)}
    given[f"{SYNSETS[3]}/a.jpg"], given[f"{SYNSETS[9]}/a.jpg"] = 9, 3
    message = refused(write(tmp_path / "data", given), write_labels(tmp_path / "l.txt", given))
    assert "labels contradict the paths: 2 of 20 differ" in message
    assert f"line 4: {SYNSETS[3]}/a.jpg has 9, expected 3; line 10: {SYNSETS[9]}/a.jpg has 3, expected 9" in message
    many = told((f"{SYNSETS[n % 7]}/{n}.jpg", 0) for n in range(70))
    assert many is not None
    assert "labels contradict the paths: 60 of 70 differ" in many
    assert [int(line) for line in re.findall(r"line (\d+)", many)] == [2, 3, 4]


def test_wordnet_ids_that_are_no_class_tell_nothing() -> None:
    assert told([("n99999999/a.jpg", 1), ("n014407640/b.jpg", 7), ("xn01440764.jpg", 7)]) is None


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (VAL_ANCHORS, None),
        ([label + 1 for label in VAL_ANCHORS], "off by one, too high: 10 of 10"),
        ([label - 1 for label in VAL_ANCHORS], "off by one, too low: 10 of 10"),
        ([DEVKIT_IDS[label] for label in VAL_ANCHORS], "devkit ILSVRC2012_ID order: 10 of 10"),
        ([DEVKIT_IDS[label] - 1 for label in VAL_ANCHORS], "devkit ILSVRC2012_ID order, minus one: 10 of 10"),
        ([65, 970, 230, 809, 516, 57, 334, 415, 332, 674], "contradict the paths: 2 of 10"),
    ],
)
def test_first_validation_images(labels: Sequence[int], expected: str | None) -> None:
    pairs = [("dir/" + val_name(number), label) for number, label in enumerate(labels, start=1)]
    message = told([*pairs, (val_name(11), 123), (val_name(50_000), 1000)])
    assert message is None if expected is None else expected in (message or "")


def test_validation_images_in_folders_of_another_order(tmp_path: Path) -> None:
    names = [f"{SYNSETS[DEVKIT_IDS[a]]}/{val_name(n)}" for n, a in enumerate(VAL_ANCHORS, start=1)]
    message = refused(write(tmp_path, names))
    assert "labels are in devkit ILSVRC2012_ID order" in message
    assert f"{tmp_path}: " in message


def test_a_training_image_in_the_folder_of_another_class(tmp_path: Path) -> None:
    write(tmp_path, [f"{SYNSETS[n]}/{SYNSETS[n]}_1.JPEG" for n in range(4)])
    assert len(open_images(tmp_path).images) == 4
    write(tmp_path, [f"{SYNSETS[0]}/{SYNSETS[2]}_9.JPEG"])
    assert f"{SYNSETS[0]}/{SYNSETS[2]}_9.JPEG has 0, expected 2" in refused(tmp_path)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([DEVKIT_IDS[label] for label in VAL_ANCHORS], "labels are in devkit ILSVRC2012_ID order"),
        ([label + 1 for label in VAL_ANCHORS], "labels are off by one, too high"),
        (VAL_ANCHORS, "write `path index`"),
        ([1, 1000], "off by one or devkit ids. line 2 has 1000"),
    ],
)
def test_bare_integers_are_recognised_and_refused(tmp_path: Path, labels: Sequence[int], expected: str) -> None:
    # In folders the order of whole paths is another than that of the file names.
    data = [f"{SYNSETS[index]}/{val_name(n)}" for n, index in enumerate(VAL_ANCHORS, start=1)]
    file = tmp_path / "truth.txt"
    file.write_text("".join(f"{label}\n" for label in labels))
    message = refused(write(tmp_path / "data", data), file)
    assert f"{file}: {len(labels)} bare integers for 10 images" in message
    assert expected in message


# --- identity


def test_imagenet_val_is_known_by_names_and_labels() -> None:
    names, labels = full_val()
    assert not_imagenet_val(names, labels) == []
    folders = [f"{SYNSETS[label]}/{name}" for name, label in zip(names, labels, strict=True)]
    assert not_imagenet_val(folders, labels) == []
    suffixed = [name.replace(".JPEG", f"_{SYNSETS[7]}.JPEG") for name in names]
    assert not_imagenet_val(suffixed, labels) == []


def test_what_keeps_a_set_from_being_imagenet_val() -> None:
    names, labels = full_val()
    assert not_imagenet_val(names[1:], labels[1:]) == ["expected 50,000 images, found 49,999"]
    renamed = [*names[:-1], "ILSVRC2012_test_00000001.JPEG"]
    assert not_imagenet_val(renamed, labels) == ["1 names are missing, first ILSVRC2012_val_00050000.JPEG"]
    assert "50,000 names are missing" in not_imagenet_val([f"{n}.png" for n in names], labels)[0]
    repeated = ["x/" + names[0], *names[:-1]]
    assert "1 names are missing" in not_imagenet_val(repeated, [labels[0], *labels[:-1]])[-1]
    relabelled = [*labels[:-1], (labels[-1] + 1) % 1000]
    (reason,) = not_imagenet_val(names, relabelled)
    assert re.fullmatch(r"expected 50 images in each class, found (49|51) in class \d+", reason)
    swapped = [labels[1], labels[0], *labels[2:]]
    assert not_imagenet_val(names, swapped) == ["ILSVRC2012_val_00000001 has label 970, expected 65"]


def test_the_whole_of_imagenet_val_and_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [f"{SYNSETS[n]}/a.jpg" for n in range(5)])
    monkeypatch.setattr(images, "not_imagenet_val", lambda names, labels: [])  # noqa: ARG005
    whole = open_images(tmp_path)
    assert whole.is_imagenet_val
    assert whole.identity == "5 images of 5 classes; ImageNet val by names and labels"
    assert open_images(tmp_path, limit=5).is_imagenet_val
    part = open_images(tmp_path, limit=1)
    assert not part.is_imagenet_val
    assert part.identity == "1 image of 1 class; not ImageNet val: 1 of 5 images, drawn from ImageNet val"


def test_limit_takes_the_first_of_a_fixed_shuffle(tmp_path: Path) -> None:
    write(tmp_path, [f"{SYNSETS[n // 10]}/{n}.jpg" for n in range(100)])
    everything = open_images(tmp_path)
    ten, thirty, more = (open_images(tmp_path, limit=limit) for limit in (10, 30, 200))
    shuffled = sorted(everything.images, key=lambda ref: hashlib.sha256(ref.name.encode()).digest())
    assert list(ten.images) == shuffled[:10]
    assert list(thirty.images) == shuffled[:30]
    assert list(more.images) == shuffled
    assert len({ref.label for ref in ten.images}) > 3
    assert more.digest == everything.digest
    assert len({ten.digest, thirty.digest, everything.digest}) == 3
    assert "10 of 100 images; expected 50,000 images, found 100" in ten.identity
    assert "a limit of 0 images; expected at least 1" in refused(tmp_path, limit=0)


def test_the_digest_covers_names_labels_and_bytes(tmp_path: Path) -> None:
    write(tmp_path, [f"{n}.jpg" for n in range(200)])
    given = {f"{n}.jpg": n for n in range(200)}
    first = open_images(tmp_path, write_labels(tmp_path / "l.txt", given)).digest
    rows = sorted(f"{hashlib.sha256(name.encode()).hexdigest()} {label} {name}\0" for name, label in given.items())
    assert first == hashlib.sha256("".join(rows).encode()).hexdigest()
    backwards = dict(reversed(given.items()))
    assert open_images(tmp_path, write_labels(tmp_path / "l.txt", backwards)).digest == first
    relabelled = open_images(tmp_path, write_labels(tmp_path / "l.txt", given | {"7.jpg": 8})).digest
    labels = write_labels(tmp_path / "l.txt", given)
    (tmp_path / "7.jpg").write_bytes(b"another")
    changed = open_images(tmp_path, labels).digest
    (tmp_path / "7.jpg").rename(tmp_path / "8000.jpg")
    renamed = {name.replace("7.jpg", "8000.jpg") if name == "7.jpg" else name: n for name, n in given.items()}
    assert len({first, relabelled, changed, open_images(tmp_path, write_labels(labels, renamed)).digest}) == 4


def test_references_travel_to_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [f"{SYNSETS[0]}/a.jpg"])
    monkeypatch.chdir(tmp_path)
    (ref,) = open_images(Path()).images
    assert pickle.loads(pickle.dumps(ref)) == ref
    assert ImageRef(**json.loads(json.dumps(asdict(ref)))) == ref
    monkeypatch.chdir("/")
    assert read_image(ref) == f"{SYNSETS[0]}/a.jpg".encode()


def test_the_module_imports_without_any_package() -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); import harness.images"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


# --- after an evaluation


def network(labels: Sequence[int], accuracy: float, neighbours: float = 0.02) -> list[int]:
    """Predictions that are right, one class off, or anything."""
    draw = random.Random(1)
    guesses = []
    for label in labels:
        luck = draw.random()
        if luck < accuracy:
            guesses.append(label)
        elif luck < accuracy + neighbours:
            guesses.append(label + draw.choice((-1, 1)))
        else:
            guesses.append(draw.randrange(1000))
    return guesses


@pytest.mark.parametrize(("shift", "remedy"), [(1, "Subtract 1 from every label"), (-1, "Add 1 to every label")])
@pytest.mark.parametrize("accuracy", [0.3, 0.8, 1.0])
def test_shifted_labels_show_in_the_predictions(shift: int, remedy: str, accuracy: float) -> None:
    true = list(range(0, 1000, 2))
    guesses = network(true, accuracy)
    message = label_shift(guesses, [label + shift for label in true])
    assert message is not None
    assert re.search(
        rf"of 500 predictions [\d.]+% equal label [{'-' if shift > 0 else '+'}]1, [\d.]+% the label as given",
        message,
    )
    assert remedy in message
    assert label_shift(guesses, true) is None


def test_shift_is_not_seen_where_nothing_proves_it() -> None:
    labels = list(range(0, 1000, 2))
    assert label_shift([], []) is None
    assert label_shift(network(labels, 0.0), labels) is None
    assert label_shift(network(labels, 0.1, neighbours=0.3), labels) is None
    assert label_shift([5, 9, 13], [6, 10, 14]) is None, "three images are too few"
    assert label_shift([5] * 500, [6] * 500) is None, "a network that always answers one class"
    assert label_shift([label + 7 for label in labels], labels) is None, "not a shift by one"
    right_enough = [label + (n % 10 > 0) + 7 * (n % 10 > 4) for n, label in enumerate(labels)]
    assert label_shift(right_enough, labels) is None, "10 % as given is far from chance"
    much = [label + (1 if n % 100 < 10 else 0 if n % 100 < 14 else 9) for n, label in enumerate(labels * 10)]
    assert label_shift(much, labels * 10) is None, "10 % shifted is not much more than 4 % as given"
    fewer = [*[5] * 5, *[9] * 245, *[5] * 250]
    assert label_shift(fewer, [6] * 250 + [10] * 250) is None, "fewer hits than by chance"
    with pytest.raises(ValueError, match="argument 2"):
        label_shift([1], [1, 2])


# --- real images


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="needs the sample of 500 ImageNet images beside the checkout")
def test_the_sample_of_real_images() -> None:
    by_folder = open_images(SAMPLE)
    by_file = open_images(SAMPLE, SAMPLE / "labels.txt")
    assert len(by_folder.images) == 500
    assert by_folder.images == by_file.images
    assert by_folder.digest == by_file.digest
    assert by_folder.notes == by_file.notes == ()
    assert by_folder.identity == ("500 images of 500 classes; not ImageNet val: expected 50,000 images, found 500")
    assert all(read_image(ref).startswith(b"\xff\xd8") for ref in by_folder.images[:20])


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="needs the sample of 500 ImageNet images beside the checkout")
def test_the_sample_with_its_labels_broken(tmp_path: Path) -> None:
    rows = [row.split() for row in (SAMPLE / "labels.txt").read_text().splitlines()]
    off = write_labels(tmp_path / "off.txt", {path: int(label) + 1 for path, label in rows})
    assert "labels are off by one, too high: 500 of 500 differ" in refused(SAMPLE, off)
    present = write_labels(tmp_path / "present.txt", {path: n for n, (path, _) in enumerate(rows)})
    assert "labels follow another class order: 499 of 500 differ" in refused(SAMPLE, present)
