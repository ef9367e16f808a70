"""A conversion is made once, kept whole, and used only where it computes what the network does."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.adapters import runtimes
from harness.adapters.base import ROUNDING, Array, Inference, Precision, Runtime, deviation
from harness.adapters.third_party import complete

EXAMPLE = np.random.default_rng(0).standard_normal((3, 3, 4, 4)).astype(np.float32)
Load = Callable[[Path, Precision], Inference]


class Network:
    """Sums of pixels times `factor`; what it is converted to is that number in a file."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.exports = 0
        self.slow = 0.0  #: seconds that an export takes
        self.wrong = 1.0  #: by which the conversion differs
        self.breaks = False  #: whether an export ends half way

    def forward(self, batch: Array) -> Array:
        return sums(batch) * np.float32(self.factor)

    def export(self, runtime: Runtime, folder: Path) -> Path:
        assert list(folder.iterdir()) == []
        self.exports += 1
        (folder / "parts").mkdir()
        file = folder / "parts" / f"network.{runtime}"
        file.write_text("")
        time.sleep(self.slow)
        if self.breaks:
            raise NotImplementedError("half way")
        file.write_text(str(self.factor * self.wrong))
        return file


def sums(batch: Array) -> Array:
    return np.stack([batch.sum((1, 2, 3)), batch[:, 0].sum((1, 2))], axis=1)


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(file: Path, precision: Precision) -> Inference:
        factor = np.float32(file.read_text())
        return Inference(f"fake, {precision}", lambda batch: sums(batch) * factor)

    monkeypatch.setattr(runtimes, "_LOADERS", {"openvino": load, "onnxruntime": load})


def completed(network: Any) -> Any:
    """As the worker has it, with the optional methods of the contract."""

    class Adapter:
        def build(self, *_: Any) -> Any:
            return network

    return complete(Adapter()).build("plain")


def run(network: Any, folder: Path, runtime: Runtime = "openvino", precision: Precision = "fp32") -> Inference:
    return runtimes.inference(network, runtime, precision, folder, EXAMPLE)


def test_a_conversion_is_made_once_and_kept(tmp_path: Path) -> None:
    network = Network(3.0)
    folder = tmp_path / "conversions" / "network"
    for _ in range(2):
        ran = run(network, folder)
        assert np.array_equal(ran.forward(EXAMPLE), network.forward(EXAMPLE))
    assert run(Network(4.0), folder).engine == "fake, fp32"
    assert run(network, folder, precision="bf16").engine == "fake, bf16"
    assert network.exports == 1
    assert sorted(path.name for path in folder.parent.iterdir()) == ["network", "network.lock"]
    network.factor = 5.0
    assert deviation(network.forward(EXAMPLE), run(network, folder).forward(EXAMPLE)) > ROUNDING
    assert network.exports == 1


def test_a_conversion_that_is_not_whole_is_made_anew(tmp_path: Path) -> None:
    network, folder = Network(3.0), tmp_path / "network"
    mark, file = folder / "complete.json", folder / "parts" / "network.openvino"

    def nothing() -> None:
        folder.mkdir()

    def no_mark() -> None:
        mark.unlink()
        file.write_text("7.0")

    def half_a_mark() -> None:
        mark.write_text(mark.read_text()[:-5])

    def no_file() -> None:
        file.unlink()

    def half_a_file() -> None:
        file.write_text("3.")

    for exports, spoil in enumerate((nothing, no_mark, half_a_mark, no_file, half_a_file), 1):
        spoil()
        assert np.array_equal(run(network, folder).forward(EXAMPLE), network.forward(EXAMPLE))
        assert network.exports == exports, spoil
        assert json.loads(mark.read_text()) == {
            "file": "parts/network.openvino",
            "sizes": {"parts/network.openvino": 3},
        }


def test_an_export_that_ends_half_way_leaves_nothing_to_use(tmp_path: Path) -> None:
    network, folder = Network(3.0), tmp_path / "network"
    network.breaks = True
    with pytest.raises(NotImplementedError, match="half way"):
        run(network, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["network.lock"]
    network.breaks = False
    (tmp_path / "network.partial").mkdir()  # of a process that was killed
    (tmp_path / "network.partial" / "left over").touch()
    assert np.array_equal(run(network, folder).forward(EXAMPLE), network.forward(EXAMPLE))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network", "network.lock"]


@pytest.mark.parametrize("wrong", [1 + 3 * ROUNDING, 1 - 3 * ROUNDING, float("nan")])
def test_a_conversion_that_computes_something_else_is_refused(tmp_path: Path, wrong: float) -> None:
    network, folder = Network(3.0), tmp_path / "network"
    network.wrong = wrong
    for _ in range(2):
        with pytest.raises(NotImplementedError, match=r"runtime openvino: the conversion computes something else\. "):
            run(network, folder)
    assert network.exports == 2
    assert [path.name for path in tmp_path.iterdir()] == ["network.lock"]


def test_a_conversion_that_cannot_be_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_file: Path, _precision: Precision) -> Inference:
        raise RuntimeError("Exception from x.cpp:1:\n  no such operation \nat line 7\n")

    monkeypatch.setitem(runtimes._LOADERS, "openvino", load)
    with pytest.raises(NotImplementedError, match=r"openvino: the conversion cannot be run\. no such operation$"):
        run(Network(), tmp_path / "network")
    assert [path.name for path in tmp_path.iterdir()] == ["network.lock"]


def test_one_image_alone_is_compared_too(tmp_path: Path) -> None:
    class ByNumber(Network):
        def forward(self, batch: Array) -> Array:
            return super().forward(batch) * (2 if len(batch) == 1 else 1)

    with pytest.raises(NotImplementedError, match="computes something else"):
        run(ByNumber(), tmp_path / "network")


def test_of_several_at_once_one_converts(tmp_path: Path) -> None:
    network, folder = Network(3.0), tmp_path / "network"
    network.slow = 0.2
    results: list[Array] = []
    threads = [threading.Thread(target=lambda: results.append(run(network, folder).forward(EXAMPLE))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(result, network.forward(EXAMPLE)) for result in results)
    assert network.exports == 1


def test_what_cannot_be_had_is_said(tmp_path: Path) -> None:
    class Plain:
        def forward(self, batch: Array) -> Array:
            return sums(batch)

    folder = tmp_path / "network"
    for network, runtime, precision, why in (
        (completed(Plain()), "native", "bf16", "precision bf16: the adapter runs its networks only in fp32"),
        (completed(Plain()), "openvino", "fp32", "runtime openvino: the adapter cannot export its networks"),
        (Network(), "onnxruntime", "bf16", "precision bf16: ONNX Runtime"),
        (Network(), "tensorrt", "fp32", "runtime tensorrt: known are native, openvino, onnxruntime"),
    ):
        with pytest.raises(NotImplementedError, match=why):
            run(network, folder, runtime, precision)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".lock"}, "nothing but what others wait for"
    ran = run(completed(Plain()), folder, "native")
    assert ran.engine == "native"
    assert np.array_equal(ran.forward(EXAMPLE), sums(EXAMPLE))


def test_a_network_that_has_a_fastest_way_of_its_own_is_asked_for_it(tmp_path: Path) -> None:
    asked: list[Any] = []

    class Fast(Network):
        def inference(self, precision: Precision, example: Array) -> Inference:
            asked.append((precision, len(example)))
            return Inference("fast", self.forward)

    assert run(Fast(), tmp_path / "network", "native", "bf16").engine == "fast"
    assert asked == [("bf16", 3)]


@pytest.mark.parametrize(
    ("asked", "threads"), [("3", 3), ("4,2", 4), (" 2 ", 2), ("0", None), ("many", None), ("", None)]
)
def test_threads_are_those_that_were_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str, threads: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5, 6, 7})
    assert runtimes.threads() == (threads or 5)


def test_deviation_is_a_share_of_the_range() -> None:
    expected = np.array([[1.0, 5.0]], np.float32)
    assert deviation(expected, expected) == 0
    assert deviation(expected, expected - np.float32(1)) == 0.25
    assert deviation(expected, np.array([[1.0, np.nan]])) == float("inf")
    assert deviation(np.array([[np.inf, 1.0]]), expected) == float("inf")
    one = np.ones((2, 1), np.float32)
    assert deviation(one, one) == 0
    assert deviation(one, one * 2) == float("inf")
