"""Writes a Paddle network for other runtimes.

Converters are imported only when they are asked for, because an environment has none or one of them.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import paddle
from harness.adapters.paddle.inference import reason, save
from harness.adapters.quiet import quiet

Exporter = Callable[[paddle.nn.Layer, int, Path], Path]
_OPSET = 17


def _onnx(module: paddle.nn.Layer, size: int, folder: Path) -> Path:
    import paddle2onnx

    file = folder / "network.onnx"
    said = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="parity-paddle-") as made:
        program = save(module, size, Path(made), ".json")
        # Paddle 3.3 keeps as doubles what paddle2onnx 2.1 reads as floats; what it cannot read it replaces silently by
        # a default of its own, such as the slope of LeakyReLU
        text = program.read_text(encoding="utf-8")
        program.write_text(text.replace('"0.a_f64"', '"0.a_f32"'), encoding="utf-8")
        try:
            with contextlib.redirect_stdout(said):
                # without a tool that folds constants, because that would install packages as it runs
                paddle2onnx.export(
                    str(program),
                    str(program.with_suffix(".pdiparams")),
                    str(file),
                    opset_version=_OPSET,
                    optimize_tool="None",
                )
        except (Exception, SystemExit) as error:
            _, _, told = said.getvalue().partition("Failed to convert PaddlePaddle model: ")
            raise NotImplementedError(f"paddle2onnx: {told.splitlines()[0] if told else reason(error)}") from error
    return file


def _openvino(module: paddle.nn.Layer, size: int, folder: Path) -> Path:
    import openvino

    file = folder / "network.xml"
    reasons = []
    # OpenVINO itself reads only programs of the old kind, in which not every network can be saved
    for make in (lambda made: save(module, size, made, ".pdmodel"), lambda made: _onnx(module, size, made)):
        with tempfile.TemporaryDirectory(prefix="parity-paddle-") as made:
            try:
                with quiet():
                    model = openvino.convert_model(make(Path(made)))
                openvino.save_model(model, file, compress_to_fp16=False)
                return file
            except Exception as error:  # a converter may raise anything
                reasons.append(reason(error))
    raise NotImplementedError("; ".join(reasons))


#: runtime -> what writes a network, for images of a size in pixels, into an empty folder
EXPORTERS: Mapping[str, Exporter] = {"openvino": _openvino, "onnxruntime": _onnx}
