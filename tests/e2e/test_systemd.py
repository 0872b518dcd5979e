"""The exporter as systemd runs it: its messages, sockets that are passed on, and the units themselves."""

import itertools
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from support import processes
from support.processes import EXPORTER, free_port, get, running, wait_for
from support.simulator import simulator

from joulo_exporter.cli.parser import make_parser

pytestmark = pytest.mark.e2e

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
PAGE = (Path(__file__).parents[2] / "docs" / "install" / "systemd.md").read_text()


@pytest.fixture
def environment():
    with simulator() as url:
        yield processes.environment(url)


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("notify")
        receiver.settimeout(20)
        yield receiver


def hear(receiver, pattern):
    """Return the next message that is no sign of life."""
    while (message := receiver.recv(4096).decode()) == "WATCHDOG=1":
        pass
    found = re.fullmatch(pattern, message)
    assert found, message
    return found


def test_start_reload_and_end(manager, environment, tmp_path):
    config = tmp_path / "joulo.yml"
    config.write_text("")
    flags = [f"--config.file={config}", "--storage.path=ledger", "--web.listen-address=127.0.0.1:0"]
    environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
    with running([*EXPORTER, *flags], tmp_path / "log", environment) as process:
        hear(manager, r"READY=1\nSTATUS=serving 1 account on 127\.0\.0\.1:\d+")
        assert [manager.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        before = time.monotonic_ns() // 1000
        process.send_signal(signal.SIGHUP)
        at = hear(manager, r"RELOADING=1\nMONOTONIC_USEC=(\d+)")
        assert before <= int(at[1]) <= time.monotonic_ns() // 1000
        hear(manager, r"READY=1\nSTATUS=serving 1 account on 127\.0\.0\.1:\d+")
        config.write_text("no_such_key: 1")
        process.send_signal(signal.SIGHUP)
        hear(manager, r"RELOADING=1\nMONOTONIC_USEC=\d+")
        hear(manager, r"READY=1\nSTATUS=configuration not reloaded: see the log")
        process.terminate()
        hear(manager, r"STOPPING=1\nSTATUS=stopping")
        assert process.wait(timeout=20) == 0


def test_sockets_that_systemd_has_opened(environment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    port, path, log = free_port(), tmp_path / "web.sock", tmp_path / "log"
    # As systemd passes them, at the first connection.
    passed = [option for name, value in environment.items() for option in ("-E", f"{name}={value}")]
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "-l", str(path), *passed, *EXPORTER]
    with running([*command, "--storage.path=ledger", "--web.systemd-socket"], log):
        first = wait_for("the first scrape", lambda: get(f"http://127.0.0.1:{port}/metrics"))
        assert b"joulo_exporter_build_info" in first
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(path))
            client.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.0 200 OK\r\n")
    assert f"address=127.0.0.1:{port}" in log.read_text()
    assert path.exists(), "it is systemd's"


@pytest.fixture
def root(tmp_path):
    """A root folder with what the units name."""
    shutil.copytree(UNITS, tmp_path / "etc/systemd/system")
    for program in (tmp_path / "opt/joulo-exporter/bin/joulo-exporter", tmp_path / "bin/kill"):
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    return tmp_path


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], check=False, capture_output=True, text=True, timeout=20)


def test_the_units_are_valid(root):
    names = [unit.name for unit in UNITS.iterdir()]
    done = analyze("verify", "--recursive-errors=no", f"--root={root}", *names)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_is_hardly_exposed():
    done = analyze("security", "--offline=true", "--threshold=15", str(UNITS / "joulo-exporter.service"))
    assert done.returncode == 0, done.stdout  # 1.5 at most


def test_the_flags_of_the_units_exist():
    text = PAGE + "".join(unit.read_text() for unit in UNITS.iterdir())
    flags = set(re.findall(r"(--(?:web|config|storage|log)\.[a-z.-]+[a-z])", text))
    assert "--web.systemd-socket" in flags
    assert flags <= set(re.findall(r"--[a-z.-]+", make_parser().format_help()))


def test_the_page_s_check_is_the_service_s_user_on_the_service_s_ledger(root):
    """So that what it asks the API is not asked again by the service; and root makes no folder for a ledger."""
    command = re.search(r"systemd-run (.+?[^\\])\n", PAGE, re.DOTALL)[1].replace("\\\n", " ").split()
    properties = [value for flag, value in itertools.pairwise(command) if flag == "-p"]
    service = (UNITS / "joulo-exporter.service").read_text().splitlines()
    assert [line for line in properties if line not in service] == ["User=joulo-exporter"]
    assert "StateDirectory=joulo-exporter" in properties
    (name,) = [flag.removeprefix("--unit=") for flag in command if flag.startswith("--unit=")]
    assert f"JOULO_TOKEN_FILE=/run/credentials/{name}.service/token" in command
    assert f"ExecStart={command[-2]} $JOULO_FLAGS" in service
    unit = "\n".join(["[Service]", *properties, f"ExecStart={command[-2]} {command[-1]}"])
    (root / f"etc/systemd/system/{name}.service").write_text(f"{unit}\n")
    done = analyze("verify", "--recursive-errors=no", f"--root={root}", f"{name}.service")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_installs_what_is_locked():
    installs = re.findall(r"bin/pip install (.+)", PAGE)
    assert installs == ["--require-hashes -r requirements.lock", "--no-deps ."] * 2
