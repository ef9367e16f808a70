"""Pickles of arrays are read, and nothing of a file is called or taken for an address in memory."""

import codecs
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.adapters.base import CheckpointError
from harness.adapters.paddle import safe_pickle

ARRAYS = {
    "rows": np.arange(6, dtype="f4").reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3)),
    "half": np.ones(3, "f2"),
    "scalar": np.array(5),
    "empty": np.zeros((0, 3)),
    "truth": np.zeros(2, bool),
}


class Asks:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.asked = (function, arguments)

    def __reduce__(self) -> Any:
        return self.asked


def written(folder: Path, content: Any, protocol: int = 4) -> Path:
    path = folder / "weights.pdparams"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_are_read_as_they_were_written(tmp_path: Path, protocol: int) -> None:
    content = {**ARRAYS, "pair": ("a name", ARRAYS["half"]), "text": "a text", "one": np.float32(3)}
    content["within"] = OrderedDict(rows=ARRAYS["rows"])
    found = safe_pickle.load(written(tmp_path, content, protocol))
    for name, array in ARRAYS.items():
        assert np.array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert (found["text"], found["one"]) == ("a text", 3)
    assert np.array_equal(found["within"]["rows"], ARRAYS["rows"])
    assert set(safe_pickle.arrays(found)) == {*ARRAYS, "pair"}


@pytest.mark.parametrize(
    "planted",
    [
        Asks(np.ndarray, (1,), "O", struct.pack("<Q", 0x4141414141414141)),
        Asks(np.ndarray, (2**47,), "f4"),
        Asks(os.system, "echo it runs"),
        Asks(codecs.encode, "x", "rot13"),
        np.array([None], dtype=object),
        np.zeros(2, dtype=[("a", "f4")]),
        np.array(["text"]),
    ],
    ids=["address", "huge", "command", "codec", "objects", "fields", "texts"],
)
def test_whatever_else_a_pickle_holds_is_refused(tmp_path: Path, planted: Any) -> None:
    with pytest.raises(CheckpointError, match="Nothing in it was executed"):
        safe_pickle.load(written(tmp_path, {"weight": ARRAYS["rows"], "planted": planted}))
