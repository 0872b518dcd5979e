"""Objects of ``kubectl kustomize`` for a folder: by a renderer of our own, and by kubectl where there is one.

Ours knows just what deploy/kubernetes uses, and refuses the rest. Where kubectl is installed, a test compares.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

_KINDS = {"Kustomization": "kustomize.config.k8s.io/v1beta1", "Component": "kustomize.config.k8s.io/v1alpha1"}
_KEYS = {"apiVersion", "kind", "namespace", "resources", "components", "configMapGenerator", "generatorOptions",
         "patches", "images"}  # fmt: skip
_GENERATED_NAME = re.compile(r"(\bname: \S+)-[bcdfghkmt2456789]{10}$", re.MULTILINE)


def render(folder: Path) -> list[Object]:
    """Return the objects that a folder makes; generated names have no hash."""
    return _applied(folder, [])


def render_by_kubectl(folder: Path) -> list[Object]:
    """Return the same by the real program, without the hashes of generated names."""
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(_GENERATED_NAME.sub(r"\1", done.stdout)))


def renderers() -> list:
    """Return ours and, where a kubectl is installed that knows components, that; Debian 12 has an older one."""
    if shutil.which("kubectl") is None:
        return [render]
    told = subprocess.run(["kubectl", "version", "--client", "-o", "json"], capture_output=True, check=False)
    version = json.loads(told.stdout)["clientVersion"]
    is_usable = (int(version["major"]), int(version["minor"].rstrip("+"))) >= (1, 21)
    return [render, render_by_kubectl] if is_usable else [render]


def _applied(folder: Path, objects: list[Object]) -> list[Object]:
    """Return the objects after a kustomization; a component gets those of the one that uses it."""
    wanted = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert wanted["apiVersion"] == _KINDS[wanted["kind"]], folder
    assert wanted.keys() <= _KEYS, wanted.keys() - _KEYS
    for name in wanted.get("resources", ()):
        path = folder / name
        objects = objects + (render(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text())))
    labels = {"labels": wanted["generatorOptions"]["labels"]} if "generatorOptions" in wanted else {}
    for generator in wanted.get("configMapGenerator", ()):
        objects = _generated(folder, generator, labels, objects)
    for name in wanted.get("components", ()):
        objects = _applied(folder / name, objects)
    for patch in wanted.get("patches", ()):
        _patch(patch, objects)
    for image in wanted.get("images", ()):
        container = container_of(objects)
        assert container["image"].partition(":")[0] == image["name"]
        container["image"] = f"{image['newName']}:{image['newTag']}"
    for thing in objects:
        if "namespace" in wanted:
            thing["metadata"]["namespace"] = wanted["namespace"]
    assert all(len(found(objects, thing["kind"], thing["metadata"]["name"])) == 1 for thing in objects), folder
    return objects


def _generated(folder: Path, generator: Object, labels: Object, objects: list[Object]) -> list[Object]:
    assert generator.keys() <= {"name", "files", "behavior"}
    data = {Path(file).name: (folder / file).read_text() for file in generator["files"]}
    others = [thing for thing in objects if thing not in found(objects, "ConfigMap", generator["name"])]
    assert (len(others) < len(objects)) == (generator.get("behavior") == "replace"), generator
    metadata = {"name": generator["name"]} | labels
    return [*others, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}]


def _patch(patch: Object, objects: list[Object]) -> None:
    target = one(objects, **patch["target"])
    for step in yaml.safe_load(patch["patch"]):
        *way, last = step["path"].removeprefix("/").replace("~1", "/").split("/")
        place: Any = target
        for key in way:
            place = place[int(key) if isinstance(place, list) else key]
        if isinstance(place, list):
            assert (step["op"], last) == ("add", "-"), step
            place.append(step["value"])
        else:
            assert step["op"] == "add" or (step["op"] == "replace" and last in place), step
            place[last] = step["value"]


def found(objects: list[Object], kind: str, name: str) -> list[Object]:
    return [thing for thing in objects if (thing["kind"], thing["metadata"]["name"]) == (kind, name)]


def one(objects: list[Object], kind: str, name: str = "joulo-exporter") -> Object:
    """Return the only object of this kind and name."""
    (thing,) = found(objects, kind, name)
    return thing


def container_of(objects: list[Object]) -> Object:
    """Return the exporter's container."""
    (container,) = one(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    return container
