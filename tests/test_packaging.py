"""Shipped files: the locks, the licences, the wheel, the sdist, the image's recipe."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from joulo_exporter import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CLASSIFIERS = "\n".join(PROJECT["project"]["classifiers"])
PYTHONS = tuple(re.findall(r"^Programming Language :: Python :: (3\.\d+)$", CLASSIFIERS, re.MULTILINE))
LOCKS = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "requirements-build.lock": PROJECT["build-system"]["requires"],
}
EVERY_LOCK = LOCKS | {"requirements-bom.lock": PROJECT["project"]["optional-dependencies"]["bom"]}
ENTRY = re.compile(r"([a-z0-9-]+)==([0-9.]+)(?: ; .+)? \\((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)\n")
ALLOWED = {"Apache-2.0", "Artistic-1.0-Perl", "BSD-2-Clause", "BSD-3-Clause", "MIT", "PSF-2.0"}


def locked(name):
    """Return package: version; every line of the lock belongs to an entry with at least one hash."""
    head, _, text = (ROOT / name).read_text().partition("\n")
    assert head.startswith("# ")
    assert "://" not in head + text  # it names no place to load from
    entries = [(match[1], match[2]) for match in ENTRY.finditer(text)]
    assert ENTRY.sub("", text) == ""
    assert len(dict(entries)) == len(entries)
    return dict(entries)


def needed(requirements):
    """Return the names of these packages and all that they need, on any supported Python on Linux."""
    environments = [{"python_version": at, "python_full_version": f"{at}.0", "extra": ""} for at in PYTHONS]
    found, waiting = set(), list(requirements)
    while waiting:
        requirement = Requirement(waiting.pop())
        name, marker = canonicalize_name(requirement.name), requirement.marker
        if name not in found and (marker is None or any(map(marker.evaluate, environments))):
            found.add(name)
            waiting += requires(name) or ()
    return found


def test_all_name_the_same_versions_of_python():
    assert PYTHONS == ("3.11", "3.12", "3.13", "3.14")
    oldest = PYTHONS[0]
    assert PROJECT["project"]["requires-python"] == f">={oldest}"
    assert PROJECT["tool"]["mypy"]["python_version"] == oldest
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    for page in ("README.md", "docs/install.md", "docs/install/pip.md", "docs/install/systemd.md"):
        assert f"Python {oldest}" in (ROOT / page).read_text(), page


def test_the_workflow_tests_every_python_and_fits_its_schema():
    path = ROOT / ".github/workflows/ci.yml"
    workflow = yaml.safe_load(path.read_text())
    assert tuple(workflow["jobs"]["unit"]["strategy"]["matrix"]["python"]) == PYTHONS
    tool = Path(sys.executable).with_name("check-jsonschema")
    command = [tool, "--builtin-schema", "vendor.github-workflows", path]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", EVERY_LOCK)
def test_the_lock_satisfies_pyproject_and_has_nothing_that_is_not_needed(name):
    versions = locked(name)
    for requirement in map(Requirement, EVERY_LOCK[name]):
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement
    if name in LOCKS:  # what writes the bill of materials is not installed here
        assert versions.keys() == needed(LOCKS[name])


def test_a_release_is_made_with_locked_programs_only():
    """A program that is not locked changes one day, and the bytes of the same commit with it."""
    folder = ROOT / ".ci/release"
    recipe = "".join((folder / name).read_text().replace("\\\n", " ") for name in ("make", "environment"))
    installs = [line for line in recipe.splitlines() if " install " in line]
    assert ["--require-hashes" in line for line in installs] == [True, True]
    used = set(re.findall(r"^tools \w+ (\S+)$", recipe, re.MULTILINE)) | {"requirements.lock"}
    assert used == EVERY_LOCK.keys()
    assert set(re.findall(r'"\$bin/([\w-]+)"', recipe)) == {"python"}
    audited = re.search(r"audit\.py (.+)", (ROOT / "Makefile").read_text())[1].split()
    assert audited == list(EVERY_LOCK)


def test_every_dependency_has_a_licence_that_goes_with_ours():
    page = (ROOT / "THIRD_PARTY_LICENSES.md").read_text()
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([0-9.]+) \| (.+) \|$", page, re.MULTILINE)
    assert {name: version for name, version, _ in rows} == locked("requirements.lock")
    for name, _, terms in rows:
        choices = [set(choice.split(" AND ")) for choice in terms.split(" OR ")]
        assert any(choice <= ALLOWED for choice in choices), f"{name}: {terms}"


def build(folder, source=ROOT):
    """Build wheel and sdist of a tree; return their paths."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("dist"))


def files(folder):
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts)
    }


def names(sdist):
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_the_wheel_has_the_package_and_no_more(built):
    about = f"joulo_exporter-{__version__}.dist-info"
    with zipfile.ZipFile(built[0]) as wheel:
        packed = set(wheel.namelist())
        entry_points = wheel.read(f"{about}/entry_points.txt").decode()
    assert {name for name in packed if not name.startswith(about)} == files("joulo_exporter")
    assert f"{about}/licenses/LICENSE" in packed
    assert "joulo-exporter = joulo_exporter.cli:main" in entry_points


def test_the_sdist_has_what_the_tests_need(built):
    wanted = {*("Dockerfile", ".dockerignore", ".gitignore", "Makefile", "CHANGELOG.md", "LICENSE", "README.md"),
              *("SECURITY.md", "THIRD_PARTY_LICENSES.md", "pyproject.toml", *EVERY_LOCK)}  # fmt: skip
    for folder in ("joulo_exporter", "tests", "docs", "grafana", ".ci", ".github"):
        wanted |= files(folder)
    wanted |= {name for name in files("deploy") if not name.startswith("deploy/secrets/")}
    assert wanted - names(built[1]) == set()


def test_no_secret_gets_into_the_sdist(tmp_path, built):
    """The sdist is built from what .gitignore leaves: a token in its place must not be in it."""
    # Not tarfile's extractall: its filter is missing before Python 3.11.4, and 3.12 warns where none is named.
    subprocess.run(["tar", "-xf", built[1], "-C", tmp_path], check=True)
    source = tmp_path / f"joulo_exporter-{__version__}"
    (source / "deploy/secrets/joulo-token").write_text("joulo_secret\n")
    (source / "deploy/secrets/alertmanager/ntfy-token").write_text("tk_secret\n")
    again = build(tmp_path / "dist", source)
    secrets = {name for name in names(again[1]) if name.startswith("deploy/secrets/")}
    assert secrets == {"deploy/secrets/README.md", "deploy/secrets/alertmanager/README.md"}
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built], "not reproducible"


def test_the_image_is_pinned_and_it_and_the_pages_on_installing_are_this_version():
    recipe = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^ARG VERSION=(.+)$", recipe, re.MULTILINE)[1] == __version__
    base = re.search(r"^ARG BASE=docker\.io/library/(python:(3\.[0-9]+)-slim-trixie)$", recipe, re.MULTILINE)
    assert base[2] in PYTHONS
    pages = recipe + (ROOT / "docs/install/docker.md").read_text()
    assert set(re.findall(r"python:[\w.-]+", pages)) == {base[1]}
    assert recipe.count("--require-hashes") == recipe.count("-r requirements")
    pages = "".join(path.read_text() for path in sorted((ROOT / "docs/install").glob("*.md")))
    named = re.findall(r"(?:joulo-exporter:|newTag: \")([0-9][0-9.]*)", pages)
    assert len(named) >= 5
    assert set(named) == {__version__}


def apt_install(folder, path, package):
    command = ["/bin/sh", ROOT / ".ci/apt-install", package]
    return subprocess.run(command, env={"PATH": f"{folder}{path}"}, check=False, capture_output=True, text=True)


def test_another_apt_is_waited_for(tmp_path):
    for name, text in (("id", "echo 0"), ("apt-get", f'echo "$@" >> {tmp_path / "asked"}')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    assert apt_install(tmp_path, ":/usr/bin:/bin", "curl").returncode == 0
    asked = (tmp_path / "asked").read_text()
    assert re.fullmatch(r"update .*\ninstall -y .* -o DPkg::Lock::Timeout=300 curl\n", asked)


def test_where_nothing_can_be_installed_the_command_is_printed(tmp_path):
    ran = apt_install(tmp_path, "", "python3-venv")
    assert ran.returncode == 1
    assert "    apt-get update && apt-get install --no-install-recommends python3-venv\n" in ran.stderr
