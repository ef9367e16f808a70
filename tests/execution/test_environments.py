"""Sources as they are named, and what they run in."""

import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv
from fakes import Recorder
from folders import SUPPORT
from harness.adapters.base import Runtime

from harness.checks.counts import statics
from harness.core import cancellation
from harness.core.errors import InputError, MeasurementError
from harness.core.records import Source
from harness.execution import environments, installer, registry
from harness.execution.environments import Installed, cache, installed_packages, is_whole, prepare
from harness.execution.registry import OnGpus, SourceSpec, parse_source, sources
from harness.execution.session import Session
from harness.execution.store import Store

SPECS = {
    name: SourceSpec(name, f"harness.adapters.{name}", Path(), name, "1.2.3")
    for name in ("timm", "mmcls", "ppcls", "torchhub")
}


def source_at(folder: Path, requirements: str, name: str = "zoo") -> SourceSpec:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(requirements)
    (folder / f"{name}.py").write_text("")
    return SourceSpec(name, name, folder, "zoo-models", "1.0")


def registered(folder: Path, monkeypatch: pytest.MonkeyPatch, value: str, name: str = "zoo") -> None:
    """Another distribution that is installed and has a source."""
    info = folder / "zoo_adapter-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-adapter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[parity.adapters]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(folder)


# --- names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timm", ("timm", None)),
        (" timm ", ("timm", None)),
        ("timm==0.6.13", ("timm", "0.6.13")),
        ("timm == 1.0.0rc1", ("timm", "1.0.0rc1")),
    ],
)
def test_a_source_with_and_without_a_version(text: str, expected: tuple[str, str | None]) -> None:
    assert parse_source(text, SPECS) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tim", "unknown source 'tim'; did you mean timm? known: mmcls, ppcls, timm, torchhub"),
        ("mmcl==0.23.1", "unknown source 'mmcl'; did you mean mmcls?"),
        ("keras", "unknown source 'keras'; known: mmcls"),
        ("", "unknown source ''; known:"),
        ("timm==", "'timm==' is not a version; expected something like timm==1.2.3"),
        ("timm==newest", "'timm==newest' is not a version"),
        ("timm==1.0; os_name", "is not a version"),
        ("timm==1.0\nsix", "is not a version"),
        ("timm==1.0 --index-url x", "is not a version"),
        ("timm>=1.0", "unknown source 'timm>=1.0'; did you mean timm?"),
    ],
)
def test_a_source_that_cannot_be_meant(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_source(text, SPECS)
    assert message in str(caught.value)


# --- registration


def test_the_sources_of_the_repository_are_registered() -> None:
    found = sources()
    assert {"timm", "mmcls", "ppcls"} <= set(found)
    for name in ("timm", "mmcls", "ppcls"):
        spec = found[name]
        assert spec.module == f"harness.adapters.{name}"
        assert f"{spec.distribution}=={spec.default_version}" in spec.requirements(spec.default_version)


def test_a_source_of_another_distribution_is_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_at(tmp_path, "# pinned\n\n--no-binary x\nzoo-models==2.5  # the source\nnumpy\n")
    (tmp_path / "zoo.py").write_text("raise SystemExit('imported')")
    registered(tmp_path, monkeypatch, "zoo")
    assert sources()["zoo"] == SourceSpec("zoo", "zoo", tmp_path, "zoo-models", "2.5")


@pytest.mark.parametrize(
    ("requirements", "message"),
    [
        (None, "source zoo: cannot read its requirement file: .*zoo.txt"),
        ("", r"zoo.txt: expected a first requirement like 'name==version'"),
        ("zoo-models>=1.0\nnumpy==2.0\n", r"zoo.txt: expected a first requirement like 'name==version'"),
    ],
)
def test_a_source_without_a_pinned_requirement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requirements: str | None, message: str
) -> None:
    source_at(tmp_path, requirements or "")
    if requirements is None:
        (tmp_path / "zoo.txt").unlink()
    registered(tmp_path, monkeypatch, "zoo")
    with pytest.raises(InputError, match=message):
        sources()["zoo"]
    assert sources()["timm"].distribution == "timm", "what is wrong with one source fails no other"


@pytest.mark.parametrize("module", ["zoo_that_is_gone", "zoo_that_is_gone.adapter"])
def test_an_entry_point_that_names_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    registered(tmp_path, monkeypatch, module)
    with pytest.raises(InputError, match=f"source zoo: its entry point names {module}, which is not a module"):
        sources()["zoo"]
    assert "zoo" in sources()


# --- requirements


def test_a_version_replaces_the_pin_of_the_source_alone(tmp_path: Path) -> None:
    text = (
        "# zoo-models==1.0 comes first\n"
        "zoo-models==1.0 ; python_version > '3'\n"
        "zoo-models-extra==1.0\nmy-zoo-models==1.0\nzoo.models==1.0\nnumpy==1.0\n"
    )
    spec = source_at(tmp_path, text)
    assert spec.requirements("1.0") == text
    assert spec.requirements("2.0rc1") == text.replace("\nzoo-models==1.0 ;", "\nzoo-models==2.0rc1 ;")


def test_the_code_that_measures_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ADAPTERS", tmp_path / "contract")
    spec = source_at(tmp_path / "zoo", "zoo-models==1.0")
    base = source_at(tmp_path / "contract", "", "base")
    seen = [spec.code_digest(), spec.code_digest()]
    for path in (spec.folder / "zoo.py", spec.folder / "recipes.toml", spec.folder / "new.py", base.folder / "base.py"):
        path.write_text("changed")
        seen.append(spec.code_digest())
    (spec.folder / "notes.md").write_text("changed")
    seen.append(spec.code_digest())
    assert seen[0] == seen[1]
    assert seen[-2] == seen[-1]
    assert len(set(seen)) == 5


def test_whatever_is_in_the_package_of_an_adapter_is_code_that_measures(tmp_path: Path) -> None:
    folder = tmp_path / "zoo" / "sources"
    folder.mkdir(parents=True)
    spec = SourceSpec("zoo", "zoo.sources.zoo", folder, "zoo-models", "1.0")
    assert spec.package == tmp_path / "zoo"
    seen = [spec.code_digest()]
    for path in (tmp_path / "zoo" / "layers.py", folder / "recipe.yaml"):
        path.write_text("changed")
        seen.append(spec.code_digest())
    (folder / "zoo.pyc").write_text("changed")
    assert len({*seen, spec.code_digest()}) == 3


def test_the_packages_are_told_apart() -> None:
    spec = SPECS["timm"]
    one, same, other = (
        Installed(spec, Source("timm", "1.0"), Path(), packages, "3.11").packages_digest
        for packages in (("a==1", "b==1"), ("a==1", "b==1"), ("a==1", "b==2"))
    )
    assert one == same
    assert one != other


# --- making one, with uv in its place


class FakeUv:
    """Does what uv would leave on disk, and keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.requirements: list[str] = []
        self.environments: list[dict[str, str]] = []
        self.stderr = ""  #: what an installation fails with

    def __call__(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        self.environments.append(options["env"])  # type: ignore[arg-type]
        assert "VIRTUAL_ENV" not in self.environments[-1]
        assert not list(Path(str(options["cwd"])).iterdir())
        self.calls.append(command[1:])
        if command[1] == "venv":
            folder = Path(command[-1])
            folder.mkdir(parents=True)
            (folder / "pyvenv.cfg").write_text("home = /usr/bin\nversion_info = 3.11.9\n")
        if command[1:3] == ["pip", "install"]:
            self.requirements.append(Path(command[command.index("--requirements") + 1]).read_text())
            if self.stderr:
                return subprocess.CompletedProcess(command, 1, "", self.stderr)
        return subprocess.CompletedProcess(command, 0, "numpy==2.0\nzoo-models==1.0\n", "")


@pytest.fixture
def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeUv:
    fake = FakeUv()
    monkeypatch.setattr(cancellation, "run", fake)
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VIRTUAL_ENV", "/nowhere")
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    return fake


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_CACHE", "/somewhere")
    assert cache() == Path("/somewhere")
    monkeypatch.delenv("PARITY_CACHE")
    assert cache().name == "parity-harness"


def test_an_environment_is_prepared_once_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path))
    spec = registry.sources()["timm"]
    assert not environments.is_prepared(spec, "0.6.5")
    folder = environments.environment_plan(spec, "0.6.5", "native").folder
    folder.mkdir(parents=True)
    assert not environments.is_prepared(spec, "0.6.5")
    (folder / "complete").write_text("3.11\n")
    assert environments.is_prepared(spec, "0.6.5")
    assert not environments.is_prepared(spec, "0.6.13")


def test_an_environment_is_made_once(tmp_path: Path, fake_uv: FakeUv) -> None:
    spec = source_at(tmp_path / "zoo", "zoo-models==1.0\nnumpy\n")
    made = prepare(spec, "1.0")
    assert made.source == Source("zoo", "1.0")
    assert made.packages == ("numpy==2.0", "zoo-models==1.0")
    assert made.python_version == "3.11.9"
    assert made.python.parent.parent.parent == tmp_path / "cache" / "environments"
    assert [call[:2] for call in fake_uv.calls] == [["venv", "--quiet"], ["pip", "install"], ["pip", "freeze"]]
    assert fake_uv.requirements == ["zoo-models==1.0\nnumpy\n"]
    assert prepare(spec, "1.0") == made
    assert len(fake_uv.calls) == 3


@pytest.mark.usefixtures("fake_uv")
def test_the_packages_that_a_source_names(tmp_path: Path) -> None:
    spec = source_at(tmp_path / "zoo", "# the source\nzoo-models==1.0\n--no-binary six\nNum_Py==2.0 # why\nextra>=1\n")
    (tmp_path / "zoo" / "openvino.txt").write_text("openvino==2026.4\n")
    assert prepare(spec, "1.0").named == ("zoo-models", "num-py")
    assert prepare(spec, "1.0", "openvino").named == ("zoo-models", "num-py", "openvino")


def test_whatever_an_environment_is_made_of_makes_another(
    tmp_path: Path, fake_uv: FakeUv, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = source_at(tmp_path / "zoo", "zoo-models==1.0\n")
    pythons = [prepare(spec, "1.0").python, prepare(spec, "1.1").python]
    assert fake_uv.requirements == ["zoo-models==1.0\n", "zoo-models==1.1\n"]
    changes = {
        "zoo.txt": "zoo-models==1.0\nsix\n",
        "constraints.txt": "six<2\n",
        "zoo.overrides.txt": "six==1.17.0\n",
        "zoo.build-constraints.txt": "setuptools<80\n",
    }
    for name, text in changes.items():
        (spec.folder / name).write_text(text)
        pythons.append(prepare(spec, "1.0").python)
    install = next(call for call in reversed(fake_uv.calls) if call[:2] == ["pip", "install"])
    assert install[install.index("--constraints") + 1] == str(spec.folder / "constraints.txt")
    assert install[install.index("--overrides") + 1] == str(spec.folder / "zoo.overrides.txt")
    assert install[install.index("--build-constraints") + 1] == str(spec.folder / "zoo.build-constraints.txt")
    monkeypatch.setenv("UV_TORCH_BACKEND", "cpu")
    pythons.append(prepare(spec, "1.0").python)
    assert len(set(pythons)) == len(pythons) == 7


def test_what_decides_where_packages_come_from_makes_another(
    tmp_path: Path, fake_uv: FakeUv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "machine"))
    spec = source_at(tmp_path / "zoo", "zoo-models==1.0\n")
    pythons = [prepare(spec, "1.0").python]
    for name, value in (("UV_DEFAULT_INDEX", "https://one.example"), ("UV_FIND_LINKS", "wheels")):
        monkeypatch.setenv(name, value)
        pythons.append(prepare(spec, "1.0").python)
    assert fake_uv.environments[-1]["UV_FIND_LINKS"] == str(Path("wheels").absolute())
    for text in ("no-binary = true\n", "no-binary = false\n"):
        file = tmp_path / "own" / "uv" / "uv.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        pythons.append(prepare(spec, "1.0").python)
        assert fake_uv.environments[-1]["UV_CONFIG_FILE"] == str(file), "which is the user's own"
    assert len(set(pythons)) == len(pythons) == 5
    for name, value in (
        ("UV_DEFAULT_INDEX", "https://token:secret@one.example"),
        ("UV_INDEX_ONE_PASSWORD", "secret"),
        ("UV_CACHE_DIR", "cache"),
        ("UV_HTTP_TIMEOUT", "3"),
    ):
        monkeypatch.setenv(name, value)
        assert prepare(spec, "1.0").python == pythons[-1], "a secret, or where it keeps things, decides nothing"


@pytest.fixture
def index() -> Iterator[tuple[str, list[str]]]:
    """The address of a package index that has nothing, and what it was asked for."""
    asked: list[str] = []

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("file", ["uv.toml", "pyproject.toml", "../uv.toml"])
def test_the_folder_one_works_in_does_not_choose_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: tuple[str, list[str]], file: str
) -> None:
    address, asked = index
    repository = tmp_path / "above" / "repository"
    repository.mkdir(parents=True)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PARITY_CACHE", "cache")
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    planted = (repository / file).resolve() if file.startswith("..") else repository / file
    section = "[tool.uv]\n" if file == "pyproject.toml" else ""
    planted.write_text(f'{section}index-url = "{address}"\n')
    spec = source_at(tmp_path / "zoo", "zoo-models-that-nobody-has==1.0\n")
    with pytest.raises(MeasurementError, match="could not be made"):
        prepare(spec, "1.0")
    assert not asked, "it was asked for a package"
    monkeypatch.setenv("UV_CONFIG_FILE", str(planted))
    if file != "pyproject.toml":
        installer.run("pip", "compile", "--quiet", str(spec.folder / "zoo.txt"))
        assert asked, "the same file does decide where the user names it"


def test_another_runtime_has_an_environment_of_its_own(
    tmp_path: Path, fake_uv: FakeUv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "ADAPTERS", tmp_path / "harness")
    spec = source_at(tmp_path / "zoo", "zoo-models==1.0\n\n")
    source_at(tmp_path / "harness", "")
    pythons = [prepare(spec, "1.1").python]
    for path in (
        registry.ADAPTERS / "openvino.txt",
        spec.folder / "openvino.txt",
        spec.folder / "zoo.openvino.txt",
    ):
        path.write_text(f"openvino=={len(pythons)}\n")
        pythons.append(prepare(spec, "1.1", "openvino").python)
        assert fake_uv.requirements[-1] == f"zoo-models==1.1\nopenvino=={len(pythons) - 1}\n"
        assert pythons[-1].parent.parent.name.startswith("zoo-1.1-openvino-")
    assert len(set(pythons)) == len(fake_uv.requirements) == 4
    assert prepare(spec, "1.1", "openvino").python == pythons[-1]
    assert prepare(spec, "1.1", "native").python == pythons[0]
    assert len(fake_uv.requirements) == 4


@pytest.mark.usefixtures("fake_uv")
def test_the_environment_without_another_runtime_is_the_one_that_it_was(tmp_path: Path) -> None:
    spec = source_at(tmp_path / "zoo", "zoo-models==1.0\n")
    made = prepare(spec, "1.0").python
    key = hashlib.sha256(b"zoo-models==1.0\n\x003.11\x00").hexdigest()[:16]
    assert made == tmp_path / "cache" / "environments" / f"zoo-1.0-{key}" / "bin" / "python"


def test_a_runtime_that_nobody_has_requirements_for(
    tmp_path: Path, fake_uv: FakeUv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "ADAPTERS", tmp_path / "harness")
    spec = source_at(tmp_path / "zoo", "zoo-models==1.0\n")
    with pytest.raises(MeasurementError, match=r"zoo==1\.0: no requirement file zoo\.openvino\.txt or openvino\.txt"):
        prepare(spec, "1.0", "openvino")
    assert fake_uv.calls == []


@pytest.mark.parametrize("name", ["timm", "mmcls", "ppcls"])
@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_what_a_runtime_needs_is_pinned(name: str, runtime: Runtime) -> None:
    text = sources()[name].runtime_requirements(runtime)
    lines = [line for line in (text or "").splitlines() if not line.startswith("#")]
    assert any(line.startswith(f"{runtime}==") for line in lines)
    assert all(re.match(r"[\w-]+==[\w.]+(  #.*)?$", line) for line in lines)


def test_an_environment_that_was_not_finished_is_made_anew(tmp_path: Path, fake_uv: FakeUv) -> None:
    spec = source_at(tmp_path / "zoo", "zoo-models==1.0\n")
    fake_uv.stderr = (
        "Using Python 3.11.9 environment at: x\nResolved 3 packages in 5ms\n"
        "  × No solution found when resolving dependencies:\n"
        "  ╰─▶ Because there is no version of zoo-models==1.0 and you require\n"
        "      zoo-models==1.0, we can conclude that your requirements are unsatisfiable.\n"
    )
    with pytest.raises(MeasurementError) as caught:
        prepare(spec, "1.0")
    assert str(caught.value) == (
        "the environment of zoo==1.0 could not be made. uv says: No solution found when resolving dependencies: "
        "Because there is no version of zoo-models==1.0 and you require zoo-models==1.0, we can conclude that your "
        "requirements are unsatisfiable."
    )
    (folder,) = [path for path in (tmp_path / "cache" / "environments").iterdir() if path.is_dir()]
    (folder / "left over").touch()
    fake_uv.stderr = ""
    assert prepare(spec, "1.0").packages == ("numpy==2.0", "zoo-models==1.0")
    assert not (folder / "left over").exists()


def test_a_cache_that_cannot_be_written(tmp_path: Path, fake_uv: FakeUv, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "file"))
    with pytest.raises(MeasurementError, match=r"cannot write to the cache: .*set PARITY_CACHE to another"):
        prepare(source_at(tmp_path / "zoo", "zoo-models==1.0\n"), "1.0")
    assert fake_uv.calls == []


# --- making one


@pytest.fixture(scope="module")
def package_index() -> None:
    """Skips where no package index answers."""
    try:
        asked = subprocess.run(
            [uv.find_uv_bin(), "pip", "compile", "--quiet", "--no-header", "-"],
            input="six==1.17.0\nnumpy\n",
            capture_output=True,
            text=True,
            timeout=30,
        )
    except subprocess.TimeoutExpired as error:
        pytest.skip(f"no package index answers: {error}")
    if asked.returncode:
        pytest.skip(f"no package index can be reached: {asked.stderr.strip()[-300:]}")


@pytest.mark.usefixtures("package_index")
def test_a_source_of_others_in_an_environment_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    home = tmp_path / "zoo"
    home.mkdir()
    shutil.copy(SUPPORT / "fake_adapter.py", home / "zoo_adapter.py")
    (home / "zoo.txt").write_text("six==1.16.0\nnumpy\n")
    registered(home, monkeypatch, "zoo_adapter")
    made = prepare(sources()["zoo"], "1.17.0")
    assert [line for line in made.packages if line.startswith(("six", "pandas"))] == ["six==1.17.0"]
    assert made.python != Path(sys.executable)
    session = Session(Store(tmp_path / "store"), Recorder(), "cpu", 4)
    static = statics.count(session, {made.source: made}, {made.source: {"tiny": [8]}})[made.source]["tiny"]
    assert static.source == Source("zoo", "1.17.0")
    assert static.multiply_adds == {8: {"plain": 9 * 64 + 48_000}}
    assert session.failures == []


@pytest.mark.usefixtures("package_index")
def test_a_requirement_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "zoo.txt").write_text("six==1.17.0\n")
    spec = SourceSpec("zoo", "zoo", tmp_path, "six", "1.17.0")
    with pytest.raises(MeasurementError, match=r"the environment of zoo==99\.99 could not be made.*six==99\.99"):
        prepare(spec, "99.99")


# --- builds for GPUs


def test_a_build_for_gpus_is_another_environment(
    tmp_path: Path, fake_uv: FakeUv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_INDEX_STRATEGY", raising=False)
    spec = source_at(tmp_path / "zoo", "zoo-models==1.0\nframework==2.0\n")
    (tmp_path / "zoo" / "zoo.cuda.txt").write_text("zoo-models==1.0\nframework-gpu==2.0\n")
    plain = source_at(tmp_path / "other", "zoo-models==1.0\n", "other")
    index = "https://packages.example.org/cu126"
    known = OnGpus({"zoo": spec, "other": plain}, index)
    assert (sorted(known), len(known), "zoo" in known) == (["other", "zoo"], 2, True)
    usual, on_gpu, usual_index = (
        prepare(one, "1.1") for one in (spec, known["zoo"], OnGpus({"zoo": spec}, "default")["zoo"])
    )
    assert len({usual.python, on_gpu.python, usual_index.python}) == 3
    assert on_gpu.python.parent.parent.name.startswith("zoo-1.1-cuda-")
    assert fake_uv.requirements[:2] == ["zoo-models==1.1\nframework==2.0\n", "zoo-models==1.1\nframework-gpu==2.0\n"]
    installs = [call for call in fake_uv.calls if call[:2] == ["pip", "install"]]
    assert [call[call.index("--index") + 1] if "--index" in call else None for call in installs] == [None, index, None]
    assert on_gpu.named == ("zoo-models", "framework-gpu")
    # a source without such a file has one environment
    assert prepare(known["other"], "1.0").python == prepare(plain, "1.0").python


def test_the_build_of_ppcls_for_gpus_differs_in_paddle_alone() -> None:
    spec = sources()["ppcls"]
    lines = [
        {line for line in one.requirements("2.4.0").splitlines() if not line.startswith("#")}
        for one in (spec, OnGpus({"ppcls": spec}, "default")["ppcls"])
    ]
    usual, on_gpu = lines[0] - lines[1], lines[1] - lines[0]
    assert [line.partition("==")[0] for line in (*usual, *on_gpu)] == ["paddlepaddle", "paddlepaddle-gpu"]
    assert {line.partition("==")[2] for line in (*usual, *on_gpu)} == {usual.pop().partition("==")[2]}


def test_an_environment_is_whole_once_it_is_complete(tmp_path: Path) -> None:
    python = tmp_path / "environments" / "zoo-1.0-abc" / "bin" / "python"
    assert not is_whole(python)
    python.parent.mkdir(parents=True)
    python.write_text("")
    assert not is_whole(python), "packages are still being unpacked"
    (python.parent.parent / "complete").write_text("3.11\n")
    assert is_whole(python)
    assert is_whole(Path(sys.executable)), "one that was not made here"


def test_what_is_installed_can_be_told_without_making_it(tmp_path: Path, fake_uv: FakeUv) -> None:
    spec = source_at(tmp_path / "zoo", "zoo-models==1.0\n")
    assert installed_packages(spec, "1.0") == ()
    assert fake_uv.calls == []
    assert prepare(spec, "1.0").packages == installed_packages(spec, "1.0") != ()
