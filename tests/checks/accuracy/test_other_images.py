"""Accuracies of other images are not measured, even where the network was evaluated on ImageNet val."""

import dataclasses

import pytest
from builders import TIMM, claim, row, run

from harness.checks.accuracy import other_images
from harness.checks.accuracy.verdicts import accuracy_verdicts
from harness.core.records import Claim, ImagesMeant, Metric, Outcome, Run, Verdict
from harness.dataset.image_set import ImageSet
from harness.plan.options import Options
from harness.plan.page import DocumentedData, Page

VAL = ImageSet("/val", "tar", (), "00" * 32, True, "ImageNet val", ())
CIFAR = ImagesMeant("CIFAR-10", 10_000, "the section 'CIFAR-10'")


def judged(of: Claim, page: Page, measured: Run | None = None, images: ImageSet = VAL) -> Verdict:
    """The verdict on a claim whose network was right on 39,791 of the 50,000 images of ImageNet val."""
    (verdict,) = accuracy_verdicts(
        [(of, TIMM)],
        {(of.row, TIMM): [measured or run()]},
        images,
        Options(),
        "weights",
        [],
        lambda _: 50_000,
        lambda one: other_images.reason(one, page),
    )
    return verdict


def test_a_claim_of_other_images_is_not_held_against_imagenet_val() -> None:
    plain = claim("94.82", "top1", row())
    assert judged(plain, Page()).outcome is Outcome.CONTRADICTED
    verdict = judged(dataclasses.replace(plain, measured_on=CIFAR), Page())
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert verdict.measured is None
    assert not verdict.requested, "it cannot fail a run"
    assert verdict.cause == "it is of CIFAR-10 (10,000 images), told by the section 'CIFAR-10', and not of ImageNet val"


def test_a_claim_that_is_said_to_be_of_imagenet_val_is_judged() -> None:
    val = ImagesMeant("ImageNet val", 50_000, "the section 'ImageNet-1k'")
    right = dataclasses.replace(claim("79.582", "top1", row()), measured_on=val)
    assert judged(right, Page()).outcome is Outcome.REPRODUCED


def test_a_page_that_says_its_own_images_is_judged_on_these() -> None:
    page = Page(data=DocumentedData("photographs", "00" * 32))
    right = dataclasses.replace(claim("79.582", "top1", row()), measured_on=CIFAR)
    assert judged(right, page).outcome is Outcome.REPRODUCED


def test_an_error_rate_is_held_against_the_measured_errors() -> None:
    """79.582 % right is printed as an error of 20.418."""
    error = dataclasses.replace(claim("79.582", "top1", row()), is_error=True)
    assert judged(error, Page()).outcome is Outcome.REPRODUCED
    wrong = dataclasses.replace(claim("20.418", "top1", row()), is_error=True)
    assert judged(wrong, Page()).outcome is Outcome.CONTRADICTED


# --- ImageNet-ReaL, from the same predictions

REAL = ImagesMeant("ImageNet-ReaL", 46_837, "the file's name 'results-imagenet-real'")
WITH_REAL = dataclasses.replace(VAL, real={str(number): (1,) for number in range(46_837)})
#: right on 40,000 and 45,000 of the 46,837 images with such labels
MEASURED = run(metrics={"real_top1": 100 * 40_000 / 46_837, "real_top5": 100 * 45_000 / 46_837})


def real_claim(text: str, metric: Metric = "top1") -> Claim:
    return dataclasses.replace(claim(text, metric, row()), measured_on=REAL)


def test_a_claim_of_real_is_held_against_the_real_labels_of_the_same_predictions() -> None:
    right = judged(real_claim("85.403"), Page(), MEASURED, WITH_REAL)
    assert (right.outcome, right.measured) == (Outcome.REPRODUCED, pytest.approx(85.4026, abs=1e-4))
    assert judged(real_claim("96.078", "top5"), Page(), MEASURED, WITH_REAL).outcome is Outcome.REPRODUCED
    wrong = judged(real_claim("86.403"), Page(), MEASURED, WITH_REAL)
    assert wrong.outcome is Outcome.CONTRADICTED
    assert "of 46,837 images" in wrong.cause


def test_a_claim_of_real_says_what_measures_it() -> None:
    verdict = judged(real_claim("85.403"), Page())
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert verdict.cause.endswith("; --data with ImageNet val and --real-labels measure it, from the same predictions")


@pytest.mark.parametrize(
    ("measured", "images"),
    [
        (MEASURED, dataclasses.replace(WITH_REAL, real={"1": (1,)})),
        (MEASURED, dataclasses.replace(WITH_REAL, is_imagenet_val=False)),
        (dataclasses.replace(MEASURED, images=10_000, planned=50_000), WITH_REAL),
        (run(), WITH_REAL),
    ],
)
def test_a_part_of_the_images_judges_no_claim_of_real(measured: Run, images: ImageSet) -> None:
    assert judged(real_claim("85.403"), Page(), measured, images).outcome is Outcome.NOT_MEASURED
