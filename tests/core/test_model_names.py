"""A documented name means one of the source's own names, or an error that lists what it could have meant."""

import pytest

from harness.core.errors import MeasurementError
from harness.core.model_names import nearest, resolve, weights_left_out

MMCLS = [
    "cspdarknet50_8xb32_in1k",
    "cspresnet50_8xb32_in1k",
    "cspresnext50_8xb32_in1k",
    "resnet50_8xb32_in1k",
    "resnet50_8xb32-mixup_in1k",
]


def refused(documented: str, offered: list[str]) -> str:
    with pytest.raises(MeasurementError) as caught:
        resolve(documented, offered)
    return str(caught.value)


def test_the_same_name_is_meant_even_where_others_fold_to_it() -> None:
    assert resolve("ResNet50", ["resnet50", "ResNet50", "ResNet-50"]) == "ResNet50"


@pytest.mark.parametrize(
    ("documented", "own"),
    [
        ("cspdarknet53", "CSPDarkNet53"),
        ("RepVGG-A0", "repvgg_a0"),
        ("MobileNetV3_small_x0_35", "mobilenet_v3_small_x0_35"),
        ("res net 50", "ResNet50"),
    ],
)
def test_case_and_punctuation_do_not_matter(documented: str, own: str) -> None:
    assert resolve(documented, ["vgg16", own]) == own


@pytest.mark.parametrize("documented", ["cspresnet50", "CSPResNet50"])
def test_a_configuration_is_meant_by_its_models_name(documented: str) -> None:
    assert resolve(documented, MMCLS) == "cspresnet50_8xb32_in1k"


def test_a_point_between_numbers_is_no_punctuation() -> None:
    offered = ["regnet_x_16gf", "regnet_x_1_6gf", "v1.5", "v15"]
    assert resolve("RegNetX-1.6GF", offered) == "regnet_x_1_6gf"
    assert resolve("RegNetX-16GF", offered) == "regnet_x_16gf"
    assert resolve("V1-5", offered) == "v1.5"


def test_a_configuration_of_a_longer_name_is_not_meant() -> None:
    assert "offers no model 'cspresnet'" in refused("cspresnet", MMCLS)
    assert "offers no model 'cspresnet5'" in refused("cspresnet5", MMCLS)
    assert "offers no model 'resnet50'" in refused("resnet50", ["cspresnet50_8xb32_in1k", "resnet50_vd_8xb32_in1k"])


@pytest.mark.parametrize(
    ("documented", "own"),
    [
        ("hrnet_w18_small_v1", "hrnet_w18_small"),
        ("HRNet-W18-Small-V1", "hrnet_w18_small"),
        ("resnet50.a1_in1k", "resnet50"),
        ("resnet50_in1k", "resnet50"),
        ("ResNet50-ImageNet1k", "resnet50"),
    ],
)
def test_a_suffix_that_names_no_other_network_may_be_missing(documented: str, own: str) -> None:
    assert resolve(documented, ["hrnet_w18_small", "hrnet_w18_small_v2", "resnet50", "resnet50d"]) == own


def test_a_suffix_that_the_source_knows_is_a_part_of_the_name() -> None:
    assert resolve("inception_v1", ["inception", "inception_v1"]) == "inception_v1"
    assert resolve("net.a_in1k", ["net", "net.a_in1k"]) == "net.a_in1k"


@pytest.mark.parametrize("documented", ["resnet50_v2", "resnet50d_vd", "resnet50_ssld", "net1.5"])
def test_any_other_suffix_names_another_network(documented: str) -> None:
    assert "offers no model" in refused(documented, ["resnet50", "resnet50d", "net1"])


def test_a_dot_in_a_name_stands_for_itself() -> None:
    assert "offers no model" in refused("net.1", ["netx1_8xb32_in1k"])


def test_a_name_means_the_network_for_imagenet_and_not_that_for_other_images() -> None:
    assert resolve("ResNet-50", ["resnet50_8xb16_cifar10", "resnet50_8xb32_in1k"]) == "resnet50_8xb32_in1k"
    assert resolve("resnet50", ["resnet50_8xb16_cifar10", "resnet50_b32x8_imagenet"]) == "resnet50_b32x8_imagenet"


def test_a_name_that_several_fit_is_refused_with_all_of_them() -> None:
    variants = ["resnet50_8xb32-mixup_in1k", "resnet50_8xb256-rsb-a1-600e_in1k"]
    assert refused("resnet50", [*variants, "resnet18_8xb32_in1k"]) == (
        "'resnet50' can mean resnet50_8xb32-mixup_in1k, resnet50_8xb256-rsb-a1-600e_in1k; name one of them"
    )
    assert "can mean resnet50_8xb16_cifar100, resnet50_8xb16_cifar10" in refused(
        "resnet50", [*variants, "resnet50_8xb16_cifar100", "resnet50_8xb16_cifar10"]
    )
    assert "can mean ResNet50, resnet-50" in refused("RESNET50", ["ResNet50", "resnet-50"])


@pytest.mark.parametrize(
    ("documented", "own"),
    [
        ("resnet50", "resnet50_8xb32_in1k"),  # its variants say what they do otherwise
        ("HRNet_w18", "hrnet-w18_4xb32_in1k"),
        ("RepVGG-B2g4", "repvgg-B2g4_4xb64-autoaug-lbs-mixup-coslr-200e_in1k"),
    ],
)
def test_of_several_configurations_the_plain_one_is_meant(documented: str, own: str) -> None:
    offered = dict.fromkeys([*MMCLS, "hrnet-w18_4xb32_in1k", "hrnet-w180_4xb32_in1k", own])
    assert resolve(documented, list(offered)) == own


def test_an_unknown_name_is_refused_with_the_nearest_ones() -> None:
    assert refused("cspdarknet53", ["vgg16", "darknet53", "cspdarknet50", "resnet18"]) == (
        "the source offers no model 'cspdarknet53'; the nearest names are cspdarknet50, darknet53"
    )
    assert refused("cspdarknet53", ["vgg16"]).endswith("nothing there has a similar name")
    assert refused("cspdarknet53", []).endswith("nothing there has a similar name")


def test_the_nearest_names_come_most_similar_first_and_without_the_name_itself() -> None:
    offered = ["vgg16", "DarkNet53", "CSPDarkNet53", "CSPDarkNet50", "cspresnet50"]
    assert nearest("CSPDarkNet53", offered, 8) == ["CSPDarkNet50", "DarkNet53", "cspresnet50"]
    assert nearest("CSPDarkNet53", offered, 1) == ["CSPDarkNet50"]


def test_equally_near_names_come_in_the_order_of_the_alphabet() -> None:
    assert nearest("net1", ["net4", "net2", "net3"], 3) == ["net2", "net3", "net4"]


@pytest.mark.parametrize(
    ("documented", "own", "named"),
    [
        ("resnet50.tv_in1k", "resnet50", ".tv_in1k"),
        ("resnet50.IMAGENET1K_V2", "resnet50.IMAGENET1K_V2", ""),
        ("cspresnet50", "cspresnet50_8xb32_in1k", ""),
        ("RegNetX-1.6GF", "regnetx-1.6gf_8xb128_in1k", ""),
        ("mobilenet_v1_0.25x", "MobileNetV1_x0_25", ""),
    ],
)
def test_weights_that_only_the_document_names(documented: str, own: str, named: str) -> None:
    assert weights_left_out(documented, own) == named
