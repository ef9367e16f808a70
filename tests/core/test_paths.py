"""Images and measurements that are on another machine: whatever they are read from, they are the same."""

import io
import itertools
import logging
import os
import pickle
import socket
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest
from builders import BUILT
from fakes import (
    CUT_JPEG,
    VERSION,
    Recorder,
    best,
    contents,
    in_this_process,
    installed,
    predicted,
    save_checkpoint,
    told,
    use_fakes,
)
from image_files import SYNSETS, write_labels
from upath import UPath

from harness import report
from harness.checks.accuracy.group import Evaluation, evaluate
from harness.checks.run import execute
from harness.cli.run import main
from harness.core.errors import InputError
from harness.dataset.image_set import ImageSet, open_images
from harness.dataset.remote import fetched, parse_location
from harness.execution.predictions import Predictions
from harness.execution.process import Worker
from harness.execution.session import Session
from harness.execution.store import Store
from harness.plan.options import Options
from harness.plan.preview import preview
from harness.worker.images import read_image

in_a_process = Worker.do
#: what people call files, and what a URL would make something else of
NAMES = ["a.jpg", "b c.JPEG", "größe.png", "d#1.jpg", "e?x=1.jpg", "f%20g.jpg", "h[1]*.jpg", "i&j+k.webp"]


@dataclass(frozen=True)
class Remote:
    """Somewhere else, where anything can be put, with a connection of its own as another process has it."""

    protocol: str
    root: str  #: URL
    system: Any

    def url(self, name: str = "") -> str:
        return f"{self.root}/{name}"

    def put(self, name: str, content: bytes) -> None:
        self.system.pipe_file(self.url(name), content)

    def upload(self, folder: Path, name: str) -> str:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        self.system.pipe({self.url(f"{name}/{path.relative_to(folder)}"): path.read_bytes() for path in files})
        return self.url(name)

    def files(self) -> list[str]:
        self.system.invalidate_cache()
        return [str(path) for path in self.system.find(self.root)]


def connected(protocol: str, root: str) -> Remote:
    return Remote(protocol, root, fsspec.filesystem(protocol, skip_instance_cache=True))


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of an object store."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def forget() -> None:
    """File systems are kept with what was in the environment when they were made."""
    fsspec.get_filesystem_class("s3").clear_instance_cache()


NUMBERS = itertools.count()


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> Remote:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found = connected("s3", f"s3://bucket-{next(NUMBERS)}")
    found.system.mkdir(found.root)
    return found


@pytest.fixture
def lost(s3: Remote) -> Iterator[Remote]:
    """Where a test changes the environment so that it is not reached any more."""
    yield s3
    forget()


@pytest.fixture(params=["memory", "s3"])
def remote(request: pytest.FixtureRequest) -> Remote:
    if request.param == "s3":
        found: Remote = request.getfixturevalue("s3")
        return found
    return connected("memory", f"memory://bucket-{next(NUMBERS)}")


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In one process, with temporary files that can be counted."""
    use_fakes(monkeypatch)
    monkeypatch.setattr(Worker, "do", in_this_process)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def temporary(tmp_path: Path) -> list[Path]:
    return [*(tmp_path / "tmp").rglob("*")]


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def half_right(number: int = 24) -> dict[str, bytes]:
    """Images of which tiny has every second right, by their names in a data set of synset folders."""
    images = contents(number)
    guesses = best(images)
    return {f"{SYNSETS[guesses[n][0] if n % 2 else guesses[n][3]]}/{n} ä.jpg": image for n, image in enumerate(images)}


def said(of: ImageSet) -> tuple[Any, ...]:
    """Everything but where it is."""
    images = [(ref.name, ref.label, ref.offset, ref.length, read_image(ref)) for ref in of.images]
    return of.layout, images, of.digest, of.is_imagenet_val, of.identity, of.notes, of.drawn_from


def session(store: Store, precision: str = "fp32") -> Session:
    return Session(store, Recorder(), "cpu", 6, "native", precision)


def asked(tmp_path: Path, *models: str) -> list[Evaluation]:
    return [
        Evaluation(model, model, save_checkpoint(tmp_path / "weights" / f"{model}.bin", model), None, 8)
        for model in models
    ]


# --- the same images


@pytest.mark.parametrize(("above", "slash"), [("", ""), ("val/", "/")])
def test_synset_folders(tmp_path: Path, remote: Remote, above: str, slash: str) -> None:
    files = {f"{above}{SYNSETS[n % 3]}/{name}": name.encode() for n, name in enumerate(NAMES)}
    files |= {
        f"{above}README.txt": b"read",
        f"{above}.cache/{SYNSETS[0]}/x.jpg": b"hidden",
        f"{above}{SYNSETS[1]}/deeper/y.jpg": b"deeper",
        f"{above}{SYNSETS[1]}/.hidden/y.jpg": b"hidden",
        f"{above}{SYNSETS[1]}/._y.jpg": b"mac",
        f"{above}{SYNSETS[2]}/notes.txt": b"no image",
    }
    local = write(tmp_path / "some data ä", files)
    url = remote.upload(local, "some data ä")
    found = open_images(parse_location(url + slash))
    assert said(found) == said(open_images(local))
    assert len(found.images) == len(NAMES) + 1
    assert found.location == url + ("/val" if above else "")
    assert [ref.file for ref in found.images] == [f"{found.location}/{ref.name}" for ref in found.images]
    part = open_images(parse_location(url), limit=4)
    assert said(part) == said(open_images(local, limit=4))


def test_a_flat_folder_with_labels(tmp_path: Path, remote: Remote) -> None:
    local = write(tmp_path / "flat", {**{f"x/{name}": name.encode() for name in NAMES}, "left/out.jpg": b"out"})
    labels = write_labels(tmp_path / "labels.txt", {f"x/{name}": n for n, name in enumerate(NAMES)})
    found = open_images(parse_location(remote.upload(local, "flat")), labels)
    assert said(found) == said(open_images(local, labels))
    assert found.notes == ("ignored as not in labels.txt: 1 file: left/out.jpg",)


def tar_of(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def test_a_tar(tmp_path: Path, remote: Remote) -> None:
    content = tar_of({name: name.encode() * 1000 * n for n, name in enumerate(NAMES, 1)})
    local = tmp_path / "val ä.tar"
    local.write_bytes(content)
    remote.put("val ä.tar", content)
    labels = write_labels(tmp_path / "labels.txt", {name: n for n, name in enumerate(NAMES)})
    found = open_images(parse_location(remote.url("val ä.tar")), labels)
    assert said(found) == said(open_images(local, labels))
    assert {ref.file for ref in found.images} == {remote.url("val ä.tar")}
    remote.put("cut.tar", content[:3000])
    with pytest.raises(InputError, match=r"cut\.tar: not a whole, uncompressed tar"):
        open_images(parse_location(remote.url("cut.tar")), labels)
    remote.put("val ä.tar", content[: (found.images[-1].offset or 0) + 10])
    with pytest.raises(InputError, match=r"has 10 of its \d+ bytes"):
        read_image(found.images[-1])


def test_an_image_takes_one_request_and_no_more_than_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is opened is read 50 megabytes at a time by some, which is a whole tar for each image."""
    remote = connected("memory", "memory://one")
    remote.put("val.tar", tar_of({"a.jpg": b"a" * 5000, "b.jpg": b"b" * 5000}))
    labels = write_labels(tmp_path / "labels.txt", {"a.jpg": 0, "b.jpg": 1})
    found = open_images(parse_location(remote.url("val.tar")), labels)
    system = type(remote.system)
    asked_for: list[tuple[Any, Any]] = []
    real = system.cat_file

    def cat_file(self: Any, path: str, start: int | None = None, end: int | None = None, **more: Any) -> bytes:
        asked_for.append((start, end))
        content: bytes = real(self, path, start, end, **more)
        return content

    monkeypatch.setattr(system, "cat_file", cat_file)
    assert read_image(found.images[1]) == b"b" * 5000
    start = found.images[1].offset
    assert start is not None
    assert asked_for == [(start, start + 5000)]


def test_a_folder_marker_is_no_file(s3: Remote) -> None:
    """Consoles of object stores make one for each folder."""
    s3.put(f"val/{SYNSETS[0]}/a.jpg", b"a")
    for key in (f"val/{SYNSETS[0]}/", "val/"):
        s3.system.call_s3("put_object", Bucket=s3.root.removeprefix("s3://"), Key=key)
    found = open_images(parse_location(s3.url("val")))
    assert ([ref.name for ref in found.images], found.notes) == ([f"{SYNSETS[0]}/a.jpg"], ())


def test_other_folders_are_named_as_here(tmp_path: Path, remote: Remote) -> None:
    remote.put(f"data/{SYNSETS[0]}/a.jpg", b"a")
    remote.put("data/cat/a.jpg", b"a")
    with pytest.raises(InputError, match="1 of 2 folders are no ILSVRC2012 synset: cat"):
        open_images(parse_location(remote.url("data")))
    remote.put("flat/a.jpg", b"a")
    with pytest.raises(InputError, match="no labels; give a label file"):
        open_images(parse_location(remote.url("flat")))
    labels = write_labels(tmp_path / "labels.txt", {"b.jpg": 0})
    with pytest.raises(InputError, match=r"labels\.txt:1: b\.jpg 0: not in .*flat, which paths are relative to"):
        open_images(parse_location(remote.url("flat")), labels)


# --- images for workers


def test_images_are_files_for_as_long_as_they_are_needed(tmp_path: Path, remote: Remote) -> None:
    local = write(tmp_path / "data", {f"{SYNSETS[0]}/{name}": name.encode() for name in NAMES})
    there = open_images(parse_location(remote.upload(local, "data"))).images
    here = open_images(local).images
    with fetched([there[0], here[1], *there[2:]]) as files:
        assert [ref.file == own.file for ref, own in zip(files, here, strict=True)].count(True) == 1
        assert [(ref.name, ref.label, Path(ref.file).read_bytes()) for ref in files] == [
            (ref.name, ref.label, read_image(ref)) for ref in here
        ]
        assert len(temporary(tmp_path)) == len(NAMES)
    assert temporary(tmp_path) == []
    with pytest.raises(ZeroDivisionError), fetched(there):
        raise ZeroDivisionError
    assert temporary(tmp_path) == []
    with fetched(here) as files:
        assert files == list(here)
        assert temporary(tmp_path) == []


def test_what_is_inside_a_tar_is_a_file_of_its_own(tmp_path: Path, remote: Remote) -> None:
    remote.put("val.tar", tar_of({"a.jpg": b"a" * 700, "b.jpg": b"b" * 70}))
    labels = write_labels(tmp_path / "labels.txt", {"a.jpg": 0, "b.jpg": 1})
    found = open_images(parse_location(remote.url("val.tar")), labels)
    with fetched(found.images) as files:
        assert [(ref.offset, ref.length, read_image(ref)) for ref in files] == [
            (None, None, b"a" * 700),
            (None, None, b"b" * 70),
        ]


def test_an_image_that_is_gone_fails_the_run_that_needs_it(tmp_path: Path, remote: Remote) -> None:
    url = remote.upload(write(tmp_path / "data", half_right(8)), "data")
    images = open_images(parse_location(url))
    remote.system.rm(images.images[3].file)
    with pytest.raises(InputError) as caught:
        evaluate(session(Store(tmp_path / "store")), installed(), asked(tmp_path, "tiny"), images)
    assert str(caught.value).startswith(f"{images.images[3].file}: cannot be read: No such file or directory. Check")
    assert temporary(tmp_path) == []


# --- the same results


@pytest.mark.parametrize(
    ("remote", "precision"), [("memory", "fp32"), ("memory", "bf16"), ("s3", "fp32")], indirect=["remote"]
)
def test_results_are_those_of_a_folder(
    tmp_path: Path, remote: Remote, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setenv("FAKE_BF16", "0.01")
    if (remote.protocol, precision) == ("memory", "fp32"):
        monkeypatch.setattr(Worker, "do", in_a_process)  # which knows nothing of what is in this one's memory
    files = half_right()
    files[sorted(files)[7]] = CUT_JPEG
    local = write(tmp_path / "data", files)
    two = asked(tmp_path, "tiny", "twin")
    store = Store(parse_location(remote.url("some store")), tmp_path / "local")
    data = open_images(parse_location(remote.upload(local, "data")))
    found = evaluate(session(store, precision), installed(), two, data)
    expected = evaluate(session(Store(tmp_path / "store"), precision), installed(), two, open_images(local))
    assert [told(run) for run in found] == [told(run) for run in expected]
    assert [run.images for run in found if run] == [23, 23]
    assert [run.predictions.startswith(remote.url("some store/predictions/")) for run in found if run] == [True] * 2
    assert temporary(tmp_path) == []
    again = evaluate(session(store, precision), installed(), two, open_images(local))
    assert [run.measured_now for run in again if run] == [0, 0], "the same images wherever they are"
    assert [told(run) for run in again] == [told(run) for run in expected]
    assert [*(tmp_path / "local").rglob("*.parquet")] == []


def test_an_interrupted_run_goes_on_from_a_store_elsewhere(tmp_path: Path, remote: Remote) -> None:
    data = open_images(parse_location(remote.upload(write(tmp_path / "data", half_right()), "data")))
    first = session(Store(parse_location(remote.url("store")), tmp_path / "local"))

    def interrupt(run: str, done: int, *_: object) -> None:  # noqa: ARG001
        if done == 6:
            raise KeyboardInterrupt

    first.progress.images = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        evaluate(first, installed(), asked(tmp_path, "tiny"), data)
    for measured_now in (18, 0):
        forget() if remote.protocol == "s3" else None
        store = Store(parse_location(remote.url("store/")), tmp_path / "another machine")
        [run] = evaluate(session(store), installed(), asked(tmp_path, "tiny"), data)
        assert run is not None
        assert (run.measured_now, run.images, run.top1_count) == (measured_now, 24, 12)
    assert len([name for name in remote.files() if name.endswith(".parquet")]) == 1, "the batches are one file"


ROW = ("a.jpg", [1, 2, 3], [3.0, 2.0, 1.0])


def test_what_others_store_is_seen_at_once(tmp_path: Path, remote: Remote) -> None:
    mine = Store(parse_location(remote.url("store")), tmp_path / "mine").predictions({"kind": "predictions"})
    assert predicted(mine) == []
    mine.append([ROW], [])
    assert [row[0] for row in predicted(mine)] == ["a.jpg"]
    elsewhere = Store(tmp_path / "theirs").predictions({"kind": "predictions"})
    elsewhere.append([("b.jpg", *ROW[1:])], [])
    elsewhere.save_network(BUILT)
    for path in elsewhere.folder.iterdir():
        if path.name != "identity.json":
            remote.put(f"store/predictions/{elsewhere.folder.name}/{path.name}", path.read_bytes())
    assert [row[0] for row in predicted(mine)] == ["a.jpg", "b.jpg"]
    assert mine.network() == BUILT
    assert mine.batch(["b.jpg"]) is not None
    mine.compact()
    assert [row[0] for row in predicted(mine)] == ["a.jpg", "b.jpg"]
    assert mine.batch(["b.jpg"]) is None
    assert len([name for name in remote.files() if name.endswith(".parquet")]) == 1


def test_a_damaged_file_elsewhere_is_set_aside(
    tmp_path: Path, remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    mine = Store(parse_location(remote.url("store")), tmp_path / "mine").predictions({"kind": "predictions"})
    mine.append([ROW], [])
    (part,) = [name for name in remote.files() if name.endswith(".parquet")]
    name = part.partition("/store/")[2]
    remote.put(f"store/{name}", b"PAR1 and nothing else")
    assert predicted(mine) == []
    assert f"store/{name} is damaged" in caplog.text
    assert [one.partition("/store/")[2] for one in remote.files() if ".parquet" in one] == [f"{name}.damaged"]
    mine.append([ROW], [])
    assert [row[0] for row in predicted(mine)] == ["a.jpg"]


def test_predictions_elsewhere_travel_to_nodes(tmp_path: Path, remote: Remote) -> None:
    mine = Store(parse_location(remote.url("store")), tmp_path / "mine").predictions({"kind": "predictions"})
    mine.append([ROW], [])
    copy: Predictions = pickle.loads(pickle.dumps(mine))
    assert copy.folder == mine.folder
    assert copy.folder.is_dir()
    assert copy.folder.storage_options == {"use_listings_cache": False}  # type: ignore[union-attr]
    assert predicted(copy) == predicted(mine)


def test_a_table_with_all_of_it_elsewhere(tmp_path: Path, remote: Remote) -> None:
    local = write(tmp_path / "data", half_right())
    data = parse_location(remote.upload(local, "data"))
    asked(tmp_path, "tiny")
    table = tmp_path / "table.md"
    table.write_text("| model | source | top1 | input size |\n| - | - | - | - |\n| tiny | fake | 50.0 | 8 |\n")
    digest = open_images(local).digest
    table.with_suffix(".toml").write_text(f'[data]\nname = "made up"\ndigest = "{digest}"\n')
    given: dict[str, Any] = {"tables": (table,), "weights": str(tmp_path / "weights"), "batch_size": 6}
    given |= {"sources": ("fake==1.0", "fake==2.0")}
    far = execute(
        preview(Options(data=data, store=parse_location(remote.url("store")), out=tmp_path / "far", **given)),
        Recorder(),
    )
    near = execute(preview(Options(data=local, out=tmp_path / "near", **given)), Recorder())
    assert far.verdicts == near.verdicts
    assert [str(one.outcome) for one in far.verdicts] == ["reproduced"] * 2
    assert far.paired[0].paired == near.paired[0].paired
    assert far.paired[0].paired.images == 24
    assert far.exit_status == 0
    page = report.write(far, tmp_path / "far").read_text()
    assert f"--data {data}" in page.replace("\\", "")
    assert [*(tmp_path / "far").rglob("*.parquet")] == []
    assert any("/static/" in name for name in remote.files())


# --- what is not there


#: what is said of a URL, before why
BEGINS = {"--data": "{}: cannot be read", "--store": "--store: cannot write to {}"}


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command line says of it, which is one line and not where in the code it was."""
    assert main(["--weights", "none", *arguments]) == 2
    *progress, line = capsys.readouterr().err.splitlines()
    assert not any(one.startswith("Traceback") for one in progress)
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize("option", ["--data", "--store"])
@pytest.mark.parametrize("url", ["foo://bucket/val", "nonsense+x://a"])
def test_a_url_of_nothing_known(option: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="Give a path, or a URL of a file system that fsspec knows"):
        parse_location(url)
    with pytest.raises(SystemExit) as ended:
        main([option, url])
    assert ended.value.code == 2
    assert f"error: argument {option}: {url}: " in capsys.readouterr().err


def test_what_takes_a_package_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    for option in ("--data", "--store"):
        line = complaint(capsys, option, "gs://bucket/val", "--out", str(tmp_path / "out"))
        assert line.startswith(f"error: {BEGINS[option].format('gs://bucket/val')}: ")
        assert "install gcsfs" in line


def test_nothing_is_there(tmp_path: Path, remote: Remote, capsys: pytest.CaptureFixture[str]) -> None:
    remote.put("other", b"x")
    line = complaint(capsys, "--data", remote.url("gone"), "--out", str(tmp_path / "out"))
    assert line.startswith(f"error: {remote.url('gone')}: cannot be read: No such file or directory. Check the path")


def test_a_bucket_that_is_not_there_is_not_made(tmp_path: Path, s3: Remote, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, "--data", "s3://no-such-bucket/val", "--out", str(tmp_path / "out"))
    assert line.startswith("error: s3://no-such-bucket/val: cannot be read: ")
    line = complaint(capsys, "--store", "s3://no-such-bucket/store", "--out", str(tmp_path / "out"))
    assert line.startswith("error: --store: cannot write to s3://no-such-bucket/store: ")
    assert "bucket" in line.partition("/store: ")[2]
    assert not s3.system.exists("s3://no-such-bucket")


@pytest.mark.parametrize("option", ["--data", "--store"])
def test_an_address_where_nobody_answers(
    tmp_path: Path, lost: Remote, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{one.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", closed)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    forget()
    line = complaint(capsys, option, lost.url("val"), "--out", str(tmp_path / "out"))
    assert line.startswith(f"error: {BEGINS[option].format(lost.url('val'))}: ")
    assert closed in line


@pytest.mark.parametrize("option", ["--data", "--store"])
def test_nobody_has_said_who_they_are(
    tmp_path: Path, lost: Remote, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, os.devnull)
    forget()
    line = complaint(capsys, option, lost.url("val"), "--out", str(tmp_path / "out"))
    assert line.startswith(f"error: {BEGINS[option].format(lost.url('val'))}: ")
    assert "Unable to locate credentials" in line


def test_a_store_that_fails_later_ends_the_run_with_a_word(
    tmp_path: Path, remote: Remote, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refused(Exception):
        """As every file system has its own."""

    store = parse_location(remote.url("store"))
    assert not isinstance(store, Path)
    write_bytes = type(store).write_bytes

    def refuse(self: UPath, content: bytes) -> int:
        if self.parent.name == "static":
            raise Refused("the store is gone")
        return write_bytes(self, content)

    monkeypatch.setattr(type(store), "write_bytes", refuse)
    monkeypatch.setattr(Worker, "do", in_a_process)
    table = tmp_path / "table.md"
    table.write_text("| model | source | params |\n| - | - | - |\n| tiny | fake | 49.009K |\n")
    given = ["--table", str(table), "--out", str(tmp_path / "out")]
    line = complaint(capsys, *given, "--store", remote.url("store"))
    assert line.startswith(f"error: the store is gone. Completed measurements are saved in {remote.url('store')}. ")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--why"], "--why"),
        (["--checks", "numerics,static"], "--checks numerics"),
        (["--checks", "preprocessing,numerics"], "--checks numerics,preprocessing"),
    ],
)
def test_what_takes_the_images_as_files(
    tmp_path: Path, arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = complaint(capsys, *arguments, "--weights", "auto", "--data", "memory://x", "--out", str(tmp_path / "out"))
    assert line.startswith(f"error: {what}: memory://x is a URL, which only accuracy evaluation can read. Copy")


# --- what is a place


def test_what_is_a_place() -> None:
    assert parse_location("imagenet/val") == Path("imagenet/val")
    assert parse_location("file:///imagenet/val") == Path("/imagenet/val")
    assert parse_location("a:b") == Path("a:b")
    assert parse_location("://x") == Path("://x")
    for url in ("memory://bucket/a b/ä", "memory://bucket/c#d"):
        found = parse_location(url)
        assert not isinstance(found, Path)
        assert str(found) == url
        assert parse_location(str(found / "e")) == found / "e"
    assert VERSION
