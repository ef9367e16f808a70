"""Which networks the rows of a table need evaluated: checkpoint and input sizes of every row."""

from __future__ import annotations

from collections.abc import Mapping

from harness.checks.accuracy.metrics import registry
from harness.checks.accuracy.network_evaluation import Evaluation
from harness.core.errors import MeasurementError
from harness.core.model_names import weights_left_out
from harness.core.records import Row, Source, Static
from harness.execution import checkpoints, environments
from harness.execution.checkpoints import Checkpoint
from harness.execution.session import Session
from harness.plan.plan import Plan


def evaluations(
    planned: Plan, choice: str, built: Mapping[tuple[Row, Source], Static], session: Session
) -> dict[Source, list[tuple[Row, Evaluation]]]:
    """Of each source the rows that were built, each at its source's own input size and at documented other ones.

    Rows without a checkpoint are noted with the session and left out.
    """
    found: dict[Source, list[tuple[Row, Evaluation]]] = {}
    for target in planned.targets:
        row, source = target.row, target.source
        static = built.get((row, source))
        if static is None:
            continue
        try:
            checkpoint = _checkpoint(planned, choice, row, source, static)
        except MeasurementError as error:
            session.fail(source, row.model, "weights", str(error))
            continue
        found.setdefault(source, []).extend(
            (row, Evaluation(row.model, static.model, checkpoint, size, static.input_size))
            for size in _sizes(planned, row, static)
        )
    return found


def _checkpoint(planned: Plan, choice: str, row: Row, source: Source, static: Static) -> Checkpoint:
    """The weights of a row. Raises MeasurementError where there are none."""
    declared = planned.page(row).weights.get(row.model)
    tag = weights_left_out(row.model, static.named or static.model)
    if choice == "auto" and declared is None and tag:
        raise MeasurementError(
            f"{source} has no checkpoint tagged {tag[1:]!r} for {static.model}, and its default checkpoint is a "
            "different one. Put the intended file into a folder and pass --weights DIR."
        )
    folder = environments.cache() / "weights"
    return checkpoints.find(choice, source.name, static.model, row.model, static.checkpoint_url, declared, folder)


def _sizes(planned: Plan, row: Row, static: Static) -> list[int | None]:
    """None for the source's own input size, then the other documented ones in pixels."""
    judged = registry.judged()
    claims = [claim for claim in planned.table.claims if claim.metric in judged and claim.row == row]
    documented = [row.input_size, *(claim.counted_at for claim in claims)]
    return [None, *dict.fromkeys(size for size in documented if size not in (None, static.input_size))]
