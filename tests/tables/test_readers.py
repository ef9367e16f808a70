"""Tables as text: every one that a file shows is found, with its lines, and none that it hides."""

from pathlib import Path

import pytest

from harness.core.errors import InputError
from harness.tables.readers import Problem, RawTable, read

TABLE = "| a | b |\n|---|---|\n| 1 | 2 |\n"


def sheets_of(folder: Path, text: str, name: str = "page.md") -> tuple[list[RawTable], list[Problem]]:
    path = folder / name
    path.write_bytes(text.encode())
    return read(path)


def shown(sheets: list[RawTable]) -> list[list[tuple[int, str]]]:
    """Line and texts of each row of each sheet, the heading first."""
    return [
        [(line, "|".join(cell.text for cell in cells)) for line, cells in [(sheet.line, sheet.heading), *sheet.rows]]
        for sheet in sheets
    ]


def indented(text: str, by: str) -> str:
    return "".join(by + line for line in text.splitlines(keepends=True))


# --- Markdown


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (TABLE, 1),
        (f"Text.\n{TABLE}", 2),
        (f"<details>\n{TABLE}</details>\n", 2),
        (f'<div align="center">\n\n{TABLE}\n</div>\n', 3),
        (f"<details>\n<summary>More</summary>\n{TABLE}</details>\n", 3),
        (f"<details>\n<p>\n<b>Text</b>\n    \n{indented(TABLE, '    ')}</details>\n", 5),
        (indented(TABLE, "    "), 1),
        (f"- text\n\n{indented(TABLE, '  ')}", 3),
        (f"- {indented(TABLE, '  ').lstrip()}", 1),
        (f"1. text\n\n{indented(TABLE, '       ')}", 3),
        (indented(TABLE, "> "), 1),
        (indented(f"<details>\n{TABLE}", "> "), 2),
        (indented(TABLE, "> > "), 1),
        ("a | b\n--|--\n1 | 2\n", 1),
        ("| a | b |\n|---|---|---|\n| 1 | 2 |\n", 1),
        ("| a | b |\n|---|\n| 1 | 2 |\n", 1),
        (f"\n{TABLE}".replace("\n", "\r\n"), 2),
        (f"\ufeff{TABLE}", 1),
        ("# `<!--`\n" + TABLE, 2),
        (f"<!-- {TABLE} -->\n\n{TABLE}", 6),
        (f"{TABLE}</details>\nText.\n", 1),
        (f"{TABLE}Text.\n", 1),
    ],
)
def test_a_table_is_read_wherever_it_stands(tmp_path: Path, text: str, first: int) -> None:
    sheets, problems = sheets_of(tmp_path, text)
    assert shown(sheets) == [[(first, "a|b"), (first + 2, "1|2")]]
    assert problems == []


@pytest.mark.parametrize(
    "text",
    [
        f"```\n{TABLE}```\n",
        f"~~~ text\n{TABLE}~~~\n",
        f"- text\n\n  ```\n{indented(TABLE, '  ')}  ```\n",
        f"<!--\n{TABLE}-->\n",
        f"<!--\n\n{TABLE}\n-->\n",
        f"<div>\n<!--\n{TABLE}-->\n</div>\n",
        f"<div>\n<!--\n\n{TABLE}-->\n</div>\n",
        f"<!-- never closed\n{TABLE}",
        f"<pre>\n{TABLE}</pre>\n",
        "<!-- <table><tr><td>a</td></tr></table> -->\n",
        "```html\n<table><tr><td>a</td></tr></table>\n```\n",
        "[English](a.md) | [中文](b.md)\n\nEither a | b, or c.\n\n|badge| |badge|\n",
    ],
)
def test_what_a_page_does_not_show_as_a_table_is_none(tmp_path: Path, text: str) -> None:
    assert sheets_of(tmp_path, text) == ([], [])


@pytest.mark.parametrize("text", ["|badge|\n", "| 3 | 4 | 5 |\n", "3 | 4\n"])
def test_what_has_other_columns_than_the_table_above_is_no_row_of_it(tmp_path: Path, text: str) -> None:
    _, problems = sheets_of(tmp_path, f"{TABLE}\n{text}")
    assert problems == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{TABLE}\n| 3 | 4 |\n", 5),
        (f"{TABLE}<!-- note -->\n| 3 | 4 |\n", 5),
        (f"{TABLE}\n```\ncode\n```\n| 3 | 4 |\n", 8),
        ("a | b | c\n--|--|--\n1 | 2 | 3\n\n4 | 5 | 6\n", 5),
    ],
)
def test_rows_that_are_cut_off_from_their_table_are_problems(tmp_path: Path, text: str, line: int) -> None:
    sheets, problems = sheets_of(tmp_path, text)
    assert len(sheets[0].rows) == 1
    assert [problem.line for problem in problems] == [line]
    assert problems[0].text.endswith("looks like a row of the table above; join the two")


def test_a_table_may_lack_its_line_of_dashes(tmp_path: Path) -> None:
    sheets, problems = sheets_of(tmp_path, "| a | b |\n| 1 | 2 |\n")
    assert shown(sheets) == [[(1, "a|b"), (2, "1|2")]]
    assert problems == []


def test_all_cells_of_a_row_are_kept(tmp_path: Path) -> None:
    sheets, _ = sheets_of(tmp_path, "a | b\n--|--\n1 | 2 | 3 | | 4 |\n| 1\n| x \\| y | `z \\| z` |\n")
    assert shown(sheets)[0][1:] == [(3, "1|2|3||4"), (4, "1"), (5, "x | y|z | z")]


def test_markup_is_taken_off_and_links_are_kept(tmp_path: Path) -> None:
    row = "| **x** <b>y | [timm](https://x.y/a)<br>[mmcls][1]</br> | 7<sup>2</sup> | ![logo](l.png)\u00a0z |"
    sheets, _ = sheets_of(tmp_path, f"| a | b | c | d |\n|--|--|--|--|\n{row}\n\n[1]: https://x.y/b\n")
    (_, cells), *_ = sheets[0].rows
    assert [cell.text for cell in cells] == ["x y", "timm mmcls", "7^2", "z"]
    assert cells[1].links == (("timm", "https://x.y/a"), ("mmcls", "https://x.y/b"))


# --- HTML


def test_an_html_table_is_read(tmp_path: Path) -> None:
    text = (
        "<table>\n<thead>\n<tr><th>Model</th><th>Top-1<br>acc</th></tr>\n</thead>\n\n<tbody>\n<tr>\n"
        '  <td><a href="https://x.y">a</a></td>\n  <td>70.1<sup>1</sup> <b>&plusmn;</b> 1</td>\n</tr>\n'
        "<tr><td>b<td>71.2\n</tbody></table>\n"
    )
    sheets, problems = sheets_of(tmp_path, f"{TABLE}\n{text}\n{TABLE}")
    assert shown(sheets)[1] == [(7, "Model|Top-1 acc"), (11, "a|70.1^1 ± 1"), (15, "b|71.2")]
    assert sheets[1].rows[0][1][0].links == (("a", "https://x.y"),)
    assert [sheet.line for sheet in sheets] == [1, 7, 18]
    assert problems == []


def test_cells_over_several_rows_or_columns_keep_the_others_in_their_columns(tmp_path: Path) -> None:
    text = (
        "<table><tr><th>a</th><th>b</th><th>c</th></tr>\n"
        '<tr><td rowspan="2">1</td><td>2</td><td rowspan=2>3</td></tr>\n<tr><td>4</td></tr>\n'
        '<tr><td colspan="2">5</td><td>6</td></tr></table>\n'
    )
    sheets, _ = sheets_of(tmp_path, text)
    assert shown(sheets) == [[(1, "a|b|c"), (2, "1|2|3"), (3, "1|4|3"), (4, "5||6")]]


@pytest.mark.parametrize(
    "above", ["Put it into `<script>` or `<table>`.", "<![logo](l.png)>", "a <b and c> d </table>"]
)
def test_text_above_hides_no_html_table(tmp_path: Path, above: str) -> None:
    sheets, _ = sheets_of(tmp_path, f"{above}\n\n<table><tr><td>a</td></tr><tr><td colspan=999999999>1</table>\n")
    assert shown(sheets)[0][0] == (3, "a")
    assert len(sheets[0].rows[0][1]) == 1000


def test_a_table_that_lays_out_pictures_is_none(tmp_path: Path) -> None:
    assert sheets_of(tmp_path, '<table><tr><td><img src="a.png"></td></tr></table>\n') == ([], [])


# --- separated values


def test_separated_values_keep_their_lines(tmp_path: Path) -> None:
    text = 'model,top1,note\r\n"a, b",70.1,"two\r\nlines"\r\n\r\nc,"1,024.5",\r\n'
    sheets, problems = sheets_of(tmp_path, text, "results.csv")
    assert shown(sheets) == [[(1, "model|top1|note"), (2, "a, b|70.1|two lines"), (5, "c|1,024.5|")]]
    assert problems == []


def test_tabs_separate_in_tsv(tmp_path: Path) -> None:
    sheets, _ = sheets_of(tmp_path, "\ufeffmodel\ttop1\na\t70.1\n", "results.TSV")
    assert shown(sheets) == [[(1, "model|top1"), (2, "a|70.1")]]


def test_an_empty_file_has_no_sheet(tmp_path: Path) -> None:
    assert sheets_of(tmp_path, "", "results.csv") == sheets_of(tmp_path, "") == ([], [])


def test_a_file_that_cannot_be_parsed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the table"):
        sheets_of(tmp_path, f"model,top1\n{'x' * 200_000},1\n", "results.csv")
