"""The example of a web configuration, and those of its page, work: for promtool and for the exporter."""

import re
import shutil
import ssl
from pathlib import Path

import pytest
import yaml

from joulo_exporter.web.config import load_web_config

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "web-config.example.yml"


def blocks_of_the_page():
    page = (ROOT / "docs" / "web-config.md").read_text("utf-8")
    return re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def example(certificates, tmp_path):
    """The example with all its comments made keys, and certificates at the paths that it names."""
    for source, name in (("server.crt", "joulo-exporter.crt"), ("server.key", "joulo-exporter.key"),
                         ("ca.crt", "prometheus-ca.crt")):  # fmt: skip
        shutil.copy(certificates.path(source), tmp_path / name)
    return Path(shutil.copy(EXAMPLE, tmp_path))


@pytest.mark.e2e
def test_promtool_accepts_it(generation, example):
    assert generation.said("promtool", "check", "web-config", example) == f"{example} SUCCESS\n"


def test_the_exporter_accepts_it_and_what_is_commented_out(example):
    config = load_web_config(example)
    assert config.context.verify_mode == ssl.CERT_NONE
    assert list(config.users) == ["prometheus"]
    example.write_text(re.sub(r"^  # (?=client_)", "  ", example.read_text(), flags=re.MULTILINE))
    assert load_web_config(example).context.verify_mode == ssl.CERT_REQUIRED


def test_the_page_shows_configurations_that_work(certificates, tmp_path):
    blocks = [block for block in blocks_of_the_page() if "scrape_configs" not in block]
    assert len(blocks) >= 2
    for block in blocks:
        for name in re.findall(r"_file: (\S+)", block):
            shutil.copy(certificates.path(f"server.{name[-3:]}"), tmp_path / name)
        (tmp_path / "web.yml").write_text(block)
        load_web_config(tmp_path / "web.yml")


@pytest.mark.e2e
def test_the_page_shows_a_prometheus_configuration_that_works(generation, certificates, tmp_path):
    (block,) = [block for block in blocks_of_the_page() if "scrape_configs" in block]
    for name in re.findall(r"_file: (\S+)", block):
        content = certificates.path("ca.crt") if name.endswith(".crt") else EXAMPLE
        block = block.replace(name, name.rpartition("/")[2])
        shutil.copy(content, tmp_path / name.rpartition("/")[2])
    (tmp_path / "prometheus.yml").write_text(block)
    assert yaml.safe_load(block)["scrape_configs"][0]["scheme"] == "https"
    generation.said("promtool", "check", "config", tmp_path / "prometheus.yml")
