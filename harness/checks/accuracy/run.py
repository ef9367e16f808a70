"""Evaluates the network of every row on as many images as are needed to judge the row's accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.checks.accuracy import evaluation_plan, judge, other_images
from harness.checks.accuracy.group import Enough, Evaluation, EvaluationGroup
from harness.checks.counts.widening import Built
from harness.core.cancellation import side_by_side
from harness.core.findings import Finding
from harness.core.records import Claim, Row, Run, Source, Static
from harness.dataset.image_set import ImageSet
from harness.execution.download import file_name, hash_in_name
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.plan.options import Options
from harness.plan.page import Page
from harness.plan.plan import Plan

#: batches of images from which a duration is estimated first, which starts every source once more
_WORTH_TIMING = 20


def evaluate_rows(
    planned: Plan,
    options: Options,
    choice: str,
    images: ImageSet,
    built: Mapping[tuple[Row, Source], Static],
    installed: Mapping[Source, Installed],
    session: Session,
) -> dict[tuple[Row, Source], list[Run]]:
    """Every row's network over the images: at the source's own input size and, if it differs, at the row's."""
    asked = evaluation_plan.evaluations(planned, choice, built, session)
    parts = {
        source: EvaluationGroup(session, installed[source], list(dict.fromkeys(one for _, one in wanted)), images)
        for source, wanted in asked.items()
    }
    _announce(parts, options, images, session)

    def evaluated(source: Source) -> dict[Evaluation, Run | None]:
        with parts[source] as part:
            done = part.evaluate(_enough(planned, options, images, asked[source]))
        return {network.evaluation: run for network, run in zip(part.networks, done, strict=True)}

    # on one machine sources would only compete for the processors
    at_once = len(asked) if session.cluster else 1
    done = dict(zip(asked, side_by_side(evaluated, asked, at_once), strict=True))
    runs: dict[tuple[Row, Source], list[Run]] = {}
    for source, rows in asked.items():
        for row, evaluation in rows:
            run = done[source][evaluation]
            if run is not None:
                runs.setdefault((row, source), []).append(run)
    return runs


def _announce(parts: Mapping[Source, EvaluationGroup], options: Options, images: ImageSet, session: Session) -> None:
    """Reports what is going to be evaluated, after timing every network where that is worth it."""
    networks = sum(len(part.networks) for part in parts.values())
    what = f"{networks} network{'s' * (networks != 1)} of {', '.join(map(str, parts))}"
    # where a row may stop early its duration is unknown
    alone = session.cluster is None and len(session.placement.asked.seats) == 1
    all_images = alone and not options.stop_early and options.share is None
    if all_images and len(images.images) >= _WORTH_TIMING * session.batch_size:
        session.progress.stage(f"timing {what}")
        for part in parts.values():
            with part:
                part.warm_up()
        session.progress.estimate()
    session.progress.stage(f"evaluating {what} on {len(images.images):,} images")


def population(page: Page, options: Options, images: ImageSet | None) -> int | None:
    """The number of images of the accuracies that can be judged; None where the document is about other images."""
    if images is None:
        return None
    if page.is_about(images):
        return len(images.images)
    return images.drawn_from if options.stop_early and page.data is None else None


def _enough(planned: Plan, options: Options, images: ImageSet, rows: Sequence[tuple[Row, Evaluation]]) -> Enough | None:
    """A function that says when all accuracies of a row are decided; None where all images are evaluated."""
    if not options.stop_early:
        return None
    claims: dict[Evaluation, list[tuple[Claim, int]]] = {}
    for row, evaluation in rows:
        about = population(planned.page(row), options, images)
        if about is None:
            return None
        claims.setdefault(evaluation, []).extend(
            (claim, about)
            for claim in planned.table.claims
            if claim.row == row and other_images.reason(claim, planned.page(row)) is None
        )

    def enough(evaluation: Evaluation, seen: int, top1: int, top5: int) -> bool:
        right = {"top1": top1, "top5": top5}
        asked = [(claim, about) for claim, about in claims[evaluation] if claim.metric in right]
        return all(judge.decided(claim, about, seen, right[claim.metric]) for claim, about in asked)

    return enough


def unofficial_checkpoints(runs: Mapping[tuple[Row, Source], list[Run]], built: Built) -> list[Finding]:
    """Checkpoints that are not those that the source publishes, where its file's name carries a hash."""
    found: dict[tuple[Source, str], Finding] = {}
    for (row, source), row_runs in runs.items():
        url = built[row, source].checkpoint_url
        prefix = hash_in_name(file_name(url)) if url else None
        for run in row_runs:
            used = run.checkpoint
            if prefix and not used.stand_in and not used.sha256.startswith(prefix):
                text = (
                    f"{row.model} of {source} was evaluated with {Path(used.file).name} ({used.sha256[:16]}), which is "
                    f"not the file that the source publishes, whose SHA-256 begins with {prefix}."
                )
                found[source, used.sha256] = Finding("not_the_official_file", str(source), row.model, text)
    return list(found.values())
