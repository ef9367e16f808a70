"""The rows of the documented table as they are timed: which network, which weights, which size, how many FLOPs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.checks.counts import statics
from harness.cli.progress import Silent
from harness.core.errors import MeasurementError
from harness.execution import checkpoints, environments
from harness.execution.checkpoints import Checkpoint
from harness.execution.session import Session
from harness.execution.store import Store
from harness.plan.options import Options
from harness.plan.plan import plan


@dataclass(frozen=True)
class Row:
    """One network of one source."""

    source: str
    version: str
    documented: str  #: the model as the table calls it
    model: str  #: the source's own name
    size: int  #: pixels, the source's own, at which both its evaluator and the harness run it here
    checkpoint: Checkpoint
    gflops: float  #: of one image at that size: convolutions and matrix products, a multiply-add being 2 operations

    @property
    def label(self) -> str:
        return f"{self.source} {self.version} {self.documented}"


def rows(
    folder: Path,
    sources: Sequence[str] = (),
    models: Sequence[str] = (),
    tables: tuple[Path, ...] = Options().tables,
) -> list[Row]:
    """Rows of the tables, all unless sources or models are named, with checkpoints out of a folder.

    Raises InputError or MeasurementError for the first one that cannot be had.
    """
    planned = plan(Options(tables=tables, sources=tuple(sources), models=tuple(models)))
    # counting takes minutes and says the same every time
    session = Session(Store(environments.cache() / "benchmarks"), Silent(), "cpu", batch_size=1)
    found = []
    for source in dict.fromkeys(target.source for target in planned.targets):
        mine = [target.row.model for target in planned.targets if target.source == source]
        ready = environments.prepare(planned.known[source.name], source.version)
        wanted = {ready.source: dict.fromkeys(mine, ())}
        counted = statics.count(session, {ready.source: ready}, wanted, depth="outline")[ready.source]
        for failure in session.failures:
            raise MeasurementError(f"{failure.source} {failure.model}: {failure.message}")
        for model in mine:
            static = counted[model]
            multiply_adds = static.multiply_adds[static.input_size][static.plain_counter]
            checkpoint = checkpoints.find(
                str(folder), source.name, static.model, model, static.checkpoint_url, None, environments.cache()
            )
            name = (source.name, source.version, model, static.model)
            found.append(Row(*name, static.input_size, checkpoint, 2 * multiply_adds / 1e9))
    return found
