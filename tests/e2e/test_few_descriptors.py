"""The real process at its limit of descriptors, under more silent connections than it can have."""

import contextlib
import resource
import shutil
import socket
import ssl
import time

import pytest
from support.processes import exporter, free_port, get
from support.simulator import simulator

pytestmark = pytest.mark.e2e

CLIENTS = 300
DESCRIPTORS = 64


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_scrapes_succeed_with_64_descriptors_and_the_log_stays_short(tmp_path, certificates, scheme):
    shutil.copytree(certificates.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    port, trusting = free_port(), ssl.create_default_context(cafile=certificates.path("ca.crt"))
    options = [f"--web.config.file={tmp_path / 'web.yml'}"] if scheme == "https" else []

    def scraped():
        return get(f"{scheme}://localhost:{port}/metrics", trusting=trusting)

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with simulator() as api_url, contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, limits[1]))  # the exporter inherits it
        try:
            stack.enter_context(exporter(tmp_path, api_url, port, *options, is_ready=scraped))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        silent = [stack.enter_context(socket.socket()) for _ in range(CLIENTS)]
        for client in silent:
            client.setblocking(False)  # noqa: FBT003  takes no keyword
            client.connect_ex(("127.0.0.1", port))
        began = time.monotonic()
        for _ in range(3):
            assert b"joulo_up" in scraped()
        assert time.monotonic() - began < 5
    log = (tmp_path / "exporter.log").read_text()
    assert "Traceback" not in log
    assert len(log.splitlines()) < 20
