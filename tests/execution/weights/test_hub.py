"""The Hugging Face hub: against a server that answers as it does, with its own library and its cache."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from harness.core.errors import MeasurementError
from harness.execution import checkpoints
from harness.execution.weights import hub

CONTENT = bytes(range(256)) * 512
DIGEST = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "c0ffee" + "0" * 34
REPOSITORY = "timm/resnet50.a1_in1k"


@dataclass
class Hub:
    """What the server holds, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=lambda: {"model.safetensors": CONTENT})
    token: str = ""  #: without which it refuses
    gated: bool = False  #: whether the refusal is of terms that were not accepted
    sent: bytes | None = None  #: what is sent instead of the file
    asked: list[str] = field(default_factory=list)  #: method and path
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, name: str = "model.safetensors", repository: str = REPOSITORY) -> str:
        return f"{self.address}/{repository}/resolve/main/{name}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(f"{handler.command} {handler.path}")
        if handler.path.startswith("/cdn/"):
            self.whole(handler)
            return
        repository, _, place = handler.path.lstrip("/").partition("/resolve/")
        revision, _, name = place.partition("/")
        bearer = handler.headers["Authorization"]
        if self.token and bearer != f"Bearer {self.token}":
            self.refuse(handler, 403 if self.gated and bearer else 401, "GatedRepo" if self.gated else "RepoNotFound")
        elif repository != REPOSITORY:
            self.refuse(handler, 404 if bearer else 401, "RepoNotFound")
        elif revision not in ("main", COMMIT):
            self.refuse(handler, 404, "RevisionNotFound")
        elif name not in self.files:
            self.refuse(handler, 404, "EntryNotFound")
        else:
            digest = hashlib.sha256(self.files[name]).hexdigest()
            handler.send_response(302)
            handler.send_header("Location", f"http://localhost:{self.port}/cdn/{name}")
            handler.send_header("X-Repo-Commit", COMMIT)
            handler.send_header("X-Linked-Etag", f'"{digest}"')
            handler.send_header("X-Linked-Size", str(len(self.files[name])))
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    def refuse(self, handler: BaseHTTPRequestHandler, status: int, code: str) -> None:
        handler.send_response(status)
        handler.send_header("X-Error-Code", code)
        handler.send_header("X-Error-Message", f"{code} for {REPOSITORY}")
        if code == "EntryNotFound":
            handler.send_header("X-Repo-Commit", COMMIT)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def whole(self, handler: BaseHTTPRequestHandler) -> None:
        body = self.sent if self.sent is not None else self.files[handler.path.rpartition("/")[2]]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def do_HEAD(self) -> None:
            state.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.port = http.server_port
        monkeypatch.setattr(constants, "ENDPOINT", state.address)
        template = state.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def find(server: Hub, folder: Path, url: str | None = None) -> checkpoints.Checkpoint:
    return checkpoints.find("auto", "timm", "resnet50", "resnet50.a1_in1k", url or server.url(), None, folder / "cache")


def test_a_file_is_fetched_and_checked_against_the_hub_s_own_digest(server: Hub, tmp_path: Path) -> None:
    found = find(server, tmp_path)
    assert Path(found.file).read_bytes() == CONTENT
    assert (found.sha256, found.verified) == (DIGEST, "SHA-256 that the hub gives")
    assert found.origin == f"{server.address}/{REPOSITORY}@{COMMIT}"
    assert Path(found.file).name == "model.safetensors"


def test_what_is_in_the_hub_s_cache_is_not_asked_for(server: Hub, tmp_path: Path) -> None:
    first = find(server, tmp_path)
    server.asked.clear()
    assert find(server, tmp_path) == first
    assert server.asked == []


def test_a_repository_without_a_safe_file_gives_the_pickle(server: Hub, tmp_path: Path) -> None:
    server.files = {"pytorch_model.bin": CONTENT}
    assert Path(find(server, tmp_path).file).name == "pytorch_model.bin"
    server.asked.clear()
    assert Path(find(server, tmp_path).file).name == "pytorch_model.bin"
    assert server.asked == []


def test_a_repository_without_weights_is_told(server: Hub, tmp_path: Path) -> None:
    server.files = {"README.md": b"text"}
    with pytest.raises(MeasurementError, match=r"has no model\.safetensors and no pytorch_model\.bin in revision main"):
        find(server, tmp_path)


@pytest.mark.parametrize(("gated", "token"), [(False, ""), (True, ""), (True, "hf_of_somebody_else")])
def test_a_hub_that_asks_for_a_token_gives_one_clear_message(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gated: bool, token: str
) -> None:
    server.token, server.gated = "hf_right", gated
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(MeasurementError) as raised:
        find(server, tmp_path)
    said = str(raised.value)
    assert re.search(r"the hub asks for a token \(HTTP 40[13]\): .* set HF_TOKEN or run `hf auth login`", said)
    assert said.startswith(f"{server.address}/{REPOSITORY}: ")
    assert "\n" not in said
    assert token not in said or not token


def test_a_token_is_used(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.token = "hf_right"
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert find(server, tmp_path).sha256 == DIGEST


def test_a_file_that_arrives_damaged_is_refused_once_and_for_all(server: Hub, tmp_path: Path) -> None:
    server.sent = CONTENT[::-1]
    for _ in range(2):  # the second time out of the cache
        with pytest.raises(MeasurementError, match=f"the hub gives the SHA-256 {DIGEST} for it.*Delete .*{DIGEST}"):
            find(server, tmp_path)


def test_what_is_not_there_is_told(server: Hub, tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="has no revision v9"):
        find(server, tmp_path, server.url().replace("/main/", "/v9/"))
    with pytest.raises(MeasurementError, match="asks for a token"):  # as the hub answers to whoever has none
        find(server, tmp_path, server.url(repository="timm/nothing"))


def test_without_a_connection_the_message_says_where_it_looked(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        MeasurementError, match=r"is not in the cache of the hub and cannot be downloaded.*--weights DIR"
    ):
        find(server, tmp_path)


def test_a_copy_of_the_hub_s_cache_or_of_a_repository_can_be_passed(server: Hub, tmp_path: Path) -> None:
    find(server, tmp_path)
    given = str(tmp_path / "hub")
    server.asked.clear()
    found = checkpoints.find(given, "timm", "resnet50", "resnet50", server.url(), None, tmp_path)
    assert (found.sha256, found.verified, found.origin) == (DIGEST, "SHA-256 that the hub gives", given)
    for place in ("resnet50.a1_in1k", "timm/resnet50.a1_in1k"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "model.safetensors").write_bytes(CONTENT)
        found = checkpoints.find(str(tmp_path), "timm", "resnet50", "resnet50", server.url(), None, tmp_path)
        assert (found.file, found.verified) == (str(tmp_path / place / "model.safetensors"), None)
        Path(found.file).unlink()
    assert server.asked == []


def test_a_file_with_the_name_of_every_repository_is_taken_for_none(server: Hub, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(CONTENT)
    with pytest.raises(MeasurementError, match="no checkpoint in"):
        checkpoints.find(str(tmp_path), "timm", "resnet50", "resnet50", server.url(), None, tmp_path)


@pytest.mark.parametrize(
    ("url", "is_file"),
    [
        ("https://huggingface.co/timm/a.b/resolve/main/model.safetensors", True),
        ("https://huggingface.co/timm/a.b/resolve/v1/sub/model.safetensors", True),
        ("https://huggingface.co/timm/a.b/blob/main/model.safetensors", False),
        ("https://download.pytorch.org/a/b/resolve/main/resnet50-0676ba61.pth", False),
        ("file:///timm/a.b/resolve/main/model.safetensors", False),
    ],
)
def test_only_addresses_of_the_hub_are_taken_for_it(url: str, is_file: bool) -> None:
    assert (hub.parse(url) is not None) is is_file


def test_another_hub_is_the_one_that_the_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://hub.example.org/timm/a.b/resolve/main/model.safetensors"
    assert hub.parse(url) is None
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "https://hub.example.org")
    assert hub.parse(url) == hub.HubFile("https://hub.example.org", "timm/a.b", "main", "model.safetensors")
