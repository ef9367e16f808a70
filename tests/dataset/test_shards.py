"""Parquet files as Hugging Face keeps ImageNet-1k, and tars of WebDataset, written by the libraries that write them."""

import io
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from image_files import SYNSETS, refused, val_name, write_labels
from pyarrow import parquet as pq

from harness.dataset import parquet
from harness.dataset.image_set import open_images, shuffled
from harness.dataset.labels import val_labels
from harness.dataset.remote import contents, fetched, image_bytes, parts
from harness.worker.images import read_image

#: as the datasets library describes the columns in the schema
FEATURES = {"image": {"_type": "Image"}, "label": {"names": SYNSETS, "_type": "ClassLabel"}}
NUMBERS = list(range(1, 241))


def content(number: int) -> bytes:
    return random.Random(number).randbytes(100 + number)


def hf_name(number: int) -> str:
    """As in imagenet-1k, with the WordNet id behind the number."""
    return val_name(number).replace(".JPEG", f"_{SYNSETS[val_labels()[number - 1]]}.JPEG")


def table(numbers: Sequence[int], labels: Mapping[int, Any] | None = None, named: bool = True) -> pa.Table:
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": content(n), "path": hf_name(n) if named else None} for n in numbers]
    given = [(labels or {}).get(n, val_labels()[n - 1]) for n in numbers]
    fields = {"image": pa.array(rows, image), "label": pa.array(given, pa.int64())}
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    return pa.table(fields).replace_schema_metadata(metadata)


def hugging_face(folder: Path, compression: str = "snappy") -> Path:
    """A copy of the repository: shards of the validation set among those of others, groups of 100 rows."""
    (folder / "data").mkdir(parents=True)
    for shard, start in enumerate((0, 120)):
        file = folder / "data" / f"validation-{shard:05}-of-00002.parquet"
        pq.write_table(table(NUMBERS[start : start + 120]), file, row_group_size=100, compression=compression)
    other = dict.fromkeys(NUMBERS, -1)
    pq.write_table(table(NUMBERS[:3], other), folder / "data" / "test-00000-of-00001.parquet")
    pq.write_table(table(NUMBERS[:3]), folder / "data" / "train-00000-of-00001.parquet")
    (folder / "README.md").write_text("dataset card")
    return folder


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_hugging_faces_shards_are_read_in_place(tmp_path: Path, compression: str) -> None:
    found = open_images(hugging_face(tmp_path, compression))
    assert found.layout == "parquet"
    assert {ref.name: ref.label for ref in found.images} == {hf_name(n): val_labels()[n - 1] for n in NUMBERS}
    assert found.labelled_by == "the column of labels"
    assert found.notes == (
        "ignored as not of the validation set: 2 files: test-00000-of-00001.parquet, train-00000-of-00001.parquet",
    )
    assert {ref.name: image for ref, image in contents(found.images)} == {hf_name(n): content(n) for n in NUMBERS}
    assert image_bytes(found.images[17]) == content(18)


def test_shards_have_the_digest_of_the_same_files(tmp_path: Path) -> None:
    """Nothing of an image is changed by the way in which it is packed."""
    (tmp_path / "plain").mkdir()
    for number in NUMBERS:
        (tmp_path / "plain" / hf_name(number)).write_bytes(content(number))
    plain = open_images(tmp_path / "plain")
    assert open_images(hugging_face(tmp_path / "hub")).digest == plain.digest
    assert open_images(webdataset(tmp_path / "tars")).digest == plain.digest


def test_workers_get_files(tmp_path: Path) -> None:
    images = open_images(hugging_face(tmp_path)).images
    some = shuffled(images)[:50]
    with fetched(some) as files:
        assert [(ref.name, ref.label) for ref in files] == [(ref.name, ref.label) for ref in some]
        assert [read_image(ref) for ref in files] == [image_bytes(ref) for ref in some]
        kept = [Path(ref.file) for ref in files]
    assert not any(file.exists() for file in kept)
    with pytest.raises(ValueError, match="is row"):
        read_image(some[0])


def test_a_group_of_rows_is_read_once(tmp_path: Path) -> None:
    images = open_images(hugging_face(tmp_path)).images
    assert sorted(len(part) for part in parts(shuffled(images), 1)) == [20, 20, 100, 100]


def test_one_file_without_names_of_images(tmp_path: Path) -> None:
    file = tmp_path / "some.parquet"
    pq.write_table(table([1, 2, 3], named=False), file)
    found = open_images(file)
    assert [(ref.name, ref.label) for ref in found.images] == [("0.jpg", 65), ("1.jpg", 970), ("2.jpg", 230)]
    labels = write_labels(tmp_path / "labels.txt", {"0.jpg": 1, "2.jpg": 3})
    assert [ref.label for ref in open_images(file, labels).images] == [1, 3]


def test_other_columns(tmp_path: Path) -> None:
    file = tmp_path / "plain.parquet"
    pq.write_table(
        pa.table({"jpg": [content(1), content(2)], "synset": ["n01751748", "n09193705"], "label": ["65", "n01440764"]}),
        file,
    )
    assert [(ref.label, image_bytes(ref)) for ref in open_images(file).images] == [(65, content(1)), (0, content(2))]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (table([1, 2], {2: 1000}), "1 of 2 labels are out of 0..999, first 1000 of ILSVRC2012_val_00000002"),
        (table([1, 2], {1: -1, 2: -1}, named=False), "no labels; give a label file"),
        (table([1, 2], {2: -1}), "1 of 2 images have no label, first ILSVRC2012_val_00000002"),
        (table([1, 2, 3], {1: 970}), "labels contradict the paths: 1 of 3"),
        (pa.table({"text": ["a"], "label": [1]}), "no column of images: text (string), label (int64)"),
        (pa.table({"image": [b"a"], "label": ["cat"]}), "row 0 has the label 'cat'; expected 0..999 or a WordNet id"),
    ],
)
def test_tables_that_are_none_of_labelled_images(tmp_path: Path, made: pa.Table, said: str) -> None:
    pq.write_table(made, tmp_path / "x.parquet")
    assert said in refused(tmp_path / "x.parquet")


def test_a_parquet_file_that_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(table([1, 2, 3]), file)
    file.write_bytes(file.read_bytes()[:-40])
    assert f"{file}: not a whole Parquet file" in refused(file)


def test_images_of_which_only_the_address_is_there(tmp_path: Path) -> None:
    rows = [{"bytes": None, "path": "/somewhere/a.jpg"}]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(rows, kind), "label": [1]}), tmp_path / "x.parquet")
    assert "row 0 has no bytes of an image" in refused(tmp_path / "x.parquet")


def test_a_group_is_read_from_its_first_row(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(table(NUMBERS), file, row_group_size=100)
    assert parquet.groups(str(file)) == (0, 100, 200)
    assert [row for row, _ in parquet.images(str(file), [239, 5, 100, 99])] == [5, 99, 100, 239]


# --- WebDataset


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def webdataset(folder: Path, keys: str = "official", label: str = "cls") -> Path:
    """Shards as webdataset's ShardWriter and img2dataset write them."""
    folder.mkdir(parents=True)
    for shard in range(2):
        with tarfile.open(folder / f"imagenet-validation-{shard:06}.tar", "w") as tar:
            for number in NUMBERS[shard * 120 : shard * 120 + 120]:
                key = hf_name(number)[:-5] if keys == "official" else f"{number % 120:09}"
                index = val_labels()[number - 1]
                if label == "cls":
                    add(tar, f"{key}.cls", f"{index}\n".encode())
                add(tar, f"{key}.JPEG", content(number))
                if label == "json":
                    add(tar, f"{key}.json", json.dumps({"label": index, "filename": hf_name(number)}).encode())
    return folder


@pytest.mark.parametrize("label", ["cls", "json"])
@pytest.mark.parametrize("keys", ["official", "numbers"])
def test_webdatasets_shards_are_read_in_place(tmp_path: Path, keys: str, label: str) -> None:
    found = open_images(webdataset(tmp_path / "shards", keys, label))
    assert (found.layout, found.labelled_by) == ("webdataset", "the files beside the images")
    assert sorted((ref.label, read_image(ref)) for ref in found.images) == sorted(
        (val_labels()[n - 1], content(n)) for n in NUMBERS
    )
    names = {ref.name for ref in found.images}
    if keys == "official" or label == "json":
        assert names == {hf_name(n) for n in NUMBERS}
    else:  # the same in both shards
        assert "imagenet-validation-000001/000000007.JPEG" in names


def test_one_tar_with_labels_beside_the_images(tmp_path: Path) -> None:
    folder = webdataset(tmp_path / "shards")
    found = open_images(folder / "imagenet-validation-000000.tar")
    assert (found.layout, len(found.images)) == ("webdataset", 120)


def test_a_tar_with_a_label_that_is_none(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        add(tar, "a.jpg", b"image")
        add(tar, "a.cls", b"cat")
    assert "a.cls has the label 'cat'; expected 0..999 or a WordNet id" in refused(tmp_path / "x.tar")
    with tarfile.open(tmp_path / "y.tar", "w") as tar:
        add(tar, "a.jpg", b"image")
        add(tar, "a.json", b"{")
    assert "a.json is not JSON" in refused(tmp_path / "y.tar")
    with tarfile.open(tmp_path / "z.tar", "w") as tar:
        add(tar, "a.jpg", b"image")
        add(tar, "b.jpg", b"image of which nothing is said")
        add(tar, "a.cls", b"7")
    assert "1 of 2 images have no label, first b.jpg" in refused(tmp_path / "z.tar")
