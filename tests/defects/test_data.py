"""Defects planted in labels and images: each is named before or after the evaluation; what is whole raises no alarm."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest
from benchmark import Counts
from image_files import DEVKIT_IDS, SYNSETS, full_val, write, write_labels

from harness.checks.diagnosis.attribution import Target, conclude
from harness.checks.diagnosis.factors import LABELS
from harness.checks.diagnosis.judge import judge, other_labels, scored
from harness.core.errors import InputError
from harness.dataset.image_set import open_images
from harness.dataset.labels import label_shift, not_imagenet_val

IMAGES_PER_CLASS, CLASSES = 20, 50


def told_by_paths(folder: Path, change: Callable[[int], int]) -> str:
    """What is said of a label file whose images stand in folders of their synsets."""
    names = [f"{SYNSETS[label]}/{label}.jpg" for label in DEVKIT_IDS]
    write(folder / "images", names)
    given = {name: change(label) for name, label in zip(names, DEVKIT_IDS, strict=True)}
    return said_of(folder / "images", write_labels(folder / "labels.txt", given))


def said_of(images: Path, labels: Path) -> str:
    try:
        return "; ".join(open_images(images, labels).notes)
    except InputError as error:
        return str(error)


def val(names: list[str], labels: list[int]) -> str:
    return "; ".join(not_imagenet_val(names, labels))


def one_dropped() -> str:
    names, labels = full_val()
    return val(names[:-1], labels[:-1])


def one_replaced() -> str:
    names, labels = full_val()
    return val([*names[:-1], "again.JPEG"], [*labels[:-1], labels[-2]])


def one_repeated(folder: Path) -> str:
    write(folder, ["a.jpg", "b.jpg", "c.jpg"])
    (folder / "c.jpg").write_bytes((folder / "a.jpg").read_bytes())
    return said_of(folder, write_labels(folder / "labels.txt", {"a.jpg": 1, "b.jpg": 2, "c.jpg": 3}))


def two_exchanged(folder: Path) -> str:
    exchanged = dict(zip(list(DEVKIT_IDS)[:2], list(DEVKIT_IDS)[1::-1], strict=True))
    return told_by_paths(folder, lambda label: exchanged.get(label, label))


# -- where no path tells: a network that is right on nine of ten images


def evaluated() -> tuple[pd.DataFrame, dict[str, int]]:
    """Predictions and true labels."""
    chance = random.Random(1)
    labels = {f"{number:04}.jpg": 17 * (number % CLASSES) for number in range(CLASSES * IMAGES_PER_CLASS)}
    classes = [[label if chance.random() < 0.9 else (label + 40) % 1000, *range(900, 905)] for label in labels.values()]
    table = {"image": list(labels), "classes": classes, "logits": [[6.0, 5, 4, 3, 2, 1]] * len(labels)}
    return pd.DataFrame({**table, "error": None}), labels


def shifted_without_paths() -> str:
    predictions, labels = evaluated()
    return (
        label_shift([classes[0] for classes in predictions["classes"]], [label + 1 for label in labels.values()]) or ""
    )


def attributed(change: Callable[[int], int]) -> str:
    """The cause that is named for the accuracy that comes out with these labels."""
    predictions, labels = evaluated()
    right = int(scored(predictions, labels)["top1"].sum())
    given = {name: change(label) for name, label in labels.items()}
    own = scored(predictions, given)
    target = Target(len(own), {"top1": (right - 0.5, right + 0.5)}, {"top1": int(own["top1"].sum())})
    swaps = {
        (variant.factor, variant.text): scored(predictions, other_labels(variant.label or "", given, predictions))
        for variant in LABELS
    }
    outcome, factors = conclude(judge(target, own, swaps, 1))
    return f"{outcome} {', '.join(factors)}"


def another_order(label: int) -> int:
    order = list(range(1000))
    random.Random(2).shuffle(order)
    return order[label]


def test_defects_in_labels_and_images_are_named(counts: Callable[[str], Counts], tmp_path: Path) -> None:
    places = iter(range(100))

    def folder() -> Path:
        path = tmp_path / str(next(places))
        path.mkdir()
        return path

    found: Mapping[str, tuple[str, str]] = {
        "one too high": (told_by_paths(folder(), lambda label: label + 1), "off by one, too high"),
        "one too low": (told_by_paths(folder(), lambda label: label - 1), "off by one, too low"),
        "devkit ids": (told_by_paths(folder(), lambda label: DEVKIT_IDS[label]), "devkit ILSVRC2012_ID order"),
        "devkit ids less one": (told_by_paths(folder(), lambda label: DEVKIT_IDS[label] - 1), "order, minus one"),
        "two exchanged": (two_exchanged(folder()), "labels contradict the paths"),
        "another order": (told_by_paths(folder(), another_order), "another class order"),
        "an image dropped": (one_dropped(), "expected 50,000 images, found 49,999"),
        "an image replaced": (one_replaced(), "1 names are missing, first ILSVRC2012_val_00050000"),
        "an image twice": (one_repeated(folder()), "the bytes of another image: 1 file: c.jpg is a.jpg"),
        "shifted, seen from the predictions": (shifted_without_paths(), "labels look off by one"),
        "shifted, attributed": (attributed(lambda label: label + 1), "named label order"),
        "another order, attributed": (attributed(another_order), "named label order"),
    }
    undamaged = {
        "labels by path": told_by_paths(folder(), lambda label: label),
        "ImageNet val": val(*full_val()),
        "predictions": label_shift(*zip(*[(c[0], c[0]) for c in evaluated()[0]["classes"]], strict=True)) or "",
    }
    group = counts("labels and images")
    group.named |= {defect: expected in said for defect, (said, expected) in found.items() if said}
    group.missed += [defect for defect, (said, _) in found.items() if not said]
    group.alarms += [name for name, said in undamaged.items() if said]
    group.undamaged += len(undamaged)
    wrong = {defect: said for defect, (said, _) in found.items() if not group.named.get(defect)}
    if wrong or group.alarms:
        pytest.fail(f"not named: {wrong}; alarms: {group.alarms}", pytrace=False)
