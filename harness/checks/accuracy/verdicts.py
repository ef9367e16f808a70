"""The verdict on every accuracy claim, those that were not evaluated among them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.checks.accuracy import other_images
from harness.checks.accuracy.metrics import registry
from harness.checks.not_measured import failed, not_asked
from harness.core.records import Claim, Failure, Row, Run, Source, Verdict
from harness.dataset.image_set import ImageSet
from harness.plan.options import Options


def accuracy_verdicts(
    claims: Iterable[tuple[Claim, Source]],
    runs: Mapping[tuple[Row, Source], list[Run]],
    images: ImageSet | None,
    options: Options,
    choice: str,
    failures: Sequence[Failure],
    population: Callable[[Row], int | None],
    of_other_images: Callable[[Claim], str | None],
) -> list[Verdict]:
    """A verdict on every claim of a registered metric, from the runs of its row or from why there are none.

    `population`: of how many images a row's accuracies are; None where the document is about other images.
    `of_other_images`: why a claim is about other images than its page; None where it is not.
    """
    metrics, judged = registry.judged(), []
    for claim, source in claims:
        metric = metrics.get(claim.metric)
        if metric is None or metric.judge is None:
            continue
        if (other := of_other_images(claim)) is not None:
            by_real = other_images.judge_real(claim, source, runs.get((claim.row, source), ()), images)
            judged.append(by_real or not_asked(claim, source, f"{other}{other_images.hint(claim, images)}"))
        elif images is not None and runs.get((claim.row, source)):
            about = runs[claim.row, source]
            judged.append(metric.judge(claim, source, about, population(claim.row), images.identity))
        elif "accuracy" not in options.checks:
            judged.append(not_asked(claim, source, "accuracy is not in --checks"))
        elif images is None:
            judged.append(not_asked(claim, source, "no data set was given: pass --data with ImageNet val"))
        elif choice == "none":
            judged.append(not_asked(claim, source, "no weights were asked for: pass --weights auto or a folder"))
        else:
            judged.append(failed(claim, source, failures))
    return judged
