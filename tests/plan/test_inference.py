"""A page that names no source: whose figures it has, of which release, and what its rows are called there."""

from pathlib import Path

import pytest
from folders import SHARED

from harness.core.errors import InputError
from harness.execution import registry
from harness.execution.registry import SourceSpec
from harness.plan.inference import Origins, with_sources
from harness.plan.origins import origin_of
from harness.tables.claims import read_table, read_tables

ONE = """
repositories = ["owner/one"]
addresses = ["files.example.org/one/"]
configurations = ['/configs/([^/]+)\\.py$']
checkpoint_suffixes = ['-[0-9a-f]{8}']
[[naming]]
form = '[a-z0-9_]+\\.[a-z][a-z0-9_]*'
since = "2.1"
release = "2.3"
"""
OTHER = 'repositories = ["owner/other"]\n'
NAMES_OF_ONE = (
    "# how\n[1.0]\nnet18 net50 only_one\nonly_early net18_8xb16_cifar10\n[2.0]\nnet18 net50 only_one only_late\n"
)
NAMES_OF_OTHER = "[5.0]\nNet18 Net50 Only_Other\n"


@pytest.fixture
def known(tmp_path: Path) -> dict[str, SourceSpec]:
    for name, pages, names in (("one", ONE, NAMES_OF_ONE), ("other", OTHER, NAMES_OF_OTHER)):
        (tmp_path / f"{name}.pages.toml").write_text(pages)
        (tmp_path / f"{name}.names.txt").write_text(names)
    return {
        "one": SourceSpec("one", "one", tmp_path, "one", "1.0"),
        "other": SourceSpec("other", "other", tmp_path, "other", "5.0"),
    }


def told(known: dict[str, SourceSpec], folder: Path, text: str, *asked: tuple[str, str | None]) -> Origins:
    path = folder / "page.md"
    path.write_text(text)
    return with_sources(read_table(path), known, asked)


def rows(found: Origins) -> list[tuple[str, str, str | None]]:
    return [(row.model, row.source, row.version) for row in found.table.rows]


def page(*models: str, above: str = "") -> str:
    return f"{above}\n\n| model | top1 |\n|--|--|\n" + "".join(
        f"| {model} | 7{i}.1 |\n" for i, model in enumerate(models)
    )


# --- whose figures


def test_links_of_rows_tell_the_source_of_all_rows_and_the_release(
    known: dict[str, SourceSpec], tmp_path: Path
) -> None:
    found = told(known, tmp_path, page("[a](https://github.com/owner/one/blob/v1.5/a.py)", "b"))
    assert rows(found) == [("a", "one", "1.5"), ("b", "one", "1.5")]
    assert [one.text for one in found.inferred] == [
        "The table names no source; 2 rows are taken for one 1.5's: one of them links to one"
    ]
    assert {claim.row.source for claim in found.table.claims} == {"one"}


def test_links_to_checkpoints_tell_the_source(known: dict[str, SourceSpec], tmp_path: Path) -> None:
    found = told(known, tmp_path, page("[a](https://files.example.org/one/a-01234567.pth)"))
    assert rows(found) == [("a", "one", None)]


def test_rows_that_link_to_several_sources_are_each_of_their_own(known: dict[str, SourceSpec], tmp_path: Path) -> None:
    found = told(known, tmp_path, page("[a](https://github.com/owner/one)", "[b](https://github.com/owner/other)", "c"))
    assert [(model, source) for model, source, _ in rows(found)] == [("a", "one"), ("b", "other"), ("c", "")]


@pytest.mark.parametrize(
    ("models", "source"), [(("net18", "net50"), "one"), (("net18", "x", "y"), ""), (("NET-18", "net50"), "one")]
)
def test_a_link_of_the_page_tells_the_source_that_has_most_names(
    known: dict[str, SourceSpec], tmp_path: Path, models: tuple[str, ...], source: str
) -> None:
    found = told(known, tmp_path, page(*models, above="From [one](https://github.com/owner/one)."))
    assert {row[1] for row in rows(found)} == {source}


@pytest.mark.parametrize(
    ("models", "source"),
    [
        (("net18", "only_one"), "one"),
        (("Net18", "Only_Other"), "other"),
        (("net18", "net50"), ""),  # the other source has them, too
        (("only_one", "x", "y"), ""),
        (("x.abc_in1k", "net18.abc_in1k"), "one"),
        (("x.abc_in1k", "y.abc_in1k"), ""),  # the form alone is anybody's
    ],
)
def test_names_tell_the_source_where_no_other_has_them(
    known: dict[str, SourceSpec], tmp_path: Path, models: tuple[str, ...], source: str
) -> None:
    found = told(known, tmp_path, page(*models))
    assert {row[1] for row in rows(found)} == {source}


def test_what_is_asked_for_and_what_a_row_says_hold(known: dict[str, SourceSpec], tmp_path: Path) -> None:
    assert rows(told(known, tmp_path, page("only_one"), ("other", None))) == [("only_one", "", None)]
    found = told(known, tmp_path, "| model | source | top1 |\n|--|--|--|\n| only_one | other | 70.1 |\n")
    assert [row[1] for row in rows(found)] == ["other"]


def test_a_source_by_another_name_is_the_one_that_it_links_to(known: dict[str, SourceSpec], tmp_path: Path) -> None:
    cell = "[official](https://github.com/Owner/One/tree/v1.5)"
    found = told(known, tmp_path, f"| model | source | top1 |\n|--|--|--|\n| a | {cell} | 70.1 |\n")
    assert rows(found) == [("a", "one", "1.5")]


# --- of which release


@pytest.mark.parametrize(
    ("models", "version"),
    [
        (("net18", "only_one"), None),
        (("only_late", "only_one"), "2.0"),
        (("only_early", "only_one"), None),
        (("net18.abc_in1k",), "2.3"),
    ],
)
def test_names_tell_the_release(
    known: dict[str, SourceSpec], tmp_path: Path, models: tuple[str, ...], version: str | None
) -> None:
    found = told(known, tmp_path, page(*models))
    assert {row[1:] for row in rows(found)} == {("one", version)}


@pytest.mark.parametrize(
    ("model", "version", "where"),
    [
        ("only_late", "1.0", "one 2.0"),
        ("only_early", "2.0", "one 1.0"),
        ("net18.abc_in1k", "1.0", "one 2.1 and later"),
        ("net18.abc_in1k", "2.3", None),
        ("net18", "1.0", None),
        ("unheard", "1.0", None),
    ],
)
def test_a_name_of_another_release_is_told(
    known: dict[str, SourceSpec], tmp_path: Path, model: str, version: str, where: str | None
) -> None:
    found = told(known, tmp_path, page(model), ("one", version))
    assert [text for _, text in found.lacking] == ([where] if where else [])


# --- names in links


@pytest.mark.parametrize(
    ("cell", "model"),
    [
        ("[Net-18](https://github.com/owner/one/blob/main/configs/net18_8xb16_cifar10.py)", "net18_8xb16_cifar10"),
        ("[Net-18](https://github.com/owner/one/blob/main/configs/net18_b32x8_imagenet.py)", "Net-18"),
        ("[Net-18](https://github.com/owner/one/blob/main/configs/net18_8xb16_svhn.py)", "net18_8xb16_svhn"),
        ("[net18](https://github.com/owner/one/blob/main/configs/only_one.py)", "net18"),
        ("[A](https://files.example.org/one/only_one-01234567.pth)", "only_one"),
        ("[A](https://files.example.org/one/unheard-01234567.pth)", "A"),
        ("[net18](https://files.example.org/one/net50-01234567.pth)", "net18"),
    ],
)
def test_a_row_goes_by_the_name_in_its_link(
    known: dict[str, SourceSpec], tmp_path: Path, cell: str, model: str
) -> None:
    (row,) = told(known, tmp_path, page(cell)).table.rows
    assert row.model == model
    assert row.printed == ("" if model in cell.partition("]")[0] else cell.partition("]")[0].strip("["))


def test_a_name_of_another_package_is_said_to_be_one(known: dict[str, SourceSpec], tmp_path: Path) -> None:
    names = known["one"].file(".names.txt")
    assert names is not None
    names.write_text(NAMES_OF_ONE + "[next 3.0]\nnet18 newer newest\n")
    link = "https://github.com/owner/one/blob/v1.0/a.py"
    linked = page(f"[net18]({link})", f"[newer]({link})", f"[nothing]({link})")
    found = told(known, tmp_path, linked)
    assert rows(found) == [("net18", "one", "1.0"), ("newer", "next", "3.0"), ("nothing", "one", "1.0")]
    assert [one.text for one in found.inferred] == [
        "The table names no source; 2 rows are taken for one 1.0's: 3 of them link to one",
        "The table names no source; 1 row is taken for next 3.0's: next has their names, no known release of one does",
    ]
    found = told(known, tmp_path, page("newer", "newest"))
    assert rows(found) == [("newer", "next", "3.0"), ("newest", "next", "3.0")]
    found = told(known, tmp_path, linked, ("one", None))
    assert [(row.model, where) for row, where in found.lacking] == [("newer", "next 3.0")]


# --- the files of the sources


def test_the_sources_of_this_package_say_how_their_pages_look() -> None:
    known = registry.sources()
    for name in known:
        origin = origin_of(known[name])
        assert origin.repositories
        assert known[name].default_version in (origin.names or {})
    timm = origin_of(known["timm"])
    assert timm.form_of("cspdarknet53.ra_in1k") is not None
    assert timm.form_of("mobilenet_v2_1.0_224") is None


def test_a_file_that_is_not_as_described_is_refused(tmp_path: Path) -> None:
    spec = SourceSpec("wrong", "wrong", tmp_path, "wrong", "1.0")
    (tmp_path / "wrong.pages.toml").write_text("repository = 'a/b'\n")
    with pytest.raises(InputError, match=r"unknown entry 'repository'; expected addresses, "):
        origin_of(spec)
    assert origin_of(SourceSpec("none", "none", tmp_path, "none", "1.0")).names is None


#: file -> the source of its rows; the others name only networks that several sources have
ZOOS = {
    "timm/results-imagenet.csv": "timm",
    "timm/results-sketch.csv": "timm",
    "mmpretrain/cspnet.yml": "mmcls",
    "mmpretrain/regnet.yml": "mmcls",
    "paddleclas/RedNet_en.md": "ppcls",
    "paddleclas/PP-LCNetV2_en.md": "ppcls",
    "paddleclas/LeViT_en.md": "",
    "imgclsmob/gluon.md": "pytorchcv",
    "imgclsmob/keras.md": "pytorchcv",
}


@pytest.mark.skipif(not (SHARED / "zoos").is_dir(), reason="the published zoos are not beside the checkout")
@pytest.mark.parametrize(("file", "source"), ZOOS.items())
def test_the_source_of_published_pages(file: str, source: str) -> None:
    found = with_sources(read_table(SHARED / "zoos" / file), registry.sources(), ())
    assert {row.source for row in found.table.rows} == {source}


@pytest.mark.skipif(not (SHARED / "zoos").is_dir(), reason="the published zoos are not beside the checkout")
@pytest.mark.parametrize("hidden", ["timm", "mmcls", "ppcls", "pytorchcv"])
def test_pages_of_a_source_that_is_not_known_are_nobodys(hidden: str) -> None:
    known = {name: spec for name, spec in registry.sources().items() if name != hidden}
    for file, source in ZOOS.items():
        if source == hidden:
            found = with_sources(read_table(SHARED / "zoos" / file), known, ())
            assert {row.source for row in found.table.rows} == {""}, file


def plain_page(folder: Path, names: list[str]) -> Origins:
    """A page with nothing but names and figures."""
    path = folder / "README.md"
    path.write_text(page(*names))
    return with_sources(read_table(path), registry.sources(), ())


#: file of a zoo -> whose its names alone say that its rows are
PLAIN: dict[str, set[tuple[str, str | None]]] = {
    "mmpretrain/regnet.yml": {("mmcls", None)},
    "mmpretrain/convnext.yml": {("mmcls", None), ("mmpretrain", "1.2.0")},
    "mmpretrain/mvit.yml": {("mmcls", "0.25.0")},
    "mmpretrain/deit3.yml": {("mmpretrain", "1.2.0")},
    "timm/results-imagenet.csv": {("timm", "1.0.31")},
    "paddleclas/PVTV2_en.md": {("ppcls", None)},
    "imgclsmob/gluon.md": {("", None)},
}


@pytest.mark.skipif(not (SHARED / "zoos").is_dir(), reason="the published zoos are not beside the checkout")
@pytest.mark.parametrize(("file", "whose"), PLAIN.items())
def test_names_alone_tell_whose_a_plain_page_is_and_which_package_has_the_others(
    tmp_path: Path, file: str, whose: set[tuple[str, str | None]]
) -> None:
    names = list(dict.fromkeys(row.model for row in read_table(SHARED / "zoos" / file).rows))[100 * (".csv" in file) :]
    found = plain_page(tmp_path, names[:40])
    assert {(row.source, row.version) for row in found.table.rows} == whose
    assert {(one.source, one.version) for one in found.inferred} == {one for one in whose if one[0]}


@pytest.mark.skipif(not (SHARED / "zoos").is_dir(), reason="the published zoos are not beside the checkout")
def test_every_row_of_mmpretrain_is_a_name_of_a_package_that_is_said() -> None:
    found = with_sources(read_tables([SHARED / "zoos" / "mmpretrain"]), registry.sources(), ())
    mmcls = origin_of(registry.sources()["mmcls"])
    assert {row.source for row in found.table.rows} == {"mmcls", "mmpretrain"}
    assert [row.model for row in found.table.rows if row.source == "mmcls" and not mmcls.offers(row.model)] == []
