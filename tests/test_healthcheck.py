"""The health check of the container: signs of life, and faults."""

import contextlib
import socket
import ssl
import subprocess
import sys
import threading

import pytest

from joulo_exporter.healthcheck import main


@contextlib.contextmanager
def server(response, context=None):
    """Respond to every connection in the same way; yield the address."""

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection = listener.accept()[0]
                connection.settimeout(5)
                with connection, contextlib.suppress(OSError):
                    stream = context.wrap_socket(connection, server_side=True) if context else connection
                    stream.recv(4096)
                    stream.sendall(response)
                    stream.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def tls(certificates, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path("server.crt"), certificates.path("server.key"))
    context.minimum_version = context.maximum_version = version
    return context


@pytest.fixture
def fault_of(capsys):
    """Return a function that checks a URL, and returns the line of the fault; an empty one for none."""

    def check(url):
        status = main([url])
        line = capsys.readouterr().err
        assert status == bool(line)
        return line.removeprefix("healthcheck: ").removesuffix("\n")

    return check


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_any_status_below_500_is_a_sign_of_life(fault_of, status):
    with server(f"HTTP/1.1 {status}\r\n\r\n".encode()) as address:
        assert fault_of(f"http://{address}/-/healthy") == ""


@pytest.mark.parametrize("behind_tls", [False, True])
def test_a_status_of_500_or_more_is_a_fault(fault_of, certificates, behind_tls):
    context = tls(certificates) if behind_tls else None
    with server(b"HTTP/1.1 500 x\r\n\r\n", context) as address:
        assert fault_of(f"http://{address}") == "the exporter responds with status 500"


@pytest.mark.parametrize("response", [b"", b"SSH-2.0-OpenSSH_9.2 Debian\r\n", b"HTTP/1.1 2"])
def test_another_server_is_not_alive(fault_of, response):
    with server(response) as address:
        assert fault_of(f"http://{address}") == "neither HTTP nor TLS is spoken on this port"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("asks_for_a_certificate", [False, True])
def test_a_server_behind_tls_is_alive_whatever_its_certificate_and_whoever_it_lets_in(
    fault_of, certificates, scheme, version, asks_for_a_certificate
):
    context = tls(certificates, version)
    if asks_for_a_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.path("ca.crt"))
    with server(b"HTTP/1.1 401 Unauthorized\r\n\r\n", context) as address:
        assert fault_of(f"{scheme}://{address}/-/healthy") == ""


def test_a_port_without_a_server_and_a_silent_server_do_not_respond(fault_of, monkeypatch):
    monkeypatch.setattr("joulo_exporter.healthcheck._TIMEOUT_S", 0.05)
    with socket.socket() as taken, socket.create_server(("127.0.0.1", 0)) as silent:
        taken.bind(("127.0.0.1", 0))  # and not listening
        for listener, why in ((taken, "Connection refused"), (silent, "timeout")):
            port = listener.getsockname()[1]
            assert fault_of(f"http://127.0.0.1:{port}") == f"port {port} does not respond: {why}"


@pytest.mark.parametrize(
    "arguments",
    [["localhost:9973"], ["ftp://localhost"], ["http://"], ["http://localhost:x"], ["http://a:b@localhost"],
     ["http://localhost", "http://localhost"], ["http://localhost/a b"]],
)  # fmt: skip
def test_bad_usage_is_one_line_and_exit_status_2(arguments, capsys):
    assert main(arguments) == 2
    assert (
        capsys.readouterr().err == "healthcheck: write one URL, such as http://127.0.0.1:9973/-/healthy, or none\n"
    )


def test_it_starts_without_the_exporter_and_says_0_of_a_living_one():
    """A check twice a minute must not cost as much as the start of the exporter itself."""
    command = [sys.executable, "-X", "importtime", "-m", "joulo_exporter.healthcheck"]
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as address:
        ran = subprocess.run([*command, f"http://{address}"], capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "http.client" in loaded
    assert {"aiohttp", "asyncio", "msgspec", "yaml", "joulo_exporter.config"}.isdisjoint(loaded)
