"""Figures are well-formed, say what they show, and take text for text."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from builders import TIMM, claim, row, run, static, verdict

from harness.checks.equivalence import paired_accuracy
from harness.checks.equivalence.run import PairedRuns
from harness.core.records import Outcome, PairResult, Run, Source, Static, Verdict
from harness.dataset.image_set import ImageSet
from harness.execution.predictions import Predictions
from harness.plan.page import Page
from harness.report.plots import Plot, plots
from harness.report.plots.accuracy import interval
from harness.worker.images import ImageRef

MMCLS = Source("mmcls", "1.0")
LABELS = {f"{n}.png": n for n in range(12)}


@dataclasses.dataclass
class Shown:
    """What the figures look at."""

    runs: tuple[Run, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    statics: Mapping[Any, Static] = dataclasses.field(default_factory=dict)
    pairs: tuple[PairResult, ...] = ()
    paired: tuple[PairedRuns, ...] = ()
    images: ImageSet | None = None
    plan: Any = dataclasses.field(default_factory=lambda: SimpleNamespace(page=lambda _: Page()))


def drawn(shown: Shown) -> dict[str, Plot]:
    found = {plot.name: plot for plot in plots(shown)}  # type: ignore[arg-type]
    for plot in found.values():
        ElementTree.fromstring(plot.svg.encode())
        assert plot.inline.startswith('<svg aria-hidden="true"')
        assert plot.caption.endswith(".")
        assert not any("mathdefault" in text for text in texts(plot)), "a number as a formula"
    return found


def texts(plot: Plot) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(plot.svg.encode()).iter() if node.tag.endswith("}text")]


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Two sources that flip on one image of twelve."""
    made = []
    for source, other in ((TIMM, None), (MMCLS, "3.png")):
        folder = tmp_path / source.name
        folder.mkdir()
        rows = [
            (name, [label if name != other else 99, 50, 51, 52, 53], [1.0 + label // 4, 0.0, -1.0, -2.0, -3.0])
            for name, label in LABELS.items()
        ]
        Predictions(folder).append(rows, [])
        made.append(run(12, 12, source=source, images=12, input_size=256, predictions=str(folder)))
    return made


def test_nothing_to_show_is_no_figure() -> None:
    assert drawn(Shown()) == {}


def test_accuracies_with_what_is_documented_and_over_the_images(runs: list[Run]) -> None:
    refs = tuple(ImageRef(name, label, name, None, None) for name, label in LABELS.items())
    images = ImageSet(".", "label file", refs, "0" * 64, True, "12 images", ())
    documented = verdict(Outcome.NOT_MEASURED, claim("79.582", "top1"))
    found = drawn(Shown(runs=(*runs, runs[0]), verdicts=(documented, documented), images=images))
    assert texts(found["accuracies"]).count("network, timm==0.6.5, 256 px: top1 79.582") == 1
    assert texts(found["images-seen"]).count("network, timm==0.6.5, 256 px") == 1
    other = drawn(
        Shown(runs=tuple(runs), verdicts=(documented,), images=dataclasses.replace(images, is_imagenet_val=False))
    )
    assert list(other) == ["images-seen"], "other images are never held against what is documented"
    assert list(found) == ["accuracies", "images-seen"]
    assert "network, timm==0.6.5, 256 px: top1 79.582" in texts(found["accuracies"])
    assert "documented" in texts(found["accuracies"])
    assert "network, mmcls==1.0, 256 px" in texts(found["images-seen"])


def test_nothing_is_left_open_once_all_images_were_seen() -> None:
    right, seen = np.array([8, 40]), np.array([10, 50])
    part = ImageSet(".", "label file", (), "0" * 64, False, "50 images", (), drawn_from=50)
    low, high = interval(right, seen, part)
    assert low[0] < 80 < high[0]
    assert (low[1], high[1]) == (80, 80)
    plain = interval(right, seen, None)
    assert plain[0][1] < 80 < plain[1][1], "of other images there are always more"
    assert plain[0][0] < low[0]


def test_stand_in_weights_are_called_so(runs: list[Run]) -> None:
    made_up = dataclasses.replace(runs[0].checkpoint, stand_in="made up here")
    documented = verdict(Outcome.NOT_MEASURED, claim("79.582", "top1"))
    val = ImageSet(".", "label file", (), "0" * 64, True, "ImageNet val", ())
    shown = Shown(runs=(dataclasses.replace(runs[0], checkpoint=made_up),), verdicts=(documented,), images=val)
    found = drawn(shown)["accuracies"]
    assert "network, timm==0.6.5, 256 px, stand-in weights: top1 79.582" in texts(found)
    assert "say nothing about the documented ones" in found.caption


def test_flops_by_every_counter_of_cells_that_are_not_plainly_reproduced() -> None:
    first, second = row(1, "a"), row(2, "b")
    cells = (verdict(Outcome.CONTRADICTED, claim("9.9", of=first)), verdict(Outcome.REPRODUCED, claim("9", of=second)))
    statics = {(first, TIMM): static("a"), (second, TIMM): static("b")}
    found = drawn(Shown(verdicts=cells, statics=statics))
    assert list(found) == ["flops-conventions"]
    shown = texts(found["flops-conventions"])
    assert "a, timm==0.6.5, 256 px" in shown
    assert not any(text.startswith("b, ") for text in shown)
    assert {"plain", "thop", "fvcore"} <= set(shown)


def test_two_sources_layer_by_layer_name_the_first_that_parts() -> None:
    layers = (("stem", 1e-7), ("stage1", 2e-6), ("stage2", 0.1), ("logits", 0.3))
    pair = PairResult(TIMM, MMCLS, "network", 256, 1, "different_function", layers=layers)
    found = drawn(Shown(pairs=(pair, dataclasses.replace(pair, layers=()))))
    assert list(found) == ["layers"]
    shown = texts(found["layers"])
    assert "stage2" in shown
    assert "stage1" not in shown
    assert "network: timm==0.6.5, mmcls==1.0" in shown


def test_margins_of_flips(runs: list[Run]) -> None:
    tables = [Predictions(Path(one.predictions)).read() for one in runs]
    two = PairedRuns(runs[0], runs[1], paired_accuracy.compare(*tables, LABELS))
    found = drawn(Shown(paired=(two,)))
    assert list(found) == ["margins"]
    same = dataclasses.replace(two, paired=dataclasses.replace(two.paired, flipped=()))
    assert drawn(Shown(paired=(same,))) == {}


def test_names_are_text_and_the_same_report_is_the_same_file() -> None:
    of = row(1, "<b>$x^2$ & y</b>")
    shown = Shown(verdicts=(verdict(Outcome.CONTRADICTED, claim("9.9", of=of)),), statics={(of, TIMM): static("a")})
    first, again = drawn(shown)["flops-conventions"], drawn(shown)["flops-conventions"]
    assert "<b>$x^2$ & y</b>, timm==0.6.5, 256 px" in texts(first)
    assert first.svg == again.svg
