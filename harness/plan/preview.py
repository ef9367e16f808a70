"""What a run will do, known before it measures anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import InputError, MeasurementError
from harness.core.records import Source
from harness.dataset.image_set import ImageSet, open_images
from harness.dataset.real_labels import with_real_labels
from harness.execution import environments
from harness.execution.devices.seats import places
from harness.plan.options import Options
from harness.plan.plan import Plan, plan


@dataclass(frozen=True)
class Part:
    """What will be done with one source."""

    source: Source
    prepared: bool  #: its environment exists already
    models: int
    networks: int  #: to be evaluated: a model at another size than its own is one more


@dataclass(frozen=True)
class Preview:
    """What will be done with all sources."""

    options: Options
    planned: Plan
    images: ImageSet | None
    weights: str  #: where checkpoints come from: auto, none or a folder
    parts: tuple[Part, ...]

    @property
    def forward_passes(self) -> int:
        """Images, each counted once for every network that will see it."""
        return sum(part.networks for part in self.parts) * (len(self.images.images) if self.images else 0)


def preview(options: Options, read: bool = True) -> Preview:
    """Reads the table and the data set; without `read` only a few of its images.

    Raises InputError where anything that was asked for is not there.
    """
    planned = plan(options)
    if options.engine == "local" and not (options.share and options.share.merges):
        places(options.device)  # a GPU that is not there is told before anything else is done
    weights = _weights(options)
    memory = environments.cache() / "images"
    images = open_images(options.data, options.labels, options.limit, memory, read) if options.data else None
    if images is not None and options.real_labels is not None:
        images = with_real_labels(images, options.real_labels)
    evaluated = options.evaluates
    parts = []
    for source in planned.sources if options.asks_sources else ():
        models = {(t.row.model, t.row.input_size) for t in planned.targets if t.source == source}
        try:
            prepared = environments.is_prepared(planned.known[source.name], source.version, options.runtime)
        except MeasurementError:
            prepared = False
        parts.append(Part(source, prepared, len({model for model, _ in models}), len(models) if evaluated else 0))
    return Preview(options, planned, images, weights, tuple(parts))


def _weights(options: Options) -> str:
    if options.weights is None:
        return "auto" if options.data else "none"
    if options.weights not in ("auto", "none"):
        if not Path(options.weights).is_dir():
            raise InputError(
                f"--weights {options.weights}: no such folder; expected auto, none or a folder of checkpoints"
            )
        if options.data is None:
            raise InputError("--weights: pass --data as well, the images to evaluate the checkpoints on")
    return options.weights
