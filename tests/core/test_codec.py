"""What is kept in the store comes back as the record that it was."""

import dataclasses
import json
from typing import Any

import pytest

from harness.checks.diagnosis.attribution import Agreement, Attribution, Swap
from harness.core.codec import CodecError, decode
from harness.core.records import Divergence, PairResult, Source, WiringDifference

PAIR = PairResult(
    Source("timm", "0.6.5"),
    Source("mmcls", "0.23.1"),
    "tiny",
    8,
    9,
    "different_function",
    max_abs_diff=0.25,
    divergence=Divergence("act", "relu", "LeakyReLU", "ReLU", "slopes", None),
    layers=(("conv", 0.0), ("logits", 0.5)),
    wiring_differences=(WiringDifference("a", "b", "fed by x", "fed by y"),),
    inventories=({"Conv2d": 2}, {"Conv2d": 3}),
)
SWAP = Swap("filter", "bicubic instead of bilinear", "fits", 10, top1=(3, 5), p=0.01)
AGREEMENT = Agreement("filter", "bicubic instead of bilinear", "fits", 10, 9, 1e-4)


def attribution(evidence: Any) -> Attribution:
    return Attribution("timm==1", "tiny", 8, "mmcls==1", "named", ("filter",), "It is the filter", 10, 20, evidence)


@pytest.mark.parametrize(
    "record", [PAIR, attribution((SWAP, SWAP)), attribution((AGREEMENT,)), attribution(())], ids=["pair", "s", "a", "0"]
)
def test_a_record_comes_back_as_it_was(record: Any) -> None:
    stored = json.loads(json.dumps(dataclasses.asdict(record)))
    assert decode(type(record), stored) == record


def test_another_releases_fields_are_refused() -> None:
    stored = {**dataclasses.asdict(PAIR), "wiring": []}
    with pytest.raises(CodecError, match="PairResult has no field wiring"):
        decode(PairResult, stored)
    with pytest.raises(CodecError):
        decode(Source, {"name": "timm"})
