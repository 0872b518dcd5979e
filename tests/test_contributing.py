"""The steps of docs/contributing.md, applied to a copy of the repository, give the series that they promise."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.processes import free_port, get, running, wait_for
from support.simulator import json_server
from support.snapshots import fixture

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/contributing.md").read_text("utf-8")
BLOCK = re.compile(r"^( *)```(diff|python)\n(.*?)\n\1```$", re.MULTILINE | re.DOTALL)
NEW_FILE = re.compile(r"\*\*([\w./]+)\*\* is a new file:\s*$")
APPENDED = re.compile(r"At the end of `([\w./]+)`:\s*$")
COPIED = (
    *("joulo_exporter", "tests", "docs", "deploy", "grafana", "pyproject.toml", "Makefile", "LICENSE"),
    *(page.name for page in ROOT.glob("*.md")),
)
TESTS = (
    *("tests/cli/test_demo.py", "tests/config/test_bad_files.py", "tests/config/test_load.py", "tests/metrics"),
    *("tests/test_docs.py", "tests/test_docs_metrics.py"),
)

CHARGERS = fixture("chargers")
CHARGERS["chargers"][0]["max_current_a"] = 25
API = {
    "/chargers": CHARGERS,
    "/sessions": fixture("sessions"),
    "/energy": fixture("energy"),
    "/tariff": {"price_eur_per_kwh": 0.31},
}


def apply_diff(copy: Path, diff: str) -> None:
    """Change a file as a diff of the page says: each hunk must fit in exactly one place."""
    head, *hunks = diff.split("\n@@\n")
    path = copy / head.removeprefix("+++ ")
    text = path.read_text("utf-8")
    for hunk in hunks:
        lines = hunk.split("\n")
        before = "\n".join(line[1:] for line in lines if not line.startswith("+")) + "\n"
        after = "\n".join(line[1:] for line in lines if not line.startswith("-")) + "\n"
        assert text.count(f"\n{before}") == 1, f"{path.name} has not exactly one place for\n{before}"
        text = text.replace(f"\n{before}", f"\n{after}")
    path.write_text(text, "utf-8")


def apply_page(copy: Path) -> None:
    """Do all that the page says."""
    blocks = list(BLOCK.finditer(PAGE))
    assert len(blocks) == PAGE.count("```diff") + PAGE.count("```python")
    for block in blocks:
        code, said = textwrap.dedent(block[0]).partition("\n")[2].removesuffix("```"), PAGE[: block.start()]
        if block[2] == "diff":
            apply_diff(copy, code.removesuffix("\n"))
        elif new := NEW_FILE.search(said):
            assert not (copy / new[1]).exists()
            (copy / new[1]).write_text(code, "utf-8")
        else:
            with (copy / APPENDED.search(said)[1]).open("a", encoding="utf-8") as file:
                file.write(f"\n\n{code}")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        if (ROOT / name).is_dir():  # bytecode comes and goes while other tests run
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    apply_page(folder)
    return folder


def test_a_scrape_shows_the_new_gauges_with_their_values(copy, tmp_path):
    port = free_port()
    command = [
        sys.executable, "-P", "-m", "joulo_exporter", "--collector.tariff",
        f"--storage.path={tmp_path / 'ledger'}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    environment = {"JOULO_TOKEN": "joulo_abc", "PYTHONPATH": str(copy)}
    with (
        json_server(lambda path, _: (200, API[path])) as url,
        running(command, tmp_path / "log", environment | {"JOULO_API_URL": url}),
    ):
        wait_for("the exporter to be ready", lambda: get(f"http://127.0.0.1:{port}/-/ready"))
        scraped = get(f"http://127.0.0.1:{port}/metrics").decode().splitlines()
    assert 'joulo_charger_max_current_amperes{charger="oprit"} 25.0' in scraped
    assert "joulo_kwh_price_euros 0.31" in scraped
    assert not [line for line in scraped if line.startswith('joulo_charger_max_current_amperes{charger="garage')]
    assert 'joulo_api_unknown_fields{endpoint="chargers"} 0.0' in scraped


def test_the_tests_of_the_page_and_of_the_documentation_pass(copy):
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not e2e", "-p", "no:cacheprovider", *TESTS]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
