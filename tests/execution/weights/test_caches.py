"""What other packages have downloaded is used before the network, once its digest was compared."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.core.errors import MeasurementError
from harness.execution.checkpoints import Checkpoint, find

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SHA1 = hashlib.sha1(CONTENT).hexdigest()
NOWHERE = "http://127.0.0.1:9"  # nothing answers there
NAME = f"net-{DIGEST[:8]}.pth"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "TORCH_HOME", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("harness.execution.download.WAITS", ())
    return tmp_path


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def ask(home: Path, url: str) -> Checkpoint:
    return find("auto", "timm", "net", "net", url, None, home / "own")


@pytest.mark.parametrize(
    ("place", "url", "verified"),
    [
        (f".cache/torch/hub/checkpoints/{NAME}", f"{NOWHERE}/{NAME}", f"prefix {DIGEST[:8]} in the file name"),
        (
            f".torch/models/net-0896-{SHA1[:8]}.pth",
            f"{NOWHERE}/net-0896-{SHA1[:8]}.pth.zip",
            f"prefix {SHA1[:8]} of the SHA-1 in the file name",
        ),
        (
            ".paddleclas/weights/Net_pretrained.pdparams",
            "https://paddle-imagenet-models-name.bj.bcebos.com/dygraph/Net_pretrained.pdparams",
            None,
        ),
    ],
    ids=["torch", "pytorchcv", "paddle"],
)
def test_a_cached_file_is_used_before_the_network(home: Path, place: str, url: str, verified: str | None) -> None:
    file = put(home / place)
    assert ask(home, url) == Checkpoint(str(file), DIGEST, verified, url)


@pytest.mark.parametrize(("variable", "below"), [("TORCH_HOME", "hub"), ("XDG_CACHE_HOME", "torch/hub")])
def test_the_cache_is_where_the_environment_says(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, below: str
) -> None:
    monkeypatch.setenv(variable, str(home / "elsewhere"))
    file = put(home / "elsewhere" / below / "checkpoints" / NAME)
    assert ask(home, f"{NOWHERE}/{NAME}").file == str(file)


def test_a_cached_file_with_another_digest_is_one_clear_message(home: Path) -> None:
    file = put(home / ".cache/torch/hub/checkpoints" / NAME, b"cut")
    with pytest.raises(MeasurementError) as raised:
        ask(home, f"{NOWHERE}/{NAME}")
    said = str(raised.value)
    assert said.startswith(f"{file}: expected a SHA-256 that begins with {DIGEST[:8]}, as the file name says, got ")
    assert "Delete it and run again" in said
    assert file.read_bytes() == b"cut", "nothing of another package's is removed"


def test_a_name_without_a_hash_means_nothing_among_files_of_many(home: Path) -> None:
    put(home / ".cache/torch/hub/checkpoints/model.pth")
    put(home / ".paddleclas/weights/model.pth")
    with pytest.raises(MeasurementError, match=r"1 attempts"):
        ask(home, f"{NOWHERE}/model.pth")
