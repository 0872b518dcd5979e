"""Make what the Prometheus operator and Grafana's sidecar want from the rules and the dashboards.

Run it when one of those has changed: ``python deploy/kubernetes/generate.py``. A test compares.
"""

# ruff: noqa: INP001 (a script, no package)

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPONENT = Path("deploy/kubernetes/components/prometheus-operator")

_MADE_BY = "# Made by deploy/kubernetes/generate.py; do not edit.\n"
_RULE = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: joulo-exporter
  labels:
    app.kubernetes.io/name: joulo-exporter
spec:
  groups:
"""
_COMPONENT = """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
resources:
  - servicemonitor.yaml
  - prometheusrule.yaml
  - ../../../../grafana/en # in Dutch: ../../../../grafana/nl
"""
# Kustomize reads no file above its own folder, but it does read a folder with a kustomization anywhere. This one
# stands among the dashboards, and neither a copy of them nor a flag is needed.
_DASHBOARDS = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
generatorOptions:
  disableNameSuffixHash: true
  labels:
    app.kubernetes.io/name: joulo-exporter
    grafana_dashboard: "1"
configMapGenerator:
"""


def generated(root: Path) -> dict[Path, str]:
    """Return the text of each file that is made from others, by its path below the root.

    Args:
        root: of the repository.
    """
    files = {
        COMPONENT / "prometheusrule.yaml": _MADE_BY + _RULE + "".join(_groups(root)),
        COMPONENT / "kustomization.yaml": _MADE_BY + _COMPONENT,
    }
    for folder in ("grafana/en", "grafana/nl"):
        names = sorted(path.name for path in (root / folder).glob("*.json"))
        files[Path(folder) / "kustomization.yaml"] = _MADE_BY + _DASHBOARDS + "".join(map(_config_map, names))
    return files


def _groups(root: Path) -> list[str]:
    """Return the lines of all groups with their comments, indented to stand below ``spec.groups``."""
    lines: list[str] = []
    for path in sorted((root / "deploy/prometheus/rules").glob("*.yml")):
        head, found, body = path.read_text(encoding="utf-8").partition("groups:\n")
        if not found or any(line and not line.startswith("#") for line in head.splitlines()):
            sys.exit(f"{path}: expected comments, then `groups:`")
        comments = [f"    {line}\n" for line in head.splitlines() if line]
        lines += comments + [f"  {line}" if line.strip() else line for line in body.splitlines(keepends=True)]
    return lines


def _config_map(name: str) -> str:
    # joulo-exporter is the name of the exporter's own ConfigMap already.
    return f"  - name: dashboard-{name.removesuffix('.json')}\n    files: [{name}]\n"


if __name__ == "__main__":
    for path, text in generated(ROOT).items():
        (ROOT / path).write_text(text, encoding="utf-8")
