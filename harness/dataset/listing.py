"""What lies in a folder or archive, and how it is laid out: found by what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.core.errors import InputError, readable
from harness.core.paths import Location
from harness.dataset.labels import synset_indices
from harness.dataset.labels.known import CLASSES, told_by
from harness.dataset.labels.names import SUFFIXES, is_image
from harness.dataset.layouts import (
    ImageBytes,
    files_below,
    no_labels,
    opened,
    synset_folders,
    tar_members,
    top_level,
)
from harness.dataset.remote import parse_location
from harness.dataset.shards import Shards, of_validation, parquet_shards, tar_shards

Layout = Literal["synset folders", "label file", "tar", "named images", "parquet", "webdataset"]


@dataclass(frozen=True)
class Listing:
    """What lies in a folder or archive."""

    data: Location  #: that the names are relative to
    layout: Layout
    files: Mapping[str, ImageBytes]  #: by name, other files than images among them
    notes: tuple[str, ...]  #: what was left out
    labels: Mapping[str, int] = field(default_factory=dict)  #: by name, as the layout gives them
    told: str = ""  #: what gives the labels, for people


def listed(data: Location, is_labelled: bool) -> Listing:
    """The files of a folder or archive; `is_labelled` where a label file is given.

    Raises InputError where there is no image, and where nothing tells the labels.
    """
    with readable(str(data)):
        data.stat()
        is_folder = data.is_dir()
    listing = _of_folder(data, is_labelled) if is_folder else _of_file(data)
    if not any(map(is_image, listing.files)):
        raise InputError(f"{listing.data}: no images in it; expected files in {', '.join(SUFFIXES)}")
    if is_labelled or listing.told:
        return listing
    return _by_names(listing)


def _of_file(data: Location) -> Listing:
    with readable(str(data)), opened(str(data)) as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        return _of_shards(data, "parquet", parquet_shards([str(data)]), "the column of labels", [])
    if shards := tar_shards([data]):
        return _of_shards(data, "webdataset", shards, "the files beside the images", [])
    return Listing(data, "tar", tar_members(data)[0], ())


def _of_folder(data: Location, is_labelled: bool) -> Listing:
    if is_labelled:
        files = dict(files_below(data))
        return _shards_among(data, files) or Listing(data, "label file", files, ())
    top = top_level(data)
    if top.folders and not top.unknown:
        folders, notes = synset_folders(top)
        labels = {name: synset_indices()[name.partition("/")[0]] for name in folders if is_image(name)}
        return Listing(top.data, "synset folders", folders, tuple(notes), labels, "the folders' names")
    if {"train", "val"} <= set(top.folders):  # names tell the classes of the images of both
        synset_folders(top)
    files = top.files()
    if shards := _shards_among(top.data, files):
        return shards
    images = [name for name in files if is_image(name)]
    if images and all(len(told_by(name)) == 1 for name in images):
        return Listing(top.data, "named images", files, ())
    if top.stray and not top.folders:
        raise no_labels(top.data)
    folders, notes = synset_folders(top)  # says which folder is none
    return Listing(top.data, "synset folders", folders, tuple(notes))


def _shards_among(data: Location, files: Mapping[str, ImageBytes]) -> Listing | None:
    """Shards, where nothing else in the folder is an image."""
    if any(map(is_image, files)):
        return None
    packed = [one.file for name, one in files.items() if name.lower().endswith(".parquet")]
    if packed:
        chosen, notes = of_validation(packed)
        return _of_shards(data, "parquet", parquet_shards(chosen), "the column of labels", notes)
    tars = [one.file for name, one in files.items() if name.lower().endswith(".tar")]
    chosen, notes = of_validation(tars)
    shards = tar_shards([parse_location(file) for file in chosen]) if tars else None
    return _of_shards(data, "webdataset", shards, "the files beside the images", notes) if shards else None


def _of_shards(data: Location, layout: Layout, shards: Shards, told: str, notes: list[str]) -> Listing:
    if wrong := [name for name, index in shards.labels.items() if not 0 <= index < CLASSES]:
        raise InputError(
            f"{data}: {len(wrong):,} of {len(shards.files):,} labels are out of 0..999, first "
            f"{shards.labels[wrong[0]]} of {wrong[0]}. Give a label file with lines `path index`"
        )
    bare = [name for name in shards.files if is_image(name) and name not in shards.labels]
    if bare and shards.labels:
        raise InputError(
            f"{data}: {len(bare):,} of {len(shards.files):,} images have no label, first {bare[0]}. "
            "Give the validation set, or a label file with lines `path index`"
        )
    return Listing(data, layout, shards.files, tuple(notes), shards.labels, told if shards.labels else "")


def _by_names(listing: Listing) -> Listing:
    """With the classes that the images' names tell. Raises InputError where one tells none."""
    told = {name: told_by(name) for name in listing.files if is_image(name)}
    if not all(len(classes) == 1 for classes in told.values()):
        raise no_labels(listing.data)
    labels = {name: index for name, (index,) in told.items()}
    return Listing(listing.data, listing.layout, listing.files, listing.notes, labels, "the names of the images")
