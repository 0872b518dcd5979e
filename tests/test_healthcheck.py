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
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, response, context))
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def serve(listener, response, context):
    with contextlib.suppress(OSError):
        while True:
            connection = listener.accept()[0]
            with connection, contextlib.suppress(OSError):
                respond(connection, response, context)


def respond(connection, response, context):
    connection.settimeout(5)
    if context is None:
        connection.recv(4096)
        connection.sendall(response)
        return
    with context.wrap_socket(connection, server_side=True) as wrapped:
        wrapped.recv(4096)
        wrapped.sendall(response)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "key.pem"]
    command = ["openssl", "req", "-x509", *key, "-out", folder / "cert.pem", "-subj", "/CN=elsewhere.example"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def tls(certificate, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
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


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "404 Not Found", "308 Permanent Redirect"])
def test_any_status_below_500_is_a_sign_of_life(fault_of, status):
    with server(f"HTTP/1.1 {status}\r\n\r\n".encode()) as address:
        assert fault_of(f"http://{address}/-/healthy") == ""


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize("behind_tls", [False, True])
def test_a_status_of_500_or_more_is_a_fault(fault_of, certificate, status, behind_tls):
    context = tls(certificate) if behind_tls else None
    with server(f"HTTP/1.1 {status} x\r\n\r\n".encode(), context) as address:
        assert fault_of(f"http://{address}") == f"the exporter responds with status {status}"


@pytest.mark.parametrize("response", [b"", b"SSH-2.0-OpenSSH_9.2 Debian\r\n", b"HTTP/1.1 2"])
def test_another_server_is_not_alive(fault_of, response):
    with server(response) as address:
        assert fault_of(f"http://{address}") == "neither HTTP nor TLS is spoken on this port"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("asks_for_a_certificate", [False, True])
def test_a_server_behind_tls_is_alive_whatever_its_certificate_and_whoever_it_lets_in(
    fault_of, certificate, scheme, version, asks_for_a_certificate
):
    context = tls(certificate, version)
    if asks_for_a_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate / "cert.pem")
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
