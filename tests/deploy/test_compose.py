"""The compose files: valid for both validators, hardened, pinned, and nothing in them is missing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from joulo_exporter import __version__

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
EVERY = ("compose.yaml", "compose.demo.yaml")
ONCE = {"history", "import"}
"""Services of the demo that end: their ends are what Prometheus waits for."""
PINNED = re.compile(r"[a-z/-]+:v?[0-9]+\.[0-9]+\.[0-9]+(@sha256:[0-9a-f]{64})?")


def compose(name):
    return yaml.safe_load((DEPLOY / name).read_text())


def services():
    return [(name, service, settings) for name in EVERY for service, settings in compose(name)["services"].items()]


def mounts(settings):
    """Return (what, where, options) of each volume."""
    return [tuple((volume + ":rw").split(":")[:3]) for volume in settings["volumes"]]


SCHEMA = (Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec")


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    "command", [(*SCHEMA,), pytest.param(("docker-compose", "config", "-q", "-f"), marks=pytest.mark.e2e)]
)
def test_the_specification_allows_it_and_compose_takes_it(command, name):
    ran = subprocess.run([*command, DEPLOY / name], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(("name", "service", "settings"), services())
def test_every_service_is_pinned_and_hardened(name, service, settings):
    assert PINNED.fullmatch(settings["image"]), settings["image"]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in settings.get("ports", ())), "it is open to the network"
    assert settings["restart"] == ("no" if service in ONCE else "unless-stopped")
    if service not in {*ONCE, "exporter"}:
        assert settings["healthcheck"]["test"][0] == "CMD"
    for what, where, options in mounts(settings):
        if what.startswith("."):
            assert (DEPLOY / what).exists(), f"{what} for {where}"
            assert options == "ro", what
        else:
            assert what in compose(name)["volumes"]


def test_the_exporter_is_this_version_built_from_here():
    exporter = compose("compose.yaml")["services"]["exporter"]
    assert exporter["image"] == f"joulo-exporter:{__version__}"
    assert (DEPLOY / exporter["build"] / "Dockerfile").is_file()
    assert exporter["pull_policy"] == "build", "else Compose asks a registry first for an image of this name"
    assert [where for _, where, _ in mounts(exporter)] == ["/data"]


def test_the_page_names_the_versions():
    page = (ROOT / "docs/install/compose.md").read_text()
    named = dict(re.findall(r"\b(Prometheus|Alertmanager|Grafana) (\d+\.\d+\.\d+)", page))
    every = {settings["image"] for _, _, settings in services()} - {f"joulo-exporter:{__version__}"}
    images = [image.split(":") for image in every]
    assert {(name.rpartition("/")[2].title(), tag.removeprefix("v")) for name, tag in images} == set(named.items())


def test_secrets_are_files_that_git_passes_over():
    declared = compose("compose.yaml")["secrets"]
    names = ("joulo-token", "grafana-password")
    assert declared == {name: {"file": f"./secrets/{name}"} for name in names}
    assert "deploy/secrets/**" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_demo_differs_only_in_data_and_secrets():
    ours, demo = (compose(name)["services"] for name in EVERY)
    assert demo["exporter"].pop("command") == ["demo", "--storage.path=/data"]
    for service in ONCE:
        del demo[service]
    assert demo["prometheus"]["depends_on"].pop("import") == {"condition": "service_completed_successfully"}
    del ours["exporter"]["environment"], ours["exporter"]["secrets"], ours["grafana"]["secrets"]
    del ours["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    del demo["grafana"]["environment"]["GF_AUTH_ANONYMOUS_ENABLED"]
    for settings in demo.values():
        settings["volumes"] = [volume.removeprefix("demo-") for volume in settings["volumes"]]
    assert demo == ours
    assert set(compose("compose.yaml")["volumes"]).isdisjoint(compose("compose.demo.yaml")["volumes"])


def test_the_demos_history_is_made_by_the_images_that_are_there_anyway():
    demo = compose("compose.demo.yaml")["services"]
    assert demo["history"]["image"] == demo["exporter"]["image"]
    assert demo["history"]["pull_policy"] == "never", "no registry is asked for it"
    assert demo["import"]["image"] == demo["prometheus"]["image"]
    assert set(demo["prometheus"]["volumes"]) & set(demo["import"]["volumes"]) == {"demo-prometheus:/prometheus"}
    (target,) = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text())["scrape_configs"]
    labels = f"--label job={target['job_name']} --label instance={target['static_configs'][0]['targets'][0]}"
    assert labels in demo["history"]["command"][0], "as Prometheus labels what it scrapes"


def test_promtool_gets_a_folder_for_its_temporary_files():
    page = (ROOT / "docs/install/compose.md").read_text()
    (command,) = re.findall(r"exec (.*)prometheus promtool tsdb", page)
    assert "TMPDIR=/prometheus" in command, "the root of the container is read-only"
    assert compose("compose.demo.yaml")["services"]["import"]["tmpfs"]


def test_prometheus_is_configured_as_without_containers_but_for_the_addresses():
    shipped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    text = (DEPLOY / "compose/prometheus.yml").read_text()
    addresses = r"\b(exporter|alertmanager)(?=:9)"
    assert set(re.findall(addresses, text)) == {"exporter", "alertmanager"}
    assert yaml.safe_load(re.sub(addresses, "localhost", text)) == shipped
