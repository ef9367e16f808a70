"""From a table to verdicts and an exit status, with the fake source as the only one there is."""

import hashlib
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_adapter import Adapter
from fakes import (
    CUT_JPEG,
    VERSION,
    Recorder,
    best,
    contents,
    in_this_process,
    save_checkpoint,
    use_fakes,
    write_images,
)
from image_files import SYNSETS

import harness.execution.ray
from harness import report
from harness.checks.accuracy import demonstration
from harness.checks.results import Results
from harness.checks.run import execute
from harness.core.errors import InputError, MeasurementError
from harness.core.records import Outcome, Source, Verdict, WeightSource
from harness.dataset import image_set
from harness.dataset.image_set import open_images
from harness.dataset.labels import val_labels
from harness.execution import checkpoints as weights
from harness.execution import process
from harness.execution.process import Worker
from harness.plan.options import Options
from harness.plan.page import Page
from harness.plan.preview import preview
from harness.report import report_json
from harness.tables.claims import read_table

HEADING = "| model | source | top1 | top5 | flops | params | input size |\n| - | - | - | - | - | - | - |\n"
#: true figures of each model: 2 x multiply-adds and parameters; top1 and top5 of `evaluated` below
TINY = "| tiny | fake | 52.4 | 76.2 | 97.152K | 49.009K | 8 |"
WIDE = "| tiny_wide | fake | - | - | 385.152K | 193.009K | 8 |"
TWIN = "| twin | fake | 52.4 | 76.2 | 97.152K | 49.009K | 8 |"


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return use_fakes(monkeypatch)


@pytest.fixture
def imagenet_val(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes whatever is evaluated for ImageNet val."""
    monkeypatch.setattr(image_set, "not_imagenet_val", lambda *_: [])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """21 images of which tiny and twin have 11 right, and 16 among their best five."""
    some = contents(21)
    labels = [
        guess[0] if n % 2 == 0 else guess[3] if n % 4 == 1 else (guess[0] + 500) % 1000
        for n, guess in enumerate(best(some))
    ]
    return write_images(tmp_path / "data", some, labels)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    for model in ("tiny", "tiny_wide", "twin", "killer"):
        save_checkpoint(tmp_path / "weights" / f"{model}.bin", model)
    return tmp_path / "weights"


def options(tmp_path: Path, rows: Iterable[str], **asked: Any) -> Options:
    table = tmp_path / "table.md"
    table.write_text(HEADING + "\n".join(rows) + "\n")
    return Options(**{"tables": (table,), "out": tmp_path / "out", "batch_size": 4, **asked})


def run(tmp_path: Path, rows: Iterable[str], **asked: Any) -> Results:
    return execute(preview(options(tmp_path, rows, **asked)), Recorder())


def outcomes(results: Results) -> dict[str, str]:
    """ "model metric" -> outcome."""
    return {f"{v.claim.row.model} {v.claim.metric}": str(v.outcome) for v in results.verdicts}


def verdict(results: Results, model: str, metric: str) -> Verdict:
    (found,) = [v for v in results.verdicts if (v.claim.row.model, v.claim.metric) == (model, metric)]
    return found


def cells(model: str, **expected: str) -> dict[str, str]:
    return {f"{model} {metric}": outcome for metric, outcome in expected.items()}


STATIC = {"flops": "reproduced", "params": "reproduced"}
UNMEASURED = {"top1": "not_measured", "top5": "not_measured"}
ACCURATE = {"top1": "reproduced", "top5": "reproduced"}
FAILED = {"flops": "error", "params": "error"}


# --- counts


def test_true_counts_are_reproduced_and_accuracy_is_left_open_without_data(tmp_path: Path) -> None:
    results = run(tmp_path, [TINY, WIDE])
    assert outcomes(results) == cells("tiny", **STATIC, **UNMEASURED) | cells("tiny_wide", **STATIC)
    assert verdict(results, "tiny", "flops").measured == 97_152
    assert verdict(results, "tiny", "params").measured == 49_009
    assert "no data set was given: pass --data" in (verdict(results, "tiny", "top1").cause or "")
    assert (results.failures, results.problems, results.runs, results.findings) == ((), (), (), ())
    assert results.exit_status == 0


def test_verdicts_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    results = run(tmp_path, [TWIN, TINY], sources=("fake==2.0", "fake==1.0"))
    assert [(v.claim.row.model, v.claim.metric, v.source.version) for v in results.verdicts] == [
        (model, metric, version)
        for model in ("twin", "tiny")
        for metric in ("top1", "top5", "flops", "params")
        for version in ("1.0", "2.0")
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "metric"), [("97.152K", "97.652K", "flops"), ("49.009K", "49.007K", "params")]
)
def test_a_wrong_digit_contradicts_that_cell_alone(tmp_path: Path, right: str, wrong: str, metric: str) -> None:
    results = run(tmp_path, [TINY.replace(right, wrong), TWIN, WIDE])
    expected = cells("tiny", **{**STATIC, metric: "contradicted"}, **UNMEASURED)
    assert outcomes(results) == expected | cells("twin", **STATIC, **UNMEASURED) | cells("tiny_wide", **STATIC)
    assert f"one digit away from {right.rstrip('K')}" in (verdict(results, "tiny", metric).cause or "")
    assert results.failures == ()
    assert results.exit_status == 1


def test_figures_of_another_network_are_traced_to_it(tmp_path: Path) -> None:
    results = run(tmp_path, ["| tiny | fake | - | - | 385.152K | 193.009K | 8 |"])
    assert outcomes(results) == cells("tiny", flops="contradicted", params="contradicted")
    assert (verdict(results, "tiny", "flops").cause or "").startswith(
        "the figure belongs to another network of fake: tiny_wide"
    )
    assert [finding.kind for finding in results.findings] == ["figures_of_another_network"]
    assert results.failures == (), "neighbours that cannot be built are no failure of what was asked"
    assert results.exit_status == 1


def test_multiply_adds_for_flops_are_explained(tmp_path: Path) -> None:
    results = run(tmp_path, ["| tiny | fake | - | - | 48.576K | 49.009K | 8 |"])
    assert outcomes(results) == cells("tiny", flops="explained", params="reproduced")
    assert verdict(results, "tiny", "flops").measured == 97_152
    assert (verdict(results, "tiny", "flops").convention or "").startswith("multiply-adds by plain")
    assert results.exit_status == 0


@pytest.mark.parametrize(("measured", "outcome", "status"), [("97.152", "known_gap", 0), ("97.153", "error", 2)])
def test_a_known_gap_beside_the_table(tmp_path: Path, measured: str, outcome: str, status: int) -> None:
    gap = {
        "source": "fake", "version": VERSION, "model": "tiny", "metric": "flops",
        "documented": "97.652", "measured": measured, "reason": "a slip", "url": "https://example.org/1",
    }  # fmt: skip
    (tmp_path / "known_gaps.toml").write_text(
        "[[gap]]\n" + "".join(f'{name} = "{value}"\n' for name, value in gap.items())
    )
    results = run(tmp_path, [TINY.replace("97.152K", "97.652K")])
    assert outcomes(results) == cells("tiny", **{**STATIC, "flops": outcome}, **UNMEASURED)
    assert results.exit_status == status


def test_a_cell_that_cannot_be_read_is_a_problem_and_the_others_are_judged(tmp_path: Path) -> None:
    results = run(tmp_path, [TINY.replace("97.152K", "97.152X"), WIDE])
    assert outcomes(results) == cells("tiny", params="reproduced", **UNMEASURED) | cells("tiny_wide", **STATIC)
    (problem,) = results.problems
    assert str(problem).startswith(f"{tmp_path / 'table.md'}:3: tiny: flops '97.152X' ends in 'X'")
    assert results.exit_status == 2


def test_a_table_without_claims_proves_nothing(tmp_path: Path) -> None:
    results = run(tmp_path, ["| tiny | fake | - | - | - | - | 8 |"])
    assert results.verdicts == ()
    assert results.exit_status == 2


# --- sources and models


def test_a_source_without_an_adapter_is_not_measured(tmp_path: Path) -> None:
    results = run(tmp_path, [TINY, "| tiny | keras | 50.0 | - | 97.152K | - | 8 |"])
    foreign = [v for v in results.verdicts if v.source.name == "keras"]
    assert [(v.claim.metric, v.outcome) for v in foreign] == [
        ("top1", Outcome.NOT_MEASURED),
        ("flops", Outcome.NOT_MEASURED),
    ]
    assert {v.cause for v in foreign} == {"there is no adapter for keras; known: fake"}
    assert results.failures == ()
    assert results.exit_status == 0


def test_a_model_that_the_source_does_not_have_is_an_error_that_lists_the_nearest(tmp_path: Path) -> None:
    results = run(tmp_path, [TINY, "| tiny_wilde | fake | 50.0 | - | 97.152K | 49.009K | 8 |", WIDE])
    expected = cells("tiny", **STATIC, **UNMEASURED) | cells("tiny_wide", **STATIC)
    assert outcomes(results) == expected | cells("tiny_wilde", top1="not_measured", **FAILED)
    for metric in FAILED:
        assert "no model 'tiny_wilde'; the nearest names are tiny_wide, tiny" in (
            verdict(results, "tiny_wilde", metric).cause or ""
        )
    assert [(failure.model, failure.stage) for failure in results.failures] == [("tiny_wilde", "static")]
    assert results.exit_status == 2


def test_a_network_that_cannot_be_built_is_an_error_with_its_message(tmp_path: Path) -> None:
    results = run(tmp_path, ["| boom | fake | - | - | 97.152K | 49.009K | 8 |", TINY])
    assert outcomes(results) == cells("boom", **FAILED) | cells("tiny", **STATIC, **UNMEASURED)
    assert verdict(results, "boom", "params").cause == "boom cannot be built"
    assert results.exit_status == 2


def test_a_row_is_checked_with_the_release_that_its_link_documents(tmp_path: Path, prepared: list[str]) -> None:
    linked = TINY.replace("fake", "[fake](https://example.org/fake/blob/v0.9.1/models.py)")
    results = run(tmp_path, [linked, TWIN])
    assert sorted(prepared) == sorted(["0.9.1", VERSION])
    assert verdict(results, "tiny", "flops").source == Source("fake", "0.9.1")
    assert verdict(results, "twin", "flops").source == Source("fake", VERSION)
    prepared.clear()
    results = run(tmp_path, [linked, TWIN], sources=("fake==2.0",))
    assert prepared == ["2.0"]


def test_two_releases_of_one_source_stand_beside_each_other(tmp_path: Path, prepared: list[str]) -> None:
    results = run(tmp_path, [TINY.replace("49.009K", "49.007K")], sources=("fake==1.0", "fake==2.0"))
    assert sorted(prepared) == ["1.0", "2.0"]
    assert set(results.installed) == {Source("fake", "1.0"), Source("fake", "2.0")}
    for version in ("1.0", "2.0"):
        own = {v.claim.metric: str(v.outcome) for v in results.verdicts if v.source.version == version}
        assert own == {**STATIC, "params": "contradicted", **UNMEASURED}
    assert results.exit_status == 1


def test_a_release_that_cannot_be_installed_leaves_the_other_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fakes(monkeypatch, broken=["2.0"])
    results = run(tmp_path, [TINY], sources=("fake==1.0", "fake==2.0"))
    assert {v.outcome for v in results.verdicts if v.source.version == "1.0" and v.claim.metric in STATIC} == {
        Outcome.REPRODUCED
    }
    broken = [v for v in results.verdicts if v.source.version == "2.0" and v.claim.metric in STATIC]
    assert {(v.outcome, v.cause) for v in broken} == {
        (Outcome.ERROR, "the environment of fake==2.0 could not be made. uv says: no")
    }
    assert set(results.installed) == {Source("fake", "1.0")}
    assert [failure.stage for failure in results.failures] == ["environment"]
    assert results.exit_status == 2


def test_a_documented_release_that_cannot_be_installed_gives_way_to_the_adapters_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = use_fakes(monkeypatch, broken=["0.9.1"])
    linked = TINY.replace("fake", "[fake](https://example.org/fake/blob/v0.9.1/models.py)")
    results = run(tmp_path, [linked, TWIN])
    assert sorted(prepared) == sorted(["0.9.1", VERSION])
    assert set(results.installed) == {Source("fake", VERSION)}
    flops = verdict(results, "tiny", "flops")
    assert (flops.source, flops.outcome) == (Source("fake", VERSION), Outcome.REPRODUCED)
    [said] = [finding for finding in results.findings if finding.kind == "another_release"]
    assert (said.severity, said.source) == ("warning", f"fake=={VERSION}")
    assert said.text.startswith("fake==0.9.1, which the table names, cannot be installed here; its rows are checked")
    assert said.text.endswith("uv says: no")
    assert results.failures == ()
    prepared.clear()
    results = run(tmp_path, [linked], sources=("fake==0.9.1",))
    assert prepared == ["0.9.1"], "what was asked for is not replaced"
    assert results.exit_status == 2


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sources": ("fack",)}, "--sources: unknown source 'fack'; did you mean fake? known: fake"),
        ({"sources": ("fake==latest",)}, "--sources: 'fake==latest' is not a version"),
        ({"models": ("tiny", "tiny_wilde")}, "has no model 'tiny_wilde'; did you mean tiny_wide?"),
        ({"models": ("resnet",)}, "has no model 'resnet'; expected one of other, tiny, tiny_wide"),
        ({"models": ("other",), "sources": ("fake",)}, "documents none of other from fake"),
        ({"checks": ("statics",)}, "--checks: unknown check 'statics'; did you mean static?"),
        ({"device": "cudo"}, "--device cudo: unknown device; expected cpu, cuda, all"),
        ({"device": "tpu"}, "--device tpu: unknown device; "),
        ({"batch_size": 0}, "--batch-size 0: expected at least 1"),
        ({"weights": "nowhere"}, "--weights nowhere: no such folder; expected auto, none or a folder"),
        ({"weights": "."}, "--weights: pass --data as well"),
        ({"engine": "rae"}, "--engine: unknown engine 'rae'; did you mean ray?"),
        ({"ray_address": "auto"}, "--ray-address and --ray-cpus need --engine ray"),
        ({"ray_cpus": 2}, "--ray-address and --ray-cpus need --engine ray"),
        ({"engine": "ray", "ray_cpus": 0}, "--ray-cpus 0: expected at least 1"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_measured(
    tmp_path: Path, prepared: list[str], asked: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, [TINY, WIDE, "| other | keras | - | - | 1.0K | - | 8 |"], **asked)
    assert message in str(caught.value)
    assert prepared == []


def test_a_source_that_the_table_does_not_document(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"table\.md documents nothing from fake; it has keras"):
        run(tmp_path, ["| other | keras | - | - | 1.0K | - | 8 |"], sources=("fake",))


def test_models_select_rows(tmp_path: Path) -> None:
    results = run(tmp_path, [TINY, TWIN, WIDE], models=("tiny", "tiny_wide"))
    assert {v.claim.row.model for v in results.verdicts} == {"tiny", "tiny_wide"}


def test_checks_that_are_not_asked_for_are_left_open(tmp_path: Path) -> None:
    results = run(tmp_path, [TINY], checks=("accuracy",))
    assert outcomes(results) == cells("tiny", flops="not_measured", params="not_measured", **UNMEASURED)
    assert verdict(results, "tiny", "flops").cause == "static is not in --checks"
    assert results.exit_status == 0
    results = run(tmp_path, [TINY], checks=("static",))
    assert outcomes(results) == cells("tiny", **STATIC, **UNMEASURED)
    assert verdict(results, "tiny", "top1").cause == "accuracy is not in --checks"


def test_the_same_again_starts_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path, checkpoints: Path
) -> None:
    asked = {"data": data, "weights": str(checkpoints)}
    first = run(tmp_path, [TINY], **asked)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(process, "run", refuse)
    again = run(tmp_path, [TINY], **asked)
    assert again.verdicts == first.verdicts
    assert [run.measured_now for run in (*first.runs, *again.runs)] == [21, 0]


# --- accuracy


@pytest.mark.usefixtures("imagenet_val")
def test_true_accuracies_are_reproduced(tmp_path: Path, data: Path, checkpoints: Path) -> None:
    results = run(tmp_path, [TINY, TWIN], data=data, weights=str(checkpoints))
    assert outcomes(results) == cells("tiny", **STATIC, **ACCURATE) | cells("twin", **STATIC, **ACCURATE)
    assert [(run.documented_model, run.images, run.top1_count, run.top5_count) for run in results.runs] == [
        ("tiny", 21, 11, 16),
        ("twin", 21, 11, 16),
    ]
    assert verdict(results, "tiny", "top1").measured == pytest.approx(100 * 11 / 21)
    assert results.failures == ()
    assert results.exit_status == 0


@pytest.mark.usefixtures("imagenet_val")
@pytest.mark.parametrize(("right", "wrong", "metric"), [("52.4", "82.4", "top1"), ("76.2", "46.2", "top5")])
def test_a_wrong_accuracy_contradicts_that_cell_alone(
    tmp_path: Path, data: Path, checkpoints: Path, right: str, wrong: str, metric: str
) -> None:
    results = run(tmp_path, [TINY.replace(right, wrong), TWIN], data=data, weights=str(checkpoints))
    expected = cells("tiny", **STATIC, **{**ACCURATE, metric: "contradicted"})
    assert outcomes(results) == expected | cells("twin", **STATIC, **ACCURATE)
    assert results.exit_status == 1


def test_data_that_is_not_imagenet_val_says_nothing_about_the_document(
    tmp_path: Path, data: Path, checkpoints: Path
) -> None:
    results = run(tmp_path, [TINY], data=data, weights=str(checkpoints))
    assert outcomes(results) == cells("tiny", **STATIC, top1="not_comparable", top5="not_comparable")
    assert verdict(results, "tiny", "top1").measured == pytest.approx(100 * results.runs[0].top1_count / 21)
    assert results.exit_status == 0
    assert "the data is not ImageNet val (21 images of" in (verdict(results, "tiny", "top1").cause or "")
    assert [run.top1_count for run in results.runs] == [11]


@pytest.mark.usefixtures("imagenet_val")
def test_another_input_size_is_evaluated_beside_the_own(tmp_path: Path, data: Path, checkpoints: Path) -> None:
    results = run(
        tmp_path, [TINY.replace("| 8 |", "| 16 |")], data=data, weights=str(checkpoints), checks=("accuracy",)
    )
    assert [(run.input_size, run.images) for run in results.runs] == [(8, 21), (16, 21)]
    assert verdict(results, "tiny", "top1").convention == "at 16 pixels"


def test_no_weights_asked_for(tmp_path: Path, data: Path) -> None:
    results = run(tmp_path, [TINY], data=data, weights="none")
    assert outcomes(results) == cells("tiny", **STATIC, **UNMEASURED)
    assert "no weights were asked for" in (verdict(results, "tiny", "top1").cause or "")
    assert (results.runs, results.exit_status) == ((), 0)


@pytest.mark.usefixtures("imagenet_val")
def test_weights_that_cannot_be_found_are_an_error_of_their_row(tmp_path: Path, data: Path, checkpoints: Path) -> None:
    (checkpoints / "twin.bin").unlink()
    results = run(tmp_path, [TWIN, TINY], data=data, weights=str(checkpoints))
    unknown = {"top1": "error", "top5": "error"}
    assert outcomes(results) == cells("twin", **STATIC, **unknown) | cells("tiny", **STATIC, **ACCURATE)
    assert f"fake twin: no checkpoint in {checkpoints}" in (verdict(results, "twin", "top1").cause or "")
    assert results.exit_status == 2
    auto = run(tmp_path, [TINY], data=data)
    assert "fake tiny: no official checkpoint is known" in (verdict(auto, "tiny", "top5").cause or "")


@pytest.mark.usefixtures("imagenet_val")
def test_a_checkpoint_of_another_network_is_an_error_of_its_row(tmp_path: Path, data: Path, checkpoints: Path) -> None:
    (checkpoints / "twin.bin").write_bytes((checkpoints / "tiny_wide.bin").read_bytes())
    results = run(tmp_path, [TWIN, TINY], data=data, weights=str(checkpoints))
    unknown = {"top1": "error", "top5": "error"}
    assert outcomes(results) == cells("twin", **STATIC, **unknown) | cells("tiny", **STATIC, **ACCURATE)
    cause = verdict(results, "twin", "top1").cause or ""
    assert f"{checkpoints / 'twin.bin'} does not fit the network, 10 differences: " in cause
    listed = cause.partition("differences: ")[2].partition("; and 7 more")[0].split("; ")
    assert listed == [
        "missing stem.conv.weight (3, 3)",
        "missing stem.norm.mean (48,)",
        "missing stem.norm.var (48,)",
    ]
    assert results.exit_status == 2


def test_a_cluster_takes_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared: list[str]) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    for name in ("engine", "cluster", "node"):
        monkeypatch.delitem(sys.modules, f"harness.execution.ray.{name}", raising=False)
        monkeypatch.delattr(harness.execution.ray, name, raising=False)
    with pytest.raises(
        InputError, match=r"^--engine ray: .*ray.* Install it with: pip install 'parity-harness\[ray\]'"
    ):
        run(tmp_path, [TINY], engine="ray")
    assert prepared == []


def test_an_evaluation_is_interrupted_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path, checkpoints: Path
) -> None:
    """As the command line has it: a signal to this process, and not to its workers."""
    monkeypatch.setenv("FAKE_DELAY", "0.5")
    recorder = Recorder()

    def interrupt(_: str, done: int, *__: object) -> None:
        if done == 8:
            threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
        images_done.append(done)

    images_done: list[int] = []
    monkeypatch.setattr(recorder, "images", interrupt)
    with pytest.raises(KeyboardInterrupt):
        execute(preview(options(tmp_path, [TINY], data=data, weights=str(checkpoints), checks=("accuracy",))), recorder)
    assert images_done[-1] < 21


@pytest.mark.usefixtures("imagenet_val")
def test_stand_in_weights_are_never_evidence(tmp_path: Path, data: Path) -> None:
    save_checkpoint(tmp_path / "weights" / "fake" / "tiny-stand-in.bin", stand_in="stand-in: made up here")
    results = run(tmp_path, [TINY], data=data, weights=str(tmp_path / "weights"))
    assert outcomes(results) == cells("tiny", **STATIC, **UNMEASURED)
    assert "stand-in weights" in (verdict(results, "tiny", "top1").cause or "")
    (only,) = results.runs
    assert (only.checkpoint.stand_in, only.top1_count) == ("stand-in: made up here", 11)


@pytest.mark.usefixtures("imagenet_val")
def test_an_image_that_cannot_be_decoded_is_counted_and_named(tmp_path: Path, checkpoints: Path) -> None:
    some = contents(12)
    labels = [guess[0] for guess in best(some)]
    some[3] = CUT_JPEG
    folder = write_images(tmp_path / "data", some, labels)
    for _ in range(2):
        results = run(tmp_path, [TINY], data=folder, weights=str(checkpoints))
        (only,) = results.runs
        assert (only.images, only.top1_count) == (11, 11)
        ((name, why),) = only.decode_errors.items()
        assert name.endswith("/003.jpg")
        assert "the JPEG is truncated" in why
        assert [failure.message for failure in results.failures] == [f"{name} was not scored: {why}"]
        assert outcomes(results) == cells("tiny", **STATIC, top1="contradicted", top5="contradicted")
        assert "1 image could not be decoded" in (verdict(results, "tiny", "top1").cause or "")
        assert results.exit_status == 1


@pytest.mark.usefixtures("imagenet_val")
def test_a_worker_that_is_killed_costs_its_row_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path, checkpoints: Path
) -> None:
    rows = [TINY.replace("tiny", "killer"), TWIN]
    monkeypatch.setenv("FAKE_KILL_AFTER", "3")
    results = run(tmp_path, rows, data=data, weights=str(checkpoints))
    died = {"top1": "error", "top5": "error"}
    assert outcomes(results) == cells("killer", **STATIC, **died) | cells("twin", **STATIC, **ACCURATE)
    cause = verdict(results, "killer", "top1").cause or ""
    assert "was killed by SIGKILL" in cause
    assert [run.documented_model for run in results.runs] == ["twin"]
    assert results.exit_status == 2
    monkeypatch.delenv("FAKE_KILL_AFTER")
    again = run(tmp_path, rows, data=data, weights=str(checkpoints))
    assert [(run.measured_now, run.images, run.top1_count, run.top5_count) for run in again.runs] == [
        (21, 21, 11, 16),
        (0, 21, 11, 16),
    ]
    assert outcomes(again) == cells("killer", **STATIC, **ACCURATE) | cells("twin", **STATIC, **ACCURATE)
    assert again.exit_status == 0


def test_labels_that_are_off_by_one_are_an_error_of_the_data(tmp_path: Path, checkpoints: Path) -> None:
    some = contents(24)
    folder = write_images(tmp_path / "data", some, [(guess[0] + 1) % 1000 for guess in best(some)])
    results = run(tmp_path, [TINY], data=folder, weights=str(checkpoints))
    (finding,) = results.findings
    assert (finding.kind, finding.severity) == ("labels", "error")
    assert "labels look off by one" in finding.text


def test_data_without_images(tmp_path: Path, prepared: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no images in it; expected files in \.jpg"):
        run(tmp_path, [TINY], data=tmp_path / "empty")
    with pytest.raises(InputError, match="gone: cannot be read: No such file"):
        run(tmp_path, [TINY], data=tmp_path / "gone")
    assert prepared == []


def test_a_limit_takes_so_many_images(tmp_path: Path, data: Path, checkpoints: Path) -> None:
    results = run(tmp_path, [TINY], data=data, weights=str(checkpoints), limit=5)
    assert [run.images for run in results.runs] == [5]
    assert results.images is not None
    assert len(results.images.images) == 5
    assert "5 of 21 images" in (verdict(results, "tiny", "top1").cause or "")
    with pytest.raises(InputError, match="a limit of 0 images"):
        run(tmp_path, [TINY], data=data, limit=0)


def test_a_folder_of_results_that_cannot_be_written(tmp_path: Path, prepared: list[str]) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(InputError, match=r"--out: cannot write to .*out"):
        run(tmp_path, [TINY])
    assert prepared == []


# --- the demonstration


@pytest.fixture
def demonstrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two photographs, one of which the network tiny has right."""
    table = tmp_path / "demonstration.md"
    table.write_text(HEADING + TINY)
    declared = WeightSource("a==1", "member", "0" * 64, "name")
    checkpoint = save_checkpoint(tmp_path / "demonstration.bin")
    some = contents(2)
    right, other = (guess[0] for guess in best(some))
    photographs = image_set.open_images(write_images(tmp_path / "photographs", some, [right, (other + 1) % 1000]))
    monkeypatch.setattr(demonstration, "MODEL", "tiny")
    monkeypatch.setattr(demonstration, "table", lambda: (read_table(table), Page(weights={"tiny": declared})))
    monkeypatch.setattr(demonstration, "photographs", lambda _: photographs)
    monkeypatch.setattr(weights, "find", lambda *_: checkpoint)


@pytest.mark.usefixtures("demonstrated")
def test_without_data_the_accuracy_chain_is_shown_on_photographs(tmp_path: Path) -> None:
    results = run(tmp_path, [WIDE])
    assert results.demonstration is not None
    assert (results.demonstration.images, results.demonstration.top1_count) == (2, 1)
    assert (results.runs, results.findings, results.exit_status) == ((), (), 0)
    assert run(tmp_path, [WIDE], checks=("static",)).demonstration is None


@pytest.mark.usefixtures("demonstrated")
@pytest.mark.parametrize("error", [MeasurementError("no index"), InputError("no images"), OSError("no space")])
def test_a_demonstration_that_fails_fails_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: Path) -> None:
        raise error

    monkeypatch.setattr(demonstration, "photographs", fail)
    results = run(tmp_path, [TINY])
    assert results.demonstration is None
    (finding,) = results.findings
    assert (finding.kind, finding.severity) == ("demonstration", "warning")
    assert finding.text == f"The demonstration did not run: {error}"
    assert (results.failures, results.exit_status) == ((), 0)


@pytest.mark.usefixtures("demonstrated")
def test_a_demonstration_whose_evaluation_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = save_checkpoint(tmp_path / "demonstration.bin", "tiny_wide")
    monkeypatch.setattr(weights, "find", lambda *_: checkpoint)
    results = run(tmp_path, [TINY])
    (finding,) = results.findings
    assert "did not run" in finding.text
    assert "does not fit the network" in finding.text
    assert (results.failures, results.exit_status) == ((), 0)


# --- progress


def test_what_it_is_at_is_said(tmp_path: Path, data: Path, checkpoints: Path) -> None:
    recorder = Recorder()
    execute(preview(options(tmp_path, [TINY, WIDE], data=data, weights=str(checkpoints), models=("tiny",))), recorder)
    assert recorder.stages == [
        f"fake=={VERSION}: counting tiny",
        f"evaluating 1 network of fake=={VERSION} on 21 images",
    ]
    assert recorder.timed is None, "it would take longer to tell than to do"
    assert recorder.counts[-1] == (f"fake=={VERSION} tiny@8", 21, 21, 1)


def test_the_time_of_a_long_run_is_told_by_networks_that_were_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path, checkpoints: Path
) -> None:
    monkeypatch.setattr("harness.checks.accuracy.run._WORTH_TIMING", 5)
    asked: dict[str, Any] = {"data": data, "weights": str(checkpoints), "checks": ("accuracy",)}
    recorder = Recorder()
    results = execute(preview(options(tmp_path, [TINY, WIDE], **asked)), recorder)
    measured: Counter[str] = Counter()
    for name, _, _, added in recorder.counts[: recorder.timed]:
        measured[name] += added
    assert list(measured.values()) == [8, 8], "two batches of each"
    assert [run.images for run in results.runs] == [run.measured_now for run in results.runs] == [21, 21]
    assert sum(added for *_, added in recorder.counts) == 42, "nothing is measured twice"
    again = Recorder()
    execute(preview(options(tmp_path, [TINY, WIDE], **asked)), again)
    assert sum(added for *_, added in again.counts) == 0
    early = Recorder()
    execute(preview(options(tmp_path, [TINY, WIDE], **asked, stop_early=True)), early)
    assert early.timed is None


def test_two_releases_are_compared_where_it_is_asked_for(tmp_path: Path, data: Path) -> None:
    asked: dict[str, Any] = {"sources": ("fake==1.0", "fake==2.0"), "data": data, "weights": "none"}
    assert run(tmp_path, [TINY], **asked).pairs == ()
    results = run(tmp_path, [TINY], **asked, checks=("numerics", "preprocessing"))
    (pair,) = results.pairs
    assert (str(pair.a), str(pair.b), pair.outcome, pair.images) == ("fake==1.0", "fake==2.0", "same_function", 21)
    (comparison,) = results.preprocessing
    assert (comparison.outcome, comparison.images) == ("same", 21)
    assert results.exit_status == 0
    written = json.loads((report.write(results, tmp_path / "out").parent / "report.json").read_text())
    assert [entry["outcome"] for entry in written["pairs"]] == ["same_function"]
    assert [step["identical"] for step in written["preprocessing"][0]["steps"]] == [21] * 4
    text = (tmp_path / "out" / "report.md").read_text()
    assert "1 of 1 pairs of implementations run the same function." in text
    assert "identically on all 21 images" in text


def test_one_source_has_nobody_to_be_compared_with(tmp_path: Path, data: Path) -> None:
    results = run(tmp_path, [TINY], data=data, weights="none", checks=("numerics",))
    assert results.exit_status == 2
    assert "no two of the requested sources" in results.failures[0].message


def test_runs_of_two_releases_are_compared_image_by_image(tmp_path: Path, data: Path, checkpoints: Path) -> None:
    asked: dict[str, Any] = {"sources": ("fake==1.0", "fake==2.0"), "data": data, "weights": str(checkpoints)}
    results = run(tmp_path, [TINY], **asked)
    (side_by_side,) = results.paired
    assert side_by_side.paired.images == side_by_side.paired.same_class == 21
    entry = report_json.report(results)["pairs"][0]
    assert (entry["same_weights"], entry["top1_agreement"], entry["outcome"]) == (True, 1.0, "undecided")


def test_a_checkpoint_that_is_not_the_official_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path, checkpoints: Path
) -> None:
    def official(prefix: str) -> list[str]:
        monkeypatch.setattr(Adapter, "checkpoint_url", lambda *_: f"https://weights.example/tiny-{prefix}.bin")
        monkeypatch.setattr(Worker, "do", in_this_process)
        asked: dict[str, Any] = {"data": data, "weights": str(checkpoints), "out": tmp_path / prefix}
        results = run(tmp_path, [TINY], **asked)
        return [found.text for found in results.findings if found.kind == "not_the_official_file"]

    (text,) = official("0" * 8)
    assert "whose SHA-256 begins with 00000000" in text
    assert official(hashlib.sha256((checkpoints / "tiny.bin").read_bytes()).hexdigest()[:8]) == []


def test_percentages_of_a_page_about_other_images_are_of_these(tmp_path: Path, data: Path, checkpoints: Path) -> None:
    rows = [TINY.replace("52.4", "52.381")]  # 11 of 21 images, and of no 50,000
    assert "impossible_percentage" in {found.kind for found in run(tmp_path, rows).findings}
    digest = open_images(data, None, None).digest
    (tmp_path / "table.toml").write_text(f'[data]\nname = "some"\ndigest = "{digest}"\n')
    asked: dict[str, Any] = {"data": data, "weights": str(checkpoints)}
    kinds = {found.kind for found in run(tmp_path, rows, **asked).findings}
    assert "impossible_percentage" not in kinds
    assert "impossible_percentage" not in {found.kind for found in run(tmp_path, rows).findings}
    rows = [TINY.replace("52.4", "52.391")]
    assert "impossible_percentage" in {found.kind for found in run(tmp_path, rows, **asked).findings}


def test_weights_that_the_source_does_not_know_are_not_taken_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path, checkpoints: Path
) -> None:
    monkeypatch.setattr(Worker, "do", in_this_process)
    rows = [TINY.replace("tiny", "tiny.tv_in1k")]
    results = run(tmp_path, rows, data=data)
    assert "has no checkpoint tagged 'tv_in1k'" in results.failures[0].message
    assert results.exit_status == 2
    (tmp_path / "weights" / "tiny.bin").rename(tmp_path / "weights" / "tiny.tv_in1k.bin")
    (found,) = run(tmp_path, rows, data=data, weights=str(checkpoints)).runs
    assert found.images == 21


def test_real_labels_are_counted_in_the_same_predictions(tmp_path: Path, data: Path, checkpoints: Path) -> None:
    """Each image shows its own class, but for one that shows none, and one that shows a second."""
    listed: list[list[int]] = [[] for _ in range(50_000)]
    taken: list[int] = []
    for place in sorted(data.rglob("*.jpg"), key=lambda path: int(path.stem)):
        label = SYNSETS.index(place.parent.name)
        number = next(n for n, own in enumerate(val_labels(), start=1) if own == label and n not in taken)
        taken.append(number)
        listed[number - 1] = [label]
        place.rename(place.with_name(f"ILSVRC2012_val_{number:08}.jpg"))
    guess = best(contents(21))
    listed[taken[0] - 1] = []
    listed[taken[1] - 1].append(guess[1][0])
    labels = tmp_path / "real.json"
    labels.write_text(json.dumps(listed))
    results = run(tmp_path, [TINY], data=data, weights=str(checkpoints), checks=("accuracy",), real_labels=labels)
    (measured,) = results.runs
    assert measured.metrics["top1"] == pytest.approx(100 * 11 / 21)
    assert measured.metrics["real_top1"] == pytest.approx(100 * (11 - 1 + 1) / 20)
    assert measured.metrics["real_top5"] == pytest.approx(100 * (16 - 1) / 20)
    shown = json.loads((report.write(results, tmp_path / "out").parent / "report.json").read_text())
    assert shown["runs"][0]["metrics"]["real_top1"]["value"] == pytest.approx(55)
