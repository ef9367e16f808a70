"""Tables in the shapes in which they are published: what each cell is, where it stands, and what is not read."""

import contextlib
import time
from pathlib import Path

import pytest
from folders import SHARED

from harness.core.errors import InputError
from harness.core.records import Claim, Row
from harness.tables.claims import Table, read_table, read_tables

CASES = SHARED / "cases"


def page(folder: Path, text: str, name: str = "page.md") -> Table:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return read_table(path)


def said(claims: tuple[Claim, ...]) -> list[str]:
    """Model, metric, figure, and what else is known of each claim."""
    return [
        " ".join(
            word
            for word in (
                claim.row.model,
                claim.metric,
                f"{claim.text}{claim.unit}",
                "error" * claim.is_error,
                claim.part.replace("error", ""),
            )
            if word
        )
        for claim in claims
    ]


def places(claims: tuple[Claim, ...]) -> list[tuple[int, int]]:
    return [(claim.line, claim.column) for claim in claims]


# --- headings over two rows


def test_a_heading_over_two_rows_is_one_in_html(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        '<table><thead><tr><th rowspan="2">Model</th><th colspan="2">ImageNet accuracy (%)</th>'
        '<th colspan="2">CIFAR-10</th><th rowspan="2">Params (M)</th></tr>\n'
        "<tr><th>Top-1</th><th>Top-5</th><th>Top-1</th><th>Top-5</th></tr></thead>\n"
        "<tr><td>a</td><td>76.1</td><td>92.9</td><td>95.5</td><td>99.9</td><td>25.6</td></tr></table>\n",
    )
    assert said(read.claims) == ["a top1 76.1%", "a top5 92.9%", "a params 25.6M"]
    assert [one.text.partition(" is not")[0] for one in read.unread] == [
        "Column 'CIFAR-10 Top-1'",
        "Column 'CIFAR-10 Top-5'",
    ]
    assert (read.problems, [row.model for row in read.rows]) == ((), ["a"])


def test_a_heading_over_two_rows_is_one_in_markdown(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        "| Model | ImageNet | | Params | FLOPs |\n|--|--|--|--|--|\n| | Top-1 | Top-5 | (M) | (G) |\n"
        "| a | 76.1 | 92.9 | 25.6 | 4.1 |\n",
    )
    assert said(read.claims) == ["a top1 76.1%", "a top5 92.9%", "a flops 4.1G", "a params 25.6M"]
    assert places(read.claims) == [(4, 1), (4, 2), (4, 4), (4, 3)]


def test_a_row_of_text_below_a_heading_is_a_row(tmp_path: Path) -> None:
    read = page(tmp_path, "| Model | Top-1 | note |\n|--|--|--|\n| a | soon | top-1 |\n| b | 70.1 | |\n")
    assert [row.model for row in read.rows] == ["a", "b"]
    assert [problem.line for problem in read.problems] == [3]


def test_a_heading_may_lack_its_row_in_html(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        "<table><tbody>\n<th>model</th>\n<th>flops<br/>(B)</th>\n<th>error<br/>(top-1)</th>\n"
        "<tr>\n<td>a</td><td>0.2</td><td>31.1</td></tr></tbody></table>\n",
    )
    assert said(read.claims) == ["a top1 68.9% error", "a flops 0.2G"]


# --- models as columns, one model


def test_models_may_be_columns(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        "| | ResNet-18 | ResNet-50 |\n|--|--|--|\n"
        "| Top-1 (%) | 69.8 | 76.1 |\n| FLOPs (G) | 1.8 | - |\n| speed | 9 | 8 |\n",
    )
    assert said(read.claims) == ["ResNet-18 top1 69.8%", "ResNet-18 flops 1.8G", "ResNet-50 top1 76.1%"]
    assert places(read.claims) == [(3, 1), (4, 1), (3, 2)]


def test_the_tables_of_values_of_a_page_are_one_row_of_the_model_in_its_title(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        "# resnet-50\n\n| Metric | Value |\n|--|--|\n| Type | Classification |\n| GFLOPs | 8.2 |\n\n## Accuracy\n\n"
        "| Metric | Value |\n|--|--|\n| Top 1 | 76.1% |\n| Top 5 | soon |\n",
    )
    assert said(read.claims) == ["resnet-50 top1 76.1%", "resnet-50 flops 8.2G"]
    assert places(read.claims) == [(12, 1), (6, 1)]


def test_a_model_card_says_its_figures_at_its_top_and_in_lists(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        "---\nlicense: mit\nmodel-index:\n- name: toy\n  results:\n  - task: {type: image-classification}\n"
        "    dataset: {name: ImageNet-1k, type: imagenet-1k}\n    metrics:\n"
        "    - {type: accuracy, name: Top 1 Accuracy, value: 82.06}\n---\n# Model card for toy\n\n"
        "- **Model Stats:**\n  - Params (M): 28.6\n  - GMACs: 4.5\n  - Image size: 224 x 224\n",
    )
    assert said(read.claims) == ["toy top1 82.06%", "toy flops 4.5G", "toy params 28.6M"]
    assert places(read.claims) == [(9, 1), (15, 1), (14, 1)]
    assert [row.input_size for row in read.rows] == [None, 224]


# --- several figures in a cell


def table(folder: Path, heading: str, *cells: str) -> Table:
    return page(folder, f"| model | {heading} |\n|--|--|\n" + "".join(f"| m{i} | {c} |\n" for i, c in enumerate(cells)))


@pytest.mark.parametrize(
    ("heading", "cell", "claims", "asides"),
    [
        ("Accuracy", "69.754%/89.088%", ["top1 69.754%", "top5 89.088%"], []),
        ("Top-1/Top-5", "69.8 / 89.1", ["top1 69.8%", "top5 89.1%"], []),
        ("Top-5 \\| Top-1", "89.1 \\| 69.8", ["top1 69.8%", "top5 89.1%"], []),
        ("Params (M) / FLOPs (G)", "25.6/4.1", ["flops 4.1G", "params 25.6M"], []),
        ("Acc@1 (Err)", "82.11 (17.89)", ["top1 82.11%"], ["top1 82.11% error"]),
        ("Acc@1", "82.11 (17.89)", ["top1 82.11%"], ["top1 82.11% error"]),
        ("Top-1 (Err)", "17.89", ["top1 82.11% error"], []),
        ("Params (M)", "9.11 (train) \\| 8.31 (deploy)", ["params 9.11M train"], ["params 8.31M deploy"]),
        ("Params", "9.11M（train) / 8.31M（deploy）", ["params 9.11M train"], ["params 8.31M deploy"]),
        ("Params", "25.6M (23.5M w/o head)", ["params 25.6M"], ["params 23.5M w/o head"]),
        ("Params", "23.5M (without head)", [], ["params 23.5M without head"]),
    ],
)
def test_a_cell_may_hold_several_figures(
    tmp_path: Path, heading: str, cell: str, claims: list[str], asides: list[str]
) -> None:
    read = table(tmp_path, heading, cell)
    assert said(read.claims) == [f"m0 {one}" for one in claims]
    assert said(read.asides) == [f"m0 {one}" for one in asides]
    assert read.problems == ()


@pytest.mark.parametrize("cell", ["69.8", "69.8/89.1/90.2", "69.8/soon"])
def test_a_cell_without_the_figures_of_its_heading_is_a_problem(tmp_path: Path, cell: str) -> None:
    read = table(tmp_path, "Top-1/Top-5", cell)
    assert read.claims == ()
    assert [problem.line for problem in read.problems] == [3]
    assert repr(cell) in read.problems[0].text


@pytest.mark.parametrize("cell", ["83.1 / 96.5", "4.1 (4.3)", "82.11 (18.89)"])
def test_a_second_figure_that_nothing_explains_is_a_problem(tmp_path: Path, cell: str) -> None:
    read = table(tmp_path, "Top-1", cell)
    assert (read.claims, len(read.problems)) == ((), 1)


def test_a_difference_in_brackets_is_told_and_not_read(tmp_path: Path) -> None:
    read = table(tmp_path, "Top-1", "81.3 (+0.5)")
    assert said(read.claims) == ["m0 top1 81.3%"]
    assert [one.text for one in read.unread] == ["m0: '(+0.5)' of top1 '81.3 (+0.5)' is not read"]


def test_a_size_in_brackets_is_where_operations_are_counted(tmp_path: Path) -> None:
    (claim,) = table(tmp_path, "FLOPs", "4.1 G (384)").claims
    assert (claim.text, claim.counted_at) == ("4.1", 384)


# --- errors


def test_columns_of_errors_are_read_as_what_is_left_to_100(tmp_path: Path) -> None:
    read = page(tmp_path, "| model | Top-1 error | Top-5 err (%) |\n|--|--|--|\n| a | 30.24 | 10.9 |\n")
    assert said(read.claims) == ["a top1 69.76% error", "a top5 89.1% error"]
    assert [claim.step for claim in read.claims] == pytest.approx([0.01, 0.1])


def test_a_sentence_above_a_table_may_say_that_it_has_errors(tmp_path: Path) -> None:
    body = "| model | Top1 | Top5 |\n|--|--|--|\n| a | 38.07 | 16.1 |\n"
    errors = page(tmp_path, f"Top1/Top5 are the standard 1-crop Top-1/Top-5 errors (in percents).\n\n{body}")
    assert said(errors.claims) == ["a top1 61.93% error", "a top5 83.9% error"]
    accuracies = body.replace("38.07 | 16.1", "61.93 | 83.9")
    for above in ("Top-1 accuracy and error bars.", "There are no errors in it.", ""):
        assert not any(claim.is_error for claim in page(tmp_path, f"{above}\n\n{accuracies}").claims)


def test_the_error_beside_an_accuracy_is_kept_and_not_checked(tmp_path: Path) -> None:
    read = page(tmp_path, "model,top1_err,top1,param_count\na,19.9,80.1,25.6\n", "a.csv")
    assert said(read.claims) == ["a top1 80.1%", "a params 25.6M"]
    assert said(read.asides) == ["a top1 80.1% error"]


# --- other columns


def test_sizes_of_files_and_shares_that_are_cropped_are_no_input_sizes(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        "| Model | Size | Resolution | Crop | Params (M) |\n|--|--|--|--|--|\n| a | 88 MB | 288 | 0.95 | 22.9 |\n",
    )
    assert (read.rows[0].input_size, read.problems) == (288, ())


def test_what_weights_were_trained_on_before_tells_rows_apart(tmp_path: Path) -> None:
    read = page(tmp_path, "| name | pretrain | acc@1 |\n|--|--|--|\n| Swin-T | 1K | 81.2 |\n| Swin-T | 22K | 80.9 |\n")
    assert [row.variant for row in read.rows] == ["1K", "22K"]


def test_the_first_column_names_the_models_where_its_heading_does_not_say_so(tmp_path: Path) -> None:
    read = page(tmp_path, "| Checkpoint | Top-1 |\n|--|--|\n| [mobilenet_v2](x/y.tgz) | 71.8 |\n")
    assert said(read.claims) == ["mobilenet_v2 top1 71.8%"]
    assert [one.text for one in read.assumed] == ["Column 'Checkpoint' is read as the names of the models"]
    assert read.rows[0].links == ("x/y.tgz",)


def test_the_column_that_tells_rows_apart_names_the_models(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        "| Id | Backbone | Arch | Top-1 |\n|--|--|--|--|\n"
        "| B1 | `resnet50` | CNN | 77.7 |\n| B2 | vgg16 | CNN | 71.6 |\n",
    )
    assert said(read.claims) == ["resnet50 top1 77.7%", "vgg16 top1 71.6%"]
    twice = page(tmp_path, "| Model | Config | Top-1 |\n|--|--|--|\n| a | [x](y) | 77.7 |\n| a | [x](z) | 71.6 |\n")
    assert [row.model for row in twice.rows] == ["a", "a"]


def test_parts_of_the_images_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model table"):
        page(tmp_path, "| Metric | Train | Test |\n|--|--|--|\n| Acc@1 | 95.1 | 81.2 |\n")


def test_formulas_in_names_and_sizes_are_read(tmp_path: Path) -> None:
    read = page(tmp_path, "| model | Reso | acc@1 |\n|--|--|--|\n| $\\text{ViT}^3\\text{-T}$ | $224^2$ | 76.5 |\n")
    assert [(row.model, row.input_size) for row in read.rows] == [("ViT3-T", 224)]


def test_tables_of_sections_about_other_tasks_are_told_and_passed_over(tmp_path: Path) -> None:
    body = "| Model | Accuracy | MParams |\n|--|--|--|\n| a | 71.3%/90.1% | 25.9 |\n"
    read = page(tmp_path, f"# Zoo\n\n## Classification\n\n{body}\n## Semantic segmentation\n\n{body}")
    assert [row.line for row in read.rows] == [7]
    assert [other.line for other in read.passed_over] == [11]
    assert read.rows[0].section == ("Zoo", "Classification")


def test_a_line_of_dashes_may_have_gaps(tmp_path: Path) -> None:
    read = page(tmp_path, "|model | Top-1 | Top-5 |\n|- | - : | : - |\n| a | 70.1 | 90.1 |\n")
    assert [row.model for row in read.rows] == ["a"]


# --- reStructuredText


RST = """
Zoo
====

=========  ======  ==========
Model      Acc@1   Params (M)
=========  ======  ==========
`a <x/a>`_ 69.758  11.7
``b``      59.078
=========  ======  ==========

+-------+--------+--------+
| Model | Acc@1  | Acc@5  |
+=======+========+========+
| c     | 76.130 | 92.862 |
+-------+--------+--------+
"""


def test_simple_tables_and_grids_of_restructured_text_are_read(tmp_path: Path) -> None:
    read = page(tmp_path, RST, "page.rst")
    assert said(read.claims) == [
        "a top1 69.758%",
        "a params 11.7M",
        "b top1 59.078%",
        "c top1 76.130%",
        "c top5 92.862%",
    ]
    assert [(row.line, row.section) for row in read.rows] == [(8, ("Zoo",)), (9, ("Zoo",)), (15, ("Zoo",))]
    assert read.rows[0].links == ("x/a",)


def test_a_table_of_restructured_text_that_is_not_closed_is_told(tmp_path: Path) -> None:
    read = page(tmp_path, "===== ====\nModel Acc@1\n===== ====\na     70.1\n", "page.rst")
    assert [problem.text for problem in read.problems] == [
        "a table is not closed by a line of '='; what is above is read"
    ]


# --- lists of models in YAML


METAFILE = """Models:
  - Name: a_8xb32_in1k
    Metadata:
      FLOPs: 1820000000  # 1.82 G
      Parameters: 11690000
    Results:
      - Dataset: ImageNet-1k
        Metrics:
          Top 1 Accuracy: 69.9
          Top 5 Accuracy: 89.4
        Task: Image Classification
      - Dataset: CIFAR-10
        Metrics: {Top 1 Accuracy: 95.1}
        Task: Image Classification
      - Dataset: COCO
        Metrics: {mAP: 38.1}
        Task: Object Detection
    Weights: https://download.example.org/a.pth
    Config: configs/a/a_8xb32_in1k.py
  - Name: b
    Metadata: {FLOPs: null, Parameters: 25560000}
    Results: null
    Config: configs/b.py
"""


def test_a_metafile_is_read_with_the_line_of_every_figure(tmp_path: Path) -> None:
    read = page(tmp_path, METAFILE, "metafile.yml")
    assert said(read.claims) == [
        "a_8xb32_in1k top1 69.9%",
        "a_8xb32_in1k top5 89.4%",
        "a_8xb32_in1k flops 1.82G",
        "a_8xb32_in1k params 11.69M",
        "b params 25.56M",
        "a_8xb32_in1k top1 95.1%",
    ]
    assert [claim.line for claim in read.claims] == [9, 10, 4, 5, 21, 13]
    assert [row.section for row in read.rows] == [("ImageNet-1k",)] * 2 + [("Image Classification", "CIFAR-10")]
    assert [other.text for other in read.passed_over] == ["Name | Config | mAP"]
    assert read.rows[0].links == ("https://download.example.org/a.pth",)


def test_yaml_that_cannot_be_read_is_told_with_its_line(tmp_path: Path) -> None:
    read = page(tmp_path, "Models:\n  - Name: [a\n", "metafile.yml")
    assert [problem.text for problem in read.problems] == ["the YAML cannot be read; correct the file"]


def test_folders_are_searched_for_every_kind_of_document(tmp_path: Path) -> None:
    page(tmp_path, METAFILE, "zoo/metafile.yml")
    page(tmp_path, RST, "zoo/page.rst")
    page(tmp_path, "model,top1\na,70.1\n", "zoo/results.csv")
    (tmp_path / "zoo" / "settings.yml").write_text("a: 1\n")
    assert [Path(file).name for file in read_tables([tmp_path / "zoo"]).files] == [
        "metafile.yml",
        "page.rst",
        "results.csv",
    ]


# --- hostile and large


@pytest.mark.parametrize(
    "text",
    [
        "<!-- " * 30_000,
        "| model | top1 |\n|--|--|\n| a" + "^1" * 50_000 + " | 70.1 |\n",
        "| model | top1 |\n|--|--|\n| a" + "[^" * 50_000 + " | 70.1 |\n",
        "| model | top1 |\n|--|--|\n| a | " + "(1/" * 30_000 + " |\n",
        "| model | " + "top1/" * 20_000 + " |\n|--|--|\n| a | 70.1 |\n",
        "- a" + ": " * 50_000 + "\n",
        "<div>\na\n" * 2_000 + "\n| model | top1 |\n|--|--|\n| a | 70.1 |\n",
        " " * 20_000 + "| a | b |\n" + " " * 20_000 + "|--|--|\n",
        "&#" + "1" * 20_000 + ";<table><tr><td colspan=" + "9" * 20_000 + ">a</table>\n",
        "---\n" + "a: &a [" * 400 + "\n---\n",
    ],
    ids=["comments", "notes", "references", "figures", "heading", "list", "html", "spaces", "digits", "yaml"],
)
def test_hostile_pages_are_read_in_time(tmp_path: Path, text: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"{text}\n\n| model | top1 |\n|--|--|\n| z | 70.1 |\n\n-->\n", encoding="utf-8")
    start = time.process_time()
    with contextlib.suppress(InputError):
        read_table(path)
    assert time.process_time() - start < 10


def test_a_table_of_100_000_cells_is_read(tmp_path: Path) -> None:
    rows = "".join(f"n{i},7{i % 10}.{i % 1000:03},2{i % 10}.1,{i % 7 + 1}.1,x\n" for i in range(1, 20_001))
    read = page(tmp_path, f"model,top1,params (M),flops (G),note\n{rows}", "a.csv")
    assert (len(read.rows), len(read.claims)) == (20_000, 60_000)


# --- the given cases


def given(pattern: str) -> list[Path]:
    return sorted(CASES.glob(pattern))


NOT_READ = {  # line and beginning of what is told of the cells that no reader can be sure of
    "T22-cells.md": [
        (4, "a2: input size '224/288'"),
        (5, "a3: top1 '83.1 / 96.5'"),
        (8, "a6: input size '224-288'"),
        (8, "a6: flops '<4.1G'"),
        (8, "a6: params '≥25.6M'"),
    ]
}


@pytest.mark.skipif(not given("tables/*"), reason="the published tables are not beside the checkout")
@pytest.mark.parametrize("path", [*given("tables/*"), *given("bugs/T*")], ids=lambda path: path.stem)
def test_every_given_table_is_read(path: Path) -> None:
    read = read_table(path)
    assert read.rows
    assert all(any(claim.row == row for claim in read.claims) for row in read.rows)
    told = [(problem.line, problem.text) for problem in read.problems]
    expected = NOT_READ.get(path.name, [])
    assert [line for line, _ in told] == [line for line, _ in expected]
    assert all(text.startswith(begin) for (_, text), (_, begin) in zip(told, expected, strict=True))


@pytest.mark.skipif(not (SHARED / "zoos").is_dir(), reason="the published zoos are not beside the checkout")
@pytest.mark.parametrize("path", sorted((SHARED / "zoos").glob("*/*.*")), ids=lambda path: path.name)
def test_every_file_of_a_published_zoo_is_read(path: Path) -> None:
    read = read_table(path)
    assert read.problems == ()
    assert read.rows
    lines = {row.line for row in read.rows}
    if path.suffix == ".csv":
        assert len(lines) == len(path.read_text(encoding="utf-8").splitlines()) - 1
    elif path.suffix == ".yml":
        names = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip().startswith("- Name:")]
        assert len(lines) == len(names) - path.read_text(encoding="utf-8").count("Collections:")
    else:
        _every_line_is_read_or_told(path, read.rows, [other.line for other in read.passed_over])


def _every_line_is_read_or_told(path: Path, rows: tuple[Row, ...], passed_over: list[int]) -> None:
    read = {row.line for row in rows}
    headings = sorted({*passed_over, *(row.table for row in rows)})
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        is_row = line.startswith("|") and not set(line) <= set("|:- ")
        above = max((heading for heading in headings if heading <= number), default=0)
        assert not is_row or number in read or number in headings or above in passed_over, f"{path.name}:{number}"


# --- tables that are directives


def test_a_directive_is_read_where_it_is_shown(tmp_path: Path) -> None:
    listed = ".. list-table:: Results\n   :header-rows: 1\n\n   * - Model\n     - Acc@1\n   * - a\n     - 70.1\n"
    indented = "".join(f"   {line}\n" for line in listed.splitlines())
    read = page(tmp_path, listed, "page.rst")
    assert said(read.claims) == ["a top1 70.1%"]
    assert places(read.claims) == [(7, 0)]
    for hidden in ("So it is written::\n\n", ".. code-block:: rst\n\n", ".. this is a comment\n\n"):
        with pytest.raises(InputError, match="no table at all"):
            page(tmp_path, hidden + indented, "page.rst")
    assert said(page(tmp_path, ".. note::\n\n" + indented, "page.rst").claims) == ["a top1 70.1%"]


def test_separated_values_in_a_directive_keep_their_lines_and_columns(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        '.. csv-table::\n   :header: "Model", "Params"\n\n   "a, b", "25,557,032"\n\n   c, 11689512\n',
        "page.rst",
    )
    assert [(claim.row.model, claim.text, claim.line, claim.column) for claim in read.claims] == [
        ("a, b", "25557032", 4, 1),
        ("c", "11689512", 6, 1),
    ]


def test_rows_in_another_file_are_asked_for(tmp_path: Path) -> None:
    read = page(tmp_path, ".. csv-table::\n   :file: results.csv\n\n", "page.rst")
    assert [str(one).rpartition("/")[2] for one in read.problems] == [
        "page.rst:1: the rows of this table are in results.csv; give that file instead"
    ]


def test_directives_stand_in_fences_of_markdown(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        "# Zoo\n\n```{list-table}\n:header-rows: 1\n\n* - Model\n  - Acc@1\n* - **a**\n  - 70.1\n```\n",
    )
    assert said(read.claims) == ["a top1 70.1%"]
    assert [claim.line for claim in read.claims] == [9]


def test_a_broken_directive_is_a_problem(tmp_path: Path) -> None:
    read = page(tmp_path, ".. csv-table::\n   :delim: two\n\n   Model; Acc@1\n   a; 70.1\n", "page.rst")
    assert "cannot be read" in read.problems[0].text


# --- marks around figures


@pytest.mark.parametrize("cell", ["~~69.1~~ 70.1", "<del>69.1</del> 70.1", "70.1 [3]", "70.1[^a]", r"$\\mathbf{70.1}$"])
def test_marks_around_a_figure_do_not_hide_it(tmp_path: Path, cell: str) -> None:
    assert said(table(tmp_path, "Top-1", cell).claims) == ["m0 top1 70.1%"]


def test_a_cell_that_is_struck_out_is_not_dropped(tmp_path: Path) -> None:
    read = table(tmp_path, "Top-1", "~~70.1~~", "71.1")
    assert [one.line for one in read.problems] == [3]
    html = "<table><tr><th>model</th><th>Top-1</th></tr>\n<tr><td>a</td><td><s>70.1</s></td></tr></table>"
    assert [one.line for one in page(tmp_path, html).problems] == [2]


@pytest.mark.parametrize(
    ("heading", "cells", "claims"),
    [
        ("Top-1 | Params", ["70,1 | 11.689.512", "76,13 | 25.557.032"], ["70.1%", "11689512", "76.13%", "25557032"]),
        ("Top-1 | FLOPs (G)", ["70,123 | 1,82", "76,13 | 4,12"], ["70.123%", "1.82G", "76.13%", "4.12G"]),
        # one cell is no habit, and a point between decimals says that commas stand between thousands
        ("Top-1 | FLOPs (M)", ["70,1 | 1,820", "76.13 | 4,120"], ["70.1%", "1820M", "76.13%", "4120M"]),
    ],
)
def test_a_table_may_have_commas_before_decimals(
    tmp_path: Path, heading: str, cells: list[str], claims: list[str]
) -> None:
    rows = "".join(f"| m{i} | {cell} |\n" for i, cell in enumerate(cells))
    read = page(tmp_path, f"| model | {heading} |\n|--|--|--|\n{rows}")
    assert [f"{claim.text}{claim.unit}" for claim in read.claims] == claims


def test_a_name_over_two_lines_is_one(tmp_path: Path) -> None:
    read = page(tmp_path, "| model | Top-1 |\n|--|--|\n| Res_<br>32x8d-<br>wsl | 70.1 |\n| Res 50 - v2 | 71.1 |\n")
    assert [row.model for row in read.rows] == ["Res_32x8d-wsl", "Res 50 - v2"]


def test_a_point_that_may_be_either_is_left_open(tmp_path: Path) -> None:
    read = page(tmp_path, "| model | Top-1 | FLOPs (M) |\n|--|--|--|\n| a | 70,1 | 1.820 |\n| b | 76,13 | 4.120 |\n")
    assert said(read.claims) == ["a top1 70.1%", "b top1 76.13%"]
    assert [one.line for one in read.unread] == [3, 4]
    assert "whose point may part thousands" in read.unread[0].text


# --- several sizes in a row


def test_a_row_of_two_sizes_is_two_rows(tmp_path: Path) -> None:
    read = page(
        tmp_path,
        "| model | input size | Top-1 | FLOPs (G) | Params (M) |\n|--|--|--|--|--|\n"
        "| a | 224/288 | 76.1 → 77.0 | 4.1 | 25.6 |\n| b | 224/288 | 70.1 | 1.8 | 11.7 |\n",
    )
    assert [(row.model, row.input_size) for row in read.rows] == [("a", 224), ("a", 288), ("b", None)]
    assert [(claim.row.input_size, claim.metric, claim.text) for claim in read.claims if claim.row.model == "a"] == [
        (224, "top1", "76.1"),
        (224, "params", "25.6"),
        (288, "top1", "77.0"),
    ]
    assert [one.text for one in read.unread] == [
        "a: flops '4.1' does not say which of the sizes 224/288 it is of; it is not read"
    ]
    assert [one.text.partition(" is not")[0] for one in read.problems] == ["b: input size '224/288'"]


def test_a_file_that_repeats_its_parts_without_end_is_told(tmp_path: Path) -> None:
    metrics = ", ".join(f"a{i}: 1" for i in range(300))
    text = (
        f"x: &m {{{metrics}}}\ny: &r [{', '.join(['{Metrics: *m}'] * 300)}]\n"
        f"z: &e {{Name: a, Results: *r}}\nModels: [{', '.join(['*e'] * 300)}]\n"
    )
    read = page(tmp_path, text, "zoo.yml")
    assert [one.text for one in read.problems] == [
        "the file repeats its parts more often than can be read; what is read is not all of it"
    ]
