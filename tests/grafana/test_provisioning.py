"""Provisioning of Grafana: the data source, and the dashboards of one language."""

import re
from pathlib import Path, PurePosixPath

import pytest
import yaml
from support import grafana
from support.served_metrics import strangers

ROOT = Path(__file__).parents[2]
PROVISIONING = ROOT / "deploy/grafana/provisioning"
MOUNTED = PurePosixPath("/var/lib/grafana/dashboards")
"""Where compose mounts the folder ``grafana``."""
# Keys of https://grafana.com/docs/grafana/latest/administration/provisioning/; others are ignored in silence.
PROVIDER = {"name", "orgId", "folder", "folderUid", "type", "disableDeletion", "updateIntervalSeconds",
            "allowUiUpdates", "options"}  # fmt: skip
DATASOURCE = {"name", "type", "access", "orgId", "uid", "url", "isDefault", "jsonData", "version", "editable"}
PROMETHEUS = {"timeInterval", "httpMethod", "manageAlerts", "alertmanagerUid", "prometheusType"}
ABSENT_ON_PURPOSE = {"joulo_total_kwh{vehicle}"}  # a choice of vehicles that matches no label is "All"


def read(name, kind):
    """Return the only entry of a file."""
    configured = yaml.safe_load((PROVISIONING / name).read_text(encoding="utf-8"))
    assert configured.keys() == {"apiVersion", kind}
    assert configured["apiVersion"] == 1
    (only,) = configured[kind]
    return only


def dashboards_in(path):
    """Return the dashboards that Grafana finds in a folder of the container: every .json below it."""
    return sorted((ROOT / "grafana" / PurePosixPath(path).relative_to(MOUNTED)).rglob("*.json"))


def test_the_provider_shows_the_english_dashboards_and_the_dutch_are_one_line_away():
    found = read("dashboards/joulo.yml", "providers")
    assert found.keys() <= PROVIDER
    assert found["type"] == "file"
    assert found["options"].keys() <= {"path", "foldersFromFilesStructure"}
    assert dashboards_in(found["options"]["path"]) == grafana.ENGLISH
    (dutch,) = re.findall(r"path: .*# in Dutch: (\S+)\n", (PROVISIONING / "dashboards/joulo.yml").read_text())
    assert dashboards_in(dutch) == sorted(set(grafana.FILES) - set(grafana.ENGLISH))


def test_the_data_source_is_as_grafana_documents_it_and_as_often_asked_as_scraped():
    found = read("datasources/prometheus.yml", "datasources")
    assert found.keys() <= DATASOURCE
    assert found["jsonData"].keys() <= PROMETHEUS
    assert (found["type"], found["access"], found["isDefault"]) == ("prometheus", "proxy", True)
    # Grafana computes its steps and $__rate_interval from it.
    scraping = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert found["jsonData"]["timeInterval"] == scraping["global"]["scrape_interval"]


@pytest.mark.parametrize("path", grafana.FILES, ids=lambda path: path.stem)
def test_every_metric_and_label_exists(path):
    dashboard = grafana.load(path)
    asked = [target["expr"] for panel in grafana.panels(dashboard) for target in panel["targets"]]
    asked += [mark["expr"] for mark in grafana.annotations(dashboard)]
    asked += [one["query"] for one in grafana.variables(dashboard)]
    assert set().union(*map(strangers, asked)) <= ABSENT_ON_PURPOSE
