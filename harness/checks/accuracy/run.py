"""Runs the network of every row over the images, as far as it takes to judge the row's accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.checks.accuracy import judge
from harness.checks.accuracy.group import Enough, Evaluation, EvaluationGroup
from harness.checks.counts import run as counting
from harness.core.cancellation import side_by_side
from harness.core.errors import MeasurementError
from harness.core.model_names import weights_left_out
from harness.core.records import Claim, Finding, Row, Run, Source, Static
from harness.dataset.image_set import ImageSet
from harness.execution import checkpoints, environments
from harness.execution.download import file_name, hash_in_name
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.plan.options import Options
from harness.plan.page import Page
from harness.plan.plan import Plan

#: batches of images for which it pays to start every source once more, to tell how long it will take
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
    asked: dict[Source, list[tuple[Row, Evaluation]]] = {}
    accuracies = [claim for claim in planned.table.claims if claim.metric in ("top1", "top5")]
    for target in planned.targets:
        row, source = target.row, target.source
        static = built.get((row, source))
        if static is None:
            continue
        try:
            declared = planned.page(row).weights.get(row.model)
            unknown = weights_left_out(row.model, static.model)
            if choice == "auto" and declared is None and unknown:
                raise MeasurementError(
                    f"{source} {row.model}: this release knows no weights named {unknown[1:]!r}, and those of "
                    f"{static.model} are others. Put the ones that are meant into a folder and pass --weights DIR."
                )
            checkpoint = checkpoints.find(
                choice,
                source.name,
                static.model,
                row.model,
                static.checkpoint_url,
                declared,
                environments.cache() / "weights",
            )
        except MeasurementError as error:
            session.fail(source, row.model, "weights", str(error))
            continue
        named = [row.input_size, *(claim.counted_at for claim in accuracies if claim.row == row)]
        sizes = [None, *dict.fromkeys(size for size in named if size not in (None, static.input_size))]
        evaluations = [Evaluation(row.model, static.model, checkpoint, size, static.input_size) for size in sizes]
        asked.setdefault(source, []).extend((row, evaluation) for evaluation in evaluations)

    parts = {
        source: EvaluationGroup(session, installed[source], list(dict.fromkeys(one for _, one in wanted)), images)
        for source, wanted in asked.items()
    }
    networks = sum(len(part.candidates) for part in parts.values())
    count = f"{networks} network{'s' * (networks != 1)}"
    # how soon a row may stop cannot be told
    wholly = session.cluster is None and not options.stop_early
    if wholly and len(images.images) >= _WORTH_TIMING * session.batch_size:
        session.progress.stage(f"timing {count} of {', '.join(map(str, asked))}")
        for part in parts.values():
            with part:
                part.time_each()
        session.progress.estimate()
    session.progress.stage(f"evaluating {count} of {', '.join(map(str, asked))} on {len(images.images):,} images")

    def one(source: Source) -> dict[Evaluation, Run | None]:
        with parts[source] as part:
            done = part.evaluate(_enough(planned, options, images, asked[source]))
        return {candidate.evaluation: run for candidate, run in zip(part.candidates, done, strict=True)}

    # on one machine sources would only take the processors from each other
    at_once = len(asked) if session.cluster else 1
    done = dict(zip(asked, side_by_side(one, asked, at_once), strict=True))
    runs: dict[tuple[Row, Source], list[Run]] = {}
    for source, rows in asked.items():
        for row, evaluation in rows:
            run = done[source][evaluation]
            if run is not None:
                runs.setdefault((row, source), []).append(run)
    return runs


def population(page: Page, options: Options, images: ImageSet | None) -> int | None:
    """Of how many images the accuracies that can be judged are; None where the document is about other images."""
    if images is None:
        return None
    if page.is_about(images):
        return len(images.images)
    return images.drawn_from if options.stop_early and page.data is None else None


def _enough(planned: Plan, options: Options, images: ImageSet, rows: Sequence[tuple[Row, Evaluation]]) -> Enough | None:
    """Tells when all accuracies of a row are decided; None where all images are to be seen."""
    if not options.stop_early:
        return None
    claims: dict[Evaluation, list[tuple[Claim, int]]] = {}
    for row, evaluation in rows:
        whole = population(planned.page(row), options, images)
        if whole is None:
            return None
        claims.setdefault(evaluation, []).extend((claim, whole) for claim in planned.table.claims if claim.row == row)

    def enough(evaluation: Evaluation, seen: int, top1: int, top5: int) -> bool:
        right = {"top1": top1, "top5": top5}
        asked = [(claim, whole) for claim, whole in claims[evaluation] if claim.metric in right]
        return all(judge.decided(claim, whole, seen, right[claim.metric]) for claim, whole in asked)

    return enough


def unofficial_checkpoints(runs: Mapping[tuple[Row, Source], list[Run]], built: counting.Built) -> list[Finding]:
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
                    f"not the file that the source publishes: its SHA-256 begins with {prefix}."
                )
                found[source, used.sha256] = Finding("not_the_official_file", "warning", str(source), row.model, text)
    return list(found.values())
