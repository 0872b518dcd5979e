"""The exporter as systemd runs it: its messages, sockets that are passed on, and the units themselves."""

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import processes
from support.processes import EXPORTER, free_port, get, running, simulator, wait_for

from joulo_exporter.cli.parser import make_parser

pytestmark = pytest.mark.e2e

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
PAGE = (Path(__file__).parents[2] / "docs" / "install" / "systemd.md").read_text()


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("api")) as url:
        yield url


@pytest.fixture
def environment(api):
    return processes.environment(api)


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
        process.send_signal(signal.SIGHUP)
        hear(manager, r"RELOADING=1\nMONOTONIC_USEC=\d+")
        hear(manager, r"READY=1\nSTATUS=serving 1 account on 127\.0\.0\.1:\d+")
        config.write_text("no_such_key: 1")
        process.send_signal(signal.SIGHUP)
        hear(manager, r"RELOADING=1\nMONOTONIC_USEC=\d+")
        hear(manager, r"READY=1\nSTATUS=configuration not reloaded: see the log")
        process.terminate()
        hear(manager, r"STOPPING=1\nSTATUS=stopping")
        assert process.wait(timeout=20) == 0


STUCK = """
import asyncio, os, time
from joulo_exporter.systemd import Notifier

async def main():
    notifier = Notifier(os.environ)
    watching = asyncio.create_task(notifier.watch(lambda: True))
    await asyncio.sleep(0.2)
    notifier.stopping()
    time.sleep(0.3)
    watching.cancel()

asyncio.run(main())
"""


def test_a_stuck_loop_gives_no_sign_of_life(manager, tmp_path):
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
    environment.pop("WATCHDOG_PID", None)
    subprocess.run([sys.executable, "-c", STUCK], env=environment, check=True, timeout=20)
    manager.settimeout(0)
    messages = []
    with contextlib.suppress(BlockingIOError):
        while True:
            messages.append(manager.recv(4096))
    stuck = messages.index(b"STOPPING=1\nSTATUS=stopping")
    assert messages[:stuck].count(b"WATCHDOG=1") > 1
    assert messages[stuck + 1 :] == []


def activated(environment, *listen):
    """Return the command that passes sockets as systemd does, at the first connection."""
    passed = [option for name, value in environment.items() for option in ("-E", f"{name}={value}")]
    listens = [option for address in listen for option in ("-l", address)]
    flags = ["--storage.path=ledger", "--web.systemd-socket"]
    return ["systemd-socket-activate", *listens, *passed, *EXPORTER, *flags]


def test_sockets_that_systemd_has_opened(environment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    port, path, log = free_port(), tmp_path / "web.sock", tmp_path / "log"
    with running(activated(environment, f"127.0.0.1:{port}", str(path)), log):
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
    units, programs = tmp_path / "etc/systemd/system", [tmp_path / "opt/joulo-exporter/bin/joulo-exporter"]
    units.mkdir(parents=True)
    for unit in UNITS.iterdir():
        (units / unit.name).write_bytes(unit.read_bytes())
    for program in [*programs, tmp_path / "bin/kill"]:
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    return tmp_path


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], check=False, capture_output=True, text=True, timeout=20)


def test_the_units_are_valid(root):
    names = sorted(unit.name for unit in UNITS.iterdir())
    assert names == ["joulo-exporter.service", "joulo-exporter.socket"]
    done = analyze("verify", "--recursive-errors=no", f"--root={root}", *names)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_of_units_finds_a_mistake(root):
    unit = root / "etc/systemd/system/joulo-exporter.service"
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHouse="))
    done = analyze("verify", "--recursive-errors=no", f"--root={root}", "joulo-exporter.service")
    assert "'ProtectHouse'" in done.stderr


def test_the_service_is_hardly_exposed():
    done = analyze("security", "--offline=true", "--threshold=15", str(UNITS / "joulo-exporter.service"))
    assert done.returncode == 0, done.stdout
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)[1])
    assert exposure <= 1.5


def test_the_flags_of_the_units_exist():
    text = "".join(unit.read_text() for unit in UNITS.iterdir())
    text += PAGE
    usage = make_parser().format_help()
    flags = set(re.findall(r"(--(?:web|config|storage|log)\.[a-z.-]+[a-z])", text))
    assert flags
    assert {flag for flag in flags if flag not in usage} == set()


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
