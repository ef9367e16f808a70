"""report.html in a real browser: it opens cells, sorts, filters, asks nobody for anything, and text stays text."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe looks for what shuts readers out")

from fakes import best, contents, save_checkpoint, use_fakes, write_images  # noqa: E402

from harness.cli import run as command_line  # noqa: E402

CHROMIUM = os.environ.get("PARITY_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
HEADING = "| model | source | top1 | top5 | flops | params | input size |\n| - | - | - | - | - | - | - |\n"
#: names that would do something if they were markup; a pipe is written as an entity
HOSTILE = (
    "`<script>document.title='owned'</script>`",
    "`<img src=x onerror=alert(1)>`",
    '`"><svg onload=alert(1)>`',
    "a\\|b \u202egnp.exe",
)
ROWS = (
    "| tiny | fake | 52.4 | 76.2 | 97.152K | 49.009K | 8 |\n"
    "| tiny_wide | fake | - | - | 385.159K | 193.009K | 8 |\n"
    "| twin | fake | - | - | 97.152K | 49.105K | 8 |\n"
) + "".join(f"| {name} | fake | - | - | 1.0K | 1.0K | 16 |\n" for name in HOSTILE)
WIDTHS = (390, 800, 1280)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a run with evaluations, contradicted cells, plots and a hostile table."""
    folder = tmp_path_factory.mktemp("report")
    images = contents(40)
    labels = [guess[0] if n % 3 else guess[2] for n, guess in enumerate(best(images))]
    data = write_images(folder / "data", images, labels)
    for model in ("tiny", "twin"):
        save_checkpoint(folder / "weights" / f"{model}.bin", model, seed=model == "twin")
    (folder / "table.md").write_text(HEADING + ROWS)
    with pytest.MonkeyPatch.context() as patch:
        use_fakes(patch)
        patch.chdir(folder)
        command_line.main(
            ["--table", "table.md", "--data", str(data), "--weights", "weights", "--out", "out", "--batch-size", "8"]
        )
    return folder / "out" / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: install it, or name it in PARITY_CHROMIUM")
    with playwright.sync_playwright() as started:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield chromium
        chromium.close()


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Opened:
    """The page, and what it said and asked for."""

    def __init__(self, browser: playwright.Browser, report: Path, width: int = 1280, scheme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(report.as_uri())

    def names(self) -> list[str]:
        """Models of the rows that are shown, in order."""
        rows = self.page.locator("#cells tbody tr:visible th").all()
        return [row.text_content() or "" for row in rows]


@pytest.fixture
def opened(browser: playwright.Browser, report: Path) -> Iterator[Opened]:
    one = Opened(browser, report)
    yield one
    assert one.asked == [report.as_uri()], "something left the page"
    assert one.said == []
    one.page.close()


def test_a_cell_opens_with_its_evidence_and_the_command_that_repeats_it(opened: Opened) -> None:
    page = opened.page
    assert page.locator(".detail:visible").count() == 0
    page.get_by_role("button", name="385.159 K").click()
    shown = page.locator(".detail:visible")
    assert shown.count() == 1
    text = shown.inner_text()
    assert "tiny_wide of fake==2.4.6: flops" in text
    assert "contradicted" in text
    assert "385.152 K" in text, "what was measured"
    assert "python -m harness.run --table table.md --sources fake==2.4.6 --checks static" in text
    shown.get_by_text("Evidence").click()
    assert "conventions tried" in shown.inner_text()
    shown.get_by_role("button", name="Close").click()
    assert page.locator(".detail:visible").count() == 0


def test_the_keyboard_is_enough(opened: Opened) -> None:
    page = opened.page
    cell = page.get_by_role("button", name="385.159 K")
    cell.focus()
    page.keyboard.press("Enter")
    assert page.locator(".detail:visible").count() == 1
    page.keyboard.press("Escape")
    assert page.locator(".detail:visible").count() == 0
    assert cell.evaluate("button => button === document.activeElement")
    page.get_by_role("button", name="params").focus()
    page.keyboard.press("Space")
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("params")


def test_rows_are_searched_and_filtered(opened: Opened) -> None:
    page = opened.page
    everything = opened.names()
    assert everything[:3] == ["tiny", "tiny_wide", "twin"]
    page.get_by_label("contradicted").check()
    assert opened.names() == ["tiny_wide"]
    page.get_by_label("explained").check()
    assert opened.names() == ["tiny_wide", "twin"]
    page.get_by_label("Search").fill("TWI")
    assert opened.names() == ["twin"]
    assert page.get_by_role("status").inner_text() == f"1 of {len(everything)} rows"
    page.get_by_label("contradicted").uncheck()
    page.get_by_label("explained").uncheck()
    page.get_by_label("Search").fill("")
    assert opened.names() == everything


def test_rows_are_sorted_by_figures_and_by_names(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="params").click()
    assert opened.names()[-1] == "tiny_wide"
    page.get_by_role("button", name="params").click()
    assert opened.names()[0] == "tiny_wide"
    page.get_by_role("button", name="top1").click()
    assert opened.names()[0] == "tiny", "rows without the figure come last"
    page.get_by_role("button", name="top1").click()
    assert opened.names()[0] == "tiny"
    page.get_by_role("button", name="model").click()
    names = opened.names()
    assert names.index("tiny") < names.index("tiny_wide") < names.index("twin")


def test_text_of_a_table_stays_text(opened: Opened) -> None:
    page = opened.page
    assert page.title() == "Parity report: table.md"
    assert page.locator("script").count() == 1
    assert page.locator("main img, main a[href^='javascript']").count() == 0
    assert page.locator("svg[onload], [onerror]").count() == 0
    shown = page.locator("#cells tbody").inner_text()
    for name in ("<script>document.title='owned'</script>", "<img src=x onerror=alert(1)>", "a|b"):
        assert name in shown
    assert "\u202e" not in page.content(), "text would be turned round"


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_runs_over_the_side(browser: playwright.Browser, report: Path, width: int, scheme: str) -> None:
    page = Opened(browser, report, width, scheme).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_the_plots_are_there(opened: Opened) -> None:
    titles = opened.page.locator("figure h3").all_inner_texts()
    assert titles == ["Accuracy over the images seen", "FLOPs by every counter"]
    assert opened.page.locator("figure svg").count() == len(titles)


def test_nobody_is_shut_out(browser: playwright.Browser, report: Path, scheme: str) -> None:
    one = Opened(browser, report, scheme=scheme)
    found = axe.Axe().run(one.page)
    assert not found.response["violations"], found.generate_report()
    one.page.get_by_role("button", name="385.159 K").click()
    found = axe.Axe().run(one.page)
    assert not found.response["violations"], found.generate_report()
    one.page.close()


def test_on_paper_there_is_nothing_to_press(browser: playwright.Browser, report: Path) -> None:
    page = Opened(browser, report).page
    assert page.locator("#controls").is_visible()
    page.emulate_media(media="print")
    assert not page.locator("#controls").is_visible()
    page.close()


def test_without_script_the_page_is_whole(browser: playwright.Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert not page.locator("#controls").is_visible()
    page.get_by_role("button", name="385.159 K").click()
    assert page.locator(".detail:visible").count() == 1
    context.close()
