"""Monitoring by deploy/kubernetes, for Prometheus and Grafana, and its page."""

from __future__ import annotations

import importlib.util
import re
import shutil

import pytest
import yaml
from support.kustomize import FOLDER, OVERLAYS, RENDERERS, ROOT, container_of, one, rendered

from joulo_exporter import __version__
from joulo_exporter.config.schema import load_config
from joulo_exporter.metrics import FAMILIES

PAGE = (ROOT / "docs/install/kubernetes.md").read_text()
NAME = {"app.kubernetes.io/name": "joulo-exporter"}


def load_generator():
    spec = importlib.util.spec_from_file_location("generate_kubernetes", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=RENDERERS, ids=lambda renderer: renderer.__name__)
def renderer(request):
    return request.param


def test_the_service_monitor():
    objects = rendered("prometheus-operator")
    service = one(objects, "Service")
    assert one(objects, "ServiceMonitor")["spec"] == {
        "selector": {"matchLabels": service["metadata"]["labels"]},
        "endpoints": [
            {
                "port": service["spec"]["ports"][0]["name"],
                "path": "/metrics",
                "interval": "30s",
                "scrapeTimeout": "10s",
                "relabelings": [{"action": "labeldrop", "regex": "endpoint"}],
            }
        ],
    }
    # What the operator adds would rename a label of ours of the same name to exported_….
    added = {"namespace", "service", "pod", "container", "endpoint", "job", "instance"}
    ours = {label for family in FAMILIES for label in family.labels} | {"account", "shard_ordinal"}
    assert added & ours == {"endpoint"}


@pytest.mark.e2e
def test_the_rules_are_the_shipped_ones():
    rule = one(rendered("prometheus-operator"), "PrometheusRule")
    assert rule["spec"].keys() == {"groups"}
    paths = sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
    assert rule["spec"]["groups"] == [
        group for path in paths for group in yaml.safe_load(path.read_text())["groups"]
    ]


@pytest.mark.e2e
def test_prometheus_takes_the_rules(generation):
    rule = one(rendered("prometheus-operator"), "PrometheusRule")
    checked = generation.run("promtool", "check", "rules", "/dev/stdin", input=yaml.safe_dump(rule["spec"]))
    assert (checked.returncode, checked.stderr) == (0, "")


def test_what_is_generated_is_committed():
    generated = load_generator().generated(ROOT)
    committed = {path: (ROOT / path).read_text() if (ROOT / path).exists() else None for path in generated}
    assert committed == generated, "run python deploy/kubernetes/generate.py"


def test_dashboards_become_config_maps(tmp_path, renderer):
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for name in ("en/joulo-charging", "en/joulo-sessions", "nl/joulo-charging-nl"):
        path = tmp_path / "grafana" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"title": "$$name"}\n')
    for path, text in load_generator().generated(tmp_path).items():
        (tmp_path / path).write_text(text)
    objects = renderer(tmp_path / "deploy/kubernetes/overlays/prometheus-operator")
    maps = {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == "ConfigMap"}
    assert maps.keys() == {"joulo-exporter", "dashboard-joulo-charging", "dashboard-joulo-sessions"}
    assert maps["dashboard-joulo-charging"]["metadata"]["labels"] == NAME | {"grafana_dashboard": "1"}
    assert maps["dashboard-joulo-charging"]["data"] == {"joulo-charging.json": '{"title": "$$name"}\n'}
    (dutch,) = renderer(tmp_path / "grafana/nl")
    assert dutch["metadata"]["name"] == "dashboard-joulo-charging-nl"


def test_kubectl_apply_can_hold_every_object():
    # What it applied last is an annotation, of at most 262144 bytes with all others.
    for name in OVERLAYS:
        assert all(len(yaml.safe_dump(thing)) < 250_000 for thing in rendered(name))


def test_the_overlay_of_the_page_works(tmp_path, renderer):
    """The page's own kustomization.yaml, next to a copy of this repository's deploy."""
    (text,) = re.findall(r"```yaml\n(apiVersion: kustomize.*?)```", PAGE, re.DOTALL)
    configuration = re.search(r"```yaml\n(accounts:.*?)```", PAGE, re.DOTALL)[1]
    shutil.copytree(ROOT / "deploy", tmp_path / "joulo-exporter/deploy")
    shutil.copytree(ROOT / "grafana", tmp_path / "joulo-exporter/grafana")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(text)
    (mine / "joulo.yml").write_text(configuration)
    objects = renderer(mine)
    assert {thing["metadata"]["namespace"] for thing in objects} == {"monitoring"}
    assert container_of(objects)["image"] == f"registry.home.arpa/joulo-exporter:{__version__}"
    assert one(objects, "ConfigMap")["data"] == {"joulo.yml": configuration}
    accounts = load_config(mine / "joulo.yml", {}).accounts
    assert [str(account.token.path) for account in accounts] == [
        "/run/secrets/joulo/home",
        "/run/secrets/joulo/office",
    ]


def test_the_page_names_every_overlay():
    assert [name for name in OVERLAYS if f"`deploy/kubernetes/overlays/{name}" not in PAGE] == []
