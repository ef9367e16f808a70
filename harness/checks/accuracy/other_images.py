"""Documented accuracies that are of other images than those that are evaluated: they are never held against them.

Those of ImageNet-ReaL are of other labels of the same images, and so are held against the same predictions. Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from harness.checks.accuracy.judge import judge_accuracy
from harness.core.records import Claim, Run, Source, Verdict
from harness.dataset.image_set import ImageSet
from harness.dataset.real_labels import LABELLED
from harness.plan.page import Page
from harness.tables.percentages.image_sets import VAL

REAL = "ImageNet-ReaL"


def reason(claim: Claim, page: Page) -> str | None:
    """Why a claim is not about the images that its page is about; None where it is.

    What stands beside a table says of all its figures that they are of its own images, whatever they are called.
    """
    about = claim.measured_on
    if about is None or about.name == VAL or page.data is not None:
        return None
    return f"it is of {about}, told by {about.told_by}, and not of {VAL}"


def judge_real(claim: Claim, source: Source, runs: Sequence[Run], images: ImageSet | None) -> Verdict | None:
    """The verdict on a claim of ReaL from runs over all of ImageNet val; None where there are no such runs."""
    if not _is_of_real(claim) or images is None or not images.is_imagenet_val or len(images.real) != LABELLED:
        return None
    counted = [run for one in runs if (run := _counted(one)) is not None]
    return judge_accuracy(claim, source, counted, LABELLED, images.identity) if counted else None


def hint(claim: Claim, images: ImageSet | None) -> str:
    """What to do so that a claim of ReaL is measured."""
    if not _is_of_real(claim) or (images is not None and images.real):
        return ""
    return "; --data with ImageNet val and --real-labels measure it, from the same predictions"


def _is_of_real(claim: Claim) -> bool:
    return claim.measured_on is not None and claim.measured_on.name == REAL


def _counted(run: Run) -> Run | None:
    """A run as one over the images that have ReaL labels; None where it did not see all of them."""
    if run.images < run.planned or not {"real_top1", "real_top5"} <= run.metrics.keys():
        return None
    top1, top5 = (round(run.metrics[name] * LABELLED / 100) for name in ("real_top1", "real_top5"))
    return dataclasses.replace(run, images=LABELLED, top1_count=top1, top5_count=top5)
