"""The health check of the container: signs of life, and faults."""

import asyncio
import socket
import subprocess
import sys

import pytest
from support.certificates import server_tls
from support.loopback import talking
from support.simulator import in_thread
from support.web import serving

from joulo_exporter.healthcheck import main


def server(response):
    """Respond to every connection in the same way; yield the port."""

    async def talk(reader, writer):
        await reader.read(4096)
        writer.write(response)

    return in_thread(talking(talk))


@pytest.fixture
def fault_of(capsys):
    """Return a function that checks a URL, and returns the line of the fault; an empty one for none."""

    def check(url):
        status = main([url])
        line = capsys.readouterr().err
        assert status == bool(line)
        return line.removeprefix("healthcheck: ").removesuffix("\n")

    return check


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.1 499 x\r\n\r\n", ""),
        (b"HTTP/1.1 500 x\r\n\r\n", "the exporter responds with status 500"),
        (b"", ""),
        (b"SSH-2.0-OpenSSH_9.2 Debian\r\n", "something else than HTTP is spoken on port {}"),
        (b"HTTP/1.1 2", "something else than HTTP is spoken on port {}"),
    ],
)
def test_a_status_below_500_or_the_end_of_the_connection_is_a_sign_of_life(fault_of, response, fault):
    with server(response) as port:
        assert fault_of(f"http://127.0.0.1:{port}/-/healthy") == fault.format(port)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
@pytest.mark.parametrize("asks_for_a_certificate", [False, True])
async def test_an_exporter_behind_tls_is_alive_whatever_its_certificate_and_whoever_it_lets_in(
    fault_of, certificates, scheme, version, asks_for_a_certificate
):
    keys = {"min_version": version, "max_version": version}
    if asks_for_a_certificate:
        keys |= {"client_auth_type": "RequireAndVerifyClientCert", "client_ca": certificates.text("ca.crt")}
    async with serving(tls=server_tls(certificates, **keys)) as address:
        assert await asyncio.to_thread(fault_of, f"{scheme}://{address}") == ""


def test_a_port_without_a_server_and_a_silent_server_do_not_respond(fault_of, monkeypatch):
    monkeypatch.setattr("joulo_exporter.healthcheck._TIMEOUT_S", 0.05)
    with socket.socket() as taken, socket.create_server(("127.0.0.1", 0)) as silent:
        taken.bind(("127.0.0.1", 0))  # and not listening
        for listener, why in ((taken, "Connection refused"), (silent, "timeout")):
            port = listener.getsockname()[1]
            assert fault_of(f"http://127.0.0.1:{port}") == f"port {port} does not respond: {why}"


@pytest.mark.parametrize(
    "arguments",
    [["localhost:9973"], ["ftp://localhost"], ["http://"], ["http://localhost:x"],
     ["http://localhost", "http://localhost"], ["http://localhost/a b"], ["http://exporter..lan"]],
)  # fmt: skip
def test_bad_usage_is_one_line_and_exit_status_2(arguments, capsys):
    assert main(arguments) == 2
    example = "http://127.0.0.1:9973/-/healthy"
    assert capsys.readouterr().err == f"healthcheck: write one URL, such as {example}, or none\n"


def test_it_starts_without_the_exporter_and_says_0_of_a_living_one():
    """A check twice a minute must not cost as much as the start of the exporter itself."""
    command = [sys.executable, "-X", "importtime", "-m", "joulo_exporter.healthcheck"]
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        ran = subprocess.run([*command, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "http.client" in loaded
    assert {"aiohttp", "asyncio", "msgspec", "yaml", "joulo_exporter.config"}.isdisjoint(loaded)
