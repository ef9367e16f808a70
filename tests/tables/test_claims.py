"""What a table prints becomes a claim or a problem, and nothing is lost in between."""

import re
from collections import Counter
from pathlib import Path

import pytest
from folders import REFERENCE, SHARED, SUPPORT

from harness.core.errors import InputError
from harness.core.records import Claim
from harness.tables.claims import Table, claims_of, read_table, read_tables
from harness.tables.readers import Cell, RawTable

CSPNET = REFERENCE / "cspnet.md"
FAMILIES = SHARED / "tables"

PLAIN_HEADING = "| model | source | top1 | top5 | flops(G) | params(M) | input size |"


def read_text(folder: Path, text: str) -> Table:
    path = folder / "table.md"
    path.write_text(text, encoding="utf-8")
    return read_table(path)


def table(folder: Path, heading: str, *body: str) -> Table:
    """Reads a table with this heading (line 1) and body (from line 3)."""
    return read_text(folder, "\n".join([heading, "|" + " :---: |" * (heading.count("|") - 1), *body]) + "\n")


def cell(folder: Path, heading: str, text: str) -> Claim | str:
    """The one claim that a cell under a heading makes, or what is wrong with it."""
    read = table(folder, f"| model | source | {heading} |", f"| resnet50 | timm | {text} |")
    (found,) = [*read.claims, *(problem.text for problem in read.problems)]
    return found


# --- the table that the harness was made for


def test_cspnet_has_its_28_claims_as_printed() -> None:
    read = read_table(CSPNET)
    assert read.problems == ()
    printed = [[claim.text for claim in read.claims if claim.row == row] for row in read.rows]
    assert printed == [
        ["79.582", "94.704", "10.038", "21.576"],
        ["80.050", "94.946", "6.832", "20.512"],
        ["80.062", "95.084", "14.519", "27.607"],
        ["79.55", "94.68", "6.96", "21.62"],
        ["79.96", "94.96", "6.22", "20.57"],
        ["80.05", "95.07", "10.08", "27.64"],
        ["78.0", "94.1", "18.58", "41.6"],
    ]
    assert [claim.metric for claim in read.claims] == ["top1", "top5", "flops", "params"] * 7


def test_cspnet_rows_know_their_source_release_size_and_line() -> None:
    rows = read_table(CSPNET).rows
    assert [(row.source, row.version) for row in rows] == (
        [("timm", "0.6.5")] * 3 + [("mmcls", "0.23.1")] * 3 + [("ppcls", "2.4.0")]
    )
    assert [row.model for row in rows] == ["cspresnet50", "cspresnext50", "cspdarknet53"] * 2 + ["cspdarknet53"]
    assert [row.input_size for row in rows] == [256, 224, 256, 256, 224, 256, 256]
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.line for row in rows] == [7, 8, 9, 10, 11, 12, 13]
    assert {row.file for row in rows} == {str(CSPNET)}
    assert rows[0].link == "https://github.com/rwightman/pytorch-image-models/blob/v0.6.5/timm/models/cspnet.py"


def test_cspnet_units_and_steps_are_those_of_the_last_printed_digit() -> None:
    top1, _, flops, params = read_table(CSPNET).claims[:4]
    assert (top1.unit, top1.value, top1.step) == ("%", 79.582, pytest.approx(0.001))
    assert (flops.unit, flops.value, flops.step) == ("G", 10.038e9, pytest.approx(1e6))
    assert (params.unit, params.value, params.step) == ("M", 21.576e6, pytest.approx(1e3))
    assert (top1.digits, top1.decimals) == (5, 3)
    assert not flops.multiply_adds


# --- headings


@pytest.mark.parametrize(
    "heading",
    [
        "| Model | Source | Top-1 (%) | Top-5 (%) | FLOPs (G) | Params (M) | Resolution |",
        "| Name | Framework | Acc@1 | Acc@5 | GFLOPs | #Params (M) | Image size |",
        "| **model name** | *repo* | **Top-1 Acc.** | **Top-5 Acc.** | flops (B) | Parameters (M) | input_size |",
        "| 模型 | 源码 | top1 | top5 | 计算量（G） | 参数量（百万） | 输入尺寸 |",
        "| 模型名称 | 来源 | top1 | top5 | flops(十亿) | 参数(M) | 分辨率 |",
        "| network | library | Top 1 | Top 5 | FLOPS [G] | param[M] | crop |",
    ],
)
def test_headings_are_understood_in_the_spellings_of_other_pages(tmp_path: Path, heading: str) -> None:
    read = table(tmp_path, heading, "| resnet50 | timm | 80.376 | 94.616 | 8.268 | 25.557 | 224 |")
    assert read.problems == ()
    assert [(claim.metric, claim.text, claim.unit) for claim in read.claims] == [
        ("top1", "80.376", "%"),
        ("top5", "94.616", "%"),
        ("flops", "8.268", "G"),
        ("params", "25.557", "M"),
    ]
    assert read.rows[0].input_size == 224
    assert [claim.header for claim in read.claims][2] == heading.split("|")[5].strip().strip("*")


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    read = table(
        tmp_path, "| date | params(M) | source | speed | model |", "| 2021 | 25.557 | timm | 12.5 | resnet50 |"
    )
    assert [(claim.row.model, claim.text) for claim in read.claims] == [("resnet50", "25.557")]


@pytest.mark.parametrize("heading", ["MACs(G)", "MAC (G)", "GMACs", "Multiply-Adds (G)"])
def test_a_heading_in_macs_counts_a_multiply_add_once(tmp_path: Path, heading: str) -> None:
    found = cell(tmp_path, heading, "2.897")
    assert isinstance(found, Claim)
    assert (found.multiply_adds, found.value) == (True, 2.897e9)


@pytest.mark.parametrize("second", ["4.134", "-", "[log](l)"])
def test_a_second_column_that_says_the_same_is_a_problem(tmp_path: Path, second: str) -> None:
    read = table(tmp_path, "| model | source | FLOPs (G) | MACs (G) |", f"| resnet50 | timm | 8.268 | {second} |")
    assert [claim.text for claim in read.claims] == ["8.268"]
    (problem,) = read.problems
    assert problem.line == 1
    assert "'MACs (G)' is not read" in problem.text


def test_a_size_in_the_heading_is_where_its_figures_are_counted(tmp_path: Path) -> None:
    found = cell(tmp_path, "FLOPs@224 (G)", "4.1")
    assert isinstance(found, Claim)
    assert (found.metric, found.unit, found.counted_at) == ("flops", "G", 224)


def test_a_claim_knows_its_column_and_its_row_the_table(tmp_path: Path) -> None:
    read = read_text(
        tmp_path, "Text.\n\n| date | model | top1 | link | top5 |\n|-|-|-|-|-|\n| 1 | a | 70.1 | x | 90.1 |\n"
    )
    assert [(claim.column, claim.counted_at, claim.row.table) for claim in read.claims] == [(2, None, 3), (4, None, 3)]


def test_a_second_column_of_models_that_only_links_is_no_problem(tmp_path: Path) -> None:
    read = table(tmp_path, "| name | top1 | model |", "| a | 70.1 | [github](x) / [baidu](y) |", "| b | 71.2 | - |")
    assert [(row.model, row.line) for row in read.rows] == [("a", 3), ("b", 4)]
    assert read.problems == ()


def test_a_second_column_that_names_other_models_is_a_problem(tmp_path: Path) -> None:
    read = table(tmp_path, "| name | top1 | network |", "| a | 70.1 | a |", "| b | 71.2 | c |")
    assert [row.model for row in read.rows] == ["a", "b"]
    assert [problem.text for problem in read.problems] == [
        "column 'network' is not read: 'name' says model already; keep one"
    ]


def test_a_table_about_another_task_is_passed_over(tmp_path: Path) -> None:
    read = read_text(
        tmp_path,
        "| model | top1 |\n|--|--|\n| a | 70.1 |\n\n"
        "| Model | box mAP | params (M) |\n|--|--|--|\n| Mask R-CNN | 48 | 44 |\n",
    )
    assert [claim.metric for claim in read.claims] == ["top1"]
    assert [other.text for other in read.passed_over] == ["Model | box mAP | params (M)"]


# --- units


@pytest.mark.parametrize(
    ("heading", "text", "value", "step"),
    [
        ("flops", "4.5G", 4.5e9, 1e8),
        ("flops", "4.5 B", 4.5e9, 1e8),
        ("flops", "14.560 M", 14.56e6, 1e3),
        ("flops(M)", "14.560", 14.56e6, 1e3),
        ("flops(G)", "14.560M", 14.56e6, 1e3),  # the cell knows better than the heading
        ("MFLOPs", "229.66", 229.66e6, 1e4),
        ("#params", "28M", 28e6, 1e6),
        ("params", "813.9k", 813.9e3, 100),
        ("params", "25,557,032", 25_557_032, 1),
        ("params", "25557032", 25_557_032, 1),
        ("params(M)", "1,024.5", 1024.5e6, 1e5),
        ("params(M)", "**25.557**", 25.557e6, 1e3),
        ("params(M)", "`25.557`", 25.557e6, 1e3),
        ("params(M)", "25.557<br/>", 25.557e6, 1e3),
        ("params(M)", ".813", 0.813e6, 1e3),
        ("params(M)", "+25.5", 25.5e6, 1e5),
        ("top1", "79.5%", 79.5, 0.1),
        ("top1(%)", "79", 79, 1),
        ("top1", "75.1 ± 0.1", 75.1, 0.1),
        ("top1", "75.1(±0.1)", 75.1, 0.1),
        ("top1", "75.10 +/- 0.25 %", 75.1, 0.01),
        ("top1", r"$75.1 \pm 0.1$", 75.1, 0.1),
        ("top1", "75.1*", 75.1, 0.1),
        ("top1", r"75.1\*\*", 75.1, 0.1),
        ("top1", "**75.1**†", 75.1, 0.1),
        ("top1", "75.1<sup>1</sup>", 75.1, 0.1),
        ("top1", "75.10<sup>2</sup>", 75.1, 0.01),
        ("top1", "75.1¹²", 75.1, 0.1),
        ("top1", "75.1①", 75.1, 0.1),
        ("top1", "75.1 [^3]", 75.1, 0.1),
        ("top1", "<b>75.1", 75.1, 0.1),
        ("top1", "75.1</br>", 75.1, 0.1),
        ("top1", "75.1 %", 75.1, 0.1),
        ("top1", "７５．１％", 75.1, 0.1),
        ("top1", "\u200b75.1\u00a0", 75.1, 0.1),
        ("top1", "75.1&nbsp;", 75.1, 0.1),
        ("top1", "75,1", 75.1, 0.1),
        ("top1", "75.1 (+0.5)", 75.1, 0.1),
        ("top1", "75.1%↑", 75.1, 0.1),
        ("top1", "75.1% top-1", 75.1, 0.1),
        ("params", "25 557 032", 25_557_032, 1),
        ("params", "25'557'032", 25_557_032, 1),
        ("params", "25_557_032", 25_557_032, 1),
        ("params", "25.6 million", 25.6e6, 1e5),
        ("flops", "4.1 (GMACs)", 4.1e9, 1e8),
        ("flops", "4.1 BFLOPs", 4.1e9, 1e8),
        ("top1", "[75.1](https://x.y/log)", 75.1, 0.1),
        ("top1", "\t75.1\t", 75.1, 0.1),
        ("flops", "4.1 GMACs", 4.1e9, 1e8),
        ("flops", "4.1G ± 0.1G", 4.1e9, 1e8),
        ("flops", "4.1 ± 0.1 G", 4.1e9, 1e8),
        ("flops", "~4.1G", 4.1e9, 1e8),
        ("flops", "≈ 4.1 G", 4.1e9, 1e8),
        ("flops", "4.1e9", 4.1e9, 1e8),
        ("flops", "4.1E+09", 4.1e9, 1e8),
        ("flops", "4.12×10^9", 4.12e9, 1e7),
        ("flops(G)", "4.12×10^9", 4.12e9, 1e7),
        ("flops(G)", "4.12e+00", 4.12e9, 1e7),
        ("flops", "4.12 × 10<sup>9</sup>", 4.12e9, 1e7),
        ("flops", "4.12 x 10⁸", 4.12e8, 1e6),
        ("flops", r"$4.12 \times 10^{9}$", 4.12e9, 1e7),
        ("flops", "41亿", 4.1e9, 1e8),
        ("params", "2556 万", 25.56e6, 1e4),
        ("params", "25.6 M params", 25.6e6, 1e5),
        ("params", "25557032.0", 25_557_032, 1),
        ("参数量（万）", "2556", 25.56e6, 1e4),
        ("计算量(亿)", "41.2", 4.12e9, 1e7),
        ("params (x10^6)", "25.6", 25.6e6, 1e5),
    ],
)
def test_a_unit_stands_in_the_cell_or_in_the_heading(
    tmp_path: Path, heading: str, text: str, value: float, step: float
) -> None:
    found = cell(tmp_path, heading, text)
    assert isinstance(found, Claim), found
    assert (found.value, found.step) == (pytest.approx(value, rel=1e-12), pytest.approx(step))


def test_a_count_without_a_unit_is_a_problem(tmp_path: Path) -> None:
    assert cell(tmp_path, "flops", "4.5") == (
        "resnet50: flops '4.5' has no unit, neither in the cell nor in the heading 'flops', such as (G)"
    )


@pytest.mark.parametrize(
    ("heading", "text", "why"),
    [
        ("flops(G)", "about 4", "is not a number"),
        ("flops(G)", "4.1 (4.3)", "ends in '(4.3)', which is not a unit"),
        ("flops(G)", "<4.1", "is not a number"),
        ("flops(G)", "~~4.1~~", "is not a number"),
        ("flops(G)", "4.1?", "ends in '?', which is not a unit"),
        ("flops(G)", "4.1-4.3", "ends in '-4.3', which is not a unit"),
        ("flops(G)", "4.1M params", "ends in 'M params', which is not a unit"),
        ("top1", "75.1/92.5", "ends in '/92.5', which is not a unit"),
        ("top1", "75,123.4", "is not a percentage between 0 and 100"),
        ("params(M)", "21,79", "ends in '79', which is not a unit"),
        ("params(M)", "≥25.6", "is not a number"),
        ("params(M)", "1" * 5000, "is not a number"),
        ("params(M)", "1e" + "9" * 5000, "is not a number"),
        ("top1", "\N{MINUS SIGN}3", "is not a percentage between 0 and 100"),
        ("flops(G)", "4.1 parsecs", "ends in 'parsecs', which is not a unit"),
        ("flops(G)", "4.1.2", "is not a unit"),
        ("flops(G)", "50%", "is a percentage, expected a count"),
        ("params(M)", "0.0", "is not a count above 0"),
        ("params(M)", "-25.5", "is not a count above 0"),
        ("top1", "100.5", "is not a percentage between 0 and 100"),
        ("top1", "-3", "is not a percentage between 0 and 100"),
        ("top1", "79.5M", "is not a percentage between 0 and 100"),
    ],
)
def test_a_cell_that_is_no_such_number_is_a_problem(tmp_path: Path, heading: str, text: str, why: str) -> None:
    found = cell(tmp_path, heading, text)
    assert isinstance(found, str)
    assert why in found
    assert repr(text) in found


def test_a_problem_names_file_and_line_and_leaves_the_rest_of_the_row(tmp_path: Path) -> None:
    read = table(
        tmp_path,
        PLAIN_HEADING,
        "| resnet18 | timm | 69.744 | 89.082 | 3.648 | 11.690 | 224 |",
        "| resnet50 | timm | 80.376 | soon | 8.268 | 25.557 | 224 |",
    )
    (problem,) = read.problems
    assert str(problem) == f"{tmp_path / 'table.md'}:4: resnet50: top5 'soon' is not a number"
    assert [claim.metric for claim in read.claims if claim.row.number == 2] == ["top1", "flops", "params"]
    assert len([claim for claim in read.claims if claim.row.number == 1]) == 4


def test_a_cell_in_macs_counts_a_multiply_add_once(tmp_path: Path) -> None:
    found = cell(tmp_path, "FLOPs", "4.1 GMACs")
    assert isinstance(found, Claim)
    assert found.multiply_adds


# --- counts as plain integers


def counts(folder: Path, *body: str) -> list[tuple[str, str, float]]:
    """Text, unit and step of the claims of a column without a unit."""
    read = table(folder, "| model | FLOPs |", *(f"| a{i} | {text} |" for i, text in enumerate(body)))
    assert read.problems == ()
    return [(claim.text, claim.unit, claim.step) for claim in read.claims]


def test_zeros_that_all_counts_of_a_column_end_in_claim_nothing(tmp_path: Path) -> None:
    assert counts(tmp_path, "1820000000", "11,690,000,000", "560000000", "-") == [
        ("1.82", "G", 1e7),
        ("11.69", "G", 1e7),
        ("0.56", "G", 1e7),
    ]


def test_one_count_to_the_last_digit_makes_all_of_its_column_exact(tmp_path: Path) -> None:
    assert counts(tmp_path, "4,089,184,256", "1820000000") == [("4089184256", "", 1), ("1820000000", "", 1)]


@pytest.mark.parametrize(
    ("text", "claimed"),
    [
        ("11690000", ("11.69", "M", 1e4)),
        ("11689510", ("11.68951", "M", 10)),
        ("813900", ("813.9", "K", 100)),
        ("2000000000000", ("2", "T", 1e12)),
        ("25557032", ("25557032", "", 1)),
        ("1820000.5", ("1820000.5", "", 0.1)),
    ],
)
def test_a_single_row_is_a_column_of_one(tmp_path: Path, text: str, claimed: tuple[str, str, float]) -> None:
    assert counts(tmp_path, text) == [claimed]


def test_padding_is_not_shared_between_tables_nor_with_figures_that_say_their_unit(tmp_path: Path) -> None:
    heading = "| model | FLOPs |\n|--|--|\n"
    read = read_text(tmp_path, f"{heading}| a | 1820000000 |\n| b | 1.234G |\n\n{heading}| c | 4089184256 |\n")
    assert [(claim.text, claim.unit) for claim in read.claims] == [("1.82", "G"), ("1.234", "G"), ("4089184256", "")]


# --- accuracies


def test_a_column_of_fractions_becomes_percent_with_the_digits_printed(tmp_path: Path) -> None:
    read = table(
        tmp_path,
        "| model | source | top1 | top5 |",
        "| a | timm | 0.79582 | 0.947 |",
        "| b | timm | 0.8005 | 0.9 |",
    )
    assert [(claim.text, claim.value, claim.digits) for claim in read.claims] == [
        ("79.582", pytest.approx(79.582), 5),
        ("94.7", pytest.approx(94.7), 3),
        ("80.05", pytest.approx(80.05), 4),
        ("90", pytest.approx(90), 2),
    ]
    assert [claim.step for claim in read.claims] == pytest.approx([0.001, 0.1, 0.01, 10])


def test_one_small_percentage_does_not_make_a_column_fractions(tmp_path: Path) -> None:
    read = table(tmp_path, "| model | source | top1 |", "| random | timm | 0.1 |", "| resnet50 | timm | 80.376 |")
    assert [claim.value for claim in read.claims] == [0.1, 80.376]


def test_a_percent_sign_among_fractions_is_a_percentage(tmp_path: Path) -> None:
    read = table(tmp_path, "| model | top1 |", "| a | 0.795 |", "| b | 0.9% |")
    assert [claim.text for claim in read.claims] == ["79.5", "0.9"]


def test_a_percent_sign_is_never_a_fraction(tmp_path: Path) -> None:
    found = cell(tmp_path, "top1", "0.1%")
    assert isinstance(found, Claim)
    assert found.value == 0.1


# --- cells that claim nothing


@pytest.mark.parametrize(
    "blank",
    [
        "",
        " ",
        "-",
        "--",
        "—",
        "–",
        "−",
        "‐",
        "/",
        "N/A",
        "n/a",
        "None",
        "?",
        "**-**",
        "…",
        "TBD",
        "无",
        "&nbsp;",
        "\u200b",
    ],
)
def test_a_blank_cell_is_neither_claim_nor_problem(tmp_path: Path, blank: str) -> None:
    read = table(tmp_path, PLAIN_HEADING, f"| resnet50 | timm | {blank} | 94.616 | {blank} | 25.557 | {blank} |")
    assert read.problems == ()
    assert [claim.metric for claim in read.claims] == ["top5", "params"]
    assert read.rows[0].input_size is None


def test_a_row_that_ends_early_claims_what_it_has(tmp_path: Path) -> None:
    read = table(tmp_path, PLAIN_HEADING, "| resnet50 | timm | 80.376 |")
    assert [claim.metric for claim in read.claims] == ["top1"]
    assert read.problems == ()


def test_cells_beyond_the_heading_are_named(tmp_path: Path) -> None:
    read = table(tmp_path, "| model | top1 |", "| a | 70.1 | 90.1 | | M |", "| b | 71.2 | |", r"| c \| d | 72.3 |")
    assert [claim.text for claim in read.claims] == ["70.1", "71.2", "72.3"]
    (problem,) = read.problems
    assert problem.line == 3
    assert problem.text == "a: '90.1 | M' is not read: the row has 5 cells, its heading has 2"


# --- input sizes


@pytest.mark.parametrize("text", [
    "224", "224x224", "224 x 224", "224×224", "224*224", "3x224x224", "224x224x3", "1x3x224x224", "[224, 224]",
    "(224, 224)", "(3, 224, 224)", "224px", "224 pixels", "224px x 224px", "224²", "224<sup>2</sup>", "224<sup>a</sup>",
    "224†", "２２４", "**224**", "224像素",
])  # fmt: skip
def test_an_input_size_is_one_side_of_the_square(tmp_path: Path, text: str) -> None:
    read = table(tmp_path, "| model | source | top1 | size |", f"| resnet50 | timm | 80.1 | {text} |")
    assert (read.rows[0].input_size, read.problems) == (224, ())


@pytest.mark.parametrize("text", ["224x256", "large", "3x224x256", "224/256", "224x224x224", "3, 224"])
def test_any_other_input_size_is_a_problem_that_keeps_the_claims(tmp_path: Path, text: str) -> None:
    read = table(tmp_path, "| model | source | top1 | size |", f"| resnet50 | timm | 80.1 | {text} |")
    assert read.rows[0].input_size is None
    assert [claim.text for claim in read.claims] == ["80.1"]
    assert f"input size '{text}' is not a number of pixels" in str(read.problems[0])


# --- sources


@pytest.mark.parametrize(
    ("text", "source", "version"),
    [
        ("timm (v0.6.5)", "timm", "0.6.5"),
        ("timm", "timm", None),
        ("timm==0.6.13", "timm", "0.6.13"),
        ("timm 0.6.13", "timm", "0.6.13"),
        ("timm (0.6.13)", "timm", "0.6.13"),
        ("[timm 0.6.13](https://example.org/a)", "timm", "0.6.13"),
        ("[timm](https://pypi.org/project/timm/0.6.13/)", "timm", "0.6.13"),
        ("[timm](https://github.com/x/y/blob/v0.6.5/a.py)", "timm", "0.6.5"),
        ("[timm](https://github.com/x/y/tree/0.6.13)", "timm", "0.6.13"),
        ("[TIMM](https://github.com/x/y/blob/master/a.py)", "timm", None),
        ("[ppcls](https://github.com/x/y/blob/release/2.4/a.md#b)", "ppcls", None),
        ("[mmcls](https://github.com/x/y/tree/v1.0.0rc5/configs)", "mmcls", "1.0.0rc5"),
        ("[timm](https://github.com/x/y/blob/v0.6.5/a.py) (v0.9.2)", "timm", "0.6.5"),
    ],
)
def test_the_release_is_what_the_link_or_else_the_text_names(
    tmp_path: Path, text: str, source: str, version: str | None
) -> None:
    (row,) = table(tmp_path, PLAIN_HEADING, f"| resnet50 | {text} | 80 | 94 | 8.2 | 25 | 224 |").rows
    assert (row.source, row.version) == (source, version)


@pytest.mark.parametrize("line", ["| **Supervised on ImageNet-1k** | | | | | | |", "| a | a | a | a | a | a | a |"])
def test_a_heading_between_rows_is_no_model(tmp_path: Path, line: str) -> None:
    read = table(tmp_path, PLAIN_HEADING, line, "| resnet50 | timm | 80 | 94 | 8.2 | 25 | 224 |")
    assert [row.model for row in read.rows] == ["resnet50"]
    assert read.problems == ()


def test_a_row_of_several_sources_is_claimed_of_each(tmp_path: Path) -> None:
    cell = "[official](https://github.com/a/b)<br/>[mmcls v1](https://github.com/c/d/tree/v0.23.2/e)</br>"
    read = table(tmp_path, PLAIN_HEADING, f"| RepVGG-A0 | {cell} | 72.41 | 90.50 | 1.4 | many | 224 |")
    assert [(row.source, row.version, row.link, row.number) for row in read.rows] == [
        ("official", None, "https://github.com/a/b", 1),
        ("mmcls", "0.23.2", "https://github.com/c/d/tree/v0.23.2/e", 1),
    ]
    assert [(claim.row.source, claim.metric) for claim in read.claims] == [
        (source, metric) for source in ("official", "mmcls") for metric in ("top1", "top5", "flops")
    ]
    assert len(read.problems) == 1, "what cannot be read is said once"


@pytest.mark.parametrize(
    ("cell", "sources"),
    [
        ("timm, mmcls", [("timm", None), ("mmcls", None)]),
        ("timm v0.6.5 / ppcls v2.4.0", [("timm", "0.6.5"), ("ppcls", "2.4.0")]),
        ("timm、torchvision & mmcls", [("timm", None), ("torchvision", None), ("mmcls", None)]),
        ("open-mmlab/mmclassification", [("open-mmlab", None)]),
        ("[timm](https://example.org/blob/v0.6.5/x), ", [("timm", "0.6.5")]),
    ],
)
def test_sources_in_a_cell(tmp_path: Path, cell: str, sources: list[tuple[str, str | None]]) -> None:
    rows = table(tmp_path, PLAIN_HEADING, f"| a | {cell} | 72.41 | 90.50 | 1.4 | 8.30 | 224 |").rows
    assert [(row.source, row.version) for row in rows] == sources


@pytest.mark.parametrize(
    ("heading", "body", "why"),
    [
        (PLAIN_HEADING, "| resnet50 | | 80 | 94 | 8.2 | 25 | 224 |", "resnet50: source ''"),
        (PLAIN_HEADING, "| resnet50 | - | 80 | 94 | 8.2 | 25 | 224 |", "resnet50: source '-'"),
        (PLAIN_HEADING, "| | timm | 80 | 94 | 8.2 | 25 | 224 |", "row without a model name"),
    ],
)
def test_a_row_of_nobody_is_a_problem(tmp_path: Path, heading: str, body: str, why: str) -> None:
    read = table(tmp_path, heading, body)
    assert (read.rows, read.claims) == ((), ())
    (problem,) = read.problems
    assert problem.line == 3
    assert problem.text.startswith(why)


def test_rows_of_a_table_that_names_no_source_are_of_none(tmp_path: Path) -> None:
    read = table(tmp_path, "| model | top1 |", "| resnet50 | 80.1 |")
    assert [(row.source, row.version, row.link) for row in read.rows] == [("", None, None)]
    assert [claim.text for claim in read.claims] == ["80.1"]
    assert read.problems == ()


def test_a_sheet_may_know_whose_figures_it_has_where_no_column_says_so() -> None:
    def sheet(*heading: str) -> RawTable:
        row = tuple(map(Cell, ("a", "70.1", "mmcls v0.23.1")[: len(heading)]))
        return RawTable("api", 7, tuple(map(Cell, heading)), ((9, row),), "Timm", "0.6.5")

    read = claims_of([sheet("model", "top1"), sheet("model", "top1", "source"), sheet("day", "weather")])
    assert [(row.file, row.line, row.number, row.table, row.source, row.version) for row in read.rows] == [
        ("api", 9, 1, 7, "timm", "0.6.5"),
        ("api", 9, 2, 7, "mmcls", "0.23.1"),
    ]
    assert read.files == ("api",)
    assert [str(other) for other in read.passed_over] == ["api:7: day | weather"]
    assert claims_of([]).rows == ()


def test_an_unreadable_row_still_counts_as_a_row_of_the_table(tmp_path: Path) -> None:
    read = table(tmp_path, "| model | source | top1 |", "| a | timm | 70 |", "| b | | 71 |", "| c | timm | 72 |")
    assert [(row.model, row.number) for row in read.rows] == [("a", 1), ("c", 3)]


# --- Markdown


def test_an_escaped_pipe_belongs_to_its_cell(tmp_path: Path) -> None:
    read = table(tmp_path, "| model | source | top1 |", r"| a \| b | timm | 70.1 |")
    assert (read.rows[0].model, read.claims[0].text) == ("a | b", "70.1")


def test_emphasis_code_links_and_footnote_stars_are_taken_off_a_model_name(tmp_path: Path) -> None:
    names = ("**a**", "`a`", "[a](https://x.y)", "*a*", "a*", r"a\*\*", "a†", "a<sup>1</sup>", "a²", "a[^1]", "<b>a")
    body = [f"| {name} | timm | 70.1 |" for name in names]
    assert {row.model for row in table(tmp_path, "| model | source | top1 |", *body).rows} == {"a"}


def test_a_table_about_something_else_is_passed_over(tmp_path: Path) -> None:
    read = read_text(
        tmp_path,
        "| operator | count |\n|---|---|\n| Conv2d | 53 |\n\nText.\n\n"
        "| model | source | top1 |\n|---|---|---|\n| a | timm | 70.1 |\n\n"
        "| model | licence |\n|---|---|\n| a | MIT |\n\n"
        "| model | source | top5 |\n|---|---|---|\n| a | timm | 90.1 |\n",
    )
    assert read.problems == ()
    assert [(claim.text, claim.row.number, claim.row.line) for claim in read.claims] == [
        ("70.1", 1, 9),
        ("90.1", 2, 17),
    ]


def test_tables_without_an_empty_line_between_them_are_told_apart(tmp_path: Path) -> None:
    read = read_text(
        tmp_path,
        "| model | source | top1 |\n| :-: | :-: | :-: |\n| a | timm | 70.1 |\n| b | timm | - |\n"
        "| operator | count |\n| :---: | ---: |\n| Conv2d | 53 |\n"
        "| model | source | top5 |\n|---|---|---|\n| c | timm | 90.1 |\n",
    )
    assert read.problems == ()
    assert [(claim.row.model, claim.metric, claim.row.line) for claim in read.claims] == [
        ("a", "top1", 3),
        ("c", "top5", 10),
    ]
    assert [row.number for row in read.rows] == [1, 2, 3]


def test_a_row_of_single_dashes_begins_no_table(tmp_path: Path) -> None:
    read = table(tmp_path, "| model | source | top1 |", "| a | timm | 70.1 |", "| - | - | - |", "| b | timm | 71.2 |")
    assert [(row.model, row.line) for row in read.rows] == [("a", 3), ("b", 5)]
    assert read.problems == (), "a row that says nothing is none"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    path.write_bytes("\ufeff| model | source | top1 |\r\n|---|---|---|\r\n| a | timm | 70.1 |\r\n".encode())
    (claim,) = read_table(path).claims
    assert (claim.text, claim.row.line) == ("70.1", 3)


# --- files without claims


def test_a_file_without_a_model_table_is_refused_with_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_text(tmp_path, "# Title\n\n| operator | count |\n|---|---|\n| Conv2d | 53 |\n")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'table.md'}: no model table found (line 3: operator | count)")
    assert "top1, top5, flops, params" in message


def test_a_file_without_any_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table at all"):
        read_text(tmp_path, "Nothing here.\n")


def test_files_folders_and_patterns_are_read_as_one(tmp_path: Path) -> None:
    heading = "| model | source | params(M) |\n| - | - | - |\n"
    (tmp_path / "zoo" / "more").mkdir(parents=True)
    (tmp_path / "zoo" / "a.md").write_text(f"{heading}| a | timm | 1.0 |\n| | timm | 1.0 |\n")
    (tmp_path / "zoo" / "b.md").write_text("| day | weather |\n| - | - |\n| 1 | rain |\n")
    (tmp_path / "zoo" / "more" / "c.md").write_text(f"# C\n\n{heading}| c | timm | 3.0 |\n")
    (tmp_path / "zoo" / "notes.txt").write_text(heading)
    read = read_tables([tmp_path / "zoo"])
    assert [(Path(row.file).name, row.line, row.number, row.model) for row in read.rows] == [
        ("a.md", 3, 1, "a"),
        ("c.md", 5, 3, "c"),
    ], "numbers go on from one file to the next, and a row that cannot be read has one"
    assert [Path(file).name for file in read.files] == ["a.md", "b.md", "c.md"]
    assert [str(problem) for problem in read.problems] == [f"{tmp_path / 'zoo' / 'a.md'}:4: row without a model name"]
    assert [str(other) for other in read.passed_over] == [f"{tmp_path / 'zoo' / 'b.md'}:1: day | weather"]
    pattern = read_tables([tmp_path / "zoo" / "?.md", tmp_path / "zoo" / "a.md"])
    assert [Path(file).name for file in pattern.files] == ["a.md", "b.md"], "no file is read twice"
    assert len(read_tables([tmp_path / "**" / "c.md"]).rows) == 1


@pytest.mark.parametrize("asked", ["", "*.html", "none/*.md"])
def test_a_folder_or_pattern_without_files_is_refused(tmp_path: Path, asked: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / asked}: no document there")):
        read_tables([tmp_path / asked])


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "table.md"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    for path in (tmp_path / "missing.md", binary):
        with pytest.raises(InputError, match=re.escape(f"{path}: cannot read the table")):
            read_table(path)


# --- a page with everything at once


def test_every_row_of_a_page_of_oddities_is_accounted_for() -> None:
    read = read_table(SUPPORT / "zoo_readme.md")
    rows = [*range(17, 24), 25, 30, 31, 44, 45, 49, 51]
    assert sorted({row.line for row in read.rows} | {problem.line for problem in read.problems}) == rows
    assert [(problem.line, problem.text.partition(":")[0].rpartition("' ")[2]) for problem in read.problems] == [
        (18, "ResNet 34"),
        (20, "ResNet-101"),
        (20, "ResNet-101"),
        (20, "ResNet-101"),
        (21, "ResNet-152"),
        (22, "row without a model name"),
        (25, "looks like a row of the table above; join the two"),
        (51, "MnasNet"),
    ]
    assert [(other.line, other.text) for other in read.passed_over] == [(54, "Backbone | box mAP | Params (M)")]
    claimed = [
        (row.model, row.source, row.input_size, " ".join(f"{c.text}{c.unit}" for c in read.claims if c.row == row))
        for row in read.rows
    ]
    assert claimed == [
        ("ResNet-18", "timm", 224, "69.7% 89.0% 1.8G 11.69M"),
        ("ResNet 34", "timm", 224, "73.3% 91.42% 3.66G"),
        ("ResNet 34", "mmcls", 224, "73.3% 91.42% 3.66G"),
        ("ResNet-50 | v1", "torchvision", 224, "76.1%"),
        ("ResNet-101", "torchvision", None, "93.5% 7.8G 44.5M"),
        ("ResNet-200", "timm", None, "80.0%"),
        ("VGG11", "ppcls", None, "69.02% 7.63G 13286万"),
        ("VGG13", "ppcls", None, "69.93% 11.34G 13305万"),
        ("MobileNet", "", 224, "70.6% 569M 4.2M"),
        ("MobileNet-0.5", "", 224, "63.7% 149M 1.3M"),
        ("MnasNet", "", None, "75.2% 312M"),
        ("MnasNet", "", None, "76.1%"),
    ]
    assert {(c.row.line, c.counted_at) for c in read.claims if c.counted_at} == {(17, 224), (18, 224), (20, 224)}
    assert {c.row.line for c in read.claims if c.multiply_adds} == {18, 49}


# --- other families of the same zoo, as published


def families() -> list[Path]:
    return sorted(FAMILIES.glob("*.md"))


@pytest.mark.skipif(not families(), reason="the published tables of other families are not beside the checkout")
@pytest.mark.parametrize("path", families(), ids=lambda path: path.stem)
def test_no_row_of_a_published_table_is_lost(path: Path) -> None:
    read = read_table(path)
    about_models = False
    body = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if number < len(lines) and re.fullmatch(r"[\s|:-]+", lines[number]):
            about_models = cells[0] in ("模型", "name")
        elif about_models and "|" in line and not re.fullmatch(r"[\s|:-]+", line):
            body.append(number)
    assert body
    unread = {problem.line for problem in read.problems} - {row.line for row in read.rows}
    assert sorted({*(row.line for row in read.rows), *unread}) == body


@pytest.mark.skipif(not families(), reason="the published tables of other families are not beside the checkout")
@pytest.mark.parametrize("path", families(), ids=lambda path: path.stem)
def test_every_cell_of_a_published_row_is_a_claim(path: Path) -> None:
    read = read_table(path)
    assert Counter(claim.row for claim in read.claims) == dict.fromkeys(read.rows, 4)
    assert all(row.input_size for row in read.rows)


def test_reports_of_earlier_runs_and_hidden_folders_are_no_documents(tmp_path: Path) -> None:
    heading = "| model | source | params(M) |\n| - | - | - |\n"
    for folder in ("", "out/fixed", ".venv/package"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "README.md").write_text(f"{heading}| a | timm | 1.0 |\n")
    assert [row.file for row in read_tables([tmp_path], but=tmp_path / "out").rows] == [str(tmp_path / "README.md")]
    everything = read_tables([tmp_path / "**" / "*.md"], but=tmp_path / "out").files
    assert str(tmp_path / "out" / "fixed" / "README.md") not in everything
    named = tmp_path / "out" / "fixed" / "README.md"
    assert read_tables([named], but=tmp_path / "out").files == (str(named),), "what is named is meant"


def test_a_column_without_a_unit_is_read_in_the_one_in_which_it_is_usual(tmp_path: Path) -> None:
    figures = ((11.69, 1.82), (21.8, 3.68), (25.56, 4.12), (44.55, 7.85), (2.54, 0.06))
    body = [f"| m{i} | timm | {params} | {gmacs} |" for i, (params, gmacs) in enumerate(figures)]
    read = table(tmp_path, "| model | source | param_count | macs |", *body)
    assert read.problems == ()
    assert {(claim.metric, claim.unit) for claim in read.claims} == {("params", "M"), ("flops", "G")}
    assert read.claims[0].value == pytest.approx(1.82e9)
    assert [(one.line, one.text) for one in read.assumed] == [
        (1, "Column 'macs' says no unit; it is read in G"),
        (1, "Column 'param_count' says no unit; it is read in M"),
    ]
    few = table(tmp_path, "| model | source | param_count | macs |", *body[:4])
    assert {(claim.metric, claim.unit) for claim in few.claims} == {("params", "M")}
    assert len(few.problems) == 4, "four figures do not tell whether operations are in M or in G"


def test_plain_counts_and_cells_with_units_assume_nothing(tmp_path: Path) -> None:
    plain = table(tmp_path, "| model | source | params |", *(f"| m{i} | timm | {11_689_512 + i} |" for i in range(6)))
    assert (plain.assumed, plain.problems) == ((), ())
    units = table(tmp_path, "| model | source | params |", *(f"| m{i} | timm | {11 + i}.1M |" for i in range(6)))
    assert (units.assumed, units.problems) == ((), ())
    assert {claim.unit for claim in units.claims} == {"M"}


@pytest.mark.parametrize(
    "heading", ["Top-1 CIFAR err", "Params (M) / speed", "train_gmacs", "Error, %", "Accuracy", "Top-1 (single crop)"]
)
def test_a_column_that_is_not_understood_is_told(tmp_path: Path, heading: str) -> None:
    read = table(tmp_path, f"| model | source | params (M) | {heading} | note |", "| resnet50 | timm | 25 | 24 | x |")
    assert [one.text for one in read.unread] == [f"Column {heading!r} is not read, so that nothing in it is checked"]
    assert [claim.metric for claim in read.claims] == ["params"]
    assert read.problems == ()
