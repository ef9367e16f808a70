"""All metrics of evaluated networks, found in the modules of this package.

To add a metric, add one module to this package and one test of it:

1. a function that reads one value per image, or one row of values, from an `ImageBatch` (labels, best classes, all
   logits), and returns None where it needs logits and they are None;
2. a function that makes one figure of the values of all images;
3. a tuple `METRICS` of `RunMetric` with name, title, unit (which may be empty), direction, these two functions, the
   number of decimals that the report shows and one sentence of wording.

The report (run table, report.html, `runs[].metrics` of report.json) shows all that are registered. A metric that
documents claim also needs a `judge` and an entry in `harness.core.records.Metric`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from harness.checks.accuracy import metrics
from harness.checks.accuracy.metrics.base import Floats, ImageBatch, RunMetric
from harness.core.records import Run
from harness.execution.predictions import Predictions
from harness.worker.batches import unpack_logits

#: images read at a time; 2 MB of logits of 1,000 classes
_BATCH = 256
_BEST = 5


@cache
def registered() -> tuple[RunMetric, ...]:
    """Every metric: those that are judged first, the others in the order of their modules. Names are unique."""
    names = sorted(module.name for module in pkgutil.iter_modules(metrics.__path__))
    modules = [importlib.import_module(f"{metrics.__name__}.{name}") for name in names]
    found: list[RunMetric] = [metric for module in modules for metric in getattr(module, "METRICS", ())]
    repeated = {metric.name for metric in found if sum(other.name == metric.name for other in found) > 1}
    if repeated:
        raise ValueError(f"more than one metric is named {', '.join(sorted(repeated))}; give each a different name")
    return tuple(sorted(found, key=lambda metric: metric.judge is None))


def judged() -> dict[str, RunMetric]:
    """Name -> metric, of those that documents claim."""
    return {metric.name: metric for metric in registered() if metric.judge is not None}


def measured_only() -> list[RunMetric]:
    """The metrics that are measured, not documented."""
    return [metric for metric in registered() if metric.judge is None]


def shown(runs: Iterable[Run]) -> list[RunMetric]:
    """The metrics that are measured only, but for those that need something which was not given."""
    had = {name for run in runs for name in run.metrics}
    return [metric for metric in measured_only() if not metric.optional or metric.name in had]


def measure(
    predictions: Predictions, labels: Mapping[str, int], real: Mapping[str, Sequence[int]] | None = None
) -> dict[str, float]:
    """Name -> figure, over the images in `labels` (image -> class index); `real`: image -> classes by ImageNet-ReaL.

    A metric that cannot be read from what is stored of every one of these images is left out.
    """
    known = real if real and not labels.keys().isdisjoint(real) else None
    while True:
        try:
            names, values = _values(predictions, labels, known)
        except FileNotFoundError:  # another process puts files together
            continue
        break
    if not names or len(names) < len(labels):
        return {}
    # sums of the same values in another order may be others
    order = np.argsort(np.array(names))
    return {
        metric.name: float(metric.summary(np.concatenate(values[metric.name])[order]))
        for metric in registered()
        if metric.name in values
    }


def _values(
    predictions: Predictions, labels: Mapping[str, int], real: Mapping[str, Sequence[int]] | None
) -> tuple[list[str], dict[str, list[Floats]]]:
    """The names of the images, and by name of each metric that can be read of all what it is for each of them."""
    names: list[str] = []
    values: dict[str, list[Floats]] = {metric.name: [] for metric in registered()}
    for images, batch in _batches(predictions, labels, real):
        names += images
        for metric in registered():
            read = metric.reader(batch) if metric.name in values else None
            if read is None:
                values.pop(metric.name, None)
            else:
                values[metric.name].append(read)
    return names, values


def _batches(
    predictions: Predictions, labels: Mapping[str, int], real: Mapping[str, Sequence[int]] | None
) -> Iterator[tuple[list[str], ImageBatch]]:
    for part in predictions.parts(full_logits=True):
        table = part.filter(pa.array([name in labels for name in part["image"].to_pylist()], pa.bool_()))
        for start in range(0, len(table), _BATCH):
            columns: dict[str, list[Any]] = table.slice(start, _BATCH).to_pydict()
            truth = np.array([labels[name] for name in columns["image"]], np.int64)
            classes = np.full((len(truth), _BEST), -1, np.int64)
            for row, best in enumerate(columns["classes"]):
                classes[row, : len(best[:_BEST])] = best[:_BEST]
            shown = None if real is None else [real.get(name, ()) for name in columns["image"]]
            batch = ImageBatch(truth, classes, _logits(columns["full_logits"], truth, classes), shown)
            yield columns["image"], batch


def _logits(packed: list[bytes | None], labels: Any, classes: Any) -> Floats | None:
    """(N, classes); None unless all images have them, and they fit the labels and the best classes."""
    if any(one is None for one in packed) or len({len(one or b"") for one in packed}) != 1:
        return None
    logits = np.stack([unpack_logits(one or b"") for one in packed])
    rows = np.arange(len(logits))
    fit = labels.min() >= 0 and max(labels.max(), classes.max()) < logits.shape[1]
    return logits if fit and not logits[rows, classes[:, 0]].any() and logits.max() <= 0 else None
