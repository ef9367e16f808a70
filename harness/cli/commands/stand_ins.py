"""Makes stand-in checkpoints, for where the official ones are not available: python -m harness.standins.

They exercise the whole accuracy chain with accuracies far from chance. The file and its name mark them as stand-ins,
and no report takes them for evidence. `worker.stand_ins` describes how they are made.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.interruption import guarded
from harness.plan.options import Options

if TYPE_CHECKING:
    from harness.core.records import Source
    from harness.dataset.image_set import ImageSet
    from harness.execution.environments import Installed
    from harness.plan.plan import Target
    from harness.worker.protocol import Event
    from harness.worker.tasks import MakeStandIn

#: images over which the normalisation statistics are calibrated
CALIBRATION_IMAGES = 32
CLASSES = 1000


def make(targets: Sequence[Target], images: ImageSet, folder: Path, seed: int = 0, batch_size: int = 32) -> list[Path]:
    """One checkpoint per row, `<source>/<model>-stand-in` in `folder`, in the source's own format.

    Raises MeasurementError for the first one that cannot be made.
    """
    from harness.core.errors import MeasurementError
    from harness.execution import environments, registry
    from harness.worker.protocol import Failed, Saved
    from harness.worker.tasks import MakeStandIn

    made: list[Path] = []
    known = registry.sources()
    by_source: dict[Source, list[Target]] = {}
    for target in targets:
        by_source.setdefault(target.source, []).append(target)
    for source, rows in by_source.items():
        installed = environments.prepare(known[source.name], source.version)
        for target in rows:
            task = MakeStandIn(
                documented=target.row.model,
                seed=seed,
                classes=CLASSES,
                calibration_images=CALIBRATION_IMAGES,
                batch_size=batch_size,
                images=images.images,
                out=str((folder / source.name / f"{target.row.model}-stand-in").absolute()),
            )
            log = folder / "logs" / f"{source.name}.log"
            events = _events(installed, task, log)  # of one process each: some networks cannot be built twice in one
            if failures := [event.message for event in events if isinstance(event, Failed)]:
                raise MeasurementError(f"no stand-in for {source} {target.row.model}: {failures[0]}")
            made += [Path(event.file) for event in events if isinstance(event, Saved)]
    return made


def _events(installed: Installed, task: MakeStandIn, log: Path) -> list[Event]:
    from harness.execution import process

    events: list[Event] = []
    process.run(installed, [task], lambda _, event: events.append(event), log)
    return events


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m harness.standins", description=__doc__)
    parser.add_argument(
        "--table", type=Path, dest="tables", nargs="+", default=Options().tables, help="tables with the models to make"
    )
    parser.add_argument("--data", type=Path, required=True, help="labelled images, as for python -m harness.run")
    parser.add_argument("--labels", type=Path, help="labels of the images, as for python -m harness.run")
    parser.add_argument("--limit", type=int, metavar="N", help="use only N of the images")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints, for --weights")
    given = parser.parse_args(arguments)
    return guarded(lambda: _make(given))


def _make(given: argparse.Namespace) -> int:
    from harness.dataset.image_set import open_images
    from harness.plan.plan import plan

    targets = plan(Options(tables=tuple(given.tables))).targets
    for path in make(targets, open_images(given.data, given.labels, given.limit), given.out):
        print(path)
    return 0
