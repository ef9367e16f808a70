"""Each way in which labels are known to go wrong, broken on purpose."""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from folders import SAMPLE
from image_files import DEVKIT_IDS, SYNSETS, VAL_ANCHORS, full_val, refused, val_name, write, write_labels

from harness.dataset.image_set import open_images
from harness.dataset.labels import (
    LabelLine,
    class_names,
    devkit_ids,
    label_shift,
    label_trap,
    not_imagenet_val,
    synset_indices,
)


def told(pairs: Iterable[tuple[str, int]]) -> str | None:
    return label_trap([LabelLine(line, name, label) for line, (name, label) in enumerate(pairs, start=1)])


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
    given |= {f"{SYNSETS[index]}/0.jpg": devkit_ids()[index] - minus for index in (0, 999)}
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
    message = told(pairs)
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
    ("labels", "read_as"),
    [
        ([DEVKIT_IDS[label] for label in VAL_ANCHORS], "ids of the devkit, one a line"),
        ([label + 1 for label in VAL_ANCHORS], "class indices counted from 1, one a line"),
        (VAL_ANCHORS, "class indices, one a line"),
    ],
)
def test_bare_integers_are_read_as_the_names_tell(tmp_path: Path, labels: Sequence[int], read_as: str) -> None:
    # In folders the order of whole paths is another than that of the file names.
    data = [f"{SYNSETS[index]}/{val_name(n)}" for n, index in enumerate(VAL_ANCHORS, start=1)]
    file = tmp_path / "truth.txt"
    file.write_text("".join(f"{label}\n" for label in labels))
    found = open_images(write(tmp_path / "data", data), file)
    assert sorted(ref.label for ref in found.images) == sorted(VAL_ANCHORS)
    assert found.labelled_by == f"truth.txt: {read_as}, in the order of the file names"


def test_bare_integers_of_another_number_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "truth.txt"
    file.write_text("1\n1000\n")
    message = refused(write(tmp_path / "data", [val_name(n) for n in range(1, 11)]), file)
    assert f"{file}: 2 bare integers for 10 images" in message
    assert "off by one or devkit ids. line 2 has 1000" in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda labels: [*labels[1:], labels[0]], "labels are those of the image after"),
        (lambda labels: [labels[-1], *labels[:-1]], "labels are those of the image before"),
        (lambda labels: random.Random(0).sample(labels, len(labels)), "labels are shuffled, or those of other images"),
        (lambda labels: [(label + 7) % 1000 for label in labels], "labels follow another class order"),
        (lambda labels: [devkit_ids()[label] for label in labels], "labels are in devkit ILSVRC2012_ID order"),
        (lambda labels: [devkit_ids()[label] - 1 for label in labels], "ILSVRC2012_ID order, minus one"),
        (lambda labels: [label + 1 for label in labels], "labels are off by one, too high"),
        (lambda labels: [labels[0], *labels[2:3], *labels[2:]], "labels contradict the paths: 1 of 50,000"),
        (lambda labels: labels, None),
    ],
)
@pytest.mark.parametrize("images", [50_000, 1000])
def test_mistakes_in_all_labels_are_named(
    change: Callable[[list[int]], list[int]], said: str | None, images: int
) -> None:
    names, labels = full_val()
    pairs = list(zip(names, change(labels), strict=True))
    message = told(pairs if images == len(pairs) else sorted(random.Random(1).sample(pairs, images)))
    if said and images < len(pairs) and "image" in said and "shuffled" not in said:
        assert message  # neighbours are not there
    elif said and "1 of" in said and images < len(pairs):
        assert message is None
    else:
        assert message is None if said is None else said in (message or "")


# --- ImageNet val


def test_imagenet_val_is_known_by_names_and_labels() -> None:
    names, labels = full_val()
    assert not_imagenet_val(names, labels) == []
    folders = [f"{SYNSETS[label]}/{name}" for name, label in zip(names, labels, strict=True)]
    assert not_imagenet_val(folders, labels) == []
    suffixed = [name.replace(".JPEG", f"_{SYNSETS[7]}.JPEG") for name in names]
    assert not_imagenet_val(suffixed, labels) == []


def test_what_keeps_a_set_from_being_imagenet_val() -> None:
    names, labels = full_val()
    assert not_imagenet_val(names[1:], labels[1:]) == [
        "expected 50,000 images, found 49,999",
        "1 names are missing, first ILSVRC2012_val_00000001",
    ]
    renamed = [*names[:-1], "ILSVRC2012_test_00000001.JPEG"]
    assert not_imagenet_val(renamed, labels) == ["1 names are missing, first ILSVRC2012_val_00050000"]
    assert "50,000 names are missing" in not_imagenet_val([f"{n}.png" for n in names], labels)[0]
    repeated = ["x/" + names[0], *names[:-1]]
    assert not_imagenet_val(repeated, [labels[0], *labels[:-1]]) == [
        "1 names are missing, first ILSVRC2012_val_00050000",
        "1 name there more than once, first ILSVRC2012_val_00000001",
    ]
    relabelled = [*labels[:-1], (labels[-1] + 1) % 1000]
    (reason,) = not_imagenet_val(names, relabelled)
    assert reason == "1 of 50,000 labels are wrong: ILSVRC2012_val_00050000 has label 356, expected 355"
    swapped = [labels[1], labels[0], *labels[2:]]
    assert not_imagenet_val(names, swapped) == [
        "2 of 50,000 labels are wrong: ILSVRC2012_val_00000001 has label 970, expected 65, "
        "ILSVRC2012_val_00000002 has label 65, expected 970"
    ]


@pytest.mark.parametrize("official", [False, True])
def test_classes_that_are_missing_are_named(official: bool) -> None:
    rows = [row for row in zip(*full_val(), strict=True) if row[1] not in (65, 999)]
    names = [name if official else f"{n}.jpg" for n, (name, _) in enumerate(rows)]
    reasons = not_imagenet_val(names, [label for _, label in rows])
    assert reasons[-1] == "no image of 2 classes: n01751748 (sea snake), n15075141 (toilet tissue)"


@pytest.mark.parametrize("images", [100, 1000, 5000])
def test_a_random_part_lacks_no_class(images: int) -> None:
    some = random.Random(0).sample(list(zip(*full_val(), strict=True)), images)
    names, labels = zip(*some, strict=True)
    assert not any("no image of" in reason for reason in not_imagenet_val(names, labels))


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
def test_the_sample_with_its_labels_broken(tmp_path: Path) -> None:
    rows = [row.split() for row in (SAMPLE / "labels.txt").read_text().splitlines()]
    off = write_labels(tmp_path / "off.txt", {path: int(label) + 1 for path, label in rows})
    assert "labels are off by one, too high: 500 of 500 differ" in refused(SAMPLE, off)
    present = write_labels(tmp_path / "present.txt", {path: n for n, (path, _) in enumerate(rows)})
    assert "labels follow another class order: 499 of 500 differ" in refused(SAMPLE, present)


def test_every_class_has_a_name_at_its_place() -> None:
    names = class_names()
    assert len(names) == len(synset_indices()) == 1000
    assert all(names)
    # of synsets that the sample and the photographs show
    for synset, name in {"n01440764": "tench", "n02123045": "tabby", "n15075141": "toilet tissue"}.items():
        assert names[synset_indices()[synset]] == name
