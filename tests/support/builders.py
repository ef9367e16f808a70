"""Short ways to make the nouns of the harness for a test; whatever a test does not name is unremarkable."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.adapters.base import Parameters, Preprocessing

from harness.checks.counts.matching import Measured
from harness.core.causes import Stated
from harness.core.records import UNITS, CheckpointUsed, Claim, Metric, Outcome, Row, Run, Source, Static, Verdict
from harness.execution.predictions import BuiltNetwork

TIMM = Source("timm", "0.6.5")
#: counters as they differ on real networks: by under 2 %, and by no constant
COUNTERS = {"plain": 1.0, "thop": 1.0071, "fvcore": 1.0043, "ptflops": 1.0107, "torchinfo": 1.0009}


#: how a typical source prepares images
PREPROCESSING = Preprocessing("PIL, RGB", 256, 224, "PIL bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
BUILT = BuiltNetwork(224, PREPROCESSING, None, "native")


def row(number: int = 1, model: str = "network", input_size: int | None = 256, source: Source = TIMM) -> Row:
    return Row("table.md", number + 4, number, source.name, source.version, None, model, input_size)


def claim(text: str, metric: Metric = "flops", of: Row | None = None, multiply_adds: bool = False) -> Claim:
    """A figure printed in G, M or %."""
    unit = {"flops": "G", "params": "M"}.get(metric, "%")
    step = 10.0 ** -len(text.partition(".")[2])
    heading = f"{metric}({unit})"
    return Claim(of or row(), metric, text, unit, float(text) * UNITS[unit], step * UNITS[unit], heading, multiply_adds)


def static(
    model: str = "network",
    at_256: float = 5e9,
    learnable: int = 21_616_168,
    input_size: int = 256,
    counters: Mapping[str, float] = COUNTERS,
    sizes: tuple[int, ...] = (224, 256),
    **fields: Any,
) -> Static:
    """A convolutional network: `at_256` multiply-adds by the plain counter, the other counters in proportion.

    Each counter departs from its proportion by a few parts in 10,000 that depend on the model's name.
    """
    odd = {name: 1 + (sum(map(ord, model)) * (i + 3) % 17) * 1e-4 * (i > 0) for i, name in enumerate(counters)}
    return Static(
        source=fields.pop("source", TIMM),
        model=model,
        input_size=input_size,
        preprocessing=fields.pop("preprocessing", PREPROCESSING),
        plain_counter="plain",
        parameters=Parameters(
            **{
                "learnable": learnable,
                "normalisation_affine": 46_848,
                "running_statistics": 46_848,
                "other_buffers": 61,
                "classifier": 2_049_000,
                "by_type": {"Conv2d": learnable - 46_848 - 2_049_000, "BatchNormAct2d": 46_848, "Linear": 2_049_000},
                **fields.pop("parameters", {}),
            }
        ),
        multiply_adds={
            size: {name: round(at_256 * (size / 256) ** 2 * factor * odd[name]) for name, factor in counters.items()}
            for size in sizes
        },
        failed_counters=fields.pop("failed_counters", {}),
        operators=fields.pop("operators", {}),
        last_operators=fields.pop("last_operators", ()),
        checkpoint_url=None,
        **fields,
    )


def measured(text: str, network: Static, number: int = 1, size: int | None = 256, **fields: Any) -> Measured:
    return Measured(claim(text, of=row(number, network.model, size), **fields), network)


def run(top1_count: int = 39_791, top5_count: int = 47_352, **fields: Any) -> Run:
    """A network over ImageNet val, with real weights."""
    plain = Run(
        source=TIMM,
        model="network",
        documented_model="network",
        input_size=256,
        preprocessing=PREPROCESSING,
        checkpoint=CheckpointUsed("network.pth", "0" * 64, None, None),
        images=50_000,
        top1_count=top1_count,
        top5_count=top5_count,
        decode_errors={},
        seconds=1.0,
        measured_now=50_000,
    )
    return dataclasses.replace(plain, **fields)


def verdict(
    outcome: Outcome, of: Claim | None = None, source: Source = TIMM, cause: str | None = None, **fields: Any
) -> Verdict:
    """A verdict; `cause` stands for a cause of which nothing but the words matters."""
    if cause is not None:
        fields["causes"] = (Stated(cause),)
    return Verdict(of or claim("10.038"), source, outcome, **fields)
