"""ECE and NLL of evaluated networks, from the worker to the report."""

import json
from pathlib import Path

import numpy as np
import pytest
from fake_adapter import Adapter
from fakes import Recorder, contents, in_this_process, installed, save_checkpoint, use_fakes, write_images
from scipy import special

from harness.checks.accuracy.group import Evaluation, evaluate
from harness.cli import run as command_line
from harness.core.records import Run
from harness.dataset.image_set import ImageSet, open_images
from harness.execution.process import Worker
from harness.execution.session import Session
from harness.execution.store import Store
from harness.report.report_json import run_entry
from harness.worker.batches import batches

IMAGES = 40


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    monkeypatch.setattr(Worker, "do", in_this_process)


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    labels = np.random.default_rng(0).integers(0, 10, IMAGES).tolist()
    return open_images(write_images(tmp_path / "data", contents(IMAGES), labels))


def run(tmp_path: Path, images: ImageSet, precision: str = "fp32") -> Run:
    checkpoint = save_checkpoint(tmp_path / "weights" / "tiny.bin", "tiny")
    session = Session(Store(tmp_path / "store"), Recorder(), "cpu", 8, precision=precision)
    [found] = evaluate(session, installed(), [Evaluation("tiny", "tiny", checkpoint, None, 8)], images)
    assert session.failures == []
    assert found is not None
    return found


def test_they_are_those_of_the_networks_own_logits(tmp_path: Path, images: ImageSet) -> None:
    found = run(tmp_path, images)
    network = Adapter().build("tiny", tmp_path / "weights" / "tiny.bin", "name")
    logits = np.concatenate([network.forward(batch) for _, batch, _ in batches(network, images.images, 8)])
    labels = [ref.label for ref in images.images]
    expected = -special.log_softmax(logits.astype(np.float64), axis=1)[range(IMAGES), labels].mean()
    assert found.metrics["nll"] == pytest.approx(expected, rel=1e-3)
    assert found.metrics["top1"] == 100 * found.top1_count / found.images
    assert found.metrics["top5"] == 100 * found.top5_count / found.images
    assert 0 <= found.metrics["ece"] <= 100
    assert run(tmp_path, images).metrics == found.metrics, "from disk"
    entry = json.loads(json.dumps(run_entry(found)))["metrics"]["nll"]
    assert entry == {"value": found.metrics["nll"], "unit": "nats", "better": "lower", "documented": False}


def test_of_a_mixture_of_two_networks_they_are_absent(
    tmp_path: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_BF16", "0.001")
    found = run(tmp_path, images, "bf16")
    assert found.precision == "bf16"
    assert set(found.metrics) == {"top1", "top5"}
    assert run_entry(found)["metrics"]["ece"]["value"] is None


def test_the_run_table_has_a_column_of_each(tmp_path: Path, images: ImageSet) -> None:
    save_checkpoint(tmp_path / "weights" / "tiny.bin", "tiny")
    table = tmp_path / "table.md"
    head = "| model | source | top1 | top5 | input size |\n| :- | :- | :- | :- | :- |\n"
    table.write_text(f"{head}| tiny | fake | 50.0 | 90.0 | 8 |\n")
    asked = [
        "--table",
        table,
        "--data",
        tmp_path / "data",
        "--weights",
        tmp_path / "weights",
        "--out",
        tmp_path / "out",
    ]
    command_line.main([*map(str, asked), "--checks", "accuracy"])
    [entry] = json.loads((tmp_path / "out" / "report.json").read_text())["runs"]
    page = (tmp_path / "out" / "report.md").read_text()
    heading, _, row = page[page.index("| source | model | input size | images |") :].splitlines()[:3]
    columns = dict(zip(heading.split("|"), row.split("|"), strict=True))
    assert columns[" ECE % "].strip() == f"{entry['metrics']['ece']['value']:.2f}"
    assert columns[" NLL nats "].strip() == f"{entry['metrics']['nll']['value']:.4f}"
    assert "NLL (lower is better; measured, not documented)" in page
    html = (tmp_path / "out" / "report.html").read_text()
    assert f"{entry['metrics']['nll']['value']:.4f}" in html
    assert len(images.images) == entry["images"]
