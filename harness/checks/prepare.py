"""The environment of every source that is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.cancellation import side_by_side
from harness.core.errors import MeasurementError
from harness.core.findings import Finding
from harness.core.records import Source
from harness.execution import environments
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.plan.plan import Plan


def prepare(
    planned: Plan, asked: Sequence[str], session: Session
) -> tuple[Plan, dict[Source, Installed], list[Finding]]:
    """The environment of every source; the run goes on without one that cannot be made.

    A release that the table names and that can no longer be installed is replaced by the one that the adapter was
    written for, and a finding says so. `asked` are the sources as they were asked for.
    """

    def one(source: Source) -> Installed | MeasurementError:
        what = (planned.known[source.name], source.version, session.runtime)
        try:
            if not environments.is_prepared(*what):
                session.progress.stage(f"{source}: making its environment, which may take minutes")
            return environments.prepare(*what)
        except MeasurementError as error:
            return error

    def all_of(sources: Sequence[Source]) -> dict[Source, Installed | MeasurementError]:
        return dict(zip(sources, side_by_side(one, sources), strict=True))

    ready = all_of(planned.sources)
    said = []
    for source, error in list(ready.items()):
        own = Source(source.name, planned.known[source.name].default_version)
        if isinstance(error, Installed) or own == source or str(source) in asked:
            continue
        del ready[source]
        planned = planned.with_release(source, own)
        text = f"{source}, which the table names, cannot be installed here; its rows are checked against {own}. {error}"
        said.append(Finding("another_release", str(own), "", text, {"documented": str(source)}))
    ready |= all_of([source for source in planned.sources if source not in ready])
    installed = {}
    for source, found in ready.items():
        if isinstance(found, Installed):
            installed[source] = found
        else:
            session.fail(source, None, "environment", str(found))
    return planned, installed, said
