"""Provisioning of Grafana: the data source, and the dashboards of one language."""

import re
from pathlib import Path, PurePosixPath

import pytest
import yaml
from support import grafana
from support.served_metrics import strangers

ROOT = Path(__file__).parents[2]
PROVISIONING = ROOT / "deploy/grafana/provisioning"
MOUNTS = {  # as compose mounts them: in the container, and in the repository
    PurePosixPath("/var/lib/grafana/dashboards"): ROOT / "grafana",
    PurePosixPath("/etc/grafana/provisioning"): PROVISIONING,
}
# The keys of https://grafana.com/docs/grafana/latest/administration/provisioning/. Others are ignored in silence.
PROVIDER_KEYS = {
    "name", "orgId", "folder", "folderUid", "type", "disableDeletion", "updateIntervalSeconds", "allowUiUpdates",
    "options",
}  # fmt: skip
DATASOURCE_KEYS = {
    "name", "type", "access", "orgId", "uid", "url", "user", "database", "basicAuth", "basicAuthUser",
    "withCredentials", "isDefault", "jsonData", "secureJsonData", "version", "editable",
}  # fmt: skip
PROMETHEUS_KEYS = {
    "timeInterval", "httpMethod", "customQueryParameters", "manageAlerts", "alertmanagerUid", "prometheusVersion",
    "prometheusType", "cacheLevel", "incrementalQuerying", "incrementalQueryOverlapWindow",
    "disableRecordingRules",
}  # fmt: skip
ABSENT_ON_PURPOSE = {"joulo_total_kwh{vehicle}"}  # a choice of vehicles that matches no label is "All"


def read(name):
    return yaml.safe_load((PROVISIONING / name).read_text(encoding="utf-8"))


def here(path):
    """Return where a path of the container is in the repository."""
    (mount,) = (mount for mount in MOUNTS if PurePosixPath(path).is_relative_to(mount))
    return MOUNTS[mount] / PurePosixPath(path).relative_to(mount)


def provider():
    configured = read("dashboards/joulo.yml")
    assert configured.keys() == {"apiVersion", "providers"}
    assert configured["apiVersion"] == 1
    (only,) = configured["providers"]
    return only


def test_the_provider_is_as_grafana_documents_it():
    found = provider()
    assert found.keys() <= PROVIDER_KEYS
    assert found["type"] == "file"
    assert found["options"].keys() <= {"path", "foldersFromFilesStructure"}


def test_it_shows_the_english_dashboards_and_no_others():
    """Grafana takes every .json below the folder."""
    assert sorted(here(provider()["options"]["path"]).rglob("*.json")) == grafana.ENGLISH


def test_the_other_language_is_one_line_away():
    line = next(
        line for line in (PROVISIONING / "dashboards/joulo.yml").read_text().splitlines() if "path:" in line
    )
    dutch = here(re.search(r"# in Dutch: (\S+)$", line)[1])
    assert sorted(dutch.rglob("*.json")) == sorted(set(grafana.FILES) - set(grafana.ENGLISH))


def test_the_data_source_is_as_grafana_documents_it():
    configured = read("datasources/prometheus.yml")
    assert configured.keys() == {"apiVersion", "datasources"}
    assert configured["apiVersion"] == 1
    (found,) = configured["datasources"]
    assert found.keys() <= DATASOURCE_KEYS
    assert found["jsonData"].keys() <= PROMETHEUS_KEYS
    assert (found["type"], found["access"], found["isDefault"]) == ("prometheus", "proxy", True)


def test_its_interval_is_that_of_the_scrapes():
    """Grafana computes its steps and $__rate_interval from it."""
    scraping = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    (found,) = read("datasources/prometheus.yml")["datasources"]
    assert found["jsonData"]["timeInterval"] == scraping["global"]["scrape_interval"]


def test_there_is_nothing_else():
    files = {path.relative_to(PROVISIONING).as_posix() for path in PROVISIONING.rglob("*") if path.is_file()}
    assert files == {"dashboards/joulo.yml", "datasources/prometheus.yml"}


@pytest.mark.parametrize("path", grafana.FILES, ids=lambda path: path.stem)
def test_every_metric_and_label_exists(path):
    dashboard = grafana.load(path)
    asked = [target["expr"] for panel in grafana.panels(dashboard) for target in panel["targets"]]
    asked += [mark["expr"] for mark in grafana.annotations(dashboard)]
    asked += [one["query"] for one in grafana.variables(dashboard)]
    assert set().union(*map(strangers, asked)) <= ABSENT_ON_PURPOSE
