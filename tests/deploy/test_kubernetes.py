"""deploy/kubernetes, and its page: valid, hardened, consistent with itself, the exporter and what is shipped."""

import re
import runpy
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from support.kustomize import container_of, one, render, renderers

from joulo_exporter import __version__
from joulo_exporter.cli.commands import given_shard
from joulo_exporter.cli.parser import make_parser
from joulo_exporter.config.schema import load_config
from joulo_exporter.metrics import FAMILIES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())
RENDERERS = renderers()
# The oldest that the vendor of Kubernetes may still be found on, and the newest whose schemas there are.
VERSIONS = ["1.27", kubernetes_validate.latest_version()]
NAME = {"app.kubernetes.io/name": "joulo-exporter"}
PAGE = (ROOT / "docs/install/kubernetes.md").read_text()


def rendered(name, renderer=render):
    return renderer(FOLDER / "overlays" / name)


@pytest.fixture(scope="module", params=RENDERERS, ids=lambda renderer: renderer.__name__)
def renderer(request):
    return request.param


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request, renderer):
    return rendered(request.param, renderer)


@pytest.mark.parametrize("name", OVERLAYS)
def test_all_renderers_agree_on_what_kubectl_can_apply(name):
    def key(thing):
        return thing["kind"], thing["metadata"]["name"]

    first, *others = [sorted(rendered(name, renderer), key=key) for renderer in RENDERERS]
    # What kubectl applied last is an annotation, of at most 262144 bytes with all others.
    assert all(len(yaml.safe_dump(thing)) < 250_000 for thing in first)
    assert len(first) >= 5
    assert all(other == first for other in others)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_it(overlay, version):
    for thing in overlay:
        if not thing["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(thing, version, strict=True)


def test_nothing_is_allowed_that_is_not_needed(overlay):
    pod = one(overlay, "StatefulSet")["spec"]["template"]["spec"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 9973, "runAsGroup": 9973, "fsGroup": 9973,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert container_of(overlay)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert one(overlay, "ServiceAccount")["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()


def test_the_exporter_takes_its_flags_and_its_configuration(overlay, tmp_path):
    container = container_of(overlay)
    options = make_parser().parse_args(container["args"])
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(options.storage_path) == mounts["data"]
    assert str(options.config_file) == f"{mounts['config']}/joulo.yml"
    file = tmp_path / "joulo.yml"
    file.write_text(one(overlay, "ConfigMap")["data"]["joulo.yml"])
    (account,) = load_config(file, {}).accounts
    secret = yaml.safe_load((FOLDER / "secret.example.yaml").read_text())
    assert str(account.token.path) == f"{mounts['tokens']}/{next(iter(secret['stringData']))}"
    volumes = one(overlay, "StatefulSet")["spec"]["template"]["spec"]["volumes"]
    assert {volume["name"] for volume in volumes} | {"data"} == mounts.keys()
    assert volumes[1]["secret"] == {"secretName": secret["metadata"]["name"], "defaultMode": 0o440}


def test_every_pod_finds_its_shard(overlay, monkeypatch):
    sets = one(overlay, "StatefulSet")
    container = container_of(overlay)
    (variable,) = container["env"]
    assert variable == {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    options = make_parser().parse_args(container["args"])
    replicas = sets["spec"]["replicas"]
    assert replicas == (3 if "--total-shards=3" in container["args"] else 1)
    assert [claim["metadata"]["name"] for claim in sets["spec"]["volumeClaimTemplates"]] == ["data"]
    pods = [f"{sets['metadata']['name']}-{ordinal}" for ordinal in range(replicas)]
    for ordinal, pod in enumerate(pods):
        monkeypatch.setenv("POD_NAME", pod)
        shard = given_shard(options)
        assert (shard.ordinal, shard.total) == (ordinal, replicas)


def test_ports_paths_and_selectors_lead_somewhere(overlay):
    sets, service = one(overlay, "StatefulSet"), one(overlay, "Service")
    container = container_of(overlay)
    assert container["ports"] == [{"name": "metrics", "containerPort": 9973}]
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "startup": "/-/healthy", "liveness": "/-/healthy", "readiness": "/-/ready",
    }  # fmt: skip
    ports = [service["spec"]["ports"][0]["targetPort"], *(probe["port"] for probe in probes.values())]
    policy = one(overlay, "NetworkPolicy")["spec"]
    assert [*ports, policy["ingress"][0]["ports"][0]["port"]] == ["metrics"] * 5
    labels = sets["spec"]["template"]["metadata"]["labels"]
    selectors = (sets["spec"]["selector"]["matchLabels"], service["spec"]["selector"])
    assert all(each == labels == NAME for each in (*selectors, policy["podSelector"]["matchLabels"]))
    assert sets["spec"]["serviceName"] == service["metadata"]["name"]
    account = sets["spec"]["template"]["spec"]["serviceAccountName"]
    assert account == one(overlay, "ServiceAccount")["metadata"]["name"]


def test_pods_that_are_not_ready_are_scraped_by_annotation_or_by_the_operator():
    assert one(rendered("plain"), "Service")["spec"]["publishNotReadyAddresses"] is True
    wanted = {"prometheus.io/scrape": "true", "prometheus.io/port": "9973", "prometheus.io/path": "/metrics"}
    for name, annotations in (("plain", wanted), ("sharded", wanted), ("prometheus-operator", {})):
        metadata = one(rendered(name), "StatefulSet")["spec"]["template"]["metadata"]
        assert metadata.get("annotations", {}) == annotations


def test_the_image_is_named_in_one_place_and_the_secret_in_no_overlay(overlay):
    (image,) = yaml.safe_load((FOLDER / "base/kustomization.yaml").read_text())["images"]
    assert container_of(overlay)["image"] == f"{image['newName']}:{__version__}"
    files = [path for path in FOLDER.rglob("*.yaml") if image["newName"] in path.read_text()]
    assert files == [FOLDER / "base/kustomization.yaml"]
    assert "Secret" not in {thing["kind"] for thing in overlay}
    secret = yaml.safe_load((FOLDER / "secret.example.yaml").read_text())
    kubernetes_validate.validate(secret, VERSIONS[-1], strict=True)


# Monitoring, and the page


def test_the_service_monitor_leads_to_the_service_and_renames_no_label_of_ours():
    objects = rendered("prometheus-operator")
    service, monitor = one(objects, "Service"), one(objects, "ServiceMonitor")["spec"]
    assert monitor["selector"] == {"matchLabels": service["metadata"]["labels"]}
    (scraped,) = monitor["endpoints"]
    assert (scraped["port"], scraped["path"]) == (service["spec"]["ports"][0]["name"], "/metrics")
    # What the operator adds would rename a label of ours of the same name to exported_….
    added = {"namespace", "service", "pod", "container", "endpoint", "job", "instance"}
    ours = {label for family in FAMILIES for label in family.labels} | {"account", "shard_ordinal"}
    assert scraped["relabelings"] == [{"action": "labeldrop", "regex": label} for label in added & ours]


def test_the_rules_are_the_shipped_ones():
    paths = sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
    groups = [group for path in paths for group in yaml.safe_load(path.read_text())["groups"]]
    assert one(rendered("prometheus-operator"), "PrometheusRule")["spec"] == {"groups": groups}


def test_what_is_generated_is_committed():
    generated = runpy.run_path(FOLDER / "generate.py")["generated"](ROOT)
    committed = {path: (ROOT / path).read_text() for path in generated}
    assert committed == generated, "run python deploy/kubernetes/generate.py"


def test_dashboards_are_config_maps_of_one_language(renderer):
    english, dutch = rendered("prometheus-operator", renderer), renderer(ROOT / "grafana/nl")
    for objects, language in ((english, "en"), (dutch, "nl")):
        maps = {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == "ConfigMap"}
        boards = list((ROOT / "grafana" / language).glob("*.json"))
        assert maps.keys() - {"joulo-exporter"} == {f"dashboard-{path.stem}" for path in boards}
        for path in boards:
            made = maps[f"dashboard-{path.stem}"]
            assert made["data"] == {path.name: path.read_text()}
            assert made["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_overlay_of_the_page_works(tmp_path, renderer):
    """The page's own kustomization.yaml, next to this repository; the page names every overlay."""
    assert [name for name in OVERLAYS if f"`deploy/kubernetes/overlays/{name}" not in PAGE] == []
    (text,) = re.findall(r"```yaml\n(apiVersion: kustomize.*?)```", PAGE, re.DOTALL)
    configuration = re.search(r"```yaml\n(accounts:.*?)```", PAGE, re.DOTALL)[1]
    (tmp_path / "joulo-exporter").symlink_to(ROOT)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(text)
    (mine / "joulo.yml").write_text(configuration)
    objects = renderer(mine)
    assert {thing["metadata"]["namespace"] for thing in objects} == {"monitoring"}
    assert container_of(objects)["image"] == f"registry.home.arpa/joulo-exporter:{__version__}"
    assert one(objects, "ConfigMap")["data"] == {"joulo.yml": configuration}
    tokens = [str(account.token.path) for account in load_config(mine / "joulo.yml", {}).accounts]
    assert tokens == ["/run/secrets/joulo/home", "/run/secrets/joulo/office"]
