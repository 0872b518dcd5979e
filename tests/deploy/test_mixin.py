"""The mixin: rendered by jsonnet, it is the shipped YAML, and can be configured."""

import json
from pathlib import Path

import _jsonnet
import pytest
import yaml
from support.programs import GENERATIONS

ROOT = Path(__file__).parents[2]
MIXIN = ROOT / "deploy/mixin/mixin.libsonnet"


def rendered(field, config="{}"):
    snippet = f"((import '{MIXIN}') + {{ _config+:: {config} }}).{field}"
    return json.loads(_jsonnet.evaluate_snippet("mixin", snippet))


def shipped(*names):
    paths = [ROOT / f"deploy/prometheus/rules/{name}.yml" for name in names]
    return {"groups": [group for path in paths for group in yaml.safe_load(path.read_text())["groups"]]}


@pytest.mark.parametrize(
    ("field", "files", "config"),
    [
        ("prometheusAlerts", ("joulo-sessions", "joulo-health"), "{}"),
        ("prometheusAlerts", ("joulo-sessions", "joulo-health", "optional/joulo-credits"), "{ optional: true }"),
        ("prometheusRules", ("joulo-recording",), "{}"),
    ],
)
def test_it_is_the_shipped_yaml(field, files, config):
    assert rendered(field, config) == shipped(*files)


def test_it_has_the_dashboards():
    boards = {path.name: json.loads(path.read_text()) for path in (ROOT / "grafana/en").glob("*.json")}
    assert rendered("grafanaDashboards") == boards


def alerts(config):
    groups = rendered("prometheusAlerts", config)["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_selector_prefix_patch_and_omission():
    changed = alerts(
        """{ jouloSelector: 'job="ev"', runbookPrefix: 'https://example.org/', without: ['JouloSessionVeryLong'],
             alerts: { JouloChargerOffline: { 'for': '2h', labels+: { team: 'home' } } } }"""
    )
    usual = alerts("{}")
    assert usual.keys() - changed.keys() == {"JouloSessionVeryLong"}
    assert changed["JouloExporterDown"]["expr"] == 'up{job="ev"} == 0 or absent(up{job="ev"})'
    assert changed["JouloDataStale"]["annotations"]["runbook_url"] == (
        "https://example.org/docs/runbooks/JouloDataStale.md"
    )
    assert changed["JouloChargerOffline"]["for"] == "2h"
    assert changed["JouloChargerOffline"]["labels"] == {"severity": "warning", "team": "home"}
    assert changed["JouloChargerOffline"]["expr"] == usual["JouloChargerOffline"]["expr"]


@pytest.mark.e2e
def test_prometheus_takes_what_the_example_renders(tmp_path):
    files = json.loads(_jsonnet.evaluate_file(str(ROOT / "deploy/mixin/example.jsonnet")))
    # With -S, as the example says, each field is the text of a file.
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for generation in GENERATIONS:
        checked = generation.run("promtool", "check", "rules", *files, cwd=tmp_path)
        assert checked.returncode == 0, checked.stderr
    assert sorted(files) == ["joulo-alerts.yml", "joulo-rules.yml"]
