"""Documented accuracies that are of other images than those that are evaluated: they are never held against them."""

from __future__ import annotations

from harness.core.records import Claim
from harness.plan.page import Page
from harness.tables.percentages.image_sets import VAL


def reason(claim: Claim, page: Page) -> str | None:
    """Why a claim is not about the images that its page is about; None where it is.

    What stands beside a table says of all its figures that they are of its own images, whatever they are called.
    """
    about = claim.measured_on
    if about is None or about.name == VAL or page.data is not None:
        return None
    return f"it is of {about}, told by {about.told_by}, and not of {VAL}"
