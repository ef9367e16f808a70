"""Copies of ImageNet val that were changed are named, and copies that were not are not accused.

The copies are made of real ImageNet images under official names. The figures that they are held against were counted
in every second image of the sample; copies are made of the others.
"""

from __future__ import annotations

import io
import random
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from folders import SAMPLE
from harness.reference import FOLDER
from image_files import val_name
from PIL import Image, ImageOps

from harness.dataset import damage
from harness.dataset.damage import counts, damages, figures
from harness.dataset.facts import Facts, facts_of
from harness.dataset.image_set import open_images
from harness.dataset.labels import val_labels
from harness.dataset.labels.known import VAL_IMAGES
from harness.worker.images import ImageRef

needs_sample = pytest.mark.skipif(
    not SAMPLE.is_dir(), reason="needs the sample of 500 ImageNet images beside the checkout"
)

Copy = Mapping[str, bytes]
#: a decoded image and its bytes, made into the bytes of a copy
Change = Callable[[Image.Image, bytes], bytes]


def sample() -> list[Path]:
    return sorted(SAMPLE.rglob("*.JPEG"))


def official(size: int, seed: int) -> dict[str, bytes]:
    """Images of the held-out half of the sample, under names of ImageNet val that have their classes."""
    rows = [row.split() for row in (SAMPLE / "labels.txt").read_text().splitlines()]
    draw = random.Random(seed)
    numbers: dict[int, list[int]] = {}
    for number, label in enumerate(val_labels(), start=1):
        numbers.setdefault(label, []).append(number)
    chosen = draw.sample(sorted(rows)[1::2], size)
    return {val_name(draw.choice(numbers[int(label)])): (SAMPLE / path).read_bytes() for path, label in chosen}


def named(copy: Copy) -> str:
    found = damages([(ImageRef(name, 0, name, None, None), facts_of(image)) for name, image in copy.items()])
    return "; ".join((*found.reasons, *found.notes))


def jpeg(image: Image.Image, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **how)
    return out.getvalue()


def changed(change: Change, share: float = 1) -> Callable[[Copy], Copy]:
    def of(copy: Copy) -> Copy:
        kept = {}
        for number, (name, content) in enumerate(copy.items()):
            with Image.open(io.BytesIO(content)) as image:
                kept[name] = change(image, content) if number < share * len(copy) else content
        return kept

    return of


def short_side(pixels: int) -> Callable[[Image.Image], Image.Image]:
    def of(image: Image.Image) -> Image.Image:
        scale = pixels / min(image.size)
        return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)

    return of


def cropped(share: float) -> Callable[[Image.Image], Image.Image]:
    def of(image: Image.Image) -> Image.Image:
        width, height = round(image.width * share), round(image.height * share)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))

    return of


def keeping(change: Callable[[Image.Image], Image.Image]) -> Change:
    """Saved with the quantisation that each image had, which many tools keep."""

    def of(image: Image.Image, _: bytes) -> bytes:
        tables = image.quantization  # type: ignore[attr-defined]
        return jpeg(change(image), qtables=tables)

    return of


def with_orientation(image: Image.Image, _: bytes) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(image, qtables=image.quantization, exif=exif)  # type: ignore[attr-defined]


def as_png(image: Image.Image, _: bytes) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


COPIES: dict[str, tuple[Callable[[Copy], Copy], str]] = {
    "encoded again, 75": (changed(lambda image, _: jpeg(image)), "re-encoded"),
    "encoded again, 95": (changed(lambda image, _: jpeg(image, quality=95, subsampling=0)), "re-encoded"),
    "encoded again, 40": (changed(lambda image, _: jpeg(image, quality=40)), "re-encoded"),
    "two thirds encoded again": (changed(lambda image, _: jpeg(image, quality=90), 0.7), "re-encoded"),
    "resized to 256": (changed(keeping(short_side(256))), "resized: the short side of"),
    "resized to 224": (changed(keeping(short_side(224))), "resized: the short side of"),
    "resized to 256, encoded": (changed(lambda image, _: jpeg(short_side(256)(image))), "resized: the short side of"),
    "cropped to 224": (
        changed(keeping(lambda image: ImageOps.fit(image, (224, 224)))), "cropped or squeezed",
    ),
    "squeezed to 299": (changed(keeping(lambda image: image.resize((299, 299)))), "cropped or squeezed"),
    "cropped to seven eighths": (changed(keeping(cropped(0.875))), "cropped or resized"),
    "halved": (changed(keeping(lambda image: image.reduce(2))), "cropped or resized"),
    "turned by a quarter": (changed(keeping(lambda image: image.transpose(Image.Transpose.ROTATE_90))), "turned: "),
    "turned by EXIF": (changed(with_orientation), "turned by EXIF"),
    "PNG": (changed(as_png), "files are PNG"),
    "one PNG": (changed(as_png, 0.005), "1 of 100 files are PNG"),
    "one CMYK": (changed(lambda image, _: jpeg(image.convert("CMYK")), 0.005), "1 of 100 JPEGs are CMYK"),
    "cut off": (changed(lambda _, content: content[: len(content) // 2], 0.02), "cut off: 2 files"),
}  # fmt: skip


@needs_sample
@pytest.mark.parametrize("kind", COPIES)
def test_a_changed_copy_is_named(kind: str) -> None:
    change, said = COPIES[kind]
    assert said in named(change(official(100, seed=1)))


@needs_sample
@pytest.mark.parametrize("size", [20, 50, 100, 200, 250])
def test_copies_that_were_not_changed_are_not_accused(size: int) -> None:
    whole = {name: facts_of(content) for name, content in official(250, seed=0).items()}
    draw = random.Random(size)
    for _ in range(200):
        some = draw.sample(sorted(whole), size)
        found = damages([(ImageRef(name, 0, name, None, None), whole[name]) for name in some])
        assert found == damage.Damage((), ())


@needs_sample
def test_a_changed_copy_is_no_imagenet_val(tmp_path: Path) -> None:
    for name, content in COPIES["encoded again, 75"][0](official(60, seed=3)).items():
        (tmp_path / name).write_bytes(content)
    found = open_images(tmp_path)
    assert "; re-encoded: 60 of 60 JPEGs" in found.identity
    assert "re-encoded" in open_images(tmp_path, read=False).identity


@needs_sample
@pytest.mark.parametrize(("different", "is_named"), [(40, True), (98, False)])
def test_images_that_are_there_several_times(tmp_path: Path, different: int, is_named: bool) -> None:
    contents = list(official(different, seed=4).values())
    for number in range(1, 101):
        (tmp_path / val_name(number)).write_bytes(contents[number % different])
    found = open_images(tmp_path)
    assert ("duplicated: 60 of 100 files have the bytes of another" in found.identity) == is_named
    assert f"the bytes of another image: {100 - different} files" in found.notes[-1]


@needs_sample
def test_the_figures_are_those_of_the_sample() -> None:
    jpegs = [facts_of(path.read_bytes()) for path in sample()[0::2]]
    assert figures().counts == counts(jpegs, figures())


def test_images_without_official_names_are_never_accused() -> None:
    same = facts_of(jpeg(Image.new("RGB", (64, 64))))
    assert damages([(ImageRef(f"{n}.jpg", 0, "", None, None), same) for n in range(500)]) == damage.Damage((), ())
    assert damages([]) == damage.Damage((), ())
    assert len(damages([(ImageRef(val_name(n), 0, "", None, None), same) for n in range(1, 500)]).reasons) == 2


# --- the size of all files together


def whole(lengths: list[int]) -> str:
    facts = [Facts(length, "", "", 0, 0, 0, "", False) for length in lengths]
    refs = [ImageRef(val_name(n), 0, "", None, None) for n in range(1, VAL_IMAGES + 1)]
    return "; ".join(damages(list(zip(refs, facts, strict=True))).notes)


def test_the_official_archive_has_the_size_of_its_files() -> None:
    """As tar packs them: a header of 512 bytes for each, contents and the whole in full blocks."""
    average = (figures().archive - 1024 - 5120) // VAL_IMAGES // 512 * 512 - 512
    lengths = [average] * VAL_IMAGES
    missing = (figures().archive - 1024 - 5120 - sum(512 + length for length in lengths)) // 512
    for number in range(missing):
        lengths[number] += 512
    assert whole(lengths) == ""
    assert whole([length - 3 for length in lengths]) == "", "less than a block is not seen"
    lengths[0] -= 40_000
    assert "some files have been changed" in whole(lengths)
    lengths[0] += 80_000
    assert "packed again, the files would take 6,744,9" in whole(lengths)


# --- what can be read of an image


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00" * 9])
def test_what_is_no_image_has_no_facts(content: bytes) -> None:
    found = facts_of(content)
    assert (found.length, found.format, found.width) == (len(content), "", 0)


def test_the_facts_of_an_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    content = jpeg(Image.new("L", (40, 30)), exif=exif)
    found = facts_of(content)
    assert found[:6] == (len(content), "JPEG", "L", 40, 30, 8)
    assert len(found.table) == 12
    assert not found.is_cut
    assert facts_of(content[:-2]).is_cut


def test_the_file_of_figures_says_where_they_are_from() -> None:
    text = (FOLDER / "image_files.toml").read_text(encoding="utf-8")
    assert set(tomllib.loads(text)) == {"counts", "usual", "archive", "chance"}
