"""Each layout as people have it, and what identifies a data set."""

import hashlib
import io
import json
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from folders import ROOT, SAMPLE
from image_files import SYNSETS, VAL_ANCHORS, refused, val_name, write, write_labels

from harness.core.errors import InputError
from harness.dataset import image_set, layouts, listing, remote
from harness.dataset.image_set import open_images
from harness.dataset.labels import val_labels
from harness.worker.images import ImageRef, read_image


def write_tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


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
    (tmp_path / "stray.jpg").unlink()
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
    assert json.loads(json.dumps(asdict(found.images[0])))["name"] == r"caf\xe9.jpg"
    assert read_image(found.images[0]) == b"x"


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
    assert "member a.jpg is sparse or is in the tar twice" in refused(tmp_path / "twice.tar", labels)


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


# --- identity


def test_the_whole_of_imagenet_val_and_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [f"{SYNSETS[n]}/a.jpg" for n in range(5)])
    monkeypatch.setattr(image_set, "not_imagenet_val", lambda names, labels: [])  # noqa: ARG005
    whole = open_images(tmp_path)
    assert whole.is_imagenet_val
    assert whole.identity == "5 images of 5 classes; ImageNet val by names and labels"
    assert open_images(tmp_path, limit=5).is_imagenet_val
    part = open_images(tmp_path, limit=1)
    assert not part.is_imagenet_val
    assert part.identity == "1 image of 1 class; not ImageNet val: 1 of 5 images, drawn from ImageNet val"


@pytest.mark.parametrize(("images_of", "drawn_from"), [("the whole", 50_000), ("all but one", None)])
def test_a_part_knows_the_whole_that_it_is_drawn_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images_of: str, drawn_from: int | None
) -> None:
    """The 50,000 names and labels are as they should be; files are not looked for."""
    names = [val_name(number) for number in range(1, 50_001)]
    file = write_labels(tmp_path / "labels.txt", dict(zip(names, val_labels(), strict=True)))
    names = names if images_of == "the whole" else names[1:]
    monkeypatch.setattr(listing, "files_below", lambda _: ((name, layouts.ImageBytes(name)) for name in names))
    monkeypatch.setattr(remote, "read_image", lambda ref: ref.name.encode())
    part = open_images(tmp_path, file, limit=20)
    assert (len(part.images), part.drawn_from, part.is_imagenet_val) == (20, drawn_from, False)
    assert (", drawn from ImageNet val" in part.identity) == (drawn_from is not None)


def test_what_is_no_part_of_imagenet_val_is_drawn_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [f"{SYNSETS[n]}/a.jpg" for n in range(5)])
    assert open_images(tmp_path).drawn_from is None
    assert open_images(tmp_path, limit=2).drawn_from is None
    monkeypatch.setattr(image_set, "not_imagenet_val", lambda names, labels: [])  # noqa: ARG005
    assert open_images(tmp_path).drawn_from is None
    assert open_images(tmp_path, limit=5).drawn_from is None
    assert open_images(tmp_path, limit=9).drawn_from is None
    assert open_images(tmp_path, limit=4).drawn_from == 5


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
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import harness.worker.images"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


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
