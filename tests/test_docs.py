"""The documentation and the code say the same: links, paths, flags, commands and configuration keys."""

import re
from pathlib import Path

import pytest
import yaml

from joulo_exporter.cli.parser import help_texts, make_parser
from joulo_exporter.config.schema import COLLECTORS, load_config
from joulo_exporter.errors import ConfigError
from joulo_exporter.metrics import FAMILIES

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])
README = (ROOT / "README.md").read_text("utf-8")
CONFIGURATION = (ROOT / "docs/configuration.md").read_text("utf-8")
CODE_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")
PATH = re.compile(r"`((?:docs|deploy|grafana|tests|joulo_exporter)/[\w./-]+)`")
FLAG = re.compile(r"--[a-z][a-z.-]*")
KEY = re.compile(r"`([a-z_.[\]]+)`")


def anchors(page: Path) -> set[str]:
    """Return the names that a heading gets on the page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of a table of the page on configuration."""
    table = CONFIGURATION.split(f"\n{heading}\n|---")[1].split("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]


def listed_keys() -> set[str]:
    """Return the keys of the page's table in full: of several in a row all but the first begin with a dot."""
    found = set()
    for cell, *_ in rows("| key | default | meaning |"):
        first, *others = KEY.findall(cell)
        found |= {first, *(first.rpartition(".")[0] + other for other in others)}
    return found


def known_keys(folder: Path, section: str) -> set[str]:
    """Return the keys that the configuration knows in a section, as its own error lists them."""
    name, content = section.removesuffix("[]"), {"zzzzzz": 1}
    if section:
        content = {name: content if name == section else [content]}
    path = folder / "joulo.yml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(ConfigError, match="unknown key; known here: ") as caught:
        load_config(path, {"JOULO_TOKEN": "joulo_abc"})
    names = str(caught.value).partition("known here: ")[2].split(", ")
    return {f"{section}.{name}".lstrip(".") for name in names}


def test_the_readme_and_the_changelog_are_short_and_begin_with_what_matters():
    assert len(README.split()) <= 1000
    opening = README.split("\n## ")[0]
    assert re.findall(r"^make (\w+) ", opening, re.MULTILINE) == ["demo", "test"]
    assert "](docs/images/" in opening
    listed = set(re.findall(r"^\| `(joulo_\w+)`", README, re.MULTILINE))
    assert len(listed) == 10
    assert listed <= {family.name for family in FAMILIES}
    assert (ROOT / "CHANGELOG.md").read_text("utf-8").count("\n- ") <= 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(page):
    text = page.read_text("utf-8")
    for path, anchor in LINK.findall(text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"
    assert [path for path in PATH.findall(text) if not (ROOT / path).exists()] == []


def test_every_page_is_linked_from_another():
    pages = set(ROOT.glob("docs/**/*.md"))
    for other in PAGES:
        pages -= {(other.parent / path).resolve() for path, _ in LINK.findall(other.read_text("utf-8"))} - {other}
    assert pages == set()
    assert len(PAGES) > 30


def test_the_page_lists_every_flag_and_command_and_none_that_is_gone():
    usage = {flag for flag in FLAG.findall(make_parser().format_usage()) if not flag.startswith("--no-")}
    listed = {flag for flags, *_ in rows("| flag | default | meaning |") for flag in FLAG.findall(flags)}
    collectors = {f"--collector.{name.replace('_', '-')}" for name in COLLECTORS}
    assert {*listed, *collectors, "--config.check"} == {*usage, "--help"}
    assert [flag for flag in collectors | {"--config.check"} if f"`{flag}`" not in CONFIGURATION] == []
    commands = CONFIGURATION.split("lists the commands: ")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", commands)) == help_texts()["commands"].keys()


def test_the_page_lists_every_key_and_none_that_is_gone(tmp_path):
    listed = listed_keys()
    sections = {key.rpartition(".")[0] for key in listed} - {""}
    top = {key for key in listed if "." not in key} | {section.removesuffix("[]") for section in sections}
    assert known_keys(tmp_path, "") == top
    known = set().union(*(known_keys(tmp_path, section) for section in sections))
    assert {key for key in listed if "." in key} == known


def test_the_example_of_a_configuration_is_one(tmp_path):
    path = tmp_path / "joulo.yml"
    path.write_text(re.search(r"```yaml\n(accounts:.*?)```", CONFIGURATION, re.DOTALL)[1], "utf-8")
    config = load_config(path, {})
    assert [account.name for account in config.accounts] == ["home"]
    assert config.tags.vehicles == {"DEADBEEF12345678": "tesla"}
