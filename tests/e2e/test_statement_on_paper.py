"""A statement as a browser prints it: A4 pages with the table's head on each, and totals with their lines."""

import base64
import re
import subprocess

import pytest
import pytest_asyncio
from support.browser import browser
from support.command_line import run
from support.statement_history import at_home, long_ledger

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory):
    async with browser(tmp_path_factory.mktemp("browser")) as opened, opened() as tab:
        yield tab


async def printed(page, html, pdf):
    """Let the browser open a file and print it as PDF."""
    file = pdf.with_suffix(".html")
    file.write_text(html, "utf-8")
    await page.go(file.as_uri())
    assert page.complaints() == []
    assert [one for one in page.all("Network.requestWillBeSent") if one["request"]["url"] != file.as_uri()] == []
    answer = await page.send("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
    pdf.write_bytes(base64.b64decode(answer["data"]))


def lines_of(pdf):
    """Return the lines of each page."""
    assert "(A4)" in subprocess.check_output(["pdfinfo", pdf], text=True)
    sheets = subprocess.check_output(["pdftotext", "-layout", pdf, "-"], text=True).split("\f")
    lines = [[" ".join(line.split()) for line in sheet.splitlines() if line.strip()] for sheet in sheets]
    return [sheet for sheet in lines if sheet]


# The totals' place on the page moves line by line: somewhere between it would fall on the edge.
@pytest.mark.parametrize("sessions", [3, *range(85, 130, 3)])
async def test_pages_have_the_head_and_no_total_stands_alone(page, tmp_path, capsys, monkeypatch, sessions):
    with at_home(monkeypatch):
        config = long_ledger(tmp_path, sessions)
        arguments = ["--from=2026-01", "--to=2026-06", "--language=nl"]
        status, html, err = run(capsys, "statement", f"--config.file={config}", *arguments)
    assert status == 0, err
    await printed(page, html, pdf := tmp_path / "statement.pdf")
    pages = lines_of(pdf)

    assert pages[0][0] == "Overzicht thuisladen"
    assert "Periode 1 januari 2026 tot en met 30 juni 2026" in pages[0]
    assert len(pages) == 1 if sessions == 3 else len(pages) > 1
    lines = [line for sheet in pages for line in sheet]
    assert sum(bool(re.match(r"\d\d-\d\d-2026 .* tesla 12,34 ", line)) for line in lines) == sessions

    for number, sheet in enumerate(pages, 1):
        assert sheet[-1].replace(" ", "") == f"{number}/{len(pages)}"
        first = next((at for at, line in enumerate(sheet) if re.match(r"(\d\d-\d\d-2026|Totaal)", line)), None)
        if first is not None:
            assert sheet[first].startswith(("0", "1", "2", "3")), f"page {number} begins with a total"
            head = " ".join(sheet[max(0, first - 2) : first])  # it can take two lines
            assert "Begin Einde" in head
            assert "Kosten €" in head
    assert any(line.startswith(f"Totaal: {sessions} laadbeurten") for line in lines)
