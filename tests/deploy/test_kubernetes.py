"""deploy/kubernetes: valid, hardened, consistent with itself and with the exporter."""

from __future__ import annotations

import kubernetes_validate
import pytest
import yaml
from support.kustomize import FOLDER, OVERLAYS, RENDERERS, container_of, one, rendered

from joulo_exporter import __version__
from joulo_exporter.cli.commands import given_shard
from joulo_exporter.cli.parser import make_parser
from joulo_exporter.config.schema import load_config

# The oldest that the vendor of Kubernetes may still be found on, and the newest whose schemas there are.
VERSIONS = ["1.27", kubernetes_validate.latest_version()]
NAME = {"app.kubernetes.io/name": "joulo-exporter"}


@pytest.fixture(params=RENDERERS, ids=lambda renderer: renderer.__name__)
def renderer(request):
    return request.param


@pytest.fixture(params=sorted(OVERLAYS))
def overlay(request, renderer):
    return rendered(request.param, renderer)


def test_the_overlays():
    assert sorted(OVERLAYS) == ["plain", "prometheus-operator", "sharded"]


@pytest.mark.parametrize("name", sorted(OVERLAYS))
def test_all_renderers_agree(name):
    def key(thing):
        return thing["kind"], thing["metadata"]["name"]

    first, *others = [sorted(rendered(name, renderer), key=key) for renderer in RENDERERS]
    assert len(first) >= 5
    assert all(other == first for other in others)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_it(overlay, version):
    for thing in overlay:
        if thing["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        kubernetes_validate.validate(thing, version, strict=True)


def test_the_validation_finds_a_spelling_mistake():
    policy = one(rendered("plain"), "NetworkPolicy")
    policy["spec"]["ingres"] = policy["spec"].pop("ingress")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(policy, VERSIONS[-1], strict=True)


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


def test_every_pod_finds_its_shard(overlay):
    sets = one(overlay, "StatefulSet")
    container = container_of(overlay)
    (variable,) = container["env"]
    assert variable == {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    options = make_parser().parse_args(container["args"])
    replicas = sets["spec"]["replicas"]
    pods = [f"{sets['metadata']['name']}-{ordinal}" for ordinal in range(replicas)]
    shards = [given_shard(options, {"POD_NAME": pod}) for pod in pods]
    assert [(shard.ordinal, shard.total) for shard in shards] == [(n, replicas) for n in range(replicas)]


def test_only_shards_are_several():
    counts = {name: one(rendered(name), "StatefulSet")["spec"]["replicas"] for name in OVERLAYS}
    assert counts == {"plain": 1, "prometheus-operator": 1, "sharded": 3}
    claims = [one(rendered(name), "StatefulSet")["spec"]["volumeClaimTemplates"] for name in OVERLAYS]
    assert [[claim["metadata"]["name"] for claim in each] for each in claims] == [["data"]] * 3


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
    selectors = (sets["spec"]["selector"]["matchLabels"], service["spec"]["selector"], policy["podSelector"]["matchLabels"])  # fmt: skip  # noqa: E501
    assert all(selector == labels == NAME for selector in selectors)
    assert sets["spec"]["serviceName"] == service["metadata"]["name"]
    assert (
        sets["spec"]["template"]["spec"]["serviceAccountName"]
        == one(overlay, "ServiceAccount")["metadata"]["name"]
    )


def test_pods_that_are_not_ready_are_scraped():
    assert one(rendered("plain"), "Service")["spec"]["publishNotReadyAddresses"] is True


def test_annotations_lead_to_the_metrics():
    for name, annotated in (("plain", True), ("sharded", True), ("prometheus-operator", False)):
        metadata = one(rendered(name), "StatefulSet")["spec"]["template"]["metadata"]
        wanted = {"prometheus.io/scrape": "true", "prometheus.io/port": "9973", "prometheus.io/path": "/metrics"}
        assert metadata.get("annotations", {}) == (wanted if annotated else {})


def test_the_image_is_named_in_one_place(overlay):
    (image,) = yaml.safe_load((FOLDER / "base/kustomization.yaml").read_text())["images"]
    assert image["newTag"] == __version__
    assert container_of(overlay)["image"] == f"{image['newName']}:{__version__}"
    files = [path for path in FOLDER.rglob("*.yaml") if image["newName"] in path.read_text()]
    assert files == [FOLDER / "base/kustomization.yaml"]


def test_the_secret_is_in_no_overlay(overlay):
    assert "Secret" not in {thing["kind"] for thing in overlay}
    secret = yaml.safe_load((FOLDER / "secret.example.yaml").read_text())
    kubernetes_validate.validate(secret, VERSIONS[-1], strict=True)
