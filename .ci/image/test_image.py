"""The image, run with what its configuration says: read-only, without root, on its default port."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import running, wait_for

ROOT = Path(os.environ["IMAGE_ROOT"])
CONFIG = json.loads(Path(os.environ["IMAGE_INSPECTED"]).read_text())["Docker"]["config"]
PYTHON = re.search(r"^ARG BASE=.*python:([0-9.]+)-", Path("Dockerfile").read_text(), re.MULTILINE)[1]
ENVIRONMENT = dict(variable.split("=", 1) for variable in CONFIG["Env"])
STOPS_WITHIN_S = 10
FETCH = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, 9973, 9973)
    return folder


@contextlib.contextmanager
def container(data, *arguments, **environment):
    """Run the image's entry point; yield the process that waits for it."""
    contain = (sys.executable, Path(__file__).with_name("contain.py"), ROOT, data, CONFIG["User"])
    command = ["unshare", "--mount", "--pid", "--net", "--fork", *contain, *CONFIG["Entrypoint"], *arguments]
    with running(command, data.parent / "log", ENVIRONMENT | environment) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                # By itself: the change of user has cleared what --kill-child had arranged.
                os.kill(inner(process), signal.SIGKILL)
                process.wait(timeout=STOPS_WITHIN_S)


def inner(process):
    """Return the id of the container's first process, as it is outside."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return int(wait_for("the container", lambda: children.read_text().split()[:1] or None)[0])


def execute(process, *command):
    """Run a command in the container, as its user."""
    uid, gid = CONFIG["User"].split(":")
    enter = ["nsenter", f"--target={inner(process)}", "--mount", "--pid", "--net", "--root", f"--setuid={uid}"]
    return subprocess.run(
        [*enter, f"--setgid={gid}", "--", *command], env=ENVIRONMENT, capture_output=True, check=False, timeout=30
    )


def page(process, path):
    """Wait until the exporter serves a path; return what it serves."""

    def look():
        return execute(process, "python", "-c", FETCH, f"http://127.0.0.1:9973{path}").stdout.decode()

    return wait_for(path, look)


def healthcheck(process):
    kind, *command = CONFIG["Healthcheck"]["Test"]
    assert kind == "CMD"
    return execute(process, *command)


def stop(process):
    os.kill(inner(process), signal.SIGTERM)
    return process.wait(timeout=STOPS_WITHIN_S)


def test_what_the_image_says_of_itself():
    assert CONFIG["User"] == "9973:9973"
    assert list(CONFIG["ExposedPorts"]) == ["9973/tcp"]
    assert list(CONFIG["Volumes"]) == ["/data"]
    assert CONFIG["Cmd"] == ["--storage.path=/data"]
    assert CONFIG["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_demo_serves_metrics_without_root_and_stops_at_sigterm(data):
    with container(data, "demo") as process:
        metrics = page(process, "/metrics")
        assert 'joulo_charging{charger="oprit"}' in metrics
        status = Path(f"/proc/{inner(process)}/status").read_text()
        assert "Uid:\t9973\t9973\t9973\t9973\n" in status
        assert "Gid:\t9973\t9973\t9973\t9973\n" in status
        assert "CapEff:\t0000000000000000\n" in status
        assert stop(process) == 0


def test_the_health_check_tells_a_living_exporter_from_none(data):
    with container(data, "demo") as process:
        page(process, "/metrics")
        assert healthcheck(process).returncode == 0
    elsewhere = ("python", "-m", "joulo_exporter.healthcheck", "http://127.0.0.1:9974")
    with container(data, "demo", "--web.listen-address=127.0.0.1:9974") as process:
        wait_for("another port", lambda: execute(process, *elsewhere).returncode == 0)
        assert healthcheck(process).returncode == 1


def test_only_the_volume_can_be_written(data):
    with container(data, "demo") as process:
        page(process, "/metrics")
        for folder in ("/", "/tmp", "/var/tmp", "/opt/joulo-exporter", "/etc"):
            assert b"Read-only file system" in execute(process, "touch", f"{folder}/x").stderr, folder
        assert execute(process, "touch", "/data/x").returncode == 0


@pytest.mark.parametrize("arguments", [CONFIG["Cmd"], []], ids=["default command", "no argument"])
def test_state_is_in_the_volume_and_found_by_the_other_commands(data, arguments):
    with container(data, *arguments, JOULO_TOKEN="joulo_x", JOULO_API_URL="http://127.0.0.1:1") as process:
        page(process, "/-/healthy")
        assert list(data.glob("*.sqlite*"))
        assert execute(process, "joulo-exporter", "sessions").returncode == 0
        assert stop(process) == 0


def test_no_installer_is_left_and_the_bytecode_is_there():
    site = ROOT / f"opt/joulo-exporter/lib/python{PYTHON}/site-packages"
    assert not list(site.glob("pip*"))
    assert list((site / "joulo_exporter/__pycache__").glob("service.*.pyc"))
    assert list((site / "aiohttp/__pycache__").glob("web.*.pyc"))
    assert not list((ROOT / "usr/local/bin").glob("pip*"))
    assert not list((ROOT / "usr/local/lib").glob("python3.*/site-packages/*")), "the base's own packages"
