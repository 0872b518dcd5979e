"""A short version of ``make abuse``: what must hold on any machine, however slow."""

import contextlib
import resource
import shutil
import socket
import sys
import time

import pytest
from abuse.victim import victim
from support.certificates import client_tls
from support.processes import exporter, free_port, get
from support.simulator import simulator

pytestmark = pytest.mark.e2e

SECONDS = 0.3
CEILING_MIB = 160
"""Idle it takes 46, at the worst of docs/robustness.md 86; without a bound it takes far more."""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    with victim(tmp_path_factory.mktemp("victim")) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "clients", "endings"),
    [
        ("silent", 700, {"held", "closed"}),
        ("slow_head", 700, {"held", "closed"}),
        ("slow_body", 700, {"held", "closed"}),
        ("slow_reader", 50, {"held", "gone", "closed"}),
        ("half_closed", 100, {"left", "gone", "closed"}),
        ("pipeliner", 20, {"closed"}),
        ("huge_head", 10, {"closed", "held"}),
        ("huge_url", 10, {"closed", "held"}),
    ],
)
def test_scrapes_go_on(attacked, name, clients, endings):
    outcome = attacked.attacked(name, clients, SECONDS)
    assert outcome.failed == []
    assert outcome.latencies_s
    assert outcome.endings
    assert set(outcome.endings) <= endings
    assert outcome.peak_mib < CEILING_MIB


def test_an_attack_that_works_is_noticed(attacked):
    """A process that stops the exporter, so that the test above can fail."""
    stop = f"import os, time; os.kill({attacked.pid}, 19); time.sleep(0.8); os.kill({attacked.pid}, 18)"
    assert attacked.besieged(sys.executable, "-c", stop).latency_ms(1.0) > 500


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_scrapes_succeed_with_64_descriptors_and_the_log_stays_short(tmp_path, certificates, scheme):
    """There are more silent connections than the process can have."""
    shutil.copytree(certificates.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    port, trusting = free_port(), client_tls(certificates)
    options = [f"--web.config.file={tmp_path / 'web.yml'}"] if scheme == "https" else []

    def scraped():
        return get(f"{scheme}://localhost:{port}/metrics", trusting=trusting)

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with simulator() as api_url, contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))  # the exporter inherits it
        try:
            stack.enter_context(exporter(tmp_path, api_url, port, *options, is_ready=scraped))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for _ in range(300):
            silent = stack.enter_context(socket.socket())
            silent.setblocking(False)  # noqa: FBT003  takes no keyword
            silent.connect_ex(("127.0.0.1", port))
        began = time.monotonic()
        for _ in range(3):
            assert b"joulo_up" in scraped()
        assert time.monotonic() - began < 5
    log = (tmp_path / "exporter.log").read_text()
    assert "Traceback" not in log
    assert len(log.splitlines()) < 20
